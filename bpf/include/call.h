/* SPDX-License-Identifier: GPL-2.0-only */
/* The arguments of a system call, by which name the kernel's own copy has them: asm/syscall_wrapper.h. */
#ifndef ENFORCER_CALL_H
#define ENFORCER_CALL_H

#include "kernel.h"
#include "enforcer_abi.h"

static __always_inline void enf_registers(__u64 *arg, __u64 told, const struct pt_regs *regs)
{
	if (told & ENF_SYS_COMPAT) {
		arg[0] = BPF_CORE_READ(regs, bx);
		arg[1] = BPF_CORE_READ(regs, cx);
		arg[2] = BPF_CORE_READ(regs, dx);
		arg[3] = BPF_CORE_READ(regs, si);
		arg[4] = BPF_CORE_READ(regs, di);
		arg[5] = BPF_CORE_READ(regs, bp);
		return;
	}
	arg[0] = BPF_CORE_READ(regs, di);
	arg[1] = BPF_CORE_READ(regs, si);
	arg[2] = BPF_CORE_READ(regs, dx);
	arg[3] = BPF_CORE_READ(regs, r10);
	arg[4] = BPF_CORE_READ(regs, r8);
	arg[5] = BPF_CORE_READ(regs, r9);
}

#endif
