// SPDX-License-Identifier: MIT
/*
 * One attempt on the network that goes another way. Its exit code is the errno of the deed, 0 for success,
 * 200 if it could not get that far.
 *
 *   socket FAMILY TYPE PROTOCOL
 *   connect FAMILY TYPE PROTOCOL ADDRESS PORT [HOP]    HOP: by an option of the socket
 *   after|shared|label FAMILY TYPE PROTOCOL ADDRESS PORT HOP
 *        after: connected first, then the option, then a send; shared: the socket is held twice;
 *        label: by a flow label that has the header
 *   send FAMILY TYPE PROTOCOL ADDRESS PORT [HOP]       HOP: by an option of the socket
 *   told|told_connected FAMILY TYPE PROTOCOL ADDRESS PORT HOP    by a control message
 *   rxrpc ADDRESS PORT          a call of AF_RXRPC
 *   within ADDRESS PORT         a datagram socket is connected to an address of AF_RXRPC, which is not its own
 *   listen FAMILY TYPE PROTOCOL [PORT]                 without PORT it is not bound
 *   range bind|autobind|send|connect|listen FAMILY TYPE PROTOCOL LOW HIGH [twice]
 *        the kernel chooses the port, of that range if LOW is not 0; autobind: by a send without an address, which
 *        fails; twice: the socket is held twice. 201: another port was taken, 202: one was taken although refused
 *   group ADDRESS PORT          a datagram to a broadcast or multicast address
 *   turn alone|twice|connected FAMILY [ADDRESS PORT HOP]      TCP is turned into SMC by an option
 *        twice, connected: the socket is held twice; with a HOP: by an option in front, and connected behind
 *   tls connected FAMILY        the same option, with a protocol that stays TCP, on a socket that is held once
 *   autobind TYPE               a unix socket is bound to its family alone
 *   ubind PATH
 *   mqopen|mqunlink NAME
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RXRPC 33
#define SMC 43
#define SOL_RXRPC 272
#define RXRPC_USER_CALL_ID 1
#define FLOWLABEL_MGR 32
#define FLOWINFO_SEND 33
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int need(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		_exit(200);
	}
	return result;
}

static socklen_t address(union address *to, const char *text, int port)
{
	memset(to, 0, sizeof(*to));
	if (strchr(text, ':')) {
		to->in6.sin6_family = AF_INET6;
		to->in6.sin6_port = htons(port);
		need(inet_pton(AF_INET6, text, &to->in6.sin6_addr) - 1, text);
		return sizeof(to->in6);
	}
	to->in.sin_family = AF_INET;
	to->in.sin_port = htons(port);
	need(inet_pton(AF_INET, text, &to->in.sin_addr) - 1, text);
	return sizeof(to->in);
}

/* ---- Routes ------------------------------------------------------------------------------- */

/* Of version 6: type 4 with two segments for an option, type 2 for control messages, which take no other. */
static size_t header6(unsigned char *out, const char *hop, int type)
{
	union address to;
	size_t size = type == 4 ? 40 : 24;

	memset(out, 0, size);
	address(&to, hop, 0);
	out[1] = size / 8 - 1;
	out[2] = type;
	out[3] = 1; /* segments left */
	out[4] = type == 4;
	memcpy(out + size - 16, &to.in6.sin6_addr, 16);
	return size;
}

static size_t options4(unsigned char *out, const char *hop)
{
	union address to;

	address(&to, hop, 0);
	memcpy(out, (unsigned char[]){ IPOPT_NOP, IPOPT_LSRR, 7, 4 }, 4);
	memcpy(out + 4, &to.in.sin_addr, 4);
	return 8;
}

static int by_option(int fd, int family, const char *hop)
{
	unsigned char bytes[64];

	if (family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, bytes, header6(bytes, hop, 4));
	return setsockopt(fd, IPPROTO_IP, IP_OPTIONS, bytes, options4(bytes, hop));
}

struct flow {
	struct in6_addr to;
	unsigned int label;
	unsigned char action, share;
	unsigned short flags, expires, linger;
	unsigned int pad;
	union {
		struct cmsghdr head;
		unsigned char room[64];
	};
};

static int by_label(int fd, union address *to, const char *hop)
{
	struct flow flow = { .to = to->in6.sin6_addr, .label = htonl(0x12345), .share = 1 };
	size_t size = header6(flow.room + sizeof(flow.head), hop, 2);

	flow.flags = 1; /* make it */
	flow.head.cmsg_len = sizeof(flow.head) + size;
	flow.head.cmsg_level = IPPROTO_IPV6;
	flow.head.cmsg_type = IPV6_RTHDR;
	if (setsockopt(fd, IPPROTO_IPV6, FLOWLABEL_MGR, &flow, sizeof(flow) - 64 + flow.head.cmsg_len))
		return -1;
	to->in6.sin6_flowinfo = flow.label;
	return setsockopt(fd, IPPROTO_IPV6, FLOWINFO_SEND, &(int){ 1 }, sizeof(int));
}

