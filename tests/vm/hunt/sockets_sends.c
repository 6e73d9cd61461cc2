// SPDX-License-Identifier: MIT
/* Steps of the searcher of sockets that send: to where a socket is connected, or to an address of the message. */
#define _GNU_SOURCE
#include "sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

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

const struct hunt_step send_steps[] = {
	{ "say", say, 2 },
	{ "send", tell, 5 },
	{ "message", tell_more, 3 },
};
