// SPDX-License-Identifier: GPL-2.0-only
/* Reading and setting marks, and whose container a task is in. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___marks
#include "marks.bpf.h"
#include "marks.h"
#include "read.bpf.h"

static const volatile struct enf_marks enf_no_marks = {};

/* Those that a process may have itself. */
static __always_inline __u64 enf_own_marks(const struct enf_image *image)
{
	return ~image->host_marks;
}

/* ---- Containers --------------------------------------------------------------------------- */

/*
 * The cgroup that stands for a container or a unit is the highest one that is no mere shelf: whoever is
 * in it can make others below, but cannot leave it. Shelves are slices, and what engines without
 * systemd put their containers in. What lies on shelves alone is in no container.
 */
#define ENF_SHELF_NAME 32

/*
 * Who is in a container can make cgroups below it. What lies deeper than one looks counts as in the highest cgroup that
 * one has seen, which shares no marks with the container, and that is open: so one looks farther than anybody's memory
 * for cgroups reaches.
 */
#define ENF_CGROUP_LEVELS (1 << 16)

struct enf_shelves {
	__u64 kn;
	__u64 found; /* the node */
	char name[ENF_SHELF_NAME];
};

#define ENF_WORD8(a, b, c, d, e, f, g, h)                                                          \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |   \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

static __always_inline int enf_is_shelf(const char *name, __u32 len)
{
	__u64 word = *(const __u64 *)name;

	switch (word) {
	case ENF_WORD8('k', 'u', 'b', 'e', 'p', 'o', 'd', 's'):
		return len == 8;
	case ENF_WORD8('b', 'u', 'r', 's', 't', 'a', 'b', 'l'): /* burstable */
		return len == 9;
	case ENF_WORD8('b', 'e', 's', 't', 'e', 'f', 'f', 'o'): /* besteffort */
		return len == 10;
	case ENF_WORD8('l', 'i', 'b', 'p', 'o', 'd', '_', 'p'): /* libpod_parent */
		return len == 13;
	case ENF_WORD8('d', 'o', 'c', 'k', 'e', 'r', 0, 0):
		return 1;
	case ENF_WORD8('l', 'x', 'c', 0, 0, 0, 0, 0):
		return 1;
	}
	/* pod and its uid, of 36 characters, which do not fit */
	return len >= ENF_SHELF_NAME - 1 &&
	       (word & 0xffffff) == ENF_WORD8('p', 'o', 'd', 0, 0, 0, 0, 0);
}

static long enf_shelf_one(__u32 i, void *arg)
{
	struct enf_shelves *c = arg;
	__u64 parent = enf_kernfs_parent(c->kn), name = 0, end = 0;
	long len;

	(void)i;
	if (!parent)
		return 1;
	enf_read(name, c->kn + enf_offset(struct kernfs_node, name));
	__builtin_memset(c->name, 0, sizeof(c->name));
	len = bpf_probe_read_kernel_str(c->name, sizeof(c->name), (const void *)name) - 1;
	if (len < 0)
		len = 0;
	if (!enf_is_shelf(c->name, len)) {
		/*
		 * Names of slices may be long: their end is read where it lies. What is known of the
		 * beginning is not needed any more, and the stack is shared with whoever records.
		 */
		long whole = len;

		if (len >= ENF_SHELF_NAME - 1) {
			for (int k = 1; k < 8; k++) {
				len = bpf_probe_read_kernel_str(
					c->name, sizeof(c->name),
					(const void *)(name + k * (ENF_SHELF_NAME - 1)));
				if (len <= 0)
					break;
				whole += len - 1;
				if (len < ENF_SHELF_NAME)
					break;
			}
		}
		if (whole >= 6)
			bpf_probe_read_kernel(&end, 6, (const void *)(name + whole - 6));
		if (end != ENF_WORD8('.', 's', 'l', 'i', 'c', 'e', 0, 0))
			c->found = c->kn;
	}
	c->kn = parent;
	return 0;
}

