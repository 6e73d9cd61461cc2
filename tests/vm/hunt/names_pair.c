// SPDX-License-Identifier: MIT
/*
 * Steps of the searcher of names that make its sequence one of two processes. One of them makes the next steps, each in
 * its own view, and the other waits for its turn. They pass descriptors.
 */
#define _GNU_SOURCE
#include "names.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int turn = -1, mail = -1; /* sockets to the other process */

static long make_other(void)
{
	int turns[2], mails[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, turns))
		return -errno;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, mails)) {
		close(turns[0]);
		close(turns[1]);
		return -errno;
	}
	pid_t child = fork();
	bool is_other = !child;

	if (child < 0)
		hunt_broken("no other process: %m");
	turn = turns[is_other];
	mail = mails[is_other];
	/* Neither may hold what is the other's: the end of one gives the turn to the other for good. */
	close(turns[!is_other]);
	close(mails[!is_other]);
	return is_other;
}

static long do_turn(const uint32_t *dice)
{
	char word = 't';

	(void)dice;
	hunt_say("the other process");
	if (turn < 0) {
		long made = make_other();

		if (made)
			return made < 0 ? made : 0;
	} else if (send(turn, &word, 1, MSG_NOSIGNAL) != 1) {
		return HUNT_IDLE;
	}
	ssize_t got;

	while ((got = recv(turn, &word, 1, 0)) < 0 && errno == EINTR)
		;
	return got == 1 ? 0 : HUNT_IDLE; /* the other has ended */
}

static struct msghdr envelope(struct iovec *content, void *room, size_t size)
{
	return (struct msghdr){
		.msg_iov = content,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = size,
	};
}

static long do_send(const uint32_t *dice)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} rights = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
			       .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS } };
	char word = 'f';
	struct iovec content = { &word, 1 };
	struct msghdr message = envelope(&content, &rights, sizeof(rights.bytes));
	int fd = at(dice[0]);

	if (mail < 0 || fd < 0)
		return HUNT_IDLE;
	hunt_say("send %d", fd);
	memcpy(CMSG_DATA(&rights.head), &fd, sizeof(fd));
	return result(sendmsg(mail, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static long do_receive(const uint32_t *dice)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} rights;
	char word;
	struct iovec content = { &word, 1 };
	struct msghdr message = envelope(&content, &rights, sizeof(rights.bytes));
	int fd;

	if (mail < 0 || recvmsg(mail, &message, MSG_DONTWAIT) != 1)
		return HUNT_IDLE;
	if (message.msg_controllen < sizeof(rights.head))
		return -EBADF; /* the kernel leaves out what may not be received */
	memcpy(&fd, CMSG_DATA(&rights.head), sizeof(fd));
	hunt_say("received %d", fd);
	return keep(dice[0], fd);
}

const struct hunt_step pair_steps[] = {
	{ "turn", do_turn, 3 },
	{ "send", do_send, 3 },
	{ "receive", do_receive, 3 },
};
