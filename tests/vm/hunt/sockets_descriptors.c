// SPDX-License-Identifier: MIT
/* The places for sockets of the searcher of sockets, and its steps that make, duplicate, pass and close them. */
#define _GNU_SOURCE
#include "sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int sockets[PLACES] = { -1, -1, -1 };
unsigned int asked[PLACES];
unsigned int drawn[PLACES];

int at(uint32_t die)
{
	return sockets[die % PLACES];
}

long put(uint32_t die, int fd)
{
	if (fd < 0)
		return -errno;
	if (sockets[die % PLACES] >= 0)
		close(sockets[die % PLACES]);
	sockets[die % PLACES] = fd;
	asked[die % PLACES] = drawn[die % PLACES] = 0;
	return 0;
}

long make_socket(const uint32_t *dice)
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

const struct hunt_step descriptor_steps[] = {
	{ "socket", make_socket, 6 },
	{ "close", end, 1 },
	{ "dup", twice, 1 },
	{ "pass", pass, 1 },
};