ENF_FN __u64 enf_container_of(__u64 kn)
{
	struct enf_shelves c = { .kn = kn };

	if (c.kn)
		bpf_loop(ENF_CGROUP_LEVELS, enf_shelf_one, &c, 0);
	return c.found;
}

static __always_inline __u64 enf_container(void)
{
	return enf_container_of(
		(__u64)BPF_CORE_READ(bpf_get_current_task_btf(), cgroups, dfl_cgrp, kn));
}

/* ---- Reading ------------------------------------------------------------------------------ */

/* Marks that are no one process's. */
static __always_inline void enf_recall_shared(struct enf_scratch *s, const struct enf_image *image)
{
	struct enf_marks *m;
	__u64 key = 0;

	if (image->host_marks) {
		m = bpf_map_lookup_elem(&shared_marks, &key);
		if (m)
			enf_take_marks(s, image, m, image->host_marks);
	}
	if (image->container_marks) {
		key = enf_node_id(enf_container());
		m = key ? bpf_map_lookup_elem(&shared_marks, &key) : NULL;
		if (m)
			enf_take_marks(s, image, m, image->container_marks);
	}
}

__attribute__((noinline)) int enf_recall(struct enf_scratch *s)
{
	const struct enf_image *image = enf_current_image();
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_marks *m;

	if (!s || !image)
		return 0;
	enf_begin_marks(s, image, bpf_ktime_get_boot_ns());
	m = bpf_task_storage_get(&marks, t->group_leader, NULL, 0);
	if (m)
		enf_take_marks(s, image, m, enf_own_marks(image));
	enf_recall_shared(s, image);
	return 0;
}

__attribute__((noinline)) int enf_recall_alone(struct enf_scratch *s)
{
	const struct enf_image *image = enf_current_image();
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_marks *m;

	if (!s || !image)
		return 0;
	enf_begin_marks(s, image, bpf_ktime_get_boot_ns());
	m = bpf_task_storage_get(&marks, t, NULL, 0);
	if (m)
		enf_take_marks(s, image, m, enf_own_marks(image));
	m = enf_passed();
	if (m)
		enf_take_marks(s, image, m, enf_own_marks(image));
	enf_recall_shared(s, image);
	return 0;
}

/* ---- Setting ------------------------------------------------------------------------------ */

struct enf_setting {
	struct enf_marks *marks;
	__u64 which;
	__u64 now;
};

static long enf_set_one(__u32 i, struct enf_setting *setting)
{
	if (i >= ENF_MAX_MARKS)
		return 1;
	if (setting->which & ENF_BIT(i))
		setting->marks->at[i] = setting->now;
	return 0;
}

static __always_inline void enf_set_marks(struct enf_marks *m, __u64 which, __u64 now)
{
	struct enf_setting setting = { .marks = m, .which = which, .now = now };

	bpf_loop(ENF_MAX_MARKS, enf_set_one, &setting, 0);
	m->newest = now;
}

struct enf_sweep {
	__u64 before;
};

#define ENF_SWEPT (~0ULL) /* as the newest: the entry is on its way out */

/* A cgroup that is gone is not online, or its node has become another's. Nobody is in it, nor ever will be. */
static __always_inline int enf_is_gone(__u64 kn, __u64 id)
{
	__u64 cgroup = 0;
	unsigned int flags = 0;

	if (!kn) /* being put in */
		return 0;
	enf_read(cgroup, kn + enf_offset(struct kernfs_node, priv));
	enf_read(flags, cgroup + enf_offset(struct cgroup, self.flags));
	return enf_node_id(kn) != id || !(flags & ENF_CSS_ONLINE);
}

static long enf_sweep_one(void *map, const __u64 *key, struct enf_marks *m, struct enf_sweep *sweep)
{
	__u64 newest = m->newest;

	if (!*key) /* the host's: one entry, whose marks may count for longer */
		return 0;
	/* Who sets a mark in it meanwhile sees that by this word. */
	if ((newest < sweep->before || enf_is_gone(m->aside, *key)) &&
	    __sync_val_compare_and_swap(&m->newest, newest, ENF_SWEPT) == newest)
		bpf_map_delete_elem(map, key);
	return 0;
}

