/* SPDX-License-Identifier: GPL-2.0-only */
/* The subject: reading a task's identity, and keeping its sets current. Never comm, never live
 * parents for a verdict.
 */
#ifndef ENFORCER_TASK_BPF_H
#define ENFORCER_TASK_BPF_H

#include "code.bpf.h"
#include "decide.h"
#include "path.bpf.h"

/* ---- Working memory ----------------------------------------------------------------------- */

/*
 * Whoever decides has a piece of working memory until the verdict, and keeps it while another task takes
 * its processor away, which preemptible kernels do in the middle of a hook. So there are more pieces
 * than processors; how many is the loader's business.
 *
 * Whoever finds none is refused what some rule refuses. So that it is those who take too much, half of the pieces
 * that are looked at is all that one user's tasks may hold, and one in eight is root's.
 */
#define ENF_SLOT_TRIES 32
#define ENF_SLOT_QUOTA (ENF_SLOT_TRIES / 2)
#define ENF_SLOT_ROOTS 8
#define ENF_USERNS_DEPTH                                                                           \
	33 /* create_user_ns() in kernel/user_namespace.c: level > 32 is too deep */

struct enf_slot_search {
	__u32 at;
	__u32 account;
	__u32 mine;  /* held by the same account */
	__u32 found; /* a free slot and 1, or 0 */
};

static long enf_look_one(__u32 i, struct enf_slot_search *search)
{
	__u32 slot = (search->at + i) % (enf_scratch_slots ? enf_scratch_slots : 1);
	struct enf_scratch *s = bpf_map_lookup_elem(&scratches, &slot);

	if (!s)
		return 1;
	if (s->busy)
		search->mine += s->account == search->account;
	else if (!search->found && (!search->account || slot % ENF_SLOT_ROOTS))
		search->found = slot + 1;
	return 0;
}

struct enf_userns_climb {
	__u64 ns;
};

static long enf_userns_one(__u32 i, struct enf_userns_climb *climb)
{
	__u32 level = 0;

	(void)i;
	enf_read(level, climb->ns + enf_offset(struct user_namespace, level));
	if (level <= 1)
		return 1;
	enf_read(climb->ns, climb->ns + enf_offset(struct user_namespace, parent));
	return 0;
}

/* Whose the task is: its user; in user namespaces whoever made the outermost, if that was not root. */
__attribute__((noinline)) __u32 enf_account(void)
{
	const struct cred *cred = bpf_get_current_task_btf()->real_cred;
	struct enf_userns_climb climb = { .ns = (__u64)cred->user_ns };
	__u32 uid = cred->uid.val, owner = 0;

	if (!cred->user_ns->level)
		return uid;
	bpf_loop(ENF_USERNS_DEPTH, enf_userns_one, &climb, 0);
	enf_read(owner, climb.ns + enf_offset(struct user_namespace, owner));
	return owner ? owner : uid;
}

static __noinline struct enf_scratch *enf_acquire(void)
{
	/* our own CPU's first, then the next one's */
	struct enf_slot_search search = { .at = bpf_get_smp_processor_id() * enf_slots_per_cpu };
	struct enf_scratch *s = bpf_map_lookup_elem(&scratches, &search.at);
	__u32 first = search.at;

	search.account = enf_account();
	for (__u32 i = 0; i < 4; i++) {
		if (s && !__sync_lock_test_and_set(&s->busy, 1)) {
			s->account = search.account;
			return s;
		}
		search.at = first;
		search.mine = enf_nothing;
		search.found = 0;
		bpf_loop(ENF_SLOT_TRIES, enf_look_one, &search, 0);
		if (!search.found || (search.account && search.mine >= ENF_SLOT_QUOTA))
			return NULL;
		search.found -= 1;
		s = bpf_map_lookup_elem(&scratches, &search.found);
	}
	return NULL; /* others were faster */
}

static __always_inline void enf_release(struct enf_scratch *s)
{
	__sync_lock_test_and_set(&s->busy, 0);
}

