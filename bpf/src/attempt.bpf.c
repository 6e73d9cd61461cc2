// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of system calls, for rules that want to know what the kernel itself refused: no LSM hook sees that,
 * since the kernel looks at permissions and names before it asks. Attached to the functions of the calls that
 * mean the operations of such rules; what succeeds costs a look at the result.
 */
#include "act.h"
#include "maps.bpf.h"

#define ENF_MAX_ERRNO 4095
/* include/linux/errno.h: the call begins anew, or another error is made of it; ERESTARTSYS to _RESTARTBLOCK. */
#define ENF_RESTART_FIRST 512
#define ENF_RESTART_LAST 516

static __always_inline void enf_ended(struct pt_regs *ctx)
{
	struct enf_failed call = {};
	long result = ctx->ax;
	int rc = 0;

	if (result >= 0 || result < -ENF_MAX_ERRNO ||
	    (result <= -ENF_RESTART_FIRST && result >= -ENF_RESTART_LAST))
		return;
	call.told = bpf_get_attach_cookie(ctx);
	call.error = -result;
	for (__u32 which = 0; which < ENF_END_NAMES; which++) {
		if (which && !(call.told >> (ENF_SYS_KINDS_AT + ENF_END_NAME_BITS) & 7))
			break;
		call.which = which;
		for (int i = 0; i < ENF_TRIES; i++) {
			rc = enf_act_failed(&call);
			if (rc != ENF_AGAIN)
				break;
		}
		if (rc == ENF_AGAIN) /* nothing hangs on it: no record, which is counted */
			enf_count(ENF_STAT_ATTEMPT_LOST);
	}
}

SEC("?kretprobe.multi/enf_attempt")
int enf_attempt(struct pt_regs *ctx)
{
	enf_ended(ctx);
	return 0;
}
