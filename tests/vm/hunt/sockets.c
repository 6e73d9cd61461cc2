// SPDX-License-Identifier: MIT
/*
 * Searches for ways around rules on sockets: to a forbidden address, and onto a forbidden port. Its oracles are a socket
 * that hears every packet on the other side of the wire, and the names of the sockets themselves.
 *
 * The rules (test_hunt_sockets.py) forbid FORBIDDEN and what stands for several machines, and the ports from PORT on.
 */
#define _GNU_SOURCE
#include "hunt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#define PORT 40000
#define PORTS 2
#define PLACES 3
#define DEVICE "hunt0"

static int sockets[PLACES] = { -1, -1, -1 };
static unsigned int asked[PLACES]; /* the port of its bind */
static unsigned int drawn[PLACES]; /* the port that it got of the host's range, by chance */
static int wire = -1;

union name {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static const char *const addresses[] = {
	"10.9.0.3",	    "10.9.0.2",	 "10.9.0.255", "255.255.255.255",
	"224.0.0.1",	    "239.9.9.9", "127.0.0.1",  "0.0.0.0",
	"fd00:9::3",	    "fd00:9::2", "ff02::1",    "::ffff:10.9.0.2",
	"::ffff:10.9.0.3",  "::1",	 "::",	       "10.9.0.0",
	"::ffff:224.0.0.1", "ff05::9",	 "0.0.0.0",    "::",
};
static const char *const own[] = { "0.0.0.0",  "::",	    "127.0.0.1",     "::1",
				   "10.9.0.1", "fd00:9::1", "::ffff:0.0.0.0" };
static const unsigned int ports[] = { 0, 0, PORT, PORT + 1, PORT + 2, 9, 53 };

static socklen_t name(union name *out, const char *text, unsigned int port)
{
	memset(out, 0, sizeof(*out));
	if (!strchr(text, ':')) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons(port);
		inet_pton(AF_INET, text, &out->in.sin_addr);
		return sizeof(out->in);
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(port);
	inet_pton(AF_INET6, text, &out->in6.sin6_addr);
	if (out->in6.sin6_addr.s6_addr[0] == 0xff)
		out->in6.sin6_scope_id = if_nametoindex(DEVICE);
	return sizeof(out->in6);
}

static socklen_t destination(union name *out, const uint32_t *dice)
{
	socklen_t length = name(out, HUNT_PICK(addresses, dice[1]), HUNT_PICK(ports, dice[2]));

	if (dice[3] % 32 == 0)
		out->any.sa_family = AF_UNSPEC;
	return dice[3] % 32 == 1 ? 4 : length;
}

static long done(long result)
{
	return result < 0 ? -errno : result;
}

static int at(uint32_t die)
{
	return sockets[die % PLACES];
}

static long put(uint32_t die, int fd)
{
	if (fd < 0)
		return -errno;
	if (sockets[die % PLACES] >= 0)
		close(sockets[die % PLACES]);
	sockets[die % PLACES] = fd;
	asked[die % PLACES] = drawn[die % PLACES] = 0;
	return 0;
}

/* ---- Steps -------------------------------------------------------------------------------------------------- */

static long make(const uint32_t *dice)
{
	static const struct {
		int type, protocol;
	} kinds[] = {
		{ SOCK_DGRAM, 0 },
		{ SOCK_DGRAM, 0 },
		{ SOCK_DGRAM, IPPROTO_UDPLITE },
		{ SOCK_STREAM, 0 },
		{ SOCK_STREAM, 262 },
		{ SOCK_SEQPACKET, IPPROTO_SCTP },
		{ SOCK_RAW, 253 },
		{ SOCK_STREAM, IPPROTO_SCTP },
	};
	int family = dice[1] % 2 ? AF_INET6 : AF_INET;
	int type = HUNT_PICK(kinds, dice[2]).type | SOCK_NONBLOCK;

	return put(dice[0], socket(family, type, HUNT_PICK(kinds, dice[2]).protocol));
}

static long end(const uint32_t *dice)
{
	int fd = at(dice[0]);

	if (fd < 0)
		return HUNT_IDLE;
	sockets[dice[0] % PLACES] = -1;
	return done(close(fd));
}

static long twice(const uint32_t *dice)
{
	int fd = at(dice[0]);
	unsigned int port = asked[dice[0] % PLACES], chance = drawn[dice[0] % PLACES];
	long result;

	if (fd < 0 || dice[0] % PLACES == dice[1] % PLACES)
		return HUNT_IDLE;
	result = put(dice[1], dup(fd));
	asked[dice[1] % PLACES] = port;
	drawn[dice[1] % PLACES] = chance;
	return result;
}

/* The same socket by another descriptor, through a unix socket. */
static long pass(const uint32_t *dice)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec byte = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = { .msg_iov = &byte,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd = at(dice[0]), pair[2], got = -1;
	char room;

	if (fd < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		return HUNT_IDLE;
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	if (sendmsg(pair[0], &message, 0) == 1) {
		if (dice[1] % 2) { /* meanwhile nobody has it */
			close(fd);
			sockets[dice[0] % PLACES] = -1;
		}
		byte.iov_base = &room;
		if (recvmsg(pair[1], &message, 0) == 1)
			memcpy(&got, CMSG_DATA(&control.head), sizeof(got));
	}
	close(pair[0]);
	close(pair[1]);
	if (got < 0)
		return -EIO;
	if (dice[1] % 2)
		sockets[dice[0] % PLACES] = got;
	else
		close(got);
	return 0;
}

static unsigned int some_range(uint32_t die)
{
	static const unsigned short ranges[][2] = {
		{ PORT, PORT }, { PORT, PORT + 1 }, { PORT - 3, PORT + 3 },
		{ 0, PORT },	{ PORT + 1, 0 },    { PORT + 2, PORT + 90 },
		{ 0, 0 },	{ 1000, PORT }
	};

	return (unsigned int)HUNT_PICK(ranges, die)[1] << 16 | HUNT_PICK(ranges, die)[0];
}

static long range(const uint32_t *dice)
{
	unsigned int both = some_range(dice[1]);

	if (at(dice[0]) < 0)
		return HUNT_IDLE;
	return done(setsockopt(at(dice[0]), IPPROTO_IP, IP_LOCAL_PORT_RANGE, &both, sizeof(both)));
}

static long option(const uint32_t *dice)
{
	static const struct {
		int level, name;
	} options[] = {
		{ SOL_SOCKET, SO_BROADCAST },
		{ SOL_SOCKET, SO_BROADCAST },
		{ SOL_SOCKET, SO_REUSEADDR },
		{ SOL_SOCKET, SO_REUSEPORT },
		{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT },
		{ IPPROTO_IP, IP_FREEBIND },
		{ IPPROTO_IPV6, IPV6_V6ONLY },
		{ IPPROTO_IP, IP_MULTICAST_LOOP },
		{ SOL_SOCKET, SO_DONTROUTE },
		{ IPPROTO_UDP, 1 /* UDP_CORK */ },
		{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS },
		{ IPPROTO_IP, IP_TRANSPARENT },
	};
	int on = dice[2] % 4 > 0;

	if (at(dice[0]) < 0)
		return HUNT_IDLE;
	return done(setsockopt(at(dice[0]), HUNT_PICK(options, dice[1]).level,
			       HUNT_PICK(options, dice[1]).name, &on, sizeof(on)));
}

static long device(const uint32_t *dice)
{
	int fd = at(dice[0]), index = if_nametoindex(DEVICE), big = htonl(index);
	struct ip_mreqn group = { .imr_ifindex = index };

	if (fd < 0)
		return HUNT_IDLE;
	switch (dice[1] % 5) {
	case 0:
		return done(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, DEVICE, sizeof(DEVICE)));
	case 1:
		return done(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)));
	case 2:
		return done(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)));
	case 3:
		return done(setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &big, sizeof(big)));
	default:
		inet_pton(AF_INET, "239.9.9.9", &group.imr_multiaddr);
		return done(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)));
	}
}

