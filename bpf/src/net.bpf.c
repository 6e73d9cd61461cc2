// SPDX-License-Identifier: GPL-2.0-only
/* Sockets. Addresses are the kernel's copies; unix sockets are named by the socket found, not by the
 * string the caller passed.
 */
#define ENF_RDONLY_CAST bpf_rdonly_cast___net
#include "act.h"
#include "address.bpf.h"
#include "maps.bpf.h"
#include "port.bpf.h"
#include "route.bpf.h"

#define ENF_SOCK_DIMS                                                                              \
	(ENF_BIT64(ENF_DIM_FAMILY) | ENF_BIT64(ENF_DIM_TYPE) | ENF_BIT64(ENF_DIM_PROTOCOL))

/* Is it SMC, by one family or the other? It has a socket of TCP inside, which knows the addresses. */
static __always_inline int enf_is_smc(const struct enf_access *a)
{
	return a->protocol == ENF_IPPROTO_SMC;
}

/*
 * Families that carry IP have protocols of their own, which say the version; rules ask for those of IP. That
 * of AF_RXRPC is said by the address, or as a socket is made.
 */
static __always_inline void enf_disguise(__u16 *family, __u16 *protocol)
{
	if (*family == ENF_AF_SMC) {
		if (*protocol == ENF_SMCPROTO_SMC6)
			*family |= ENF_FAMILY_V6;
		*protocol = ENF_IPPROTO_SMC;
	} else if (*family == ENF_AF_RXRPC) {
		*protocol = ENF_IPPROTO_UDP;
	}
}

/* A member of the socket whose struct sock is at *sk*. */
#define enf_of_sock(dst, sk, field) enf_read(dst, enf_member(sk, struct sock, field))

/* Returns: the address of the struct sock. */
static __always_inline __u64 enf_sock(struct enf_access *a, struct socket *sock, __u8 op)
{
	struct sock *sk = sock->sk; /* loads from it need no guard, and each connect makes them */

	a->op[0] = op;
	a->n_ops = 1;
	a->present = ENF_SOCK_DIMS;
	a->type = sock->type;
	if (!sk) { /* being torn down: what it was is unknown, and onError decides */
		a->unknown = ENF_SOCK_DIMS;
		return 0;
	}
	a->family = sk->__sk_common.skc_family;
	a->protocol = sk->sk_protocol;
	enf_disguise(&a->family, &a->protocol);
	return (__u64)sk;
}

struct enf_sockaddr {
	__u16 family;
	__u8 data[30]; /* as much of sockaddr_in6 as is looked at: 28 bytes */
};

#define ENF_RXRPC_HEAD 8 /* family and service, then kind and length of the address behind them */

static __always_inline long enf_copy(struct enf_sockaddr *sa, const void *address, int len)
{
	__u32 n = len > 28 ? 28 : len;

	asm volatile("" : "+r"(n)); /* keep the mask: the verifier reads it, not the bound above */
	return bpf_probe_read_kernel(sa, n & 31, address);
}

#define ENF_ADDR_NONE 0
#define ENF_ADDR_INET 1
#define ENF_ADDR_UNIX 2

/* The port of an address; a raw socket takes none by a bind. */
static __always_inline void enf_port(struct enf_access *a, __u16 port)
{
	int is_ip = a->family == ENF_AF_INET || a->family == ENF_AF_INET6;
	int which = is_ip ? enf_port_of(a->type, a->protocol) : ENF_ITS_PORT;

	if (which == ENF_NO_PORT || (which == ENF_ANY_PORT && a->op[0] == ENF_OP_BIND))
		return;
	a->present |= ENF_BIT64(ENF_DIM_PORT);
	if (which == ENF_ANY_PORT)
		a->unknown |= ENF_BIT64(ENF_DIM_PORT);
	else
		a->port = port;
}

