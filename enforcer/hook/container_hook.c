/* SPDX-License-Identifier: MIT */
/*
 * The hook that container runtimes run before the first program of a container.
 *
 *     container-hook --socket=PATH --wait=SECONDS --on-failure=start|refuse
 *
 * It is a hook at createRuntime of the specification of the Open Container Initiative: the cgroup and the first process
 * of the container are there, and nothing of the container has run. The state of the container comes on standard input.
 * The hook tells the daemon of enforcer, and ends when the kernel knows the container.
 *
 * It runs as root for each container, and each waits for it: so it is no Python, and needs the C library alone. It says
 * which container and which process, and no facts: the daemon takes these from where it takes them anyway.
 *
 * If the daemon is not there, is too slow or refuses, --on-failure decides. With start the container starts and is
 * unknown for a moment, as without the hook. With refuse the exit code is 1, and the runtime does not start it. Either
 * way a line goes to standard error and to syslog. Arguments that cannot be read refuse: a choice that is not understood
 * must not be the lax one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "json.h"

#ifndef UID_MAP /* tests have their own */
#define UID_MAP "/proc/self/uid_map"
#endif
#ifndef SYSLOG
#define SYSLOG "/dev/log"
#endif

#define WAIT_MOST 60.0	     /* seconds */
#define STATE_MOST (4 << 20) /* bytes; annotations of one pod may have 256 KiB */
#define ANSWER_MOST (1 << 16)
#define ID_MOST 1024	   /* bytes, as JSON writes it */
#define PID_MOST 10	   /* digits */
#define PAUSE_NS 50000000L /* between two attempts to reach a daemon that is just beginning */
#define SECOND_NS 1000000000L
#define LINE_MOST 1024

enum { STARTS = 0, REFUSED = 1 }; /* exit codes, as runtimes take them */

struct choice {
	const char *socket;
	double wait;	/* seconds */
	int on_failure; /* exit code */
};

static char state[STATE_MOST + 1];
static char answer[ANSWER_MOST];
static char
	failure[LINE_MOST]; /* why the daemon does not say that the kernel knows the container */

__attribute__((format(printf, 1, 2))) static bool fails(const char *why, ...)
{
	va_list words;

	va_start(words, why);
	vsnprintf(failure, sizeof(failure), why, words);
	va_end(words);
	return false;
}

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

/* ---- What it is told ------------------------------------------------------------------------ */

static const char *value_of(const char *word, const char *option)
{
	size_t size = strlen(option);

	return strncmp(word, option, size) ? NULL : word + size;
}

static bool read_seconds(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && !*end && *seconds >= 0 &&
	       *seconds <= WAIT_MOST; /* what is no number is neither */
}

static bool read_choice(const char *text, int *code)
{
	if (!strcmp(text, "start"))
		*code = STARTS;
	else if (!strcmp(text, "refuse"))
		*code = REFUSED;
	else
		return false;
	return true;
}

static bool read_words(int count, char **words, struct choice *choice)
{
	bool has_wait = false, has_choice = false;
	const char *value;

	for (int i = 1; i < count; i++) {
		if ((value = value_of(words[i], "--socket=")))
			choice->socket = value;
		else if ((value = value_of(words[i], "--wait=")) &&
			 read_seconds(value, &choice->wait))
			has_wait = true;
		else if ((value = value_of(words[i], "--on-failure=")) &&
			 read_choice(value, &choice->on_failure))
			has_choice = true;
		else
			return false;
	}
	return choice->socket && has_wait && has_choice;
}

/* A rootless container is its user's process: the daemon would not hear this one. */
static bool is_in_user_namespace(void)
{
	unsigned inside, outside, count;
	FILE *map = fopen(UID_MAP, "re");
	int found;
	bool is_more;

	if (!map)
		return false; /* then the daemon says what it thinks of the caller */
	found = fscanf(map, "%u %u %u", &inside, &outside, &count);
	is_more = fscanf(map, "%*s") != EOF;
	fclose(map);
	return found != 3 || is_more || inside || outside || count != 4294967295u;
}

/* ---- The container --------------------------------------------------------------------------- */

struct container {
	struct text id, pid; /* as the runtime wrote them */
};

static bool read_state(struct container *container)
{
	size_t size = 0;
	ssize_t more;
	struct text digits;

	do {
		more = read(STDIN_FILENO, state + size, sizeof(state) - size);
		if (more < 0 && errno != EINTR)
			return fails("the runtime's description cannot be read: %s",
				     strerror(errno));
		size += more > 0 ? more : 0;
	} while (more && size < sizeof(state));
	if (size > STATE_MOST)
		return fails("the runtime describes it with more than %d bytes", STATE_MOST);
	if (is_object(state, size)) {
		container->id = member(state, size, "\"id\"");
		container->pid = member(state, size, "\"pid\"");
	}
	digits = container->pid;
	if (!size_of(digits) || size_of(digits) > PID_MOST || skip_digits(&digits) == 0 ||
	    size_of(digits) || size_of(container->id) < 3 || *container->id.at != '"' ||
	    size_of(container->id) > ID_MOST) {
		*container = (struct container){ 0 };
		return fails("the runtime does not say its id and its process");
	}
	return true;
}

/* ---- The daemon ------------------------------------------------------------------------------ */

