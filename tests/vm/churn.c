// SPDX-License-Identifier: MIT
/*
 * churn PLACE FORBIDDEN-PORT ALLOWED-PORT WORKERS SECONDS: tries what is forbidden and what is not.
 *
 * For each kind, WORKERS processes try one forbidden operation and one allowed operation in turn:
 *
 *   open      PLACE/vault/secret                 PLACE/open/file
 *   exec      PLACE/vault/tool                   PLACE/open/tool     (copies of this program)
 *   connect   FORBIDDEN-PORT of 127.0.0.N        ALLOWED-PORT        (worker N listens at both)
 *   unlink    PLACE/vault/keep-N                 PLACE/open/gone-N   (made again each time)
 *
 * Prints the counts as one line of JSON when all have begun, at each SIGUSR1, and at its end, which
 * comes with SIGTERM, after SECONDS, or when a worker died.
 * A forbidden operation counts as a success by its effect, not only by what the call returned.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORKERS 16
#define TOOL_RAN 42

extern char **environ;

/* One writer each: its worker. The parent only reads. */
struct counts {
	unsigned long attempts, successes, allowed, wrong;
	unsigned long strange; /* forbidden, failed, but not by refusal: then nothing was tried */
	int wrong_errno, strange_errno;
	unsigned long long first_success_ns, first_wrong_ns; /* CLOCK_BOOTTIME */
};

enum kind { OPEN, EXEC, CONNECT, UNLINK, KINDS };
static const char *const names[KINDS] = { "open", "exec", "connect", "unlink" };

static struct counts (*counts)[MAX_WORKERS];
static const char *place;
static int forbidden_port, allowed_port;
static volatile sig_atomic_t ending, asked;

static void on_end(int signal)
{
	(void)signal;
	ending = 1;
}

static void on_ask(int signal)
{
	(void)signal;
	asked = 1;
}

static int need(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		_exit(200);
	}
	return result;
}

static unsigned long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static const char *in(char *name, const char *rest, int number)
{
	snprintf(name, 4096, number < 0 ? "%s/%s" : "%s/%s-%d", place, rest, number);
	return name;
}

/* ---- One attempt: 0, or the errno ------------------------------------------------------------- */

static int try_open(const char *file)
{
	char byte;
	int fd = open(file, O_RDONLY | O_CLOEXEC), failed = 0;

	if (fd < 0)
		return errno;
	if (read(fd, &byte, 1) != 1)
		failed = EIO;
	close(fd);
	return failed;
}

static int try_exec(char *file, char *mark)
{
	char *argv[] = { file, mark, NULL };
	int failed, status;
	pid_t pid;

	failed = posix_spawn(&pid, file, NULL, NULL, argv, environ);
	if (failed)
		return failed;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == TOOL_RAN ? 0 : ENOEXEC;
}

static int listener(int worker, int port, struct sockaddr_in *at)
{
	int fd = need(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"), on = 1;

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK + worker);
	need(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "SO_REUSEADDR");
	need(bind(fd, (struct sockaddr *)at, sizeof(*at)), "bind");
	need(listen(fd, 16), "listen");
	return fd;
}

/* The listener is this process's own, so what it heard came from here. */
static int try_connect(int ear, const struct sockaddr_in *to, int *heard)
{
	struct linger at_once = { .l_onoff = 1 }; /* no TIME_WAIT: ports would run out */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), failed = 0, peer;

	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		failed = errno;
	peer = accept4(ear, NULL, NULL, SOCK_CLOEXEC);
	*heard = peer >= 0;
	if (peer >= 0)
		close(peer);
	else if (!failed && errno != EAGAIN)
		failed = errno;
	close(fd);
	return failed;
}

static int make(const char *file)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int try_unlink(const char *file)
{
	return unlink(file) ? errno : 0;
}

/* ---- Counting --------------------------------------------------------------------------------- */

static void count_forbidden(struct counts *it, int failed, int effect)
{
	it->attempts++;
	if (!failed || effect) {
		if (!it->successes++)
			it->first_success_ns = now();
	} else if (failed != EPERM) {
		it->strange++;
		it->strange_errno = failed;
	}
}

static void count_allowed(struct counts *it, int failed)
{
	it->allowed++;
	if (failed) {
		if (!it->wrong++)
			it->first_wrong_ns = now();
		it->wrong_errno = failed;
	}
}