static int send_told(int fd, int family, union address *to, socklen_t length, const char *hop)
{
	union {
		struct cmsghdr head;
		unsigned char room[128];
	} control = {};
	unsigned char *bytes = CMSG_DATA(&control.head);
	struct iovec byte = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = { .msg_name = to,
				  .msg_namelen = length,
				  .msg_iov = &byte,
				  .msg_iovlen = 1,
				  .msg_control = &control };
	size_t size = family == AF_INET6 ? header6(bytes, hop, 2) : options4(bytes, hop);

	control.head.cmsg_level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
	control.head.cmsg_type = family == AF_INET6 ? IPV6_RTHDR : IP_RETOPTS;
	control.head.cmsg_len = CMSG_LEN(size);
	message.msg_controllen = CMSG_SPACE(size);
	return sendmsg(fd, &message, 0);
}

/* ---- Others ------------------------------------------------------------------------------- */

struct rxrpc_address {
	unsigned short family, service, kind, length;
	union address within;
};

static int rxrpc(const char *text, int port, int is_another)
{
	struct rxrpc_address local = { .family = RXRPC, .kind = SOCK_DGRAM };
	struct rxrpc_address to = { .family = RXRPC, .service = 1, .kind = SOCK_DGRAM };
	union {
		struct cmsghdr head;
		unsigned char room[CMSG_SPACE(sizeof(long))];
	} control = {};
	struct iovec byte = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = { .msg_name = &to,
				  .msg_namelen = sizeof(to),
				  .msg_iov = &byte,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd;

	to.length = address(&to.within, text, port);
	local.within.any.sa_family = to.within.any.sa_family;
	local.length = to.length;
	message.msg_namelen = offsetof(struct rxrpc_address, within) + to.length;
	if (is_another)
		return connect(need(socket(AF_INET, SOCK_DGRAM, 0), "socket"), (void *)&to,
			       message.msg_namelen);
	fd = need(socket(RXRPC, SOCK_DGRAM, to.within.any.sa_family), "socket");
	need(bind(fd, (void *)&local, message.msg_namelen), "bind");
	control.head.cmsg_level = SOL_RXRPC;
	control.head.cmsg_type = RXRPC_USER_CALL_ID;
	control.head.cmsg_len = CMSG_LEN(sizeof(long));
	*CMSG_DATA(&control.head) = 1;
	return sendmsg(fd, &message, 0);
}

static int unix_bind(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
	return bind(need(socket(AF_UNIX, SOCK_STREAM, 0), "socket"), (void *)&to, sizeof(to));
}

static int autobind(int type)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(to);
	int fd = need(socket(AF_UNIX, type, 0), "socket");

	if (bind(fd, (void *)&to, sizeof(to.sun_family)))
		return -1;
	need(getsockname(fd, (void *)&to, &length), "getsockname");
	if (length <= sizeof(to.sun_family) || to.sun_path[0])
		_exit(200);
	return 0;
}

static void connected(int fd)
{
	union address to;
	socklen_t length = address(&to, "127.0.0.1", 0);
	int listener = need(socket(AF_INET, SOCK_STREAM, 0), "socket");

	need(bind(listener, &to.any, length), "bind");
	need(listen(listener, 1), "listen");
	need(getsockname(listener, &to.any, &length), "getsockname");
	need(connect(fd, &to.any, length), "connect");
}

static int turn(int argc, char **argv)
{
	int is_tls = !strcmp(argv[1], "tls"), is_connected = !strcmp(argv[2], "connected");
	const char *protocol = is_tls ? "tls" : "smc", *hop = argc > 6 ? argv[6] : NULL;
	int family = atoi(argv[3]), fd, domain = 0;
	socklen_t size = sizeof(domain);
	union address to;

	fd = need(socket(family, SOCK_STREAM | (hop ? SOCK_NONBLOCK : 0), IPPROTO_TCP), "socket");
	if (is_connected)
		connected(fd);
	if (!is_tls && strcmp(argv[2], "alone"))
		need(dup(fd), "dup");
	if (hop)
		need(by_option(fd, family, hop), "option");
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, protocol, strlen(protocol)))
		return -1;
	if (is_tls)
		return 0;
	need(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size), "getsockopt");
	if (domain != SMC)
		_exit(200);
	if (!hop || !connect(fd, &to.any, address(&to, argv[4], atoi(argv[5]))))
		return 0;
	return errno == EINPROGRESS ? 0 : -1;
}

static int listens(int fd, int family, const char *port)
{
	union address here;

	if (port)
		need(bind(fd, &here.any, address(&here, family == AF_INET6 ? "::1" : "127.0.0.1", atoi(port))),
		     "bind");
	return listen(fd, 1);
}

static int choose(const char *way, int fd, union address *here, socklen_t length, union address *peer)
{
	if (!strcmp(way, "bind"))
		return bind(fd, &here->any, length);
	if (!strcmp(way, "send"))
		return sendto(fd, "x", 1, 0, &peer->any, length);
	if (!strcmp(way, "connect"))
		return connect(fd, &peer->any, length);
	if (!strcmp(way, "listen"))
		return listen(fd, 1);
	if (send(fd, "x", 1, 0) >= 0)
		_exit(200);
	return errno == EDESTADDRREQ ? 0 : -1;
}

