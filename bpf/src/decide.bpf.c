// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decision core, as the programs of hooks have it: the sets of a label, and the verdict on an object. The only
 * unit of this object with the decision core in it.
 */
#define ENF_RDONLY_CAST bpf_rdonly_cast___decide
#include "decide.bpf.h"
#include "decide.h"
#include "drift.bpf.h"
#include "images.bpf.h"
#include "met.bpf.h"
#include "record.bpf.h"
#include "task.bpf.h"

/* What *s* tells of decisions that are over is counted, and forgotten. */
static __always_inline void enf_count_lapses(struct enf_scratch *s)
{
	if (!s->lapses)
		return;
	if (s->lapses & ENF_LAPSE_OVERFLOW)
		enf_count(ENF_STAT_OVERFLOW);
	if (s->lapses & ENF_LAPSE_IMAGE)
		enf_count(ENF_STAT_BAD_IMAGE);
	s->lapses = 0;
}

__attribute__((noinline)) int enf_evaluate(struct enf_scratch *s, struct enf_task *task, __u64 t,
					   __u32 staged)
{
	const struct enf_image *image =
		staged ? enf_image_at(ENF_IMAGE_STAGED) : enf_current_image();
	struct enf_ctx c = { .image = (const void *)image, .s = s, .task = task };
	__u32 flags = 0;
	__u64 kn = 0, watches;
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
	watches = enf_head(&c)->dims & ENF_BIT(ENF_DIM_CAPS) ? ENF_WATCH_CAPS : 0;
	if (enf_head(&c)->dims & ENF_CGROUP_DIMS)
		watches |= ENF_WATCH_CGROUP;
	/* The ids of a worker change in another thread; and at a point they may be about to change (commit_creds),
	 * when the hook that voids the label has been passed.
	 */
	if ((flags & ENF_PF_IO_WORKER) ||
	    ((enf_head(&c)->ops & ENF_BIT(ENF_OP_POINT)) && (enf_head(&c)->dims & ENF_CRED_DIMS)))
		watches |= ENF_WATCH_MORE;
	__sync_fetch_and_or(&task->watches, watches);
	/* What is not trusted, or unknown, stays so until the next exec. */
	if ((enf_head(&c)->asked_flags & ENF_SF_TRUSTED_CODE) &&
	    (task->flags & ENF_SF_TRUSTED_CODE))
		__sync_fetch_and_or(&task->watches, ENF_WATCH_MORE);
	if (enf_records || (enf_head(&c)->dims & ENF_BIT(ENF_DIM_EXE_DRIFT)))
		enf_take_exe_drift(task, t);
	if (enf_head(&c)->dims & ENF_CGROUP_DIMS)
		len = enf_cgroup_path(s, kn);
	/* A checkpoint that was restored: it began in a container. */
	if ((task->flags & ENF_SF_RUNTIME) && !enf_runs_executed(t))
		task->flags &= ~ENF_SF_RUNTIME;
	if (len && (enf_head(&c)->dims & ENF_BIT(ENF_DIM_CONTAINER)))
		enf_touch_met(s, kn, enf_head(&c)->generation);
	enf_subject_eval(&c, s->low, len);
	enf_count_lapses(s);
	/* Nothing tells when it becomes one of those: enf_fresh() looks each time. */
	if ((task->flags & (ENF_SF_RUNTIME | ENF_SF_CONTAINED)) ==
	    (ENF_SF_RUNTIME | ENF_SF_CONTAINED))
		__sync_fetch_and_or(&task->watches, ENF_WATCH_RUNTIME);
	return 0;
}

static __always_inline __u64 enf_object_ops(const struct enf_object *o)
{
	__u64 bits = 0;

	for (__u32 i = 0; i < 4; i++)
		if (i < o->n_ops)
			bits |= ENF_BIT(o->op[i] & 63);
	return bits;
}

__attribute__((noinline)) int enf_decide_now(struct enf_scratch *s, struct enf_task *task)
{
	struct enf_ctx c = { .image = (const void *)enf_current_image(), .s = s, .task = task };

	if (!s || !task)
		return 1;
	if (!c.image || enf_head(&c)->generation != task->generation)
		return 1;
	/* The marks were taken by whoever began; by another image, they are others. */
	if (enf_head(&c)->within_ops && (enf_head(&c)->within_ops & enf_object_ops(&s->object)) &&
	    s->recalled != task->generation)
		return 1;
	enf_decide(&c);
	enf_count_lapses(s);
	if (enf_records)
		enf_record(s, task);
	return 0;
}