/* Family, port and address, which are the first word of a struct sockaddr_in. */
static __always_inline int enf_sockaddr4(struct enf_access *a, __u64 word)
{
	enf_v4(a, word >> 32);
	enf_port(a, bpf_ntohs((__u16)(word >> 16)));
	a->present |= ENF_BIT64(ENF_DIM_ADDR);
	return ENF_ADDR_INET;
}

static __always_inline int enf_read_sockaddr(struct enf_access *a, const void *address, int len,
					     int unspec_is_inet)
{
	struct enf_sockaddr sa = {};
	/* raw_bind() does not look at the family. */
	int is_raw = unspec_is_inet && a->family == ENF_AF_INET && a->type == ENF_SOCK_RAW;
	__u16 family;

	if (!address || len < 2)
		return ENF_ADDR_NONE;
	if (len >= 8) { /* most are of this kind, and all of it is in the first word */
		__u64 word = enf_word_at((__u64)address);

		if ((__u16)word == ENF_AF_INET)
			return enf_sockaddr4(a, word);
	}
	if (enf_copy(&sa, address, len)) {
		enf_nowhere_known(a); /* cannot be: the kernel's own memory. onError decides */
		return ENF_ADDR_INET;
	}
	/* the address that UDP gets lies within (struct sockaddr_rxrpc) */
	if (sa.family == ENF_AF_RXRPC && !is_raw) {
		len -= ENF_RXRPC_HEAD;
		if (len < 2)
			return ENF_ADDR_NONE;
		if (enf_copy(&sa, address + ENF_RXRPC_HEAD, len)) {
			enf_nowhere_known(a); /* as above */
			return ENF_ADDR_INET;
		}
		if (sa.family == ENF_AF_INET6 && a->family == ENF_AF_RXRPC)
			a->family |= ENF_FAMILY_V6;
		else if (sa.family != ENF_AF_INET && sa.family != ENF_AF_INET6)
			return ENF_ADDR_NONE;
	}
	family = sa.family;
	/* Most protocols take it for their own, and SMC for that of version 4. UDP of version 6 does not look at
	 * the address then; asking about it all the same can only refuse more.
	 */
	if (family == ENF_AF_UNSPEC && unspec_is_inet) {
		if (a->family == ENF_AF_INET || a->family == ENF_AF_INET6)
			family = a->family;
		else if (enf_is_smc(a))
			family = ENF_AF_INET;
	}
	if (is_raw)
		family = ENF_AF_INET;
	if (family == ENF_AF_UNIX && a->family == ENF_AF_UNIX)
		return ENF_ADDR_UNIX;
	if (family == ENF_AF_INET && len >= 8) {
		__u64 word;

		__builtin_memcpy(&word, &sa, sizeof(word));
		return enf_sockaddr4(a, word);
	}
	if (family == ENF_AF_INET6 && len >= 24) {
		enf_v6(a, sa.data + 6);
	} else {
		return ENF_ADDR_NONE;
	}
	enf_port(a, ((__u16)sa.data[0] << 8) | sa.data[1]);
	a->present |= ENF_BIT64(ENF_DIM_ADDR);
	return ENF_ADDR_INET;
}

/*
 * Read a socket address that the kernel has copied. An address that is too short for its family is
 * refused by the protocol itself, so it needs no verdict. A frame of its own, as below: what lies in it would
 * not fit into that of a hook, below the deepest calls.
 */
static __noinline int enf_sockaddr(struct enf_access *a, const void *address, int len,
				   int unspec_is_inet)
{
	return enf_read_sockaddr(a, address, len, unspec_is_inet);
}

/*
 * The same where many ways lead by: global functions are verified once. They take numbers, and what they are told to
 * fill in may be NULL for all that the verifier knows. It never is.
 */
__attribute__((noinline)) int enf_sockaddr_at(struct enf_access *a, __u64 address, int len,
					      int unspec_is_inet)
{
	return a ? enf_read_sockaddr(a, (const void *)address, len, unspec_is_inet) : ENF_ADDR_NONE;
}

