// SPDX-License-Identifier: GPL-2.0-only
/*
 * Labels over the life of a task: fork, exec, ids that change, and the tasks that were there before. What fork and
 * exec do to the sets is in lineage.h.
 */
#define ENF_RDONLY_CAST bpf_rdonly_cast___lineage
#include "act.h"
#include "caller.bpf.h"
#include "code.bpf.h"
#include "decide.bpf.h"
#include "drift.bpf.h"
#include "images.bpf.h"
#include "lineage.h"
#include "loader.bpf.h"
#include "marks.bpf.h"
#include "path.bpf.h"
#include "record.bpf.h"
#include "task.bpf.h"

/* The label of the current task, made current if it is not; NULL if there is none: counted. */
static __always_inline struct enf_task *enf_own_label(const struct enf_image *image)
{
	struct enf_task *task = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);
	struct enf_access none = {};

	if (task && task->exec_ns && enf_fresh(image, task))
		return task;
	enf_ask(&none);
	return bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);
}

/* By one call: the verifier would go through a hundred loads and stores on each way that leads here. */
static __always_inline void enf_copy_label(struct enf_task *to, const struct enf_task *from)
{
	bpf_probe_read_kernel(to, sizeof(*to), from);
}

SEC("lsm/task_alloc")
int BPF_PROG(enf_task_alloc, struct task_struct *child, unsigned long clone_flags, int ret)
{
	const struct enf_image *image = enf_current_image();
	struct enf_task *label, *own;

	if (ret)
		return ret;
	if (!image)
		return 0;
	own = enf_own_label(image);
	if (!own) /* the child will be met without a label: unknown lineage */
		return 0;
	label = bpf_task_storage_get(&tasks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!label) { /* a child without a label would have shed its lineage: no child */
		enf_count(ENF_STAT_FORK_REFUSED);
		return -ENF_ENOMEM;
	}
	if (clone_flags & ENF_CLONE_THREAD) {
		enf_copy_label(label, own);
		if (child->flags & ENF_PF_IO_WORKER)
			label->generation = 0; /* to be watched: see enf_cred_of() */
	} else {
		enf_task_fork(label, own, !!(clone_flags & ENF_CLONE_PARENT));
		label->line = enf_new_line();
		if (enf_records) {
			enf_read_cred(own, bpf_get_current_task());
			enf_record_line(own, label->line, bpf_get_current_task(),
					clone_flags & ENF_CLONE_PARENT ? ENF_LINE_SIBLING
								       : ENF_LINE_FORK,
					0);
		}
	}
	label->flags &= ~ENF_SF_FOUND;
	if (clone_flags & ENF_CLONE_THREAD)
		return 0; /* its marks are those of the first thread */
	return enf_fork_marks(image, child);
}

/* The ids that the label's sets were computed with are about to change, or may be. */
static __always_inline int enf_ids_change(int ret)
{
	struct enf_task *task = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);

	if (task) /* else there are no sets to void */
		task->generation = 0;
	return ret;
}

SEC("lsm/task_fix_setuid")
int BPF_PROG(enf_setuid, struct cred *new, const struct cred *old, int flags, int ret)
{
	return enf_ids_change(ret);
}

SEC("lsm/task_fix_setgid")
int BPF_PROG(enf_setgid, struct cred *new, const struct cred *old, int flags, int ret)
{
	return enf_ids_change(ret);
}

/*
 * A runtime runs a copy of itself: a memfd, or a file system that is mounted nowhere. The same file once more is no
 * sign of that, since a shell that enters a cgroup runs shells.
 */
static __always_inline int enf_runs_copy(struct linux_binprm *bprm)
{
	__u64 mnt = enf_word_at(enf_pointer(bprm, file) + enf_offset(struct file, f_path.mnt));

	return !enf_on_host(mnt - enf_offset(struct mount, mnt));
}

