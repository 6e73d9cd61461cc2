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

#endif
