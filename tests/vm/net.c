// SPDX-License-Identifier: MIT
/*
 * net DEED ARGUMENT...: one deed on the network. The exit code is its errno, 200 where something
 * before it failed.
 *
 *   socket FAMILY TYPE PROTOCOL
 *   bind|bind_unspec|listen|connect FAMILY TYPE ADDRESS PORT
 *   sendto|sendmsg|sendmmsg|fastopen|unspec FAMILY TYPE ADDRESS PORT
 *   bound|bound_device|told FAMILY TYPE ADDRESS PORT   connect or send to no address, which ADDRESS stands for:
 *                               it is bound to it, to the device that has it, or tells it in a control message
 *   ubind|uconnect|usend TYPE NAME    a name that begins with @ is abstract
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static union {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
} to;
static socklen_t length;

static int need(int result)
{
	if (result < 0) {
		perror("net");
		_exit(200);
	}
	return result;
}

static void address(const char *text, int port)
{
	if (strchr(text, ':')) {
		to.in6.sin6_family = AF_INET6;
		to.in6.sin6_port = htons(port);
		need(inet_pton(AF_INET6, text, &to.in6.sin6_addr) - 1);
		length = sizeof(to.in6);
	} else {
		to.in.sin_family = AF_INET;
		to.in.sin_port = htons(port);
		need(inet_pton(AF_INET, text, &to.in.sin_addr) - 1);
		length = sizeof(to.in);
	}
}

static void name(const char *text)
{
	to.un.sun_family = AF_UNIX;
	memcpy(to.un.sun_path, text, strlen(text));
	length = offsetof(struct sockaddr_un, sun_path) + strlen(text) + 1;
	if (*text == '@') {
		to.un.sun_path[0] = 0;
		length -= 1;
	}
}

static void to_nowhere(void)
{
	to.in.sin_addr.s_addr = INADDR_ANY;
}

static void send_told(int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control = {};
	struct in_pktinfo from = { .ipi_spec_dst = to.in.sin_addr };
	struct iovec byte = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = { .msg_name = &to,
				  .msg_namelen = length,
				  .msg_iov = &byte,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	control.head.cmsg_level = IPPROTO_IP;
	control.head.cmsg_type = IP_PKTINFO;
	control.head.cmsg_len = CMSG_LEN(sizeof(from));
	memcpy(CMSG_DATA(&control.head), &from, sizeof(from));
	to_nowhere();
	sendmsg(fd, &message, 0);
}

int main(int argc, char **argv)
{
	const char *deed = argc > 3 ? argv[1] : "";
	struct iovec bytes = { .iov_base = "x", .iov_len = 1 };
	struct mmsghdr message[2] = {};
	int fd, type;

	if (!strcmp(deed, "socket"))
		return socket(atoi(argv[2]), atoi(argv[3]), atoi(argv[4])) < 0 ? errno : 0;
	if (*deed == 'u' && strcmp(deed, "unspec")) {
		fd = need(socket(AF_UNIX, atoi(argv[2]), 0));
		name(argv[3]);
		deed += 1;
	} else {
		type = atoi(argv[3]);
		fd = need(socket(atoi(argv[2]), type, type == SOCK_RAW ? 253 : 0));
		address(argv[4], atoi(argv[5]));
	}
	for (int i = 0; i < 2; i++) {
		message[i].msg_hdr.msg_name = &to;
		message[i].msg_hdr.msg_namelen = length;
		message[i].msg_hdr.msg_iov = &bytes;
		message[i].msg_hdr.msg_iovlen = 1;
	}
	errno = 0;
	if (!strcmp(deed, "bind")) {
		bind(fd, &to.any, length);
	} else if (!strcmp(deed, "bind_unspec")) {
		to.any.sa_family = AF_UNSPEC;
		bind(fd, &to.any, length);
	} else if (!strcmp(deed, "listen")) {
		need(bind(fd, &to.any, length));
		errno = 0;
		listen(fd, 1);
	} else if (!strcmp(deed, "connect")) {
		if (!connect(fd, &to.any, length))
			send(fd, "x", 1, MSG_NOSIGNAL);
	} else if (!strcmp(deed, "sendto") || !strcmp(deed, "send")) {
		sendto(fd, "x", 1, 0, &to.any, length);
	} else if (!strcmp(deed, "sendmsg")) {
		sendmsg(fd, &message[0].msg_hdr, 0);
	} else if (!strcmp(deed, "sendmmsg")) {
		sendmmsg(fd, message, 2, 0);
	} else if (!strcmp(deed, "fastopen")) {
		sendto(fd, "x", 1, MSG_FASTOPEN, &to.any, length);
	} else if (!strcmp(deed, "bound")) {
		int port = to.in.sin_port;

		to.in.sin_port = 0;
		need(bind(fd, &to.any, length));
		errno = 0;
		to.in.sin_port = port;
		to_nowhere();
		connect(fd, &to.any, length);
	} else if (!strcmp(deed, "bound_device")) {
		need(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
		to_nowhere();
		connect(fd, &to.any, length);
	} else if (!strcmp(deed, "told")) {
		send_told(fd);
	} else if (!strcmp(deed, "unspec")) {
		to.any.sa_family = AF_UNSPEC;
		sendto(fd, "x", 1, 0, &to.any, length);
	} else {
		return 200;
	}
	return errno;
}
