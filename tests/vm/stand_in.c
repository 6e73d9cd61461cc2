// SPDX-License-Identifier: MIT
/*
 * PROGRAM DEED...: what policies allow to a program that is not installed here, done by a copy of this
 * one at its path. One deed after the other; the exit code is the errno of the first that fails.
 *
 *   write FILE             write a line to a file, which is made or emptied
 *   rename OLD NEW
 *   connect ADDRESS PORT   TCP over IPv4
 *   local PATH             connect to a unix socket
 *   packet                 make a packet socket, as a sniffer does
 *   run PROGRAM [ARG...]   the last: its exit code, 128 and the signal if it was killed
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int need(int result, const char *what)
{
	int error = errno;

	if (result < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(error));
		exit(error);
	}
	return result;
}

static void put(const char *file)
{
	int fd = need(open(file, O_CREAT | O_WRONLY | O_TRUNC, 0600), file);

	need(write(fd, "line\n", 5), file);
	close(fd);
}

static void reach(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		exit(EINVAL);
	need(connect(need(socket(AF_INET, SOCK_STREAM, 0), "socket"), (struct sockaddr *)&to,
		     sizeof(to)),
	     address);
}

static void reach_local(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	need(connect(need(socket(AF_UNIX, SOCK_STREAM, 0), "socket"), (struct sockaddr *)&to,
		     sizeof(to)),
	     path);
}

/* The refusal of a program is its child's to see: it is handed on as the exit code. */
static int run(char **argv)
{
	pid_t child = need(fork(), "fork");
	int status = 0;

	if (!child) {
		execv(argv[0], argv);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(errno);
	}
	need(waitpid(child, &status, 0), "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *deed = argv[i];
		int left = argc - i - 1;

		if (!strcmp(deed, "packet")) {
			need(socket(AF_PACKET, SOCK_RAW, 0), deed);
		} else if (!strcmp(deed, "write") && left > 0) {
			put(argv[++i]);
		} else if (!strcmp(deed, "local") && left > 0) {
			reach_local(argv[++i]);
		} else if (!strcmp(deed, "rename") && left > 1) {
			need(rename(argv[i + 1], argv[i + 2]), argv[i + 1]);
			i += 2;
		} else if (!strcmp(deed, "connect") && left > 1) {
			reach(argv[i + 1], argv[i + 2]);
			i += 2;
		} else if (!strcmp(deed, "run") && left > 0) {
			return run(&argv[i + 1]);
		} else {
			fprintf(stderr, "%s: no such deed\n", deed);
			return EINVAL;
		}
	}
	return 0;
}
