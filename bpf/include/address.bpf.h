/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses of IP as operands: one form for both versions. */
#ifndef ENFORCER_ADDRESS_BPF_H
#define ENFORCER_ADDRESS_BPF_H

#include "act.h"

#define ENF_V4_MAPPED 0x0000ffff00000000ULL

#define enf_member(base, type, field)                                                              \
	((__u64)(base) + __builtin_preserve_field_info(((type *)0)->field, 0))

/* Put an address in its one form: IPv6 high and low, IPv4 and ::ffff:0:0/96 as mapped. */
static __always_inline void enf_v4(struct enf_access *a, __u32 be)
{
	a->addr_hi = 0;
	a->addr_lo = ENF_V4_MAPPED | bpf_ntohl(be);
}

static __always_inline void enf_v6(struct enf_access *a, const __u8 *b)
{
	__u64 hi, lo;

	__builtin_memcpy(&hi, b, 8);
	__builtin_memcpy(&lo, b + 8, 8);
	a->addr_hi = bpf_be64_to_cpu(hi);
	a->addr_lo = bpf_be64_to_cpu(lo);
}

/* What is not looked at, or cannot be: address and port are unknown, and onError decides. */
static __always_inline void enf_nowhere_known(struct enf_access *a)
{
	a->present |= ENF_BIT64(ENF_DIM_ADDR) | ENF_BIT64(ENF_DIM_PORT);
	a->unknown |= ENF_BIT64(ENF_DIM_ADDR) | ENF_BIT64(ENF_DIM_PORT);
}

/* Do packets of the protocol begin with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite? */
static __always_inline int enf_has_ports(__u32 protocol)
{
	return protocol == ENF_IPPROTO_TCP || protocol == ENF_IPPROTO_UDP ||
	       protocol == ENF_IPPROTO_DCCP || protocol == ENF_IPPROTO_SCTP ||
	       protocol == ENF_IPPROTO_UDPLITE;
}

/*
 * What the port of a socket of IP is. One whose protocol has none takes the number that a caller wrote and does not look
 * at it. Where the protocol has ports, the packets of a raw socket name what they like.
 */
#define ENF_NO_PORT 0
#define ENF_ANY_PORT 1
#define ENF_ITS_PORT 2

static __always_inline int enf_port_of(__u32 type, __u32 protocol)
{
	if (type == ENF_SOCK_RAW)
		return enf_has_ports(protocol) || protocol == ENF_IPPROTO_RAW ? ENF_ANY_PORT
									      : ENF_NO_PORT;
	return enf_has_ports(protocol) || protocol == ENF_IPPROTO_SMC ||
			       protocol == ENF_IPPROTO_MPTCP
		       ? ENF_ITS_PORT
		       : ENF_NO_PORT;
}

#endif
