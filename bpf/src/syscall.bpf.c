// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls at their entry, for what no LSM hook means. Attached to the functions that the entries
 * call (__x64_sys_NAME and its kin), whose only argument is where the caller's registers were saved;
 * so a call that no rule names costs nothing.
 *
 * The numbers are the kernel's own copy. Strings lie in the caller's memory and can be changed after
 * the decision.
 */
#include "act.h"
#include "call.h"

/*
 * Whether the call is the one of the many that this entry stands for: a register says so. Its own arguments are told
 * as unknown. Those of socketcall lie in the caller's memory, from which the kernel copies them after this.
 */
static __always_inline int enf_is_asked(const struct enf_call *call)
{
	__u32 number = (call->told >> ENF_SYS_CALL_AT) & 0xff;

	if (call->told & ENF_SYS_SOCKETCALL)
		return (__u32)call->arg[0] == number;
	if (call->told & ENF_SYS_IPC)
		return ((__u32)call->arg[0] & 0xffff) == number; /* above: a version */
	return 1;
}

static __always_inline int enf_enter(struct pt_regs *ctx, int how)
{
	struct enf_call call = { .told = bpf_get_attach_cookie(ctx) };
	int error = ENF_AGAIN;

	enf_registers(call.arg, call.told, (const struct pt_regs *)ctx->di);
	if (!enf_is_asked(&call))
		return 0;
	for (int i = 0; i < ENF_TRIES; i++) {
		error = enf_act_call(&call, how);
		if (error != ENF_AGAIN)
			break;
	}
	/* Policies that change faster than a call can be decided refuse it, as at every hook. */
	return error == ENF_AGAIN ? -ENF_EPERM : error;
}

/* Where the kernel lets a function's result be replaced: it is not called then. */
SEC("?kprobe.multi/enf_syscall")
int enf_syscall_override(struct pt_regs *ctx)
{
	int error = enf_enter(ctx, ENF_BEFORE);

	if (error)
		bpf_override_return(ctx, error);
	return 0;
}

/* Where it does not, only a signal can be sent, which takes effect when the call returns. */
SEC("?kprobe.multi/enf_syscall")
int enf_syscall_signal(struct pt_regs *ctx)
{
	enf_enter(ctx, ENF_AFTER);
	return 0;
}