/* One that ended in order took its socket away: then nobody is waited for. */
static bool reach(int connection, const char *path, long deadline)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct sockaddr_un place = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(place.sun_path))
		return fails("the daemon does not answer: %s", strerror(ENAMETOOLONG));
	strcpy(place.sun_path, path);
	while (connect(connection, (struct sockaddr *)&place, sizeof(place))) {
		if (errno == ENOENT)
			return fails("no daemon is running");
		/* It is busy, or dead and about to return. */
		if ((errno != EAGAIN && errno != ECONNREFUSED) || now() + PAUSE_NS >= deadline)
			return fails("the daemon does not answer: %s", strerror(errno));
		nanosleep(&pause, NULL);
	}
	return true;
}

static bool waits(int connection, short events, long deadline)
{
	struct pollfd polled = { .fd = connection, .events = events };
	int found;

	do {
		long left = deadline - now();

		if (left <= 0)
			return fails("the daemon is too slow");
		/* Up, or the last millisecond would be spent in a loop. */
		found = poll(&polled, 1, left / 1000000 + 1);
	} while (!found || (found < 0 && errno == EINTR));
	return found > 0 || fails("the daemon does not answer: %s", strerror(errno));
}

static bool send_all(int connection, const char *text, size_t size, long deadline)
{
	while (size) {
		ssize_t sent;

		if (!waits(connection, POLLOUT, deadline))
			return false;
		sent = send(connection, text, size, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return fails("the daemon does not answer: %s", strerror(errno));
		text += sent > 0 ? sent : 0;
		size -= sent > 0 ? sent : 0;
	}
	return true;
}

static bool receive_line(int connection, size_t *size, long deadline)
{
	*size = 0;
	do {
		ssize_t more;

		if (!waits(connection, POLLIN, deadline))
			return false;
		more = recv(connection, answer + *size, sizeof(answer) - *size, 0);
		if (more < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (more < 0)
			return fails("the daemon does not answer: %s", strerror(errno));
		if (!more) /* or there is no room for more */
			return fails("the daemon ends the connection");
		*size += more;
	} while (!*size || answer[*size - 1] != '\n');
	return true;
}

static bool is_known(size_t size)
{
	struct text error, outcome;

	if (!is_object(answer, size))
		return fails("what answers is not the daemon of enforcer");
	if (!is(member(answer, size, "\"ok\""), "true")) {
		error = member(answer, size, "\"error\"");
		return fails("the daemon refuses: %.*s", size_of(error), error.at ? error.at : "");
	}
	outcome = member(answer, size, "\"outcome\"");
	return is(outcome, "\"known\"") || is(outcome, "\"unasked\"") ||
	       fails("no file of the host describes it");
}

static bool announce(const struct choice *choice, const struct container *container, long began)
{
	static char request[ID_MOST + 256];
	long deadline = began + (long)(choice->wait * SECOND_NS);
	int size = snprintf(request, sizeof(request),
			    "{\"command\": \"container-begins\", \"id\": %.*s, \"pid\": %.*s, "
			    "\"began\": %ld.%09ld, "
			    "\"wait\": %.9g}\n",
			    size_of(container->id), container->id.at, size_of(container->pid),
			    container->pid.at, began / SECOND_NS, began % SECOND_NS, choice->wait);
	int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	size_t said;

	if (connection < 0)
		return fails("the daemon does not answer: %s", strerror(errno));
	return reach(connection, choice->socket, deadline) &&
	       send_all(connection, request, size, deadline) &&
	       receive_line(connection, &said, deadline) && is_known(said);
}

/* ---- What it says ---------------------------------------------------------------------------- */

/* To the runtime and to syslog (RFC 3164). Names are others', so no character of them moves a terminal. */
__attribute__((format(printf, 1, 2))) static void tell(const char *form, ...)
{
	const struct sockaddr_un place = { .sun_family = AF_UNIX, .sun_path = SYSLOG };
	char sentence[2 * LINE_MOST], line[4 * sizeof(sentence) + 64];
	const int warning = 3 << 3 | 4; /* of a daemon */
	size_t size;
	va_list words;
	int log;

	va_start(words, form);
	vsnprintf(sentence, sizeof(sentence), form, words);
	va_end(words);
	size = snprintf(line, sizeof(line), "<%d>enforcer-hook[%d]: ", warning, getpid());
	for (const unsigned char *c = (unsigned char *)sentence; *c; c++)
		size += sprintf(line + size, *c < ' ' || *c > '~' ? "\\x%02x" : "%c", *c);
	dprintf(STDERR_FILENO, "enforcer: %s\n", strstr(line, "]: ") + 3);
	log = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sendto(log, line, size, MSG_NOSIGNAL, (const struct sockaddr *)&place, sizeof(place)) <
	    0)
		/* Nobody listens, or too slowly: the runtime has the line. */
		dprintf(STDERR_FILENO, "enforcer: syslog does not take this: %s\n",
			strerror(errno));
}

int main(int count, char **words)
{
	struct choice choice = { 0 };
	struct container container = { 0 };
	long began = now();

	signal(SIGPIPE,
	       SIG_IGN); /* who does not want to read what it says must not be who decides */
	if (!read_words(count, words, &choice)) {
		tell("its arguments cannot be read, so no container starts: container-hook "
		     "--socket=PATH "
		     "--wait=SECONDS --on-failure=start|refuse");
		return REFUSED;
	}
	if (is_in_user_namespace())
		return STARTS;
	if (read_state(&container) && announce(&choice, &container, began))
		return STARTS;
	tell("%s%.*s %s: %s", container.id.at ? "container " : "a container", size_of(container.id),
	     container.id.at ? container.id.at : "",
	     choice.on_failure == REFUSED ? "is not started"
					  : "is unknown at its start, so onError decides in it",
	     failure);
	return choice.on_failure;
}