#define ENF_LOOPBACK4 0x7f000001 /* 127.0.0.1 */

/* Is it no address, 0.0.0.0 or ::? Asked before the call, which most need not pay for. */
static __always_inline int enf_is_nowhere(const struct enf_access *a)
{
	return !a->addr_hi && (!a->addr_lo || a->addr_lo == ENF_V4_MAPPED);
}

/*
 * Who connects or sends to no address reaches this machine (tcp_v4_connect and tcp_v6_connect, udpv6_sendmsg,
 * ip_route_output_key_hash_rcu), so what is asked about is the address that is reached: of version 6 the
 * loopback, of version 4 what the socket is bound to, or else the loopback. Where a device or a control
 * message has a say in it too (*is_told*), it is another one of this machine's, unknown.
 */
__attribute__((noinline)) int enf_to_itself(struct enf_access *a, __u64 sk, int is_told)
{
	int index = 0, device = 0, is_inet;
	__u32 bound = 0;
	__u8 b[16] = {};

	if (!a || !sk || !(a->present & ENF_BIT64(ENF_DIM_ADDR)) || !enf_is_nowhere(a))
		return 0;
	is_inet = a->family == ENF_AF_INET || a->family == ENF_AF_INET6;
	if (enf_is_smc(a)) { /* the socket inside is the one that may be bound */
		a->unknown |= ENF_BIT64(ENF_DIM_ADDR);
		return 0;
	}
	if (!a->addr_lo) {
		bpf_probe_read_kernel(
			b, sizeof(b),
			(void *)enf_member(sk, struct sock, __sk_common.skc_v6_rcv_saddr));
		if (is_inet && b[10] == 0xff && b[11] == 0xff) /* of version 4 in truth */
			enf_v4(a, bpf_htonl(ENF_LOOPBACK4));
		else
			a->addr_lo = 1;
		return 0;
	}
	if (is_inet) {
		bpf_probe_read_kernel(&bound, 4,
				      (void *)enf_member(sk, struct inet_sock, inet_saddr));
		bpf_probe_read_kernel(&index, 4,
				      (void *)enf_member(sk, struct inet_sock, uc_index));
	}
	enf_v4(a, bound ? bound : bpf_htonl(ENF_LOOPBACK4));
	enf_of_sock(device, sk, __sk_common.skc_bound_dev_if);
	if (is_told || index || device)
		a->unknown |= ENF_BIT64(ENF_DIM_ADDR);
	return 0;
}

SEC("lsm/socket_create")
int BPF_PROG(enf_socket_create, int family, int type, int protocol, int kern, int ret)
{
	struct enf_access a = {
		.present = ENF_SOCK_DIMS,
		.op = { ENF_OP_SOCKET },
		.n_ops = 1,
	};

	if (ret)
		return ret;
	if (kern) /* the kernel's own */
		return 0;
	a.family = family;
	a.type = type & 0xf; /* without SOCK_NONBLOCK and SOCK_CLOEXEC */
	a.protocol = protocol;
	if ((family == ENF_AF_INET || family == ENF_AF_INET6) && !protocol) {
		/* the first of its type (inet_create); there is none for a raw socket */
		if (a.type == ENF_SOCK_STREAM)
			a.protocol = ENF_PROTOCOL_DEFAULT | ENF_IPPROTO_TCP;
		else if (a.type == ENF_SOCK_DGRAM)
			a.protocol = ENF_PROTOCOL_DEFAULT | ENF_IPPROTO_UDP;
		else if (a.type == ENF_SOCK_SEQPACKET)
			a.protocol = ENF_PROTOCOL_DEFAULT | ENF_IPPROTO_SCTP;
		else if (a.type == ENF_SOCK_DCCP)
			a.protocol = ENF_PROTOCOL_DEFAULT | ENF_IPPROTO_DCCP;
	} else if (family == ENF_AF_UNIX && a.type == ENF_SOCK_RAW) {
		a.type = ENF_SOCK_DGRAM; /* which it gets (unix_create) */
	} else if (family == ENF_AF_RXRPC && protocol == ENF_AF_INET6) {
		a.family |= ENF_FAMILY_V6;
	}
	enf_disguise(&a.family, &a.protocol);
	return enf_act(&a);
}