static __always_inline const struct enf_image *enf_image_at(__u32 which)
{
	__u32 zero = 0;
	void *inner = bpf_map_lookup_elem(&images, &which);

	return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

static __always_inline const struct enf_image *enf_current_image(void)
{
	const struct enf_image *image = enf_image_at(ENF_IMAGE_CURRENT);

	if (image && image->expires_ns && bpf_ktime_get_boot_ns() >= image->expires_ns)
		image = enf_image_at(ENF_IMAGE_FALLBACK);
	return image;
}

/* ---- Identity ----------------------------------------------------------------------------- */

/* Builds the path of a cgroup backwards in s->text, as enf_walk_up does. Returns its length or 0. */
struct enf_kernfs {
	struct enf_scratch *s;
	__u64 kn;
	__u32 at;
	__u32 state;
};

static long enf_kernfs_one(__u32 i, void *arg)
{
	struct enf_kernfs *k = arg;
	__u64 parent = 0, name = 0;
	__u32 at = k->at;
	long len;

	(void)i;
	if (bpf_core_field_exists(((struct kernfs_node___rcu *)0)->__parent))
		enf_read(parent, k->kn + enf_offset(struct kernfs_node___rcu, __parent));
	else
		enf_read(parent, k->kn + enf_offset(struct kernfs_node, parent));
	if (!parent) {
		k->state = ENF_WALKED;
		return 1;
	}
	enf_read(name, k->kn + enf_offset(struct kernfs_node, name));
	/* the name goes behind the path's place first, to learn its length */
	len = bpf_probe_read_kernel_str(&k->s->text[ENF_TEXT_NAME], ENF_NAME_MAX + 1,
					(const void *)name);
	if (len <= 1 || len > at) {
		k->state = ENF_LOST;
		return 1;
	}
	len -= 1;
	at -= (__u32)len + 1;
	enf_barrier(at);
	enf_barrier(len);
	if (at > ENF_PATH_MAX - 1 || len < 0 || len > ENF_NAME_MAX) {
		k->state = ENF_LOST;
		return 1;
	}
	bpf_probe_read_kernel(&k->s->text[at + 1], len, (const void *)name);
	k->s->text[at] = '/';
	k->at = at;
	k->kn = parent;
	return 0;
}

__attribute__((noinline)) int enf_cgroup_path(struct enf_scratch *s, __u64 kn)
{
	struct enf_kernfs k = { .s = s, .kn = kn, .at = ENF_PATH_MAX };

	if (!s || !kn)
		return 0;
	bpf_loop(256, enf_kernfs_one, &k, 0);
	if (k.state != ENF_WALKED)
		return 0;
	if (k.at == ENF_PATH_MAX) {
		k.at -= 1;
		s->text[ENF_PATH_MAX - 1] = '/';
	}
	s->low = k.at;
	return ENF_PATH_MAX - k.at;
}

/*
 * The credentials of the task at *t*: its own, since cred is that of who mounted an overlay while that opens
 * what lies below. A worker of io_uring has those of its making for good, and carries out what the thread that it
 * works for asks for now: those of that thread; of the process, for the thread that polls.
 */
static __always_inline __u64 enf_cred_of(__u64 t)
{
	__u64 cred = 0, worker = 0, wq = 0, by = 0;
	__u32 flags = 0;

	enf_read(flags, t + enf_offset(struct task_struct, flags));
	if (flags & ENF_PF_IO_WORKER) {
		enf_read(worker, t + enf_offset(struct task_struct, worker_private));
		if (worker && bpf_core_field_exists(((struct io_worker *)0)->wq)) {
			enf_read(wq, worker + enf_offset(struct io_worker, wq));
		} else if (worker && bpf_core_field_exists(((struct io_worker___node *)0)->wqe)) {
			enf_read(wq, worker + enf_offset(struct io_worker___node, wqe));
			if (wq)
				enf_read(wq, wq + enf_offset(struct io_wqe, wq));
		}
		if (wq && bpf_core_field_exists(((struct io_wq *)0)->task))
			enf_read(by, wq + enf_offset(struct io_wq, task));
		if (!by)
			enf_read(by, t + enf_offset(struct task_struct, group_leader));
		t = by;
	}
	enf_read(cred, t + enf_offset(struct task_struct, real_cred));
	return cred;
}

__attribute__((noinline)) int enf_read_cred(struct enf_task *task, __u64 t)
{
	__u64 cred;

	if (!task)
		return 0;
	cred = enf_cred_of(t);
	enf_read(task->uid, cred + enf_offset(struct cred, uid));
	enf_read(task->euid, cred + enf_offset(struct cred, euid));
	enf_read(task->gid, cred + enf_offset(struct cred, gid));
	enf_read(task->egid, cred + enf_offset(struct cred, egid));
	enf_read(task->caps, cred + enf_offset(struct cred, cap_effective));
	return 0;
}

/* Keep the path of an executable in the label. What cannot be resolved or kept is unknown: rules
 * that need it fall to their onError.
 */
__attribute__((noinline)) int enf_read_exe(struct enf_scratch *s, struct enf_task *task, __u64 file)
{
	__u64 dentry = 0, mnt = 0, inode = 0;
	__u32 at, len, nlink = 1;
	int rc;

	if (!s || !task)
		return 0;

	task->exe_len = 0;
	enf_read(dentry, file + enf_offset(struct file, f_path.dentry));
	enf_read(mnt, file + enf_offset(struct file, f_path.mnt));
	enf_read(inode, file + enf_offset(struct file, f_inode));
	enf_read(nlink, inode + enf_offset(struct inode, i_nlink));
	if (!nlink)
		task->flags |= ENF_SF_FILELESS;
	rc = enf_resolve(s, dentry, mnt, ENF_VIEW_HOST);
	if (rc == ENF_PATH_ABSENT) {
		task->flags |= ENF_SF_OFFHOST;
		rc = enf_resolve(s, dentry, mnt, ENF_VIEW_NAMESPACE);
	}
	at = s->object.path_at;
	len = s->object.path_len;
	if (!len)
		rc = ENF_PATH_UNKNOWN;
	enf_barrier(at);
	enf_barrier(
		len); /* or the test for 0 and the bound become one that the verifier cannot read */
	if (rc != ENF_PATH_OK || len > ENF_EXE_MAX || at > ENF_PATH_MAX) {
		task->flags |= ENF_SF_EXE_UNKNOWN;
		enf_count(ENF_STAT_EXE_UNKNOWN);
		return 0;
	}
	bpf_probe_read_kernel(task->exe, len, &s->text[at]);
	task->exe_len = len;
	if (s->object.flags & ENF_FOLD_BITS)
		task->flags |= (s->object.flags >> ENF_FOLD_AT << ENF_FOLD_AT) |
			       (s->object.flags >> ENF_FOLD_FROM_AT & ENF_FOLD_EXE_MASK)
				       << ENF_FOLD_EXE_AT;
	return 0;
}

/* ---- Lines -------------------------------------------------------------------------------- */

__u64 enf_lines = 0; /* numbers given out */

/* A number for what begins, which no other has in this session. */
static __always_inline __u64 enf_new_line(void)
{
	return enf_records ? __sync_fetch_and_add(&enf_lines, 1) + 1 : 0;
}

/* ---- Keeping current ---------------------------------------------------------------------- */

#define ENF_CRED_DIMS                                                                              \
	(ENF_BIT(ENF_DIM_UID) | ENF_BIT(ENF_DIM_EUID) | ENF_BIT(ENF_DIM_GID) |                     \
	 ENF_BIT(ENF_DIM_EGID) | ENF_BIT(ENF_DIM_CAPS))

#define ENF_CGROUP_DIMS (ENF_BIT(ENF_DIM_CGROUP) | ENF_BIT(ENF_DIM_CONTAINER))

/* Are the ids that a label has still those of the credentials at *cred*? */
static __always_inline int enf_same_ids(const struct enf_task *task, __u64 cred)
{
	__u32 uid = 0, euid = 0, gid = 0, egid = 0;
	__u64 caps = 0;

	enf_read(uid, cred + enf_offset(struct cred, uid));
	enf_read(euid, cred + enf_offset(struct cred, euid));
	enf_read(gid, cred + enf_offset(struct cred, gid));
	enf_read(egid, cred + enf_offset(struct cred, egid));
	enf_read(caps, cred + enf_offset(struct cred, cap_effective));
	return uid == task->uid && euid == task->euid && gid == task->gid && egid == task->egid &&
	       caps == task->caps;
}

/* Do the sets of the current task still describe it? */
static __always_inline int enf_fresh(const struct enf_image *image, const struct enf_task *task)
{
	struct task_struct *t = bpf_get_current_task_btf();

	if (task->generation != image->generation || (task->watches & ENF_WATCH_LINEAGE))
		return 0;
	if ((image->dims & ENF_CRED_DIMS) && (t->flags & ENF_PF_IO_WORKER)) {
		if (!enf_same_ids(task, enf_cred_of(bpf_get_current_task())))
			return 0;
	} else if (image->dims & ENF_CRED_DIMS) {
		const struct cred *cred = t->real_cred;
		__u64 caps = 0;

		if (cred->uid.val != task->uid || cred->euid.val != task->euid ||
		    cred->gid.val != task->gid || cred->egid.val != task->egid)
			return 0;
		if (image->dims & ENF_BIT(ENF_DIM_CAPS)) {
			enf_read(caps, &cred->cap_effective);
			if (caps != task->caps)
				return 0;
		}
	}
	if ((image->dims & ENF_CGROUP_DIMS) && bpf_get_current_cgroup_id() != task->cgroup)
		return 0;
	if ((image->asked_flags & ENF_SF_TRUSTED_CODE) &&
	    ((task->flags ^ enf_code_flags(bpf_get_current_task_btf()->group_leader)) &
	     ENF_CODE_FLAGS))
		return 0;
	return 1;
}

/*
 * Recompute the sets of *task*, which is the task at *t*, from its identity, by the staged image if
 * *staged*. Looks the image up by itself: the generation it leaves in the label says which.
 */
__attribute__((noinline)) int enf_evaluate(struct enf_scratch *s, struct enf_task *task, __u64 t,
					   __u32 staged)
{
	const struct enf_image *image =
		staged ? enf_image_at(ENF_IMAGE_STAGED) : enf_current_image();
	struct enf_ctx c = { .image = (const void *)image, .s = s, .task = task };
	__u32 flags = 0;
	__u64 kn = 0;
	int len = 0;

	if (!s || !task || !c.image)
		return 0;
	enf_read_cred(task, t);
	enf_read(kn, t + enf_offset(struct task_struct, cgroups));
	enf_read(kn, kn + enf_offset(struct css_set, dfl_cgrp));
	enf_read(kn, kn + enf_offset(struct cgroup, kn));
	task->cgroup = 0;
	if (kn)
		enf_read(task->cgroup, kn + enf_offset(struct kernfs_node, id));
	s->low = 0;
	/* Whole before the lineage is read: what the iterator adds after that is looked at again. */
	__sync_fetch_and_and(&task->watches, 0);
	enf_read(flags, t + enf_offset(struct task_struct, flags));
	if ((enf_head(&c)->dims & (ENF_BIT(ENF_DIM_CAPS) | ENF_CGROUP_DIMS)) ||
	    (flags & ENF_PF_IO_WORKER)) /* the ids of a worker change in another thread */
		__sync_fetch_and_or(&task->watches, ENF_WATCH_MORE);
	/* What is not trusted, or unknown, stays so until the next exec. */
	if ((enf_head(&c)->asked_flags & ENF_SF_TRUSTED_CODE) &&
	    (task->flags & ENF_SF_TRUSTED_CODE))
		__sync_fetch_and_or(&task->watches, ENF_WATCH_MORE);
	if (enf_head(&c)->dims & ENF_CGROUP_DIMS)
		len = enf_cgroup_path(s, kn);
	return enf_subject_eval(&c, s->low, len);
}

/*
 * Was the file opened to be executed? The owner of a process may put another in the place of mm->exe_file
 * (PR_SET_MM_MAP, in a user namespace of its own), but only one that it opened itself: open(2) leaves this
 * flag out (VALID_OPEN_FLAGS in fs/open.c), do_open_execat() in fs/exec.c sets it.
 */
static __always_inline int enf_is_executed(__u64 file)
{
	__u32 flags = 0;

	enf_read(flags, file + enf_offset(struct file, f_flags));
	return flags & ENF_FMODE_EXEC;
}

/* First meeting with the task at *t*, which has no label. */
__attribute__((noinline)) int enf_label(struct enf_scratch *s, struct enf_task *task, __u64 t)
{
	struct task_struct *ts = (struct task_struct *)t;
	__u64 exe;

	if (!s || !task)
		return 0;
	exe = (__u64)BPF_CORE_READ(ts, mm, exe_file);
	task->flags = 0;
	task->line = enf_new_line();
	if (!exe)
		task->flags |= ENF_SF_KTHREAD;
	else if (enf_is_executed(exe))
		enf_read_exe(s, task, exe);
	else
		task->flags |= ENF_SF_EXE_UNKNOWN;
	task->exec_ns = BPF_CORE_READ(ts, start_boottime);
	if (!task->exec_ns)
		task->exec_ns = 1; /* the idle task, and a label that says "seen" */
	task->generation = 0;
	return 0;
}

/*
 * The current task's label, current. Takes working memory in c->s if it had to compute and leaves it
 * there for the caller to release. Returns not 0 where the label cannot be had.
 */
static __always_inline int enf_current(struct enf_ctx *c)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_task *task;

	task = bpf_task_storage_get(&tasks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!task) {
		enf_count(ENF_STAT_NO_TASK);
		return 1;
	}
	c->task = task;
	if (task->exec_ns && enf_fresh(enf_head(c), task))
		return 0;
	c->s = enf_acquire();
	if (!c->s) {
		enf_count(ENF_STAT_NO_SCRATCH);
		return 1;
	}
	if (!task->exec_ns) {
		enf_label(c->s, task, bpf_get_current_task());
		task->flags |= ENF_SF_LINEAGE_UNKNOWN;
		enf_count(ENF_STAT_LATE_LABEL);
	}
	if (enf_head(c)->asked_flags & ENF_SF_TRUSTED_CODE)
		enf_take_code(task, t->group_leader);
	enf_evaluate(c->s, task, bpf_get_current_task(), 0);
	return 0;
}

#endif
