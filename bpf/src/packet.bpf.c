// SPDX-License-Identifier: GPL-2.0-only
/* The headers of an IP packet. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___packet
#include "address.bpf.h"
#include "operand.bpf.h"
#include "packet.bpf.h"

#define ENF_ETH_IP 0x0800
#define ENF_ETH_IPV6 0x86dd
#define ENF_FRAGMENT 0x1fff

/* What may stand between the header of IPv6 and the packet's own: not followed, so it is unknown. */
static __always_inline int enf_is_extension(__u32 next)
{
	return next == 0 || next == 43 || next == 44 || next == 50 || next == 51 || next == 60 ||
	       next == 135 || next == 139 || next == 140;
}

__attribute__((noinline)) int enf_take_skb(struct enf_scratch *s, __u64 skb, int is_source)
{
	__u64 head = 0, ports, tail, dims = ENF_SKB_DIMS;
	__u32 end = 0, at, kind;
	__u16 network = 0, ether = 0, port = 0;
	struct enf_object *o;
	int is_ip, missing;
	__u8 *ip;

	if (!s)
		return ENF_UNREADABLE;
	o = &s->object;
	ip = (__u8 *)&s->text[ENF_TEXT_PATH];
	enf_read(head, skb + enf_offset(struct sk_buff, head));
	enf_read(end, skb + enf_offset(struct sk_buff, tail));
	enf_read(network, skb + enf_offset(struct sk_buff, network_header));
	enf_read(ether, skb + enf_offset(struct sk_buff, protocol));
	ether = bpf_ntohs(ether);
	is_ip = ether == ENF_ETH_IP || ether == ENF_ETH_IPV6;
	missing = is_ip ? ENF_UNREADABLE : ENF_ABSENT;
	/* In a message of a unix socket, what would be the header is what its sender wrote. */
	if (!head || !network || (ether && !is_ip))
		return missing;
	tail = head + end;
	if (head + network + 20 > tail ||
	    bpf_probe_read_kernel(ip, 40, (const void *)(head + network)))
		return missing;
	if (ip[0] >> 4 == 4 && ether != ENF_ETH_IPV6) {
		kind = ip[9];
		at = is_source ? 12 : 16;
		o->num[ENF_DIM_FAMILY - ENF_DIM_FIRST_NUM] = ENF_AF_INET;
		o->addr_hi = 0;
		o->addr_lo = ENF_V4 | bpf_ntohl(*(__u32 *)&ip[at & 31]);
		ports = head + network + (ip[0] & 15) * 4;
		if (bpf_ntohs(*(__u16 *)&ip[6]) & ENF_FRAGMENT) /* only the first one has ports */
			dims &= ~ENF_BIT(ENF_DIM_PORT);
	} else if (ip[0] >> 4 == 6 && ether != ENF_ETH_IP && head + network + 40 <= tail) {
		kind = ip[6];
		at = is_source ? 8 : 24;
		o->num[ENF_DIM_FAMILY - ENF_DIM_FIRST_NUM] = ENF_AF_INET6;
		enf_take_v6(o, (__u64 *)&ip[at & 31]);
		ports = head + network + 40;
		if (enf_is_extension(kind))
			o->unknown |= ENF_BIT(ENF_DIM_PROTOCOL) | ENF_BIT(ENF_DIM_PORT);
	} else {
		return missing;
	}
	o->num[ENF_DIM_PROTOCOL - ENF_DIM_FIRST_NUM] = kind;
	if (!enf_has_ports(kind) && !(o->unknown & ENF_BIT(ENF_DIM_PORT)))
		dims &= ~ENF_BIT(ENF_DIM_PORT);
	if (dims & ENF_BIT(ENF_DIM_PORT)) {
		if (ports + 4 > tail ||
		    bpf_probe_read_kernel(&port, 2, (const void *)(ports + (is_source ? 0 : 2))))
			o->unknown |= ENF_BIT(ENF_DIM_PORT);
		o->num[ENF_DIM_PORT - ENF_DIM_FIRST_NUM] = bpf_ntohs(port);
	}
	o->present |= dims;
	return ENF_FOUND;
}