/*
 * Is the current task the host's, whatever cgroup it enters? Where that is in doubt it is the container's, as a rule
 * that refuses must hold. The attempt counts, not the exec: the verdict on it comes first, and on its interpreter.
 * Not met: a container in the host's mount namespace whose first program is a file that the host has not mounted.
 */
static __always_inline __u32 enf_is_of_host(const struct enf_image *image,
					    const struct enf_task *own, struct linux_binprm *bprm)
{
	if (!enf_is_host_ns(enf_own_ns()))
		return 0;
	if (own->generation == image->generation && image->container_atom != ENF_NONE &&
	    !(own->flags & ENF_SF_CONTAINED))
		return ENF_SF_RUNTIME;
	return enf_runs_copy(bprm) ? own->flags & ENF_SF_RUNTIME : 0;
}

/* The start of an exec: the caller's sets must be current before its identity changes. */
SEC("lsm/bprm_creds_for_exec")
int BPF_PROG(enf_exec_begin, struct linux_binprm *bprm, int ret)
{
	const struct enf_image *image = enf_current_image();
	struct enf_task *own;

	if (ret)
		return ret;
	if (!image)
		return 0;
	own = enf_own_label(image);
	if (own) { /* also where no rule looks at credentials: enf_committed compares them */
		__u32 runtime = enf_is_of_host(image, own, bprm);

		enf_read_cred(own, bpf_get_current_task());
		if (runtime != (own->flags & ENF_SF_RUNTIME)) {
			/* Anew by the one ask: rules on arguments find the label as it is left here. */
			own->flags ^= ENF_SF_RUNTIME;
			own->generation = 0;
			enf_own_label(image);
		}
	}
	return enf_exec_marks(image);
}

/* The exec has happened: the label takes the new identity. */
SEC("lsm/bprm_committed_creds")
int BPF_PROG(enf_committed, struct linux_binprm *bprm)
{
	struct enf_ctx c = { .image = (const void *)enf_current_image() };
	struct task_struct *t = bpf_get_current_task_btf();
	__u32 flags = 0, euid = 0, egid = 0;
	__u64 cred, file;

	if (!c.image)
		return 0;
	file = enf_pointer(bprm, file);
	enf_executed_marks(enf_head(&c));
	c.task = bpf_task_storage_get(&tasks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!c.task) {
		/* The label there may be speaks of the program before, and would for good: killed before its
		 * first instruction, where some row would refuse what cannot be told. Before v6.2 the kernel
		 * gives nobody a label while a task that it preempted in this helper waits for the processor.
		 */
		enf_count(ENF_STAT_NO_TASK);
		if (enf_head(&c)->refuse_ops)
			bpf_send_signal(ENF_SIGKILL);
		return 0;
	}
	if (!c.task->exec_ns)
		flags |= ENF_SF_LINEAGE_UNKNOWN;
	if (bprm->interp != bprm->filename)
		flags |= ENF_SF_SCRIPT;
	cred = enf_pointer(t, real_cred);
	enf_read(euid, cred + enf_offset(struct cred, euid));
	enf_read(egid, cred + enf_offset(struct cred, egid));
	if (c.task->exec_ns && (euid != c.task->euid || egid != c.task->egid))
		flags |= ENF_SF_SETID;
	if ((enf_head(&c)->ops & ENF_BIT(ENF_OP_EXEC_LOADED)) &&
	    enf_has_loader_name(enf_word_at(file + enf_offset(struct file, f_path.dentry)))) {
		flags |= ENF_SF_LOADER;
		enf_keep_caller(c.task);
	}
	if (enf_records) {
		__u64 line = enf_new_line();

		enf_record_line(c.task, line, bpf_get_current_task(), ENF_LINE_EXEC, 0);
		c.task->line = line;
	}
	enf_task_exec(c.task, flags, bpf_ktime_get_boot_ns());
	if (enf_asks_drift(enf_head(&c)))
		enf_take_root(c.task, enf_address(t));
	enf_exec_code(t, !!(enf_head(&c)->asked_flags & ENF_SF_TRUSTED_CODE),
		      bprm->unsafe & ENF_LSM_UNSAFE_PTRACE);
	c.s = enf_acquire();
	if (!c.s) {
		c.task->exe_len = 0;
		c.task->flags |= ENF_SF_EXE_UNKNOWN;
		enf_count(ENF_STAT_NO_SCRATCH);
		return 0;
	}
	enf_read_exe(c.s, c.task, file);
	enf_release(c.s);
	return 0;
}