/* To a forbidden address first, or to a free one. */
static long route(const uint32_t *dice)
{
	unsigned char bytes[24] = { IPOPT_NOP, IPOPT_LSRR, 7, 4, 10, 9, 0, dice[1] % 2 ? 2 : 3 };
	int fd = at(dice[0]);

	if (fd < 0)
		return HUNT_IDLE;
	if (dice[2] % 2)
		return done(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, bytes, dice[3] % 4 ? 8 : 0));
	memset(bytes, 0, sizeof(bytes));
	bytes[1] = 2;
	bytes[2] = 2;
	bytes[3] = 1;
	inet_pton(AF_INET6, dice[1] % 2 ? "fd00:9::2" : "fd00:9::3", bytes + 8);
	return done(setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, bytes, dice[3] % 4 ? 24 : 0));
}

/* Returns what bind() is told; the port of one that fails is not the socket's. */
static long bound(uint32_t die, const union name *to, long result)
{
	if (result >= 0)
		asked[die % PLACES] = ntohs(to->in.sin_port);
	return result;
}

static long take(const uint32_t *dice)
{
	union name to;
	socklen_t length = name(&to, HUNT_PICK(own, dice[1]), HUNT_PICK(ports, dice[2]));

	if (at(dice[0]) < 0)
		return HUNT_IDLE;
	if (dice[3] % 16 == 0)
		to.any.sa_family = AF_UNSPEC;
	return bound(dice[0], &to, done(bind(at(dice[0]), &to.any, length)));
}