/* Of a socket that is bound to a path, for the hook that sees the name but not the socket. */
struct enf_bind {
	__u16 type;
	__u16 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct enf_bind);
} binds SEC(".maps");

/*
 * Every bind to a path comes by here before its name is made, so what lies here is never of another. A frame
 * of its own: with it that of the hook would not fit below the deepest calls on 6.1.
 */
static __noinline int enf_note_binding(const struct enf_access *a)
{
	struct enf_bind *bind;

	bind = bpf_task_storage_get(&binds, bpf_get_current_task_btf(), NULL,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!bind) { /* no memory: a name made without its type could miss a rule, so no bind */
		enf_count(ENF_STAT_BIND_REFUSED);
		return -ENF_ENOMEM;
	}
	bind->type = a->type;
	bind->protocol = a->protocol;
	return 0;
}

int enf_binding(void)
{
	struct enf_bind *bind = bpf_task_storage_get(&binds, bpf_get_current_task_btf(), NULL, 0);
	int found;

	if (!bind || !bind->type)
		return -1;
	found = bind->type | bind->protocol << 16;
	bind->type = 0;
	return found;
}

SEC("lsm/socket_bind")
int BPF_PROG(enf_socket_bind, struct socket *sock, void *address, int addrlen, int ret)
{
	struct enf_access a = {};
	char first = 0;
	int kind;
	__u64 sk;

	if (ret)
		return ret;
	sk = enf_sock(&a, sock, ENF_OP_BIND);
	kind = enf_sockaddr(&a, address, addrlen, 1);
	if (kind == ENF_ADDR_INET && !a.port && (a.present & ENF_BIT64(ENF_DIM_PORT)) &&
	    (a.family == ENF_AF_INET || a.family == ENF_AF_INET6))
		enf_chosen_port(&a, sk);
	if (kind == ENF_ADDR_UNIX) {
		a.flags |= ENF_OF_UNIX;
		if (addrlen > 2)
			bpf_probe_read_kernel(&first, 1, address + 2);
		if (first) /* a path: decided where the kernel makes the name, at path_mknod */
			return enf_note_binding(&a);
		if (addrlen > 3) {
			a.name = (__u64)address + 3;
			a.name_len = addrlen - 3;
		} else if (addrlen == 3) {
			a.name = (__u64)address + 2; /* the empty name, as this NUL ends it */
		} else { /* the kernel picks one behind the hook, so onError decides */
			a.present |= ENF_BIT64(ENF_DIM_NAME);
			a.unknown |= ENF_BIT64(ENF_DIM_NAME);
		}
	}
	return enf_act(&a);
}

/* The local address of a socket. */
static __always_inline void enf_local(struct enf_access *a, __u64 sk)
{
	__u32 address = 0;

	if (!sk)
		return;
	if (enf_is_smc(a) ||
	    a->family == ENF_AF_RXRPC) { /* a socket inside has it: onError decides */
		enf_nowhere_known(a);
		return;
	}
	if (a->family == ENF_AF_INET) {
		enf_of_sock(address, sk, __sk_common.skc_rcv_saddr);
		enf_v4(a, address);
	} else if (a->family == ENF_AF_INET6) {
		__u8 b[16] = {};

		bpf_probe_read_kernel(
			b, sizeof(b),
			(void *)enf_member(sk, struct sock, __sk_common.skc_v6_rcv_saddr));
		enf_v6(a, b);
	} else {
		return;
	}
	enf_of_sock(a->port, sk, __sk_common.skc_num);
	a->present |= ENF_BIT64(ENF_DIM_ADDR) | ENF_BIT64(ENF_DIM_PORT);
	if (!a->port) { /* not bound: the kernel picks one behind the hook, so onError decides */
		a->unknown |= ENF_BIT64(ENF_DIM_PORT);
		enf_chosen_port(a, sk);
	}
}

