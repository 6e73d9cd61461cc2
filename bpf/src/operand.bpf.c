// SPDX-License-Identifier: GPL-2.0-only
/* Following the steps of an operand, and what each type of it becomes. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___operand
#include "address.bpf.h"
#include "arguments.h"
#include "maps.bpf.h"
#include "operand.bpf.h"
#include "packet.bpf.h"

/* The peer's, beside what sock_common has in kernel.h. */
struct sock_common___peer {
	__be32 skc_daddr;
	__be16 skc_dport;
	volatile unsigned char skc_state;
	struct {
		__u8 b[16];
	} skc_v6_daddr;
} __attribute__((preserve_access_index));

/* By its address: the upper half is the kernel's. User memory can be changed after we have looked. */
static __always_inline long enf_fetch(void *dst, __u32 size, __u64 from)
{
	if (from >> 63)
		return bpf_probe_read_kernel(dst, size, (const void *)from);
	return bpf_probe_read_user(dst, size, (const void *)from);
}

static __always_inline long enf_fetch_text(void *dst, __u32 size, __u64 from)
{
	if (from >> 63)
		return bpf_probe_read_kernel_str(dst, size, (const void *)from);
	return bpf_probe_read_user_str(dst, size, (const void *)from);
}

/* As many bytes as the number has, in the order that it has there. */
static __always_inline __u64 enf_shaped(__u64 value, __u32 width, __u32 flags)
{
	switch (width) {
	case 1:
		return flags & ENF_OPERAND_SIGNED ? (__u64)(__s64)(__s8)value : (__u8)value;
	case 2:
		if (flags & ENF_OPERAND_SWAPPED)
			value = __builtin_bswap16(value);
		return flags & ENF_OPERAND_SIGNED ? (__u64)(__s64)(__s16)value : (__u16)value;
	case 4:
		if (flags & ENF_OPERAND_SWAPPED)
			value = __builtin_bswap32(value);
		return flags & ENF_OPERAND_SIGNED ? (__u64)(__s64)(__s32)value : (__u32)value;
	}
	return flags & ENF_OPERAND_SWAPPED ? __builtin_bswap64(value) : value;
}

/* Of a number that has the bits of several members, those of one. */
static __always_inline __u64 enf_bits(__u64 value, __u32 shift, __u32 bits, __u32 flags)
{
	__u32 above = (64 - shift - bits) & 63, unused = (64 - bits) & 63;

	value <<= above;
	return flags & ENF_OPERAND_SIGNED ? (__u64)((__s64)value >> unused) : value >> unused;
}

static __always_inline __u64 enf_given(const struct enf_point_call *call, __u32 arg)
{
	if (arg == ENF_ARG_RETURN)
		return call->result;
	if (arg == ENF_ARG_RECORD)
		return call->record;
	enf_barrier(arg);
	return arg < ENF_POINT_ARGS ? call->arg[arg] : 0;
}

/* Follow the steps. Numbers come out shaped, everything else as an address. */
__attribute__((noinline)) int enf_follow(const struct enf_point_call *call,
					 const struct enf_operand *operand, __u64 *out)
{
	__u32 n, width;
	__u64 at;

	if (!call || !operand || !out)
		return ENF_UNREADABLE;
	n = operand->n_steps;
	width = operand->width;
	at = enf_given(call, operand->arg);
	if (!n) {
		*out = operand->type == ENF_OPERAND_NUMBER ? enf_shaped(at, width, operand->flags)
							   : at;
		return operand->type == ENF_OPERAND_NUMBER || operand->type == ENF_OPERAND_FD || at
			       ? ENF_FOUND
			       : ENF_ABSENT;
	}
	for (__u32 i = 0; i < ENF_POINT_STEPS && i < n; i++) {
		__u64 next = 0;

		if (!at)
			return ENF_ABSENT;
		at += (__s64)operand->step[i];
		if (i + 1 == n)
			break;
		if (enf_fetch(&next, sizeof(next), at))
			return ENF_UNREADABLE;
		at = next;
	}
	if (operand->flags & ENF_OPERAND_DATA_LOC) { /* upper half: how long it is */
		__u32 where = 0;

		if (enf_fetch(&where, sizeof(where), at))
			return ENF_UNREADABLE;
		*out = call->record + (where & 0xffff);
		return ENF_FOUND;
	}
	if (operand->type != ENF_OPERAND_NUMBER) {
		if (operand->flags & ENF_OPERAND_INLINE) {
			*out = at;
			return ENF_FOUND;
		}
		width = 8;
	}
	*out = 0;
	enf_barrier(width);
	if (width > 8 || enf_fetch(out, width, at))
		return ENF_UNREADABLE;
	if (operand->flags & ENF_OPERAND_BITS)
		*out = enf_bits(*out, operand->shift, operand->size_arg, operand->flags);
	else if (operand->type == ENF_OPERAND_NUMBER)
		*out = enf_shaped(*out, width, operand->flags);
	else if (!*out && operand->type != ENF_OPERAND_FD)
		return ENF_ABSENT;
	return ENF_FOUND;
}