static long reach(const uint32_t *dice)
{
	union name to;
	socklen_t length = destination(&to, dice);

	return at(dice[0]) < 0 ? HUNT_IDLE : done(connect(at(dice[0]), &to.any, length));
}

static long dissolve(const uint32_t *dice)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	return at(dice[0]) < 0 ? HUNT_IDLE : done(connect(at(dice[0]), &nowhere, sizeof(nowhere)));
}

static long wait(const uint32_t *dice)
{
	return at(dice[0]) < 0 ? HUNT_IDLE : done(listen(at(dice[0]), 1));
}

static long say(const uint32_t *dice)
{
	int fd = at(dice[0]), zero;
	long result;

	if (fd < 0)
		return HUNT_IDLE;
	if (dice[1] % 3 == 0)
		return done(write(fd, "x", 1));
	if (dice[1] % 3 == 1)
		return done(send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
	zero = open("/dev/zero", O_RDONLY);
	result = done(sendfile(fd, zero, NULL, 1));
	close(zero);
	return result;
}

static long tell(const uint32_t *dice)
{
	struct iovec byte = { .iov_base = "x", .iov_len = 1 };
	union name to;
	struct mmsghdr many[2] = {};
	socklen_t length = destination(&to, dice);
	int fd = at(dice[0]), flags = MSG_NOSIGNAL | MSG_DONTWAIT;

	if (fd < 0)
		return HUNT_IDLE;
	if (dice[3] / 32 % 8 == 0)
		flags |= MSG_FASTOPEN;
	if (dice[3] / 32 % 3)
		return done(sendto(fd, "x", 1, flags, &to.any, length));
	for (int i = 0; i < 2; i++) {
		many[i].msg_hdr.msg_iov = &byte;
		many[i].msg_hdr.msg_iovlen = 1;
		many[i].msg_hdr.msg_name = &to;
		many[i].msg_hdr.msg_namelen = length;
	}
	return done(sendmmsg(fd, many, 2, flags));
}

/* With a control message: where it comes from, or by which device. */
static long tell_more(const uint32_t *dice)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = {};
	struct iovec byte = { .iov_base = "x", .iov_len = 1 };
	union name to;
	struct msghdr message = {
		.msg_name = &to, .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control
	};
	int index = if_nametoindex(DEVICE);

	if (at(dice[0]) < 0)
		return HUNT_IDLE;
	message.msg_namelen = destination(&to, dice);
	if (to.any.sa_family == AF_INET6) {
		struct in6_pktinfo info = { .ipi6_ifindex = index };

		control.head.cmsg_level = IPPROTO_IPV6;
		control.head.cmsg_type = IPV6_PKTINFO;
		control.head.cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(&control.head), &info, sizeof(info));
	} else {
		struct in_pktinfo info = { .ipi_ifindex = dice[3] / 32 % 2 ? index : 0 };

		inet_pton(AF_INET, dice[3] / 64 % 2 ? "10.9.0.1" : "127.0.0.1", &info.ipi_spec_dst);
		control.head.cmsg_level = IPPROTO_IP;
		control.head.cmsg_type = IP_PKTINFO;
		control.head.cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(&control.head), &info, sizeof(info));
	}
	message.msg_controllen = sizeof(control);
	if (dice[3] / 128 % 4 == 0) {
		message.msg_name = NULL;
		message.msg_namelen = 0;
	}
	return done(sendmsg(at(dice[0]), &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

/* ---- Two at once -------------------------------------------------------------------------------------------- */

struct race {
	int fd;
	unsigned int both;
};

static void *set_range(void *argument)
{
	struct race *race = argument;

	for (int i = 0; i < 3; i++)
		setsockopt(race->fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &race->both,
			   sizeof(race->both));
	return NULL;
}

static long hurry(const uint32_t *dice)
{
	struct race race = { at(dice[0]), some_range(dice[1]) };
	union name to;
	socklen_t length;
	pthread_t thread;
	long result;

	if (race.fd < 0)
		return HUNT_IDLE;
	if (pthread_create(&thread, NULL, set_range, &race))
		return -EAGAIN;
	if (dice[2] % 2) {
		length = name(&to, HUNT_PICK(own, dice[3]), 0);
		result = bound(dice[0], &to, done(bind(race.fd, &to.any, length)));
	} else {
		length = name(&to, dice[3] % 2 ? "::1" : "127.0.0.1", 9);
		result = done(sendto(race.fd, "x", 1, MSG_DONTWAIT, &to.any, length));
	}
	pthread_join(thread, NULL);
	return result;
}

/* ---- By io_uring -------------------------------------------------------------------------------------------- */

static struct {
	int fd;
	struct io_uring_sqe *entries;
	unsigned int *tail, *array, *mask, *head, *end, *end_mask;
	struct io_uring_cqe *results;
} ring = { .fd = -1 };

static bool has_ring(void)
{
	struct io_uring_params how = {};
	char *room, *back;

	if (ring.fd >= 0)
		return true;
	ring.fd = syscall(SYS_io_uring_setup, 4, &how);
	if (ring.fd < 0)
		return false;
	room = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	back = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	ring.entries =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	if (room == MAP_FAILED || back == MAP_FAILED || ring.entries == MAP_FAILED)
		hunt_broken("no memory of io_uring");
	ring.tail = (void *)(room + how.sq_off.tail);
	ring.mask = (void *)(room + how.sq_off.ring_mask);
	ring.array = (void *)(room + how.sq_off.array);
	ring.head = (void *)(back + how.cq_off.head);
	ring.end = (void *)(back + how.cq_off.tail);
	ring.end_mask = (void *)(back + how.cq_off.ring_mask);
	ring.results = (void *)(back + how.cq_off.cqes);
	return true;
}

static long by_ring(const uint32_t *dice)
{
	unsigned int tail, slot, both = some_range(dice[1]);
	struct io_uring_sqe *entry;
	union name to;
	int fd = at(dice[0]), deed = dice[3] / 64 % 5;
	long result;

	if (fd < 0 || !has_ring())
		return HUNT_IDLE;
	tail = *ring.tail;
	slot = tail & *ring.mask;
	entry = &ring.entries[slot];
	memset(entry, 0, sizeof(*entry));
	entry->fd = fd;
	if (deed == 0) {
		entry->opcode = IORING_OP_CONNECT;
		entry->off = destination(&to, dice);
		entry->addr = (uint64_t)&to;
	} else if (deed == 1) {
		entry->opcode = IORING_OP_SEND; /* since 6.0 with an address */
		entry->addr = (uint64_t)"x";
		entry->len = 1;
		entry->addr2 = (uint64_t)&to;
		entry->addr_len = destination(&to, dice);
		entry->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	} else if (deed == 2) {
		entry->opcode = 56; /* IORING_OP_BIND, since 6.11 */
		entry->off = name(&to, HUNT_PICK(own, dice[1]), HUNT_PICK(ports, dice[2]));
		entry->addr = (uint64_t)&to;
	} else if (deed == 3) {
		entry->opcode = 57; /* IORING_OP_LISTEN */
		entry->len = 1;
	} else {
		entry->opcode = 46; /* IORING_OP_URING_CMD, since 6.7 on sockets */
		entry->off = 3;	    /* SOCKET_URING_OP_SETSOCKOPT */
		entry->addr = (uint64_t)IPPROTO_IP | (uint64_t)IP_LOCAL_PORT_RANGE << 32;
		entry->file_index = sizeof(both);		     /* optlen */
		*(uint64_t *)((char *)entry + 48) = (uint64_t)&both; /* optval */
	}
	if (dice[3] / 512 % 3 == 0)
		entry->flags = IOSQE_ASYNC;
	ring.array[slot] = slot;
	__atomic_store_n(ring.tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 0, 0, NULL, 0) != 1)
		return done(-1);
	for (int i = 0; i < 20 && *ring.head == __atomic_load_n(ring.end, __ATOMIC_ACQUIRE); i++)
		usleep(500);
	if (*ring.head ==
	    *ring.end) /* a connection that is not answered: the kernel has the address no more in its hand */
		hunt_say("not ended");
	result = ring.results[*ring.head & *ring.end_mask].res;
	__atomic_store_n(ring.head, *ring.end, __ATOMIC_RELEASE);
	return deed == 2 ? bound(dice[0], &to, result) : result;
}

/* ---- Oracles ------------------------------------------------------------------------------------------------ */

static void look(void)
{
	for (int i = 0; i < PLACES; i++) {
		unsigned int both = 0, port;
		int type = 0, accepts = 0;
		socklen_t size = sizeof(union name), word = sizeof(int);
		union name got = {};

		if (sockets[i] < 0 || getsockname(sockets[i], &got.any, &size))
			continue;
		port = ntohs(got.in.sin_port);
		if (port < PORT || port >= PORT + PORTS)
			continue;
		getsockopt(sockets[i], SOL_SOCKET, SO_TYPE, &type, &word);
		getsockopt(sockets[i], SOL_SOCKET, SO_ACCEPTCONN, &accepts, &word);
		word = sizeof(both);
		getsockopt(sockets[i], IPPROTO_IP, IP_LOCAL_PORT_RANGE, &both, &word);
		if (type == SOCK_RAW || (type != SOCK_DGRAM && !accepts && !asked[i]))
			continue; /* a client has its port, too */
		/* By chance, as every client may: a range that comes later changes nothing of it. */
		if (!both && asked[i] != port && !accepts)
			drawn[i] = port;
		if (drawn[i] == port && asked[i] != port && !accepts)
			continue;
		hunt_forbidden("a socket of type %d has the port %u", type, port);
	}
}

static bool is_several(const unsigned char *packet)
{
	static const unsigned char one[] = { 10, 9, 0, 2 }, all[] = { 10, 9, 0, 255 },
				   six[] = { 0xfd, 0, 0, 9 };

	if (packet[0] >> 4 == 4) {
		const unsigned char *to = packet + 16;

		if (packet[9] == IPPROTO_IGMP)
			return false; /* the kernel's own */
		return !memcmp(to, one, 4) || !memcmp(to, all, 4) || to[0] >= 224;
	}
	if (packet[0] >> 4 != 6 || packet[6] == IPPROTO_ICMPV6 || packet[6] == IPPROTO_HOPOPTS)
		return false; /* likewise: neighbours and groups */
	return packet[24] == 0xff || (!memcmp(packet + 24, six, 4) && packet[39] == 2);
}

static void finish(void)
{
	unsigned char packet[256];
	ssize_t size;

	while ((size = recv(wire, packet, sizeof(packet), MSG_DONTWAIT)) >= 0)
		if (size >= 40 - 20 * (packet[0] >> 4 == 4) && is_several(packet))
			hunt_forbidden("a packet of version %d, protocol %d, went to ...%d",
				       packet[0] >> 4, packet[0] >> 4 == 4 ? packet[9] : packet[6],
				       packet[0] >> 4 == 4 ? packet[19] : packet[39]);
}

/* With sockets from the beginning: else most steps would have none. */
static void begin(uint32_t role)
{
	signal(SIGPIPE, SIG_IGN);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t dice[HUNT_DICE] = { i, role >> (4 * i), role >> (4 * i + 1) };

		make(dice);
	}
}

