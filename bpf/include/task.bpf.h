/* SPDX-License-Identifier: GPL-2.0-only */
/* The subject: reading a task's identity, and keeping its sets current. Never comm, never live
 * parents for a verdict.
 */
#ifndef ENFORCER_TASK_BPF_H
#define ENFORCER_TASK_BPF_H

#include "code.bpf.h"
#include "decide.bpf.h"
#include "images.bpf.h"
#include "read.bpf.h"
#include "scratch.bpf.h"

/* ---- Identity ----------------------------------------------------------------------------- */

/* Builds the path of a cgroup backwards in s->text, as enf_walk_up does. Returns its length or 0;
 * it begins at s->low.
 */
int enf_cgroup_path(struct enf_scratch *s, __u64 kn);

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

/* The ids and capabilities of the task at *t*, into its label. */
int enf_read_cred(struct enf_task *task, __u64 t);

/* Keep the path of an executable in the label. What cannot be resolved or kept is unknown: rules
 * that need it fall to their onError.
 */
int enf_read_exe(struct enf_scratch *s, struct enf_task *task, __u64 file);

/* The executable of the task at *t*, a struct file; 0: it has no memory of its own. */
static __always_inline __u64 enf_exe_file(__u64 t)
{
	return (__u64)BPF_CORE_READ((struct task_struct *)t, mm, exe_file);
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

/* Does the task at *t* run what an exec has given it? */
static __always_inline int enf_runs_executed(__u64 t)
{
	__u64 exe = enf_exe_file(t);

	return exe && enf_is_executed(exe);
}

/* ---- Lines -------------------------------------------------------------------------------- */

extern __u64 enf_lines; /* numbers given out */

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

	enf_read(uid, cred + enf_offset(struct cred, uid));
	enf_read(euid, cred + enf_offset(struct cred, euid));
	enf_read(gid, cred + enf_offset(struct cred, gid));
	enf_read(egid, cred + enf_offset(struct cred, egid));
	return uid == task->uid && euid == task->euid && gid == task->gid && egid == task->egid &&
	       enf_same_caps(task, cred);
}

/* What is known of the code of the current process. Not here: the verifier would come by many times. */
__u32 enf_own_code(void);

/* Do the sets of the current task still describe it? */
static __always_inline int enf_fresh(const struct enf_image *image, const struct enf_task *task)
{
	struct task_struct *t = bpf_get_current_task_btf();

	if (task->generation != image->generation || (task->watches & ENF_WATCH_NEWS))
		return 0;
	/* No condition on containers holds of a runtime, so nothing that becomes known of one matters to it. */
	if ((task->watches & ENF_WATCH_RUNTIME) && !enf_runs_executed(bpf_get_current_task()))
		return 0;
	if ((image->dims & ENF_CRED_DIMS) && (t->flags & ENF_PF_IO_WORKER)) {
		if (!enf_same_ids(task, enf_cred_of(bpf_get_current_task())))
			return 0;
	} else if (image->dims & ENF_CRED_DIMS) {
		const struct cred *cred = enf_pointer_to(struct cred, t, real_cred);

		if (cred->uid.val != task->uid || cred->euid.val != task->euid ||
		    cred->gid.val != task->gid || cred->egid.val != task->egid)
			return 0;
		if ((image->dims & ENF_BIT(ENF_DIM_CAPS)) && !enf_same_caps(task, (__u64)cred))
			return 0;
	}
	if ((image->dims & ENF_CGROUP_DIMS) && bpf_get_current_cgroup_id() != task->cgroup)
		return 0;
	if ((image->asked_flags & ENF_SF_TRUSTED_CODE) &&
	    ((task->flags ^ enf_own_code()) & ENF_CODE_FLAGS))
		return 0;
	return 1;
}

/* First meeting with the task at *t*, which has no label. */
int enf_label(struct enf_scratch *s, struct enf_task *task, __u64 t);

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
		enf_take_code(task, enf_own_code());
	enf_evaluate(c->s, task, bpf_get_current_task(), 0);
	return 0;
}

#endif