SEC("lsm/socket_listen")
int BPF_PROG(enf_socket_listen, struct socket *sock, int backlog, int ret)
{
	struct enf_access a = {};

	if (ret)
		return ret;
	enf_local(&a, enf_sock(&a, sock, ENF_OP_LISTEN));
	return enf_act(&a);
}

SEC("lsm/socket_accept")
int BPF_PROG(enf_socket_accept, struct socket *sock, struct socket *newsock, int ret)
{
	struct enf_access a = {};

	if (ret)
		return ret;
	enf_local(&a, enf_sock(&a, sock, ENF_OP_ACCEPT));
	return enf_act(&a);
}

/* Ask about the hops of a source route, too; the address itself has been permitted. */
static __always_inline int enf_act_hops(struct enf_access *a, int hops)
{
	int error = 0;

	a->present |= ENF_BIT64(ENF_DIM_ADDR);
	if (hops & ENF_HOP_FIRST) {
		a->unknown &= ~ENF_BIT64(ENF_DIM_ADDR);
		error = enf_act(a);
	}
	if (error || !(hops & ENF_HOP_UNKNOWN))
		return error;
	a->unknown |= ENF_BIT64(ENF_DIM_ADDR);
	return enf_act(a);
}

SEC("lsm/socket_connect")
int BPF_PROG(enf_socket_connect, struct socket *sock, void *address, int addrlen, int ret)
{
	struct enf_access a = {};
	int error;
	__u64 sk;

	if (ret)
		return ret;
	sk = enf_sock(&a, sock, ENF_OP_CONNECT);
	/* unix: at unix_stream_connect and unix_may_send, with the socket found; AF_UNSPEC dissolves */
	if (a.family == ENF_AF_UNIX)
		return 0;
	if (enf_sockaddr(&a, address, addrlen, 0) == ENF_ADDR_NONE &&
	    (a.family == ENF_AF_INET || a.family == ENF_AF_INET6))
		return 0;
	if (enf_is_nowhere(&a))
		enf_to_itself(&a, enf_pointer(sock, sk), 0);
	error = enf_act(&a);
	if (error || !enf_may_be_routed(&a, sk))
		return error;
	return enf_act_hops(&a, enf_hops_of_socket(&a, enf_pointer(sock, sk)));
}

/* ---- SCTP: many addresses at once ---------------------------------------------------------- */

#define ENF_SCTP_ADDRESSES 8 /* that are looked at one by one; what comes behind them is unknown */

static __always_inline void enf_sctp(struct enf_access *a, __u64 sk, __u8 op)
{
	__builtin_memset(a, 0, sizeof(*a));
	a->op[0] = op;
	a->n_ops = 1;
	a->present = ENF_SOCK_DIMS;
	enf_of_sock(a->family, sk, __sk_common.skc_family);
	enf_of_sock(a->type, sk, sk_type);
	a->protocol = ENF_IPPROTO_SCTP;
}

/*
 * The kernel's copy of what sctp_bindx and sctp_connectx are given, and of the address that a send makes an
 * association with. The other options choose among the addresses of an association that there is, or come in
 * a packet, where the current task is just anyone.
 */
