// SPDX-License-Identifier: MIT
/*
 * Steps of the searcher of processes that get marks, and read what is forbidden with them. Who reaches the port of a mark
 * has it, whether somebody listens or not. Without it, a refusal is a mistake.
 */
#define _GNU_SOURCE
#include "processes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define TREE_PORT 41001
#define PROCESS_PORT 41002
#define FREE_PORT 41003

long get_mark(const uint32_t *dice)
{
	static const unsigned short ports[] = { FREE_PORT, TREE_PORT, PROCESS_PORT };
	unsigned short port = HUNT_PICK(ports, dice[0]);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool is_six = dice[1] % 4 == 3, is_stream = dice[2] % 2;
	int fd = socket(is_six ? AF_INET6 : AF_INET,
			(is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct sockaddr *address = is_six ? (const void *)&six : (const void *)&to;
	socklen_t size = is_six ? sizeof(six) : sizeof(to);

	if (fd < 0)
		return -errno;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	six.sin6_addr = in6addr_loopback;
	hunt_say("mark %u, IPv6 %d, stream %d, %u", port, is_six, is_stream, dice[3] % 2);
	long value = dice[3] % 2 ? sendto(fd, "", 1, is_stream ? MSG_FASTOPEN : 0, address, size)
				 : connect(fd, address, size);
	int error = errno;

	close(fd);
	/* The hooks come first, whatever the kernel says then. */
	standing.has_tree |= port == TREE_PORT;
	standing.has_process |= port == PROCESS_PORT;
	return value < 0 && error != EINPROGRESS && error != ECONNREFUSED ? -error : 0;
}

static int reads(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), error = errno;

	close(fd);
	return fd < 0 ? error : 0;
}

static long do_marked(const uint32_t *dice)
{
	bool is_tree = dice[0] % 2;
	const char *file = is_tree ? "marked/tree" : "marked/process";
	bool has = is_tree ? standing.has_tree : standing.has_process;
	int error = reads(file);

	hunt_say("read %s, mark %d: %d", file, has, error);
	if (has && !error)
		hunt_forbidden("%s was read in spite of the mark", file);
	if (!has && error == EDOM)
		hunt_refused("%s was refused without the mark", file);
	return -error;
}

static void bear(enum witness which)
{
	uint32_t one = 1;

	if (pwrite(HUNT_WITNESS_FD, &one, sizeof(one), which * sizeof(one)) < 0)
		_exit(1);
}

void bear_witness_of_marks(bool has_tree, bool has_process)
{
	int tree = reads("marked/tree"), process = reads("marked/process");

	if ((has_tree && !tree) || (has_process && !process))
		bear(MARK_PASSED);
	if ((!has_tree && tree == EDOM) || (!has_process && process == EDOM))
		bear(MARK_MISTAKEN);
}

const struct hunt_step mark_steps[] = {
	{ "mark", get_mark, 2 },
	{ "marked", do_marked, 5 },
};