static void shell(const char *command)
{
	if (system(command))
		hunt_broken("%s", command);
}

static void prepare(int argc, char **argv)
{
	struct sockaddr_ll here = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int size = 1 << 22;

	(void)argc;
	(void)argv;
	unshare(CLONE_NEWNET);
	shell("ip link set lo up && ip link add " DEVICE " type veth peer name hunt1 &&"
	      " ip address add 10.9.0.1/24 broadcast + dev " DEVICE " && ip link set " DEVICE
	      " up &&"
	      " ip -6 address add fd00:9::1/64 dev " DEVICE " nodad &&"
	      " ip route add default dev " DEVICE " && ip link set hunt1 up &&"
	      " sysctl -q net.ipv6.conf.hunt1.disable_ipv6=1 &&"
	      " for a in 10.9.0.2 10.9.0.3 fd00:9::2 fd00:9::3; do"
	      " ip neigh replace $a lladdr 02:00:00:00:00:01 nud permanent dev " DEVICE "; done");
	/* Both ends of the wire are here: what comes out of it is heard, and has no other owner. */
	wire = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
	here.sll_ifindex = if_nametoindex("hunt1");
	if (wire < 0 || bind(wire, (void *)&here, sizeof(here)))
		hunt_broken("no wire");
	setsockopt(wire, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	size = 1;
	setsockopt(wire, SOL_PACKET, 23 /* PACKET_IGNORE_OUTGOING */, &size, sizeof(size));
}

static const struct hunt_step steps[] = {
	{ "socket", make, 6 },	 { "close", end, 1 },	      { "dup", twice, 1 },
	{ "pass", pass, 1 },	 { "range", range, 4 },	      { "option", option, 4 },
	{ "device", device, 2 }, { "route", route, 2 },	      { "bind", take, 5 },
	{ "connect", reach, 4 }, { "dissolve", dissolve, 1 }, { "listen", wait, 2 },
	{ "say", say, 2 },	 { "send", tell, 5 },	      { "message", tell_more, 3 },
	{ "race", hurry, 1 },	 { "ring", by_ring, 2 },
};

static const struct hunt searcher = {
	.steps = steps,
	.count = HUNT_SIZE(steps),
	.refusal = EXDEV,
	.patience = 10,
	.length = 24,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.finish = finish,
};

int main(int argc, char **argv)
{
	return hunt_main(&searcher, argc, argv);
}