/* ---- What becomes of it -------------------------------------------------------------------- */

static __always_inline int enf_take_sockaddr(struct enf_object *o, __u64 from)
{
	__u16 family = 0, port = 0;
	__u64 words[2] = {};
	__u32 v4 = 0;

	if (enf_fetch(&family, sizeof(family), from))
		return ENF_UNREADABLE;
	o->num[ENF_DIM_FAMILY - ENF_DIM_FIRST_NUM] = family;
	o->present |= ENF_BIT(ENF_DIM_FAMILY);
	/* bind() and the sendmsg() of UDP take it for AF_INET, and others do not. */
	if (family == ENF_AF_UNSPEC)
		o->unknown |= ENF_BIT(ENF_DIM_FAMILY);
	else if (family != ENF_AF_INET && family != ENF_AF_INET6)
		return ENF_FOUND;
	o->present |= ENF_INET_DIMS;
	if (enf_fetch(&port, sizeof(port), from + 2)) {
		o->unknown |= ENF_INET_DIMS;
		return ENF_FOUND;
	}
	o->num[ENF_DIM_PORT - ENF_DIM_FIRST_NUM] = bpf_ntohs(port);
	if (family != ENF_AF_INET6) {
		if (enf_fetch(&v4, sizeof(v4), from + 4))
			o->unknown |= ENF_INET_DIMS;
		o->addr_lo = ENF_V4 | bpf_ntohl(v4);
	} else {
		if (enf_fetch(words, sizeof(words), from + 8))
			o->unknown |= ENF_INET_DIMS;
		enf_take_v6(o, words);
	}
	return ENF_FOUND;
}

/* The peer of a sock; one that has none has the address that is all zero. */
static __always_inline int enf_take_sock(struct enf_object *o, __u32 type, __u64 sk)
{
	__u16 family = 0, kind = 0, protocol = 0, port = 0;
	__u64 words[2] = {}, common;
	__u32 v4 = 0, which;
	__u8 state = 0;

	if (type == ENF_OPERAND_SOCKET) {
		__u64 socket = sk;

		sk = 0;
		if (bpf_probe_read_kernel(&sk, sizeof(sk),
					  (const void *)(socket + enf_offset(struct socket, sk))))
			return ENF_UNREADABLE;
		if (!sk)
			return ENF_ABSENT;
	}
	common = sk + enf_offset(struct sock, __sk_common);
	if (bpf_probe_read_kernel(
		    &family, sizeof(family),
		    (const void *)(common + enf_offset(struct sock_common, skc_family))))
		return ENF_UNREADABLE;
	enf_read(kind, sk + enf_offset(struct sock, sk_type));
	enf_read(protocol, sk + enf_offset(struct sock, sk_protocol));
	o->num[ENF_DIM_FAMILY - ENF_DIM_FIRST_NUM] = family;
	o->num[ENF_DIM_TYPE - ENF_DIM_FIRST_NUM] = kind;
	o->num[ENF_DIM_PROTOCOL - ENF_DIM_FIRST_NUM] = protocol;
	o->present |= ENF_BIT(ENF_DIM_FAMILY) | ENF_BIT(ENF_DIM_TYPE) | ENF_BIT(ENF_DIM_PROTOCOL);
	if (family != ENF_AF_INET && family != ENF_AF_INET6)
		return ENF_FOUND;
	o->present |= ENF_BIT(ENF_DIM_ADDR);
	which = enf_port_of(kind, protocol);
	enf_read(state, common + enf_offset(struct sock_common___peer, skc_state));
	/* No more than a sock_common: what was read behind it lies in something else. Only TCP has these. */
	if (state == ENF_TCP_TIME_WAIT || state == ENF_TCP_NEW_SYN_RECV) {
		o->unknown |= ENF_BIT(ENF_DIM_TYPE) | ENF_BIT(ENF_DIM_PROTOCOL);
		which = ENF_ITS_PORT;
	}
	if (which != ENF_NO_PORT)
		o->present |= ENF_BIT(ENF_DIM_PORT);
	if (which == ENF_ANY_PORT)
		o->unknown |= ENF_BIT(ENF_DIM_PORT);
	if (which == ENF_ITS_PORT) {
		enf_read(port, common + enf_offset(struct sock_common___peer, skc_dport));
		o->num[ENF_DIM_PORT - ENF_DIM_FIRST_NUM] = bpf_ntohs(port);
	}
	if (family == ENF_AF_INET) {
		enf_read(v4, common + enf_offset(struct sock_common___peer, skc_daddr));
		o->addr_lo = ENF_V4 | bpf_ntohl(v4);
		return ENF_FOUND;
	}
	/* A kernel without IPv6 has no such sock. */
	if (bpf_core_field_exists(((struct sock_common___peer *)0)->skc_v6_daddr))
		bpf_probe_read_kernel(words, sizeof(words),
				      (const void *)(common + enf_offset(struct sock_common___peer,
									 skc_v6_daddr)));
	enf_take_v6(o, words);
	return ENF_FOUND;
}

