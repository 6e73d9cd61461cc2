/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses and ports as operands, and one end of an IP packet in a struct sk_buff. */
#ifndef ENFORCER_PACKET_BPF_H
#define ENFORCER_PACKET_BPF_H

#include "kernel.h"
#include "image.h"

#define ENF_V4 0x0000ffff00000000ULL /* ::ffff:0:0/96 */
#define ENF_INET_DIMS (ENF_BIT(ENF_DIM_ADDR) | ENF_BIT(ENF_DIM_PORT))
#define ENF_SKB_DIMS (ENF_BIT(ENF_DIM_FAMILY) | ENF_BIT(ENF_DIM_PROTOCOL) | ENF_INET_DIMS)

static __always_inline void enf_take_v6(struct enf_object *o, const __u64 *words)
{
	o->addr_hi = bpf_be64_to_cpu(words[0]);
	o->addr_lo = bpf_be64_to_cpu(words[1]);
}

/*
 * One end of the IP packet in a struct sk_buff. Its header is copied to where the path of a file will
 * be, since stacks are small. What is no IP packet has no ends; those of one that says that it is, but
 * has no header yet, are unknown.
 */
int enf_take_skb(struct enf_scratch *s, __u64 skb, int is_source);

#endif
