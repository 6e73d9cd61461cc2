/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports that the kernel chooses. From the range of the host (net.ipv4.ip_local_port_range) it chooses for every client, so
 * that is no act of the caller: a bind to port 0 is one to port 0, and a rule whose ports include an end of that range
 * has 0 among them (readers/match.py). A caller that gives its socket a range of its own (IP_LOCAL_PORT_RANGE) chooses
 * itself: the port is one of these, and which is unknown.
 */
#ifndef ENFORCER_PORT_BPF_H
#define ENFORCER_PORT_BPF_H

#include "address.bpf.h"
#include "read.bpf.h"

static __always_inline int enf_has_ranges(void)
{
	return bpf_core_field_exists(((struct inet_sock___range *)0)->local_port_range) ||
	       bpf_core_field_exists(((struct inet_sock___pair *)0)->local_port_range);
}

/*
 * The kernel takes the part of the range that lies in the host's. Without such a part it takes the host's, which is
 * the choice of every client again.
 * Returns: whether the socket has a range of its own. Then the port of *a* is unknown within it.
 */
static __always_inline int enf_chosen_port(struct enf_access *a, __u64 sk)
{
	__u16 low = 0, high = 0;
	__u64 at;

	if (!sk || !enf_has_ranges())
		return 0;
	if (bpf_core_field_exists(((struct inet_sock___range *)0)->local_port_range)) {
		__u32 range =
			enf_word_at(enf_member(sk, struct inet_sock___range, local_port_range));

		low = range;
		high = range >> 16;
	} else {
		at = enf_member(sk, struct inet_sock___pair, local_port_range);
		enf_read(low, at);
		enf_read(high, at + sizeof(low));
	}
	if (!low && !high)
		return 0;
	a->present |= ENF_BIT64(ENF_DIM_PORT);
	a->unknown |= ENF_BIT64(ENF_DIM_PORT);
	a->port_low = low;
	a->port_high = high ? high : 0xffff; /* 0: that end is the host's */
	return 1;
}

#endif