/*
 * Strings lie as arguments of a program would; s->pos is where the next begins, s->comp how many there
 * are. One that is an array need not end in it: what lies behind is not a part of it.
 */
static __always_inline int enf_take_text(struct enf_scratch *s, const struct enf_operand *operand,
					 __u64 from)
{
	__u32 at = s->pos, slot = operand->slot, room = ENF_PATH_MAX;
	struct enf_arguments *arguments = enf_arguments_of(s);
	struct enf_object *o = &s->object;
	long n;

	o->present |= ENF_BIT(ENF_DIM_ARG_ANY) | ENF_BIT((ENF_DIM_ARG0 + slot) & 63);
	if (operand->flags & ENF_OPERAND_INLINE)
		room = operand->width + 1;
	enf_barrier(at);
	enf_barrier(room);
	if (!arguments || at > ENF_ARGUMENTS_SIZE - ENF_PATH_MAX || room > ENF_PATH_MAX)
		return ENF_UNREADABLE;
	n = enf_fetch_text(&arguments->text[at], room, from);
	if (n <= 0 || n >= room) /* what fills the room may be longer than it */
		return ENF_UNREADABLE;
	s->pos = at + n;
	s->comp = slot + 1;
	return ENF_FOUND;
}

static __always_inline int enf_take_bytes(struct enf_scratch *s, __u64 size, __u64 from)
{
	struct enf_object *o = &s->object;
	__u32 n = size;

	o->present |= ENF_BIT(ENF_DIM_NAME);
	if (size > ENF_NAME_MAX)
		return ENF_UNREADABLE;
	enf_barrier(n);
	if (n > ENF_NAME_MAX || (n && enf_fetch(&s->text[ENF_TEXT_NAME], n, from)))
		return ENF_UNREADABLE;
	o->name_len = n;
	return ENF_FOUND;
}

/* The dimensions that an operand of this type fills. */
static __always_inline __u64 enf_dims_of(__u32 type, __u32 slot)
{
	switch (type) {
	case ENF_OPERAND_NUMBER:
		return ENF_BIT((ENF_DIM_N0 + slot) & 63);
	case ENF_OPERAND_TEXT:
		return ENF_BIT(ENF_DIM_ARG_ANY) | ENF_BIT((ENF_DIM_ARG0 + slot) & 63);
	case ENF_OPERAND_BYTES:
		return ENF_BIT(ENF_DIM_NAME);
	case ENF_OPERAND_SKB:
	case ENF_OPERAND_SKB_SOURCE:
		return ENF_SKB_DIMS;
	case ENF_OPERAND_SOCKADDR:
	case ENF_OPERAND_SOCK:
	case ENF_OPERAND_SOCKET:
		return ENF_BIT(ENF_DIM_FAMILY) | ENF_INET_DIMS;
	}
	return ENF_BIT(ENF_DIM_PATH);
}

__attribute__((noinline)) int enf_take(struct enf_scratch *s, const struct enf_point_call *call,
				       const struct enf_operand *operand, struct enf_access *a)
{
	__u32 type, slot, how, n;
	struct enf_object *o;
	__u64 value = 0;

	if (!s || !call || !operand || !a)
		return 0;
	o = &s->object;
	type = operand->type;
	slot = operand->slot;
	how = enf_follow(call, operand, &value);
	if (how == ENF_FOUND) {
		switch (type) {
		case ENF_OPERAND_NUMBER:
			n = ENF_DIM_N0 - ENF_DIM_FIRST_NUM + slot;
			enf_barrier(n);
			if (n < ENF_NUM_DIMS)
				o->num[n] = value;
			o->present |= enf_dims_of(type, slot);
			break;
		case ENF_OPERAND_TEXT:
			how = enf_take_text(s, operand, value);
			break;
		case ENF_OPERAND_BYTES:
			how = enf_take_bytes(s,
					     operand->size_arg == ENF_ARG_NONE
						     ? operand->width
						     : enf_given(call, operand->size_arg),
					     value);
			break;
		case ENF_OPERAND_SOCKADDR:
			how = enf_take_sockaddr(o, value);
			break;
		case ENF_OPERAND_SOCK:
		case ENF_OPERAND_SOCKET:
			how = enf_take_sock(o, type, value);
			break;
		case ENF_OPERAND_SKB:
		case ENF_OPERAND_SKB_SOURCE:
			how = enf_take_skb(s, value, type == ENF_OPERAND_SKB_SOURCE);
			break;
		default:
			how = enf_take_path(a, type, value);
		}
	}
	if (how == ENF_UNREADABLE) {
		o->present |= enf_dims_of(type, slot);
		o->unknown |= enf_dims_of(type, slot);
		enf_count(ENF_STAT_ARGV_UNKNOWN);
	}
	if (type == ENF_OPERAND_TEXT &&
	    how != ENF_FOUND) { /* the next string has its place all the same */
		struct enf_arguments *arguments = enf_arguments_of(s);
		__u32 at = s->pos;

		enf_barrier(at);
		if (arguments && at < ENF_ARGUMENTS_SIZE)
			arguments->text[at] = 0;
		s->pos = at + 1;
	}
	return 0;
}
