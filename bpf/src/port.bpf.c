// SPDX-License-Identifier: GPL-2.0-only
/* Sockets that are bound without a bind, to a port of a range that their owner has set: see port.bpf.h. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___port
#include "act.h"
#include "held.bpf.h"
#include "maps.bpf.h"
#include "port.bpf.h"

/*
 * A socket of UDP that has no port gets one by any connect and any send, before the kernel looks at the address
 * (inet_autobind). The port of others is decided when they listen.
 */
static __always_inline int enf_autobind(struct socket *sock)
{
	struct enf_access a = { .op = { ENF_OP_BIND }, .n_ops = 1, .type = ENF_SOCK_DGRAM };
	struct sock *sk = sock->sk;

	if (sock->type != ENF_SOCK_DGRAM || !sk || sk->__sk_common.skc_num)
		return 0;
	a.family = sk->__sk_common.skc_family;
	a.protocol = sk->sk_protocol;
	if ((a.family != ENF_AF_INET && a.family != ENF_AF_INET6) || !enf_has_ports(a.protocol))
		return 0;
	if (!enf_chosen_port(&a, (__u64)sk))
		return 0;
	a.present |= ENF_BIT64(ENF_DIM_FAMILY) | ENF_BIT64(ENF_DIM_TYPE) |
		     ENF_BIT64(ENF_DIM_PROTOCOL) | ENF_BIT64(ENF_DIM_ADDR);
	if (a.family == ENF_AF_INET) /* to no address, as by a bind */
		enf_v4(&a, 0);
	return enf_act(&a);
}

SEC("lsm/socket_connect")
int BPF_PROG(enf_connect_binds, struct socket *sock, void *address, int addrlen, int ret)
{
	return ret ? ret : enf_autobind(sock);
}

SEC("lsm/socket_sendmsg")
int BPF_PROG(enf_send_binds, struct socket *sock, struct msghdr *msg, int size, int ret)
{
	return ret ? ret : enf_autobind(sock);
}

/*
 * The kernel reads the range behind the hook, so it is looked at where the socket is bound. That is too late for a
 * socket that somebody else may bind meanwhile, and for one of SMC, whose range lies in a socket inside: there any
 * port is possible, and onError decides.
 */
SEC("lsm/socket_setsockopt")
int BPF_PROG(enf_range_is_set, struct socket *sock, int level, int option, int ret)
{
	struct enf_access a = { .op = { ENF_OP_BIND }, .n_ops = 1 };
	struct sock *sk = sock->sk;
	int is_smc;

	if (ret)
		return ret;
	if (level != ENF_IPPROTO_IP || option != ENF_IP_LOCAL_PORT_RANGE || !sk)
		return 0;
	if (!enf_has_ranges())
		return 0;
	a.family = sk->__sk_common.skc_family;
	a.protocol = sk->sk_protocol;
	a.type = sock->type;
	is_smc = a.family == ENF_AF_SMC || a.protocol == ENF_IPPROTO_SMC;
	if (!is_smc && (sk->__sk_common.skc_num || enf_is_held_alone(sock)))
		return 0;
	if (is_smc)
		a.protocol = ENF_IPPROTO_SMC;
	a.present =
		ENF_BIT64(ENF_DIM_FAMILY) | ENF_BIT64(ENF_DIM_TYPE) | ENF_BIT64(ENF_DIM_PROTOCOL);
	enf_nowhere_known(&a);
	return enf_act(&a);
}
