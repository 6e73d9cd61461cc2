/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Working memory of decisions, and memory for the strings of arguments.
 *
 * Whoever decides has a piece of working memory until the verdict, and keeps it while another task takes
 * its processor away, which preemptible kernels do in the middle of a hook. Arguments lie in a piece of their
 * own. Of both there is a fixed number, whatever the number of processors. Whoever finds none free looks on for a
 * while: those who hold them run, and give them back within microseconds, or have lost their processor.
 *
 * Whoever finds none in that time is refused what some rule refuses, and without a piece for arguments these are
 * unknown. So that it is those who take too much: half of the pieces are first choices, which anybody may have. Of the
 * others, one user's tasks may hold an eighth of all, and another eighth is root's.
 */
#ifndef ENFORCER_SCRATCH_BPF_H
#define ENFORCER_SCRATCH_BPF_H

#include "arguments.h"

/* Whose the current task is: see scratch.bpf.c. */
__u32 enf_account(void);

/* Returns: working memory of the caller's own until enf_release(), or NULL. */
ENF_FN struct enf_scratch *enf_acquire(void);

static __always_inline void enf_release(struct enf_scratch *s)
{
	__sync_lock_test_and_set(&s->claim.busy, 0);
}

/* Returns: the number of a piece for arguments, the caller's own until it is given back, or 0. */
__u32 enf_acquire_arguments(void);

static __always_inline void enf_give_back(__u32 number)
{
	struct enf_arguments *a = enf_arguments_at(number);

	if (a)
		__sync_lock_test_and_set(&a->claim.busy, 0);
}

/* Returns: the piece of the decision in *s*, which enf_release_arguments() ends, or NULL: counted. */
ENF_FN struct enf_arguments *enf_lend_arguments(struct enf_scratch *s);

/* Before enf_release(), of who may have described arguments. */
static __always_inline void enf_release_arguments(struct enf_scratch *s)
{
	enf_give_back(s->arguments);
	s->arguments = 0;
}

#endif
