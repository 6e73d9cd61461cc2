/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marks: where they are kept, how long, and what fork and exec do to them. What they mean for a rule
 * is in decide.h.
 *
 * Those of a process and of a tree lie with its first thread, made when the first one is set: whichever
 * thread set it, all threads have it. Those of containers and of the host lie in one table of fixed size.
 *
 * A mark that finds no room (no memory, a full table) is counted. Its access is then refused if some
 * rule that refuses asks about the mark: else a deed that nobody remembers would be a way around.
 * Not having a mark is never an unknown: whatever was set can be read.
 */
#ifndef ENFORCER_MARKS_BPF_H
#define ENFORCER_MARKS_BPF_H

#include "task.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct enf_marks);
} marks __weak SEC(".maps");

/* By the id of the cgroup that holds a container; the host's by 0, which is not an id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct enf_marks);
} shared_marks __weak SEC(".maps");

/*
 * What other threads marked while one that is not the first execs: it becomes the first, and what the
 * old one had goes with that. A number may be used again, the pair is not. Entries that are pushed out
 * by 256 others in the moment of an exec are lost.
 */
struct enf_process {
	__u64 tgid;
	__u64 start_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, struct enf_process);
	__type(value, struct enf_marks);
} passed_marks __weak SEC(".maps");

static const volatile struct enf_marks enf_no_marks = {};

static __always_inline __u64 enf_own_marks(const struct enf_image *image)
{
	return ~(image->container_marks | image->host_marks);
}

/* ---- Containers --------------------------------------------------------------------------- */

/*
 * The cgroup that stands for a container or a unit is the highest one that is no mere shelf: whoever is
 * in it can make others below, but cannot leave it. Shelves are slices, and what engines without
 * systemd put their containers in.
 */
#define ENF_SHELF_NAME 32

struct enf_shelves {
	__u64 kn;
	__u64 found;
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
	__u64 parent = 0, name = 0, id = 0, end = 0;
	long len;

	(void)i;
	if (bpf_core_field_exists(((struct kernfs_node___rcu *)0)->__parent))
		enf_read(parent, c->kn + enf_offset(struct kernfs_node___rcu, __parent));
	else
		enf_read(parent, c->kn + enf_offset(struct kernfs_node, parent));
	if (!parent)
		return 1;
	enf_read(name, c->kn + enf_offset(struct kernfs_node, name));
	__builtin_memset(c->name, 0, sizeof(c->name));
	len = bpf_probe_read_kernel_str(c->name, sizeof(c->name), (const void *)name) - 1;
	if (len < 0)
		len = 0;
	enf_read(id, c->kn + enf_offset(struct kernfs_node, id));
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
			c->found = id;
	}
	c->kn = parent;
	return 0;
}

/* The id of the container that the cgroup at *kn* lies in; if in none, *id*, which is its own. */
static __noinline __u64 enf_container_of(__u64 kn, __u64 id)
{
	struct enf_shelves c = { .kn = kn, .found = id };

	if (c.kn)
		bpf_loop(256, enf_shelf_one, &c, 0);
	return c.found;
}

static __always_inline __u64 enf_container(void)
{
	__u64 kn = (__u64)BPF_CORE_READ(bpf_get_current_task_btf(), cgroups, dfl_cgrp, kn);

	return enf_container_of(kn, bpf_get_current_cgroup_id());
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
		key = enf_container();
		m = bpf_map_lookup_elem(&shared_marks, &key);
		if (m)
			enf_take_marks(s, image, m, image->container_marks);
	}
}

/* Take the marks of the current task into the decision. */
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

static __always_inline struct enf_marks *enf_passed(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_process key = { .tgid = t->tgid, .start_ns = t->start_boottime };

	return bpf_map_lookup_elem(&passed_marks, &key);
}

/*
 * The same at the end of an exec, when the current task is the only thread of its process, in a program
 * that sleeps: there the way to the first thread is not to be trusted.
 */
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

static long enf_sweep_one(void *map, const __u64 *key, struct enf_marks *m, struct enf_sweep *sweep)
{
	__u64 newest = m->newest;

	if (!*key) /* the host's: one entry, whose marks may count for longer */
		return 0;
	/* Who sets a mark in it meanwhile sees that by this word. */
	if (newest < sweep->before &&
	    __sync_val_compare_and_swap(&m->newest, newest, ENF_SWEPT) == newest)
		bpf_map_delete_elem(map, key);
	return 0;
}

/* Returns: not 0 if they found no room. */
static __noinline int enf_set_shared(__u64 key, __u64 which, __u64 now, __u64 longest)
{
	struct enf_marks *m = bpf_map_lookup_elem(&shared_marks, &key);
	struct enf_sweep sweep = {};

	if (!m &&
	    bpf_map_update_elem(&shared_marks, &key, (const void *)&enf_no_marks, BPF_NOEXIST)) {
		/* Full, or somebody was faster. What no rule asks about any more makes room. */
		sweep.before = now > longest ? now - longest : 0;
		bpf_for_each_map_elem(&shared_marks, enf_sweep_one, &sweep, 0);
		bpf_map_update_elem(&shared_marks, &key, (const void *)&enf_no_marks, BPF_NOEXIST);
	}
	if (!m)
		m = bpf_map_lookup_elem(&shared_marks, &key);
	if (!m || __sync_lock_test_and_set(&m->newest, now) == ENF_SWEPT)
		return 1;
	enf_set_marks(m, which, now);
	return 0;
}