/*
 * Tasks that are there already: at the start all their labels, at a reload the lineage under the
 * labels that are new with the staged image. Touches no set that a task may be deciding by.
 *
 * Run until nothing changes: a child may come before its parent. Prints the number of changed labels.
 */
__u64 enf_labels_changed = 0;

static __always_inline __u64 enf_grow(__u64 *set, __u64 more)
{
	__u64 grown = more & ~*set;

	if (grown)
		__sync_fetch_and_or(set, grown);
	return grown;
}

/*
 * What follows is one word at a time, in functions that are proven once: as a loop it was half of what this
 * program takes to verify.
 */
__attribute__((noinline)) int enf_carry_word(struct enf_task *task, const struct enf_task *old,
					     __u32 i)
{
	__u64 changed = 0;

	if (!task || !old || i >= ENF_LABEL_WORDS)
		return 0;
	changed |= enf_grow(&task->ancestor[i], old->ancestor[i]);
	changed |= enf_grow(&task->parent[i], old->parent[i]);
	changed |= enf_grow(&task->ancestor_unknown[i], old->ancestor_unknown[i]);
	changed |= enf_grow(&task->parent_unknown[i], old->parent_unknown[i]);
	changed |= enf_grow(&task->ancestor_claimed[i], old->ancestor_claimed[i]);
	return changed != 0;
}

/* What an earlier engine knew of the task joins its label. Returns: whether that was news. */
static __always_inline __u32 enf_carry(struct enf_task *task, const struct enf_task *old)
{
	__u32 changed = 0;

	if ((task->flags & ENF_SF_LINEAGE_UNKNOWN) && !(old->flags & ENF_SF_LINEAGE_UNKNOWN)) {
		task->flags &= ~ENF_SF_LINEAGE_UNKNOWN;
		changed = 1;
	}
	for (__u32 i = 0; i < ENF_LABEL_WORDS; i++)
		changed |= enf_carry_word(task, old, i);
	return changed;
}

/* *news*: the labels that count. Returns: whether the lineage grew. */
__attribute__((noinline)) int enf_join_word(struct enf_task *task, const struct enf_task *parent,
					    __u32 i, __u64 news)
{
	__u64 known, unknown, sure, changed = 0;

	if (!task || !parent || i >= ENF_LABEL_WORDS)
		return 0;
	known = parent->self[i] & news;
	unknown = parent->self_unknown[i] & news;
	changed |= enf_grow(&task->ancestor[i], parent->ancestor[i] | (known & ~unknown));
	changed |= enf_grow(&task->ancestor_claimed[i],
			    parent->ancestor_claimed[i] | (known & unknown));
	changed |= enf_grow(&task->ancestor_unknown[i],
			    parent->ancestor_unknown[i] | (unknown & ~known));
	sure = task->parent[i] & ~task->parent_unknown[i];
	changed |= enf_grow(&task->parent[i], known);
	changed |= enf_grow(&task->parent_unknown[i], unknown & ~sure);
	if (task->parent_unknown[i] & known & ~unknown)
		__sync_fetch_and_and(&task->parent_unknown[i], ~known | unknown);
	return changed != 0;
}

/*
 * The lineage of *task* under its living *parent*, whose sets are by the image at hand, for the labels that
 * *only* has; NULL: for all. Returns: whether it grew.
 */