SEC("lsm/sctp_bind_connect")
int BPF_PROG(enf_sctp_bind_connect, struct sock *given, int optname, void *first, int addrlen,
	     int ret)
{
	__u64 sk = enf_address(given), address = enf_address(first);
	struct enf_access a;
	int error;

	if (ret)
		return ret;
	if (optname != ENF_SCTP_BINDX_ADD && optname != ENF_SCTP_CONNECTX &&
	    optname != ENF_SCTP_SENDMSG_CONNECT)
		return 0;
	for (int i = 0; i <= ENF_SCTP_ADDRESSES && addrlen >= 2; i++) {
		__u16 family = 0;

		enf_sctp(&a, sk, optname == ENF_SCTP_BINDX_ADD ? ENF_OP_BIND : ENF_OP_CONNECT);
		if (i == ENF_SCTP_ADDRESSES)
			enf_nowhere_known(&a);
		/* an address that SCTP does not know ends the call with an error */
		else if (enf_sockaddr_at(&a, address, addrlen, 0) != ENF_ADDR_INET)
			return 0;
		else if (optname != ENF_SCTP_BINDX_ADD)
			enf_to_itself(&a, sk, 0);
		error = enf_act(&a);
		if (error)
			return error;
		bpf_probe_read_kernel(&family, 2, (const void *)address);
		address += family == ENF_AF_INET6 ? 28 : 16;
		addrlen -= family == ENF_AF_INET6 ? 28 : 16;
	}
	return 0;
}

/*
 * Read the control message at *at*, of which *left* bytes are left; if it names an address, *a* asks about it.
 * Returns: the bytes that it takes; 0: nothing more.
 */
__attribute__((noinline)) __u64 enf_sctp_address(struct enf_access *a, __u64 at, __u64 left)
{
	struct enf_told told = {};
	__u8 address[16] = {};
	__u32 size;

	if (!a || left < sizeof(told)) /* the kernel reads no further, either */
		return 0;
	if (bpf_probe_read_kernel(&told, sizeof(told), (void *)at)) {
		enf_nowhere_known(a); /* cannot be: the kernel's own memory. onError decides */
		return 0;
	}
	if (told.len < sizeof(told) || told.len > left)
		return 0;
	size = told.type == ENF_SCTP_DSTADDRV4 ? 4 : 16;
	if (told.level == ENF_IPPROTO_SCTP && told.len >= sizeof(told) + size &&
	    (told.type == ENF_SCTP_DSTADDRV4 || told.type == ENF_SCTP_DSTADDRV6)) {
		a->present |= ENF_BIT64(ENF_DIM_ADDR) | ENF_BIT64(ENF_DIM_PORT);
		if (bpf_probe_read_kernel(address, size, (void *)at + sizeof(told)))
			a->unknown |= ENF_BIT64(ENF_DIM_ADDR);
		else if (told.type == ENF_SCTP_DSTADDRV4)
			enf_v4(a, *(__u32 *)address);
		else
			enf_v6(a, address);
	}
	return (told.len + 7) & ~7ULL;
}

/*
 * A send may name further addresses of the association that it makes, in control messages; no hook is told of
 * those (sctp_sendmsg_new_asoc). The kernel has copied them already. Their port is that of the first.
 */
static __always_inline int enf_sctp_told(struct enf_access *a, __u64 sk, struct msghdr *msg)
{
	__u64 at = enf_pointer(msg, msg_control), left = msg->msg_controllen, length = 1;
	__u16 port = a->port;
	int error;

	if (!sk || !at)
		return 0;
	for (int i = 0; i <= ENF_SCTP_ADDRESSES && length && left; i++) {
		enf_sctp(a, sk, ENF_OP_CONNECT);
		a->port = port;
		if (i == ENF_SCTP_ADDRESSES) {
			enf_nowhere_known(a);
		} else {
			length = enf_sctp_address(a, at, left);
			enf_to_itself(a, sk, 0);
		}
		if (a->present & ENF_BIT64(ENF_DIM_ADDR)) {
			error = enf_act(a);
			if (error)
				return error;
		}
		at += length;
		left = length < left ? left - length : 0;
	}
	return 0;
}

/* Where a send of what is connected goes by its control messages; the connect has had its verdict. */
static __always_inline int enf_act_told(struct enf_access *a, __u64 sk, struct msghdr *msg)
{
	__u16 port = 0;
	int hops;

	if (!sk || (a->family != ENF_AF_INET && a->family != ENF_AF_INET6))
		return 0;
	hops = enf_hops_told(a, enf_pointer(msg, msg_control), msg->msg_controllen);
	if (!hops)
		return 0;
	enf_of_sock(port, sk, __sk_common.skc_dport);
	enf_port(a, bpf_ntohs(port));
	return enf_act_hops(a, hops);
}

