/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Permits (permit.bpf.h) of accesses to sockets by address: whose operands are all in the access itself, and say the
 * same each time.
 */
#ifndef ENFORCER_PEER_BPF_H
#define ENFORCER_PEER_BPF_H

#include "act.h"
#include "permit.bpf.h"

#define ENF_PEER_DIMS                                                                              \
	(ENF_BIT(ENF_DIM_FAMILY) | ENF_BIT(ENF_DIM_TYPE) | ENF_BIT(ENF_DIM_PROTOCOL) |             \
	 ENF_BIT(ENF_DIM_ADDR) | ENF_BIT(ENF_DIM_PORT))

/* Is all that can be asked of the access in its numbers, and known? */
static __always_inline int enf_is_peer(const struct enf_access *a)
{
	return a->present && !(a->present & ~ENF_PEER_DIMS) && !a->unknown && !a->dentry &&
	       !a->name;
}

/* Was the access permitted to the task's set? Counts that it was, as the decision would. */
int enf_peer_permitted(struct enf_task *task, struct enf_access *a);

/* Remember the verdict on the access, if it will be the same the next time. */
int enf_peer_remember(struct enf_scratch *s, struct enf_task *task, struct enf_access *a);

#endif
