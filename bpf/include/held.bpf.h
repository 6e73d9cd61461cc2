/* SPDX-License-Identifier: GPL-2.0-only */
/* Who else may use a socket at this moment. */
#ifndef ENFORCER_HELD_BPF_H
#define ENFORCER_HELD_BPF_H

#include "act.h"
#include "address.bpf.h"
#include "read.bpf.h"

/*
 * Does nobody but the caller hold the file of *sock*? Then no connect and no send on it is between its hook and
 * the place where the kernel looks at the route. One reference is that of the caller's only table: with a second
 * thread the call itself would hold another one. A ring of io_uring can hold a socket without a descriptor and
 * use it from anywhere, so who has used one is not taken for alone. Fail direction: what cannot be read is shared.
 */
static __always_inline int enf_is_held_alone(struct socket *sock)
{
	__u64 file = enf_pointer(sock, file), ring = 0, references = -1;

	if (!file)
		return 0;
	if (bpf_core_field_exists(((struct task_struct *)0)->io_uring))
		enf_read(ring,
			 (__u64)bpf_get_current_task() + enf_offset(struct task_struct, io_uring));
	if (ring)
		return 0;
	if (bpf_core_field_exists(((struct file___counted *)0)->f_count)) {
		enf_read(references, enf_member(file, struct file___counted, f_count));
		return references == 1;
	}
	if (bpf_core_field_exists(((struct file___ref *)0)->f_ref)) {
		enf_read(references, enf_member(file, struct file___ref, f_ref));
		return references == 0; /* it counts from none */
	}
	return 0;
}

#endif