/* What may be lost: returns 0 or -errno, see above. */
static __always_inline int enf_lost_marks(const struct enf_image *image, __u64 which)
{
	enf_count(ENF_STAT_MARK_LOST);
	return image->refuse_marks & which ? -ENF_EPERM : 0;
}

static __always_inline int enf_mark_shared(const struct enf_image *image, __u64 which, __u64 now)
{
	__u64 host = which & image->host_marks, container = which & image->container_marks;
	int error = 0;

	if (host && enf_set_shared(0, host, now, image->longest_ns))
		error = enf_lost_marks(image, host);
	if (container && enf_set_shared(enf_container(), container, now, image->longest_ns))
		error = enf_lost_marks(image, container);
	return error;
}

/*
 * Set the marks of the verdict in *s* for the current task, which *generation* decided: a number may mean
 * something else under another. Returns: 0, or -errno if the access must not happen.
 */
__attribute__((noinline)) int enf_mark(struct enf_scratch *s, __u64 generation)
{
	const struct enf_image *image = enf_current_image();
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 now = bpf_ktime_get_boot_ns(), own;
	struct enf_process key = {};
	struct enf_marks *m;
	int error;

	if (!s || !image || image->generation != generation)
		return 0; /* decided by an image that counts no more, and neither do its marks */
	error = enf_mark_shared(image, s->verdict.marks, now);
	own = s->verdict.marks & enf_own_marks(image);
	if (!own)
		return error;
	m = bpf_task_storage_get(&marks, t->group_leader, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!m)
		return enf_lost_marks(image, own);
	enf_set_marks(m, own, now);
	/* The mark first, then this look: see enf_exec_marks. An exchange is a barrier. */
	if (__sync_val_compare_and_swap(&m->executing, 2, 2)) {
		key.tgid = t->tgid;
		key.start_ns = BPF_CORE_READ(t, group_leader, start_boottime);
		if (bpf_map_update_elem(&passed_marks, &key, m, BPF_ANY))
			return enf_lost_marks(image, own);
	}
	return error;
}

/* The same at the end of an exec; see enf_recall_alone. */
__attribute__((noinline)) int enf_mark_alone(struct enf_scratch *s, __u64 generation)
{
	const struct enf_image *image = enf_current_image();
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 now = bpf_ktime_get_boot_ns(), own;
	struct enf_marks *m;

	if (!s || !image || image->generation != generation)
		return 0;
	enf_mark_shared(image, s->verdict.marks, now);
	own = s->verdict.marks & enf_own_marks(image);
	if (!own)
		return 0;
	m = bpf_task_storage_get(&marks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (m)
		enf_set_marks(m, own, now);
	else
		enf_count(ENF_STAT_MARK_LOST); /* the exec cannot be refused any more */
	return 0;
}

/* ---- Fork and exec ------------------------------------------------------------------------ */

/*
 * A new process *child* has the marks of its tree. Returns: 0, or -errno: as with its label, a child that
 * would have shed them is not a child.
 */
static __always_inline int enf_fork_marks(const struct enf_image *image, struct task_struct *child)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_marks *from, *to = NULL;
	__u64 tree = image->tree_marks;

	if (!tree)
		return 0;
	from = bpf_task_storage_get(&marks, t->group_leader, NULL, 0);
	if (!from)
		return 0;
	for (__u32 i = 0; i < ENF_MAX_MARKS; i++) {
		if (!(tree & ENF_BIT(i)) || !from->at[i])
			continue;
		if (!to)
			to = bpf_task_storage_get(&marks, child, NULL,
						  BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!to) {
			enf_count(ENF_STAT_FORK_REFUSED);
			return -ENF_ENOMEM;
		}
		to->at[i] = from->at[i];
		to->newest = from->newest;
	}
	return 0;
}

static __always_inline void enf_merge_marks(struct enf_marks *to, const struct enf_marks *from)
{
	for (__u32 i = 0; i < ENF_MAX_MARKS; i++)
		if (from->at[i] > to->at[i])
			to->at[i] = from->at[i];
	if (from->newest > to->newest)
		to->newest = from->newest;
}

/*
 * An exec begins. If not by the first thread, the caller will take its place: the caller gets what it has,
 * and from then on whoever marks also puts it where the end of the exec finds it. The word first, then
 * the copy; enf_mark does it the other way round, so that one of the two sees the other.
 */
static __always_inline int enf_exec_marks(const struct enf_image *image)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_marks *from, *to;

	if (!image->n_marks || t->pid == t->tgid)
		return 0;
	from = bpf_task_storage_get(&marks, t->group_leader, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	to = bpf_task_storage_get(&marks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!from || !to) {
		enf_count(ENF_STAT_MARK_LOST);
		return -ENF_ENOMEM; /* what would shed marks does not happen */
	}
	__sync_lock_test_and_set(&from->executing, 1);
	enf_merge_marks(to, from);
	return 0;
}

/* An exec has ended. */
static __always_inline void enf_executed_marks(const struct enf_image *image)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_marks *passed, *m;

	if (!image->n_marks)
		return;
	passed = enf_passed();
	if (!passed)
		return;
	m = bpf_task_storage_get(&marks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (m)
		enf_merge_marks(m, passed);
	else
		enf_count(ENF_STAT_MARK_LOST);
}

#endif
