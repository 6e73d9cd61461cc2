/* SPDX-License-Identifier: GPL-2.0-only */
/* What fork and exec do to the sets of a label. */
#ifndef ENFORCER_LINEAGE_H
#define ENFORCER_LINEAGE_H

#include "image.h"

/* The labels that *task* has become visible with so far join those its descendants inherit. */
ENF_INLINE void enf_task_remember(struct enf_task *task)
{
	for (int i = 0; i < ENF_LABEL_WORDS; i++) {
		__u64 known = task->self[i], unknown = task->self_unknown[i];

		task->ancestor[i] |= known & ~unknown;
		task->ancestor_claimed[i] |= known & unknown;
		task->ancestor_unknown[i] |= unknown & ~known;
	}
}

/*
 * A child of *from*, whose sets are current. *same_parent*: CLONE_PARENT. The creator is an ancestor
 * either way; what it was before earlier execs it has remembered.
 */
ENF_INLINE void enf_task_fork(struct enf_task *child, const struct enf_task *from, int same_parent)
{
	/* In two parts: compilers for BPF copy no more than a kilobyte at once. */
	__builtin_memcpy(child, from, __builtin_offsetof(struct enf_task, subject));
	__builtin_memcpy(child->subject, from->subject,
			 sizeof(*child) - __builtin_offsetof(struct enf_task, subject));
	if (!same_parent) {
		for (int i = 0; i < ENF_LABEL_WORDS; i++) {
			child->parent[i] = from->self[i];
			child->parent_unknown[i] = from->self_unknown[i];
		}
	}
	enf_task_remember(child);
	/* Where nothing looked at the lineage, the child's sets are its parent's. */
	if (child->flags & ENF_SF_KIN)
		child->generation = 0;
}

/* What *task* was until this exec becomes its own ancestor: exec without fork sheds nothing. */
ENF_INLINE void enf_task_exec(struct enf_task *task, __u32 flags, __u64 now)
{
	enf_task_remember(task);
	task->flags = (task->flags & (ENF_SF_LINEAGE_UNKNOWN | ENF_SF_RUNTIME)) | flags;
	task->exec_ns = now;
	task->generation = 0;
}

#endif
