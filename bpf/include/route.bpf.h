/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Source routes: a packet that is sent to one address goes to another one first, which its sender chose. The
 * routing header of IPv6 and the loose and strict source routes of IPv4 come from options of the socket, or
 * from control messages of one send. What is asked about is the first hop, in addition to the address; where
 * there are more hops, or where they cannot be read, an address that is unknown, so that onError decides.
 */
#ifndef ENFORCER_ROUTE_BPF_H
#define ENFORCER_ROUTE_BPF_H

#include "address.bpf.h"
#include "held.bpf.h"
#include "read.bpf.h"

#define ENF_HOP_FIRST 1	  /* the access has its address now */
#define ENF_HOP_UNKNOWN 2 /* there are others, or it could not be read */

/* ---- Of one socket ------------------------------------------------------------------------ */

/*
 * May the socket have a source route? Asked at every connect and every send to an address, so it takes a few
 * loads: two pointers, which are NULL on nearly every socket.
 */
static __always_inline int enf_may_be_routed(const struct enf_access *a, __u64 sk)
{
	__u64 options;

	if (!sk || (a->family != ENF_AF_INET && a->family != ENF_AF_INET6))
		return 0;
	/* also of a socket of version 6: it may send to an address of version 4 */
	options = enf_word_at(enf_member(sk, struct inet_sock, inet_opt));
	if (a->family == ENF_AF_INET6 && !options) {
		options = enf_word_at(enf_member(sk, struct inet_sock, pinet6));
		options = enf_word_at(options + enf_offset(struct ipv6_pinfo, opt));
	}
	return options != 0;
}

/* The first hop of a routing header at *header* (ipv6_push_rthdr). */
static __always_inline int enf_hop6(struct enf_access *a, __u64 header)
{
	__u8 head[4] = {}; /* next header, length, type, segments left */
	__u8 address[16] = {};
	__u64 at = header + 8;
	int more;

	if (bpf_probe_read_kernel(head, sizeof(head), (void *)header))
		return ENF_HOP_UNKNOWN;
	if (head[2] == ENF_IPV6_SRCRT_SEGMENTS) { /* the last segment is the first to be visited */
		at += (__u64)head[3] * 16;
		more = head[3] > 1;
	} else { /* types 0 and 2: as many addresses as fit */
		more = head[1] > 2;
	}
	if (bpf_probe_read_kernel(address, sizeof(address), (void *)at))
		return ENF_HOP_UNKNOWN;
	enf_v6(a, address);
	return ENF_HOP_FIRST | (more ? ENF_HOP_UNKNOWN : 0);
}

#define ENF_IP_HEADER 20 /* what offsets into options count from */

/* The first hop of *options*, a struct ip_options_rcu that the kernel has compiled. */
static __always_inline int enf_hop4(struct enf_access *a, __u64 options)
{
	__u64 option = enf_member(options, struct ip_options_rcu, opt);
	__u8 route = 0, length = 0;
	__u32 hop = 0;

	bpf_probe_read_kernel(&route, 1, (void *)enf_member(option, struct ip_options, srr));
	if (!route)
		return 0;
	bpf_probe_read_kernel(&hop, 4, (void *)enf_member(option, struct ip_options, faddr));
	/* type, length, pointer, addresses; that of the first has been taken out and is room for the last */
	bpf_probe_read_kernel(&length, 1,
			      (void *)enf_member(option, struct ip_options, __data) + route -
				      ENF_IP_HEADER + 1);
	enf_v4(a, hop);
	return ENF_HOP_FIRST | (length > 7 ? ENF_HOP_UNKNOWN : 0);
}

/*
 * Where the options of *sk* send to first; *a* gets the address. Frames of their own, here and below: those of
 * hooks lie under the deepest calls. Global, so that they are verified once, however many ways lead by.
 * Returns: ENF_HOP_*, or 0 if it is nowhere else.
 */
__attribute__((noinline)) int enf_hops_of_socket(struct enf_access *a, __u64 sk)
{
	__u64 options = 0, v6 = 0, header = 0;
	int found = 0;

	if (!a || !sk)
		return 0;
	bpf_probe_read_kernel(&options, 8, (void *)enf_member(sk, struct inet_sock, inet_opt));
	if (options)
		found = enf_hop4(a, options);
	if (a->family != ENF_AF_INET6)
		return found;
	options = 0;
	bpf_probe_read_kernel(&v6, 8, (void *)enf_member(sk, struct inet_sock, pinet6));
	if (v6)
		bpf_probe_read_kernel(&options, 8, (void *)enf_member(v6, struct ipv6_pinfo, opt));
	if (options)
		bpf_probe_read_kernel(&header, 8,
				      (void *)enf_member(options, struct ipv6_txoptions, srcrt));
	if (!header)
		return found;
	/* It has both: which one counts is the address's to say. One is asked about, the other unknown. */
	return enf_hop6(a, header) | (found ? ENF_HOP_UNKNOWN : 0);
}

/* ---- Of one send -------------------------------------------------------------------------- */

struct enf_told { /* struct cmsghdr */
	__u64 len;
	__u32 level;
	__u32 type;
};

#define ENF_TOLD_MESSAGES                                                                          \
	16 /* that are looked at; whether there is a route among others is unknown */

/*
 * Where the control messages at *at*, *left* bytes, send to first. The kernel has copied them when a socket's hook
 * is asked (____sys_sendmsg), and reads that copy afterwards. Options of IPv4 are not taken apart: unknown.
 */
__attribute__((noinline)) int enf_hops_told(struct enf_access *a, __u64 at, __u64 left)
{
	struct enf_told told = {};
	int found = 0;

	if (!a)
		return ENF_HOP_UNKNOWN; /* cannot be: onError decides */
	for (int i = 0; i < ENF_TOLD_MESSAGES; i++) {
		int here = 0;

		if (!at || left < sizeof(told)) /* the kernel reads no further, either */
			return found;
		if (bpf_probe_read_kernel(&told, sizeof(told), (void *)at))
			return ENF_HOP_UNKNOWN; /* cannot be: the kernel's own memory. onError decides */
		if (told.len < sizeof(told) || told.len > left)
			return found;
		if (told.level == ENF_IPPROTO_IP && told.type == ENF_IP_RETOPTS)
			here = ENF_HOP_UNKNOWN;
		else if (told.level == ENF_IPPROTO_IPV6 &&
			 (told.type == ENF_IPV6_RTHDR || told.type == ENF_IPV6_2292RTHDR))
			here = enf_hop6(a, at + sizeof(told));
		if (here)
			found = here | (found ? ENF_HOP_UNKNOWN : 0);
		told.len = (told.len + 7) & ~7ULL;
		at += told.len;
		left = told.len < left ? left - told.len : 0;
	}
	return found | (left ? ENF_HOP_UNKNOWN : 0);
}

/* ---- Of what is to come ------------------------------------------------------------------- */

/* Is it an option by which packets may come to be sent elsewhere? */
static __always_inline int enf_is_routing(int level, int option)
{
	if (level == ENF_IPPROTO_IP)
		return option == ENF_IP_OPTIONS;
	return level == ENF_IPPROTO_IPV6 &&
	       (option == ENF_IPV6_RTHDR || option == ENF_IPV6_2292RTHDR ||
		option == ENF_IPV6_2292PKTOPTIONS || option == ENF_IPV6_FLOWLABEL_MGR);
}

#endif