static void work(enum kind kind, int worker, struct counts *it)
{
	struct sockaddr_in forbidden_at = { 0 }, allowed_at = { 0 };
	char forbidden[4096], allowed[4096], mark[4096];
	int forbidden_ear = -1, allowed_ear = -1, heard, failed;

	if (kind == CONNECT) {
		forbidden_ear = listener(worker, forbidden_port, &forbidden_at);
		allowed_ear = listener(worker, allowed_port, &allowed_at);
	}
	in(forbidden, kind == OPEN ? "vault/secret" : kind == EXEC ? "vault/tool" : "vault/keep",
	   kind == UNLINK ? worker : -1);
	in(allowed, kind == OPEN ? "open/file" : kind == EXEC ? "open/tool" : "open/gone",
	   kind == UNLINK ? worker : -1);
	in(mark, "open/mark", worker);
	if (kind == EXEC) /* workers of other kinds begin while it is in use */
		unlink(mark); /* of a worker that was killed */

	while (!ending) {
		switch (kind) {
		case OPEN:
			count_forbidden(it, try_open(forbidden), 0);
			count_allowed(it, try_open(allowed));
			break;
		case EXEC:
			failed = try_exec(forbidden, mark);
			count_forbidden(it, failed, !unlink(mark));
			failed = try_exec(allowed, mark);
			count_allowed(it, failed ? failed : try_unlink(mark));
			break;
		case CONNECT:
			failed = try_connect(forbidden_ear, &forbidden_at, &heard);
			count_forbidden(it, failed, heard);
			failed = try_connect(allowed_ear, &allowed_at, &heard);
			count_allowed(it, failed ? failed : heard ? 0 : ECONNABORTED);
			break;
		default:
			failed = try_unlink(forbidden);
			count_forbidden(it, failed, access(forbidden, F_OK));
			if (access(forbidden, F_OK))
				make(forbidden);
			failed = make(allowed);
			count_allowed(it, failed ? failed : try_unlink(allowed));
			break;
		}
	}
}

static void print(int workers, int dead)
{
	char line[4096];
	int at = snprintf(line, sizeof(line), "{\"dead\": %d, \"kinds\": {", dead);

	for (int kind = 0; kind < KINDS; kind++) {
		struct counts sum = { 0 };
		unsigned long slowest = ~0UL;

		for (int i = 0; i < workers; i++) {
			struct counts it = counts[kind][i];

			sum.attempts += it.attempts;
			sum.successes += it.successes;
			sum.allowed += it.allowed;
			sum.wrong += it.wrong;
			sum.strange += it.strange;
			if (it.wrong_errno)
				sum.wrong_errno = it.wrong_errno;
			if (it.strange_errno)
				sum.strange_errno = it.strange_errno;
			if (it.first_success_ns)
				sum.first_success_ns = it.first_success_ns;
			if (it.first_wrong_ns)
				sum.first_wrong_ns = it.first_wrong_ns;
			if (it.attempts < slowest)
				slowest = it.attempts;
		}
		at += snprintf(line + at, sizeof(line) - at,
			       "%s\"%s\": {\"attempts\": %lu, \"successes\": %lu, \"allowed\": %lu, "
			       "\"wrong\": %lu, \"wrong_errno\": %d, \"strange\": %lu, "
			       "\"strange_errno\": %d, \"slowest\": %lu, \"first_success_ns\": %llu, "
			       "\"first_wrong_ns\": %llu}",
			       kind ? ", " : "", names[kind], sum.attempts, sum.successes, sum.allowed,
			       sum.wrong, sum.wrong_errno, sum.strange, sum.strange_errno, slowest,
			       sum.first_success_ns, sum.first_wrong_ns);
	}
	at += snprintf(line + at, sizeof(line) - at, "}}\n");
	need(write(1, line, at), "write");
}

/* What the copies of this program do: say that they ran. */
static int tool(const char *mark)
{
	return make(mark) ? 201 : TOOL_RAN;
}

int main(int argc, char **argv)
{
	pid_t pids[KINDS * MAX_WORKERS];
	int workers, left, dead = 0, n = 0, status;
	unsigned long long until;

	if (argc == 2)
		return tool(argv[1]);
	if (argc != 6)
		return 200;
	place = argv[1];
	forbidden_port = atoi(argv[2]);
	allowed_port = atoi(argv[3]);
	workers = atoi(argv[4]);
	if (workers < 1 || workers > MAX_WORKERS)
		return 200;
	counts = mmap(NULL, KINDS * sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		return 200;
	signal(SIGTERM, on_end);
	signal(SIGUSR1, SIG_IGN);
	for (int kind = 0; kind < KINDS; kind++) {
		for (int i = 0; i < workers; i++) {
			pids[n] = need(fork(), "fork");
			if (!pids[n]) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				need(nice(10), "nice"); /* the daemon must come to its work */
				work(kind, i, &counts[kind][i]);
				_exit(0);
			}
			n++;
		}
	}
	signal(SIGUSR1, on_ask);
	print(workers, 0); /* from here on questions are heard */
	until = now() + atoi(argv[5]) * 1000000000ULL;
	while (!ending && now() < until && !dead) {
		usleep(20000);
		while (waitpid(-1, &status, WNOHANG) > 0)
			dead++; /* no worker ends before it is told to */
		if (asked) {
			asked = 0;
			print(workers, dead);
		}
	}
	for (int i = 0; i < n; i++)
		kill(pids[i], SIGTERM);
	for (left = n - dead; left > 0; left--)
		if (waitpid(-1, &status, 0) < 0 && errno != EINTR)
			break;
	print(workers, dead);
	return 0;
}
