/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who called exec for a loader: what the loader runs is decided as that exec would have been, by the
 * identity that it began with. The label of the loader itself speaks of ld.so already.
 */
#ifndef ENFORCER_CALLER_BPF_H
#define ENFORCER_CALLER_BPF_H

#include "loader.bpf.h"
#include "task.bpf.h"

/* Before *task*, the label of the current task, takes the identity of the loader. */
static __always_inline void enf_keep_caller(const struct enf_task *task)
{
	struct enf_task *kept = bpf_task_storage_get(&callers, bpf_get_current_task_btf(), NULL,
						     BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (kept)
		bpf_probe_read_kernel(kept, sizeof(*kept), task);
	else /* enf_caller finds none, and refuses */
		enf_count(ENF_STAT_NO_TASK);
}

/*
 * As enf_current, with the label that whoever called exec for this loader had; with that of the current
 * task if it is not a loader. A loader without (no memory; a child that it forked; a daemon that took over
 * in this very moment) cannot be told apart: not 0.
 */
static __always_inline int enf_caller(struct enf_ctx *c)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_task *task = bpf_task_storage_get(&tasks, t, NULL, 0);

	if (!task || !(task->flags & ENF_SF_LOADER))
		return enf_current(c);
	task = bpf_task_storage_get(&callers, t, NULL, 0);
	if (!task) {
		enf_count(ENF_STAT_NO_TASK);
		return 1;
	}
	c->task = task;
	if (enf_fresh(enf_head(c), task))
		return 0;
	c->s = enf_acquire();
	if (!c->s) {
		enf_count(ENF_STAT_NO_SCRATCH);
		return 1;
	}
	enf_evaluate(c->s, task, bpf_get_current_task(), 0);
	return 0;
}

#endif
