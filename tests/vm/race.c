// SPDX-License-Identifier: MIT
/*
 * race CALL TRIES DIRECTORY: make a call again and again while another thread changes what it is given.
 *
 * Of a path the last character changes between that of the forbidden file and that of the free one,
 * of an address the port. What happened is read from what the kernel has, not from what was asked:
 * the file that was opened, the program that ran, the name that is gone, the port that was reached.
 *
 *   open execve unlink truncate:  DIRECTORY/x (forbidden) and DIRECTORY/o (free)
 *   connect sendto:               ports 7401 (forbidden) and 7402 (free) of 127.0.0.1
 *
 * Prints "THROUGH FREE REFUSED": how often the forbidden was reached, the free one, and neither.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORBIDDEN_PORT = 7401, FREE_PORT = 7402, MARK = 77 };
enum outcome { THROUGH, FREE, REFUSED };

static char path[256], forbidden[256], free_[256];
static volatile char *last;
static struct sockaddr_in address;
static int receivers[2];
static atomic_int over;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void *change(void *unused)
{
	volatile unsigned short *port = &address.sin_port;
	unsigned short ports[] = { htons(FORBIDDEN_PORT), htons(FREE_PORT) };

	for (unsigned int n = 0; !atomic_load(&over); n++) {
		*last = n & 1 ? 'x' : 'o';
		*port = ports[n & 1];
		/* As long as a call takes, more or less, so that some of all are caught in between. */
		for (volatile unsigned int wait = n % 97; wait; wait--)
			;
		if (!(n % 255)) /* odd, so that either is what is left behind */
			sched_yield();
	}
	return unused;
}

static void fill(const char *name, mode_t mode, const char *text)
{
	int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, mode);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(name);
	close(fd);
}

static int there(const char *name)
{
	struct stat status;

	return !stat(name, &status);
}

/* ---- One try each -------------------------------------------------------------------------- */

static enum outcome try_open(void)
{
	char found[256] = "", link[64];
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return REFUSED;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, found, sizeof(found) - 1) < 0)
		die(link);
	close(fd);
	return strcmp(found, forbidden) ? FREE : THROUGH;
}

/* The program that runs has the name that it was found by, and says it by its exit code. */
static enum outcome try_execve(void)
{
	char *argv[] = { "race", "ran", NULL }, *env[] = { NULL };
	int status;
	pid_t child = vfork();

	if (child < 0)
		die("vfork");
	if (!child) {
		execve(path, argv, env);
		_exit(3);
	}
	if (waitpid(child, &status, 0) < 0)
		die("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 3)
		return REFUSED;
	return WEXITSTATUS(status) == MARK ? THROUGH : FREE;
}

static enum outcome try_unlink(void)
{
	enum outcome outcome = REFUSED;

	unlink(path);
	if (!there(forbidden)) {
		fill(forbidden, 0600, "x");
		outcome = THROUGH;
	} else if (!there(free_)) {
		fill(free_, 0600, "o");
		outcome = FREE;
	}
	return outcome;
}

static enum outcome try_truncate(void)
{
	struct stat status;
	enum outcome outcome = REFUSED;

	if (truncate(path, 0) < 0)
		return REFUSED;
	if (stat(forbidden, &status) < 0)
		die(forbidden);
	if (!status.st_size) {
		outcome = THROUGH;
		fill(forbidden, 0600, "x");
	} else {
		outcome = FREE;
	}
	return outcome;
}

static enum outcome try_connect(void)
{
	struct sockaddr_in reached;
	socklen_t size = sizeof(reached);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	enum outcome outcome = REFUSED;

	if (fd < 0)
		die("socket");
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		if (getpeername(fd, (struct sockaddr *)&reached, &size) < 0)
			die("getpeername");
		outcome = ntohs(reached.sin_port) == FORBIDDEN_PORT ? THROUGH : FREE;
	}
	close(fd);
	return outcome;
}

static enum outcome try_sendto(void)
{
	static int sender = -1;
	char byte;

	if (sender < 0)
		sender = socket(AF_INET, SOCK_DGRAM, 0);
	if (sendto(sender, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) < 0)
		return REFUSED;
	if (recv(receivers[0], &byte, 1, MSG_DONTWAIT) == 1)
		return THROUGH;
	if (recv(receivers[1], &byte, 1, MSG_DONTWAIT) == 1)
		return FREE;
	die("recv");
	return REFUSED;
}

static const struct {
	const char *name;
	enum outcome (*attempt)(void);
} calls[] = {
	{ "open", try_open },	      { "execve", try_execve },	  { "unlink", try_unlink },
	{ "truncate", try_truncate }, { "connect", try_connect }, { "sendto", try_sendto },
};

static void receive(int which, int port)
{
	struct sockaddr_in mine = address;

	receivers[which] = socket(AF_INET, SOCK_DGRAM, 0);
	mine.sin_port = htons(port);
	if (bind(receivers[which], (struct sockaddr *)&mine, sizeof(mine)) < 0)
		die("bind");
}

int main(int argc, char **argv)
{
	long count[3] = { 0 }, tries;
	pthread_t changer;

	if (argc > 1 && !strcmp(argv[1], "ran")) {
		char self[256] = "";

		if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
			die("/proc/self/exe");
		return self[strlen(self) - 1] == 'x' ? MARK : 0;
	}
	if (argc != 4)
		return 2;
	tries = atol(argv[2]);
	snprintf(forbidden, sizeof(forbidden), "%s/x", argv[3]);
	snprintf(free_, sizeof(free_), "%s/o", argv[3]);
	strcpy(path, free_);
	last = &path[strlen(path) - 1];
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(FREE_PORT);
	if (!strcmp(argv[1], "sendto")) {
		receive(0, FORBIDDEN_PORT);
		receive(1, FREE_PORT);
	}
	if (pthread_create(&changer, NULL, change, NULL))
		die("pthread_create");
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (!strcmp(argv[1], calls[i].name))
			for (long n = 0; n < tries; n++) {
				count[calls[i].attempt()]++;
				if (!(n % 4)) /* where there is but one processor */
					sched_yield();
			}
	atomic_store(&over, 1);
	pthread_join(changer, NULL);
	printf("%ld %ld %ld\n", count[THROUGH], count[FREE], count[REFUSED]);
	return 0;
}