/* Set those of the container in the cgroup at *kn*; 0: of the host. Returns: not 0 if they found no room. */
static __noinline int enf_set_shared(__u64 kn, __u64 which, __u64 now, __u64 longest)
{
	__u64 key = enf_node_id(kn);
	struct enf_marks *m = bpf_map_lookup_elem(&shared_marks, &key);
	struct enf_sweep sweep = {};

	if (!m &&
	    bpf_map_update_elem(&shared_marks, &key, (const void *)&enf_no_marks, BPF_NOEXIST)) {
		/* Full, or somebody was faster. What nobody asks about any more makes room. */
		sweep.before = now > longest ? now - longest : 0;
		bpf_for_each_map_elem(&shared_marks, enf_sweep_one, &sweep, 0);
		bpf_map_update_elem(&shared_marks, &key, (const void *)&enf_no_marks, BPF_NOEXIST);
	}
	if (!m)
		m = bpf_map_lookup_elem(&shared_marks, &key);
	if (!m || __sync_lock_test_and_set(&m->newest, now) == ENF_SWEPT)
		return 1;
	m->aside = kn;
	enf_set_marks(m, which, now);
	return 0;
}

/* What may be lost: returns 0 or -errno, see above. */
static __always_inline int enf_lost_marks(const struct enf_image *image, __u64 which)
{
	enf_count(ENF_STAT_MARK_LOST);
	return image->refuse_marks & which ? -ENF_EPERM : 0;
}

/* Set those of *which* that are shared, and take them out of it. Outside of containers, theirs are the process's. */
static __always_inline int enf_mark_shared(const struct enf_image *image, __u64 *which, __u64 now)
{
	__u64 host = *which & image->host_marks, container = *which & image->container_marks;
	__u64 kn = container ? enf_container() : 0;
	int error = 0;

	if (!kn)
		container = 0;
	*which &= ~(host | container);

	if (host && enf_set_shared(0, host, now, image->longest_ns))
		error = enf_lost_marks(image, host);
	if (container && enf_set_shared(kn, container, now, image->longest_ns))
		error = enf_lost_marks(image, container);
	return error;
}

__attribute__((noinline)) int enf_mark(struct enf_scratch *s, __u64 generation)
{
	const struct enf_image *image = enf_current_image();
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 now = bpf_ktime_get_boot_ns(), own;
	struct enf_process key = {};
	struct enf_marks *m;
	int error;

	if (!s || !image)
		return 0;
	own = s->verdict.marks;
	/* The number may be another mark's by now, so it is not set. Refused if a refusal hangs on that number, as below. */
	if (image->generation != generation)
		return enf_lost_marks(image, own);
	error = enf_mark_shared(image, &own, now);
	if (!own)
		return error;
	m = bpf_task_storage_get(&marks, t->group_leader, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!m)
		return enf_lost_marks(image, own);
	enf_set_marks(m, own, now);
	/* The mark first, then this look: see enf_exec_marks. An exchange is a barrier. */
	if (__sync_val_compare_and_swap(&m->aside, 2, 2)) {
		key.tgid = t->tgid;
		key.start_ns = BPF_CORE_READ(t, group_leader, start_boottime);
		if (bpf_map_update_elem(&passed_marks, &key, m, BPF_ANY))
			return enf_lost_marks(image, own);
	}
	return error;
}

__attribute__((noinline)) int enf_mark_alone(struct enf_scratch *s, __u64 generation)
{
	const struct enf_image *image = enf_current_image();
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 now = bpf_ktime_get_boot_ns(), own;
	struct enf_marks *m;

	if (!s || !image)
		return 0;
	if (image->generation != generation) {
		enf_count(ENF_STAT_MARK_LOST);
		return 0;
	}
	own = s->verdict.marks;
	enf_mark_shared(image, &own, now);
	if (!own)
		return 0;
	m = bpf_task_storage_get(&marks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (m)
		enf_set_marks(m, own, now);
	else
		enf_count(ENF_STAT_MARK_LOST); /* the exec cannot be refused any more */
	return 0;
}
