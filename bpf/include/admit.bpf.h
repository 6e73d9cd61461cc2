/* SPDX-License-Identifier: GPL-2.0-only */
/* What each entry of the core asks first: is there anything to decide? */
#ifndef ENFORCER_ADMIT_BPF_H
#define ENFORCER_ADMIT_BPF_H

#include "act.h"
#include "caller.bpf.h"
#include "images.bpf.h"
#include "scratch.bpf.h"
#include "task.bpf.h"

/*
 * Could some row on *ops* be about the current task? Then *c* has its label, and working memory if that was needed,
 * which whoever asked must release. Returns: not 0 if so; else *error* is what comes of the operation.
 */
static __always_inline int enf_meet(struct enf_ctx *c, const struct enf_image *image, __u64 ops,
				    int *error)
{
	*error = 0;
	if (!image || !(image->ops & ops))
		return 0;
	c->image = (const void *)image;
	if (ops & (ENF_BIT(ENF_OP_EXEC_LOADED) | ENF_BIT(ENF_OP_LOADED_LAYER)) ? enf_caller(c)
									       : enf_current(c)) {
		/* Whoever cannot be told apart: refused if some row would. */
		*error = image->refuse_ops & ops ? -ENF_EPERM : 0;
		goto out;
	}
	if (c->task->ops & ops)
		return 1;
out:
	if (c->s)
		enf_release(c->s);
	return 0;
}

/* Working memory for the decision. Returns: not 0 if there is some; else *error* is what comes of the operation. */
static __always_inline int enf_make_room(struct enf_ctx *c, const struct enf_image *image,
					 __u64 ops, int *error)
{
	if (!c->s)
		c->s = enf_acquire();
	if (!c->s) {
		enf_count(ENF_STAT_NO_SCRATCH);
		*error = image->refuse_ops & ops ? -ENF_EPERM : 0;
		return 0;
	}
	enf_count(ENF_STAT_DECISIONS);
	return 1;
}

/* Both: then *c* has label and working memory. */
static __always_inline int enf_admit(struct enf_ctx *c, const struct enf_image *image, __u64 ops,
				     int *error)
{
	return enf_meet(c, image, ops, error) && enf_make_room(c, image, ops, error);
}

#endif
