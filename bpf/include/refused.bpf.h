/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which system call the engine has refused, so that what looks at the end of calls does not take its error
 * for the kernel's own. Written down where a refusal is recorded, which is dear anyway; read, and forgotten,
 * at the end of a call that failed and that some rule wants to know of (failed_call.bpf.c).
 *
 * A call is known by its number, its arguments and the place in the program: the registers that its entry
 * saved. Another call that has all of these in common takes a refusal for its own only if that of the first
 * was never looked at, because the call succeeded all the same. Then one record is missing.
 */
#ifndef ENFORCER_REFUSED_BPF_H
#define ENFORCER_REFUSED_BPF_H

#include "kernel.h"
#include "enforcer_abi.h"

static __always_inline __u64 enf_mixed(__u64 print, __u64 value)
{
	print = (print ^ value) * 0x9e3779b97f4a7c15ULL; /* 2^64 over the golden ratio */
	return print ^ print >> 32;
}

/* The call that the current task is in; never 0. */
static __always_inline __u64 enf_this_call(void)
{
	const struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u64 print = enf_mixed(regs->orig_ax, regs->ip);

	print = enf_mixed(print, regs->sp);
	print = enf_mixed(print, regs->di);
	print = enf_mixed(print, regs->si);
	print = enf_mixed(print, regs->dx);
	return enf_mixed(print, regs->r10) | 1;
}

#endif