static __always_inline __u32 enf_join(struct enf_task *task, const struct enf_task *parent,
				      const __u64 *only)
{
	__u32 changed = 0;

	for (__u32 i = 0; i < ENF_LABEL_WORDS; i++)
		changed |= enf_join_word(task, parent, i, only ? only[i] : ~0ULL);
	return changed;
}

static const volatile struct enf_task enf_blank;

/* The label of a task that has none yet. */
static __always_inline void enf_first_label(struct enf_scratch *s, struct enf_task *task, __u64 t,
					    const struct enf_task *old)
{
	if (old) {
		enf_copy_label(&s->other, old);
		s->other.flags &= ~ENF_SF_FOUND;
	} else {
		enf_copy_label(&s->other, (const struct enf_task *)&enf_blank);
		enf_label(s, &s->other, t);
		s->other.flags |= ENF_SF_FOUND;
	}
	s->other.generation = 0;
	s->other.watches = ENF_WATCH_NEWS;
	if (!task->exec_ns) /* or it has met itself meanwhile */
		enf_copy_label(task, &s->other);
	enf_labels_changed += 1;
}

SEC("iter/task")
int enf_label_tasks(struct bpf_iter__task *ctx)
{
	const struct enf_image *image = enf_image_at(ENF_IMAGE_STAGED);
	struct task_struct *t = ctx->task, *real_parent;
	struct enf_task *task, *parent = NULL, *old = NULL;
	__u32 staged = image != NULL, changed = 0, all;
	struct enf_scratch *s;

	if (enf_records)
		enf_recorder = bpf_get_current_pid_tgid() >> 32;
	if (!t) {
		BPF_SEQ_PRINTF(ctx->meta->seq, "%llu\n", enf_labels_changed);
		enf_labels_changed = 0;
		return 0;
	}
	if (!image)
		image = enf_current_image();
	if (!image)
		return 0;
	task = bpf_task_storage_get(&tasks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!task) {
		enf_count(ENF_STAT_NO_TASK);
		return 0;
	}
	s = enf_acquire();
	if (!s) {
		enf_count(ENF_STAT_NO_SCRATCH);
		enf_labels_changed += 1; /* try again */
		return 0;
	}
	if (enf_carries)
		old = bpf_task_storage_get(&tasks_before, t, NULL, 0);
	if (old && !old->exec_ns)
		old = NULL;
	if (!task->exec_ns) {
		enf_first_label(s, task, enf_address(t), old);
	} else if (!staged) { /* it has met itself, or its parent has, while we were starting */
		if (old) {
			changed = enf_carry(task, old);
		} else if (task->flags & ENF_SF_LINEAGE_UNKNOWN) {
			task->flags = (task->flags & ~ENF_SF_LINEAGE_UNKNOWN) | ENF_SF_FOUND;
			changed = 1;
		}
	}
	all = !staged && (task->flags & ENF_SF_FOUND);
	real_parent = t->real_parent;
	if (real_parent)
		parent = bpf_task_storage_get(&tasks, real_parent, NULL, 0);
	s->other.line = 0;
	if (parent && parent != task && parent->exec_ns) {
		enf_copy_label(&s->other, parent);
		if (image->asked_flags & ENF_SF_TRUSTED_CODE)
			enf_take_code(&s->other, enf_code_flags(real_parent->group_leader));
		enf_evaluate(s, &s->other, enf_address(real_parent), staged);
		changed += enf_join(task, &s->other, all ? NULL : image->new_labels);
	}
	/* In every round: the last one has the parent's line, whichever of the two came first. */
	if (all)
		enf_record_line(&s->other, task->line, enf_address(real_parent), ENF_LINE_FOUND,
				enf_address(t));
	if (changed) /* it may have drawn its conclusions without, under the active image */
		__sync_fetch_and_or(&task->watches, ENF_WATCH_NEWS);
	enf_labels_changed += changed;
	enf_release(s);
	return 0;
}