static int range(int argc, char **argv)
{
	unsigned int low = atoi(argv[6]), high = atoi(argv[7]), both = high << 16 | low, port;
	int family = atoi(argv[3]), fd = socket(family, atoi(argv[4]), atoi(argv[5])), result, error;
	union address here, peer, got;
	socklen_t length = address(&here, family == AF_INET6 ? "::1" : "127.0.0.1", 0), size = sizeof(got);

	if (fd < 0)
		return -1;
	address(&peer, family == AF_INET6 ? "::1" : "127.0.0.1", 9);
	if (argc > 8)
		need(dup(fd), "dup");
	if (low && setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &both, sizeof(both)))
		return -1;
	result = choose(argv[2], fd, &here, length, &peer);
	error = errno;
	need(getsockname(fd, &got.any, &size), "getsockname");
	port = ntohs(got.in.sin_port);
	if (result < 0 && port)
		_exit(202);
	if (result >= 0 && (low ? port < low || port > high : !port))
		_exit(201);
	errno = error;
	return result;
}

static int group(const char *text, int port)
{
	int fd = need(socket(strchr(text, ':') ? AF_INET6 : AF_INET, SOCK_DGRAM, 0), "socket");
	char *device = strchr(text, '%'), number[64] = "";
	union address to;
	socklen_t length;

	strncat(number, text, device ? (size_t)(device - text) : sizeof(number) - 1);
	length = address(&to, number, port);
	if (device)
		to.in6.sin6_scope_id = if_nametoindex(device + 1);
	need(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &(int){ 1 }, sizeof(int)), "broadcast");
	return sendto(fd, "x", 1, 0, &to.any, length);
}

static int routed(const char *deed, int fd, int family, char **argv)
{
	const char *hop = argv[7];
	union address to;
	socklen_t length = address(&to, argv[5], atoi(argv[6]));
	int result;

	if (!strcmp(deed, "told"))
		return send_told(fd, family, &to, length, hop);
	if (!strcmp(deed, "after") || !strcmp(deed, "told_connected"))
		need(connect(fd, &to.any, length), "connect");
	if (!strcmp(deed, "told_connected"))
		return send_told(fd, family, NULL, 0, hop);
	if (!strcmp(deed, "shared"))
		need(dup(fd), "dup");
	if (!strcmp(deed, "label"))
		result = by_label(fd, &to, hop);
	else
		result = hop ? by_option(fd, family, hop) : 0;
	if (result < 0)
		return result;
	if (!strcmp(deed, "after"))
		return send(fd, "x", 1, 0);
	if (!strcmp(deed, "connect")) {
		if (connect(fd, &to.any, length))
			return errno == EINPROGRESS ? 0 : -1;
		send(fd, "x", 1, MSG_NOSIGNAL); /* the connect of a datagram socket sends nothing */
		return 0;
	}
	return sendto(fd, "x", 1, 0, &to.any, length);
}

int main(int argc, char **argv)
{
	const char *deed = argc > 2 ? argv[1] : "";
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	int result, fd, type;

	if (!strcmp(deed, "turn") || !strcmp(deed, "tls")) {
		result = turn(argc, argv);
	} else if (!strcmp(deed, "range")) {
		result = range(argc, argv);
	} else if (!strcmp(deed, "group")) {
		result = group(argv[2], atoi(argv[3]));
	} else if (!strcmp(deed, "autobind")) {
		result = autobind(atoi(argv[2]));
	} else if (!strcmp(deed, "ubind")) {
		result = unix_bind(argv[2]);
	} else if (!strcmp(deed, "mqopen")) {
		result = mq_open(argv[2], O_CREAT | O_RDWR, 0600, &attr);
	} else if (!strcmp(deed, "mqunlink")) {
		result = mq_unlink(argv[2]);
	} else if (!strcmp(deed, "rxrpc")) {
		result = rxrpc(argv[2], atoi(argv[3]), 0);
	} else if (!strcmp(deed, "within")) {
		result = rxrpc(argv[2], atoi(argv[3]), 1);
	} else {
		/* Routes lead nowhere: no handshake ends, so none is waited for. */
		type = atoi(argv[3]) | (argc > 7 && atoi(argv[3]) == SOCK_STREAM ? SOCK_NONBLOCK : 0);
		fd = socket(atoi(argv[2]), type, atoi(argv[4]));
		if (fd < 0 || !strcmp(deed, "socket"))
			return fd < 0 ? errno : 0;
		if (!strcmp(deed, "listen"))
			result = listens(fd, atoi(argv[2]), argc > 5 ? argv[5] : NULL);
		else
			result = routed(deed, fd, atoi(argv[2]), argv);
	}
	return result < 0 ? errno : 0;
}