/*
 * Only with an address or with control messages: without, the connect has had its verdict. TCP fast open
 * connects here.
 */
SEC("lsm/socket_sendmsg")
int BPF_PROG(enf_socket_sendmsg, struct socket *sock, struct msghdr *msg, int size, int ret)
{
	struct enf_access a = {};
	int error, hops = 0, more;

	if (ret)
		return ret;
	if (!msg->msg_name && !msg->msg_controllen)
		return 0;
	enf_sock(&a, sock, ENF_OP_SEND);
	if (a.family == ENF_AF_UNIX)
		return 0;
	if (!msg->msg_name)
		return enf_act_told(&a, enf_pointer(sock, sk), msg);
	if (msg->msg_flags & ENF_MSG_FASTOPEN) {
		a.op[1] = ENF_OP_CONNECT;
		a.n_ops = 2;
	}
	if (enf_sockaddr_at(&a, enf_pointer(msg, msg_name), msg->msg_namelen, 1) == ENF_ADDR_NONE &&
	    (a.family == ENF_AF_INET || a.family == ENF_AF_INET6))
		return 0;
	if (enf_is_nowhere(&a))
		enf_to_itself(&a, enf_pointer(sock, sk), msg->msg_controllen > 0);
	error = enf_act(&a);
	if (error)
		return error;
	if (msg->msg_controllen)
		hops = enf_hops_told(&a, enf_pointer(msg, msg_control), msg->msg_controllen);
	if (enf_may_be_routed(&a, enf_pointer(sock, sk))) {
		more = enf_hops_of_socket(&a, enf_pointer(sock, sk));
		if (more)
			hops = more | (hops ? ENF_HOP_UNKNOWN : 0);
	}
	if (hops)
		error = enf_act_hops(&a, hops);
	if (error || a.protocol != ENF_IPPROTO_SCTP)
		return error;
	return enf_sctp_told(&a, enf_pointer(sock, sk), msg);
}

/*
 * A protocol on top of TCP (TCP_ULP), of which SMC puts a socket of its own in the place of that of TCP
 * (smc_ulp_init); source routes that are set by then are looked at no more. Which protocol it is the kernel reads
 * behind the hook, so whatever may be SMC is decided as the making of that socket, and where it goes by a route is
 * unknown: onError decides. A connected socket is not turned, if nobody else can end its connection meanwhile.
 */
static __noinline int enf_to_smc(struct socket *sock)
{
	struct enf_access a = {};
	__u64 sk = enf_sock(&a, sock, ENF_OP_SOCKET);
	int error, routed;

	if ((a.family != ENF_AF_INET && a.family != ENF_AF_INET6) || a.protocol != ENF_IPPROTO_TCP)
		return 0;
	if (sock->state != SS_UNCONNECTED && enf_is_held_alone(sock))
		return 0;
	routed = enf_may_be_routed(&a, sk);
	a.protocol = a.family == ENF_AF_INET6 ? ENF_SMCPROTO_SMC6 : 0;
	a.family = ENF_AF_SMC;
	enf_disguise(&a.family, &a.protocol);
	error = enf_act(&a);
	if (error || !routed)
		return error;
	a.op[0] = ENF_OP_CONNECT;
	a.op[1] = ENF_OP_SEND;
	a.n_ops = 2;
	enf_nowhere_known(&a);
	return enf_act(&a);
}

/*
 * Options by which packets may come to be sent elsewhere. What they are set to the kernel reads behind the hook,
 * so mostly they are looked at where the socket is used (enf_hops_of_socket), which is enough if nobody uses it
 * now and it is not connected yet. Else, of sockets that keep their options elsewhere, and of flow labels, which
 * keep them for others, it is unknown where packets will go.
 */
