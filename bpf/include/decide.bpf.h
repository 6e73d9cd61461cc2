/* SPDX-License-Identifier: GPL-2.0-only */
/* What units of the hooks' programs call of the decision core. */
#ifndef ENFORCER_DECIDE_BPF_H
#define ENFORCER_DECIDE_BPF_H

#include "image.h"

/*
 * Recompute the sets of *task*, which is the task at *t*, from its identity, by the staged image if
 * *staged*. Looks the image up by itself: the generation it leaves in the label says which.
 */
int enf_evaluate(struct enf_scratch *s, struct enf_task *task, __u64 t, __u32 staged);

/*
 * Decide the object in *s* for *task*: the answer is s->verdict.
 *
 * Returns: 0, or 1 if the policy was replaced meanwhile: the label speaks of another generation, and
 * everything must be asked again.
 */
int enf_decide_now(struct enf_scratch *s, struct enf_task *task);

#endif
