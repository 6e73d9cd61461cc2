/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Working memory of decisions.
 *
 * Whoever decides has a piece of working memory until the verdict, and keeps it while another task takes
 * its processor away, which preemptible kernels do in the middle of a hook. So there are more pieces
 * than processors; how many is the loader's business.
 *
 * Whoever finds none is refused what some rule refuses. So that it is those who take too much, half of the pieces
 * that are looked at is all that one user's tasks may hold, and one in eight is root's.
 */
#ifndef ENFORCER_SCRATCH_BPF_H
#define ENFORCER_SCRATCH_BPF_H

#include "image.h"

/* Whose the current task is: see scratch.bpf.c. */
__u32 enf_account(void);

/* Returns: working memory of the caller's own until enf_release(), or NULL. */
ENF_FN struct enf_scratch *enf_acquire(void);

static __always_inline void enf_release(struct enf_scratch *s)
{
	__sync_lock_test_and_set(&s->busy, 0);
}

#endif