SEC("lsm/socket_setsockopt")
int BPF_PROG(enf_socket_setsockopt, struct socket *sock, int level, int option, int ret)
{
	struct enf_access a = {};
	__u8 state = 0;
	__u64 sk;

	if (ret)
		return ret;
	if (level == ENF_IPPROTO_TCP && option == ENF_TCP_ULP)
		return enf_to_smc(sock);
	if (!enf_is_routing(level, option))
		return 0;
	sk = enf_sock(&a, sock, ENF_OP_CONNECT);
	if (a.family != ENF_AF_INET && a.family != ENF_AF_INET6 && !enf_is_smc(&a))
		return 0;
	enf_of_sock(state, sk, __sk_common.skc_state);
	if (sk && option != ENF_IPV6_FLOWLABEL_MGR && !enf_is_smc(&a) &&
	    a.protocol != ENF_IPPROTO_SCTP && a.protocol != ENF_IPPROTO_MPTCP &&
	    state == ENF_TCP_CLOSE && enf_is_held_alone(sock))
		return 0;
	a.op[1] = ENF_OP_SEND;
	a.n_ops = 2;
	enf_nowhere_known(&a);
	return enf_act(&a);
}

/* ---- Unix sockets ------------------------------------------------------------------------- */

/* The name of the socket at the other end: the file it is bound to, or its abstract name. */
static __always_inline void enf_unix_peer(struct enf_access *a, __u64 other)
{
	__u64 addr = 0;
	int len = 0;
	char first = 0;

	a->flags |= ENF_OF_UNIX;
	if (!other) { /* gone meanwhile: its name is unknown, and onError decides */
		a->present |= ENF_BIT64(ENF_DIM_NAME) | ENF_BIT64(ENF_DIM_PATH);
		a->unknown |= ENF_BIT64(ENF_DIM_NAME) | ENF_BIT64(ENF_DIM_PATH);
		return;
	}
	bpf_probe_read_kernel(&a->dentry, 8,
			      (void *)enf_member(other, struct unix_sock, path.dentry));
	bpf_probe_read_kernel(&a->mnt, 8, (void *)enf_member(other, struct unix_sock, path.mnt));
	if (a->dentry)
		return;
	bpf_probe_read_kernel(&addr, 8, (void *)enf_member(other, struct unix_sock, addr));
	if (!addr) /* unnamed: a socketpair */
		return;
	bpf_probe_read_kernel(&len, 4, (void *)enf_member(addr, struct unix_address, len));
	bpf_probe_read_kernel(&first, 1, (void *)(enf_member(addr, struct unix_address, name) + 2));
	if (first || len < 3)
		return;
	/* the empty name has no length: the NUL in front of it ends it */
	a->name = enf_member(addr, struct unix_address, name) + (len > 3 ? 3 : 2);
	a->name_len = len - 3;
}

SEC("lsm/unix_stream_connect")
int BPF_PROG(enf_unix_stream_connect, struct sock *sock, __u64 other, struct sock *newsk, int ret)
{
	struct enf_access a = {
		.present = ENF_SOCK_DIMS,
		.family = ENF_AF_UNIX,
		.op = { ENF_OP_CONNECT },
		.n_ops = 1,
	};

	if (ret)
		return ret;
	a.type = sock->sk_type;
	enf_unix_peer(&a, other);
	return enf_act(&a);
}

/* Datagrams: the connect, and every send to an address. The kernel does not say which it is. */
SEC("lsm/unix_may_send")
int BPF_PROG(enf_unix_may_send, struct socket *sock, struct socket *other, int ret)
{
	struct enf_access a = {
		.present = ENF_SOCK_DIMS,
		.family = ENF_AF_UNIX,
		.op = { ENF_OP_SEND, ENF_OP_CONNECT },
		.n_ops = 2,
	};

	if (ret)
		return ret;
	a.type = sock->type;
	enf_unix_peer(&a, enf_pointer(other, sk));
	return enf_act(&a);
}
