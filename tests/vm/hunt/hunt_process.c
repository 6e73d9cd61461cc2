// SPDX-License-Identifier: MIT
/* One sequence in its process, and the words that it shares with the searcher. */
#define _GNU_SOURCE
#include "hunt_parts.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BEING_WRITTEN 1 /* no code of a finding */

struct shared *shared;
volatile uint32_t *hunt_witness;
static bool in_sequence; /* and not in the process that makes them */

/* ---- Shared words ------------------------------------------------------------------------------------------- */

static void map_shared(void)
{
	shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, HUNT_WITNESS_FD, 0);
	if (shared == MAP_FAILED)
		usage("no memory to share");
	hunt_witness = shared->witnesses;
}

void share(void)
{
	int fd = memfd_create("hunt", 0);

	if (fd < 0 || ftruncate(fd, sizeof(*shared)) ||
	    dup2(fd, HUNT_WITNESS_FD) != HUNT_WITNESS_FD)
		usage("no memory to share");
	close(fd);
	map_shared();
}

void hunt_join(void)
{
	map_shared();
	in_sequence = true;
}

/* ---- What a sequence says ----------------------------------------------------------------------------------- */

static void find(enum hunt_code code, const char *format, va_list arguments)
{
	uint32_t none = 0;

	if (__atomic_compare_exchange_n(&shared->code, &none, BEING_WRITTEN, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		vsnprintf(shared->text, sizeof(shared->text), format, arguments);
		__atomic_store_n(&shared->code, code, __ATOMIC_SEQ_CST);
	}
	/* The end of one process may end the others, and one of them writes. */
	for (int tries = 0;
	     tries < 1000 && __atomic_load_n(&shared->code, __ATOMIC_SEQ_CST) == BEING_WRITTEN;
	     tries++)
		usleep(1000);
	if (in_sequence)
		_exit(code);
}

void hunt_forbidden(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	find(HUNT_FORBIDDEN, format, arguments);
	va_end(arguments);
}

void hunt_refused(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	find(HUNT_REFUSED, format, arguments);
	va_end(arguments);
}

void hunt_broken(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	find(HUNT_BROKEN, format, arguments);
	va_end(arguments);
}

void hunt_say(const char *format, ...)
{
	va_list arguments;

	if (!options.verbose)
		return;
	va_start(arguments, format);
	dprintf(2, "        ");
	vdprintf(2, format, arguments);
	dprintf(2, "\n");
	va_end(arguments);
}

/* ---- One sequence in its process ---------------------------------------------------------------------------- */

static void make_step(const struct step *step)
{
	const struct hunt_step *kind = &hunt->steps[step->kind];
	struct count *count = &shared->counts[step->kind];
	uint32_t dice[HUNT_DICE];

	for (int i = 0; i < HUNT_DICE; i++)
		dice[i] = step->dice[i];
	if (options.verbose)
		print_step(stderr, step);
	count->tried++;
	shared->begun++;
	long result = kind->run(dice);

	if (result == HUNT_LACKING)
		count->tried--;
	else if (result == HUNT_IDLE)
		count->idle++;
	else if (result >= 0)
		count->succeeded++;
	else if (hunt->refusal && result == -hunt->refusal)
		count->refused++;
	if (options.verbose)
		dprintf(2, "        = %s\n",
			result == HUNT_IDLE	 ? "idle"
			: result == HUNT_LACKING ? "not in this kernel"
			: result < 0		 ? strerrorname_np((int)-result) ?: "?"
						 : "done");
}

static void perform(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	in_sequence = true;
	if (hunt->begin)
		hunt->begin(sequence.role);
	/* A step may leave the next to another process. */
	while (shared->begun < sequence.length && !shared->code) {
		make_step(&sequence.steps[shared->begun]);
		if (hunt->look)
			hunt->look();
	}
	_exit(HUNT_ENDED);
}

static void reap(pid_t child)
{
	const struct timespec second = { 1, 0 };
	struct timespec until, now;
	sigset_t ends;
	bool hung = false;
	int status;

	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += hunt->patience ?: 10;
	while (waitpid(child, &status, WNOHANG) != child) {
		sigtimedwait(&ends, NULL, &second);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > until.tv_sec) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			hung = true;
			break;
		}
	}
	totals.hung += hung;
	totals.crashed += !hung && WIFSIGNALED(status);
	/* What it left, if no namespace of its own has ended it. */
	kill(-child, SIGKILL);
	while (waitpid(-1, &status, WNOHANG) > 0)
		;
}

uint32_t make(void)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, size, tls;
	} how = { .flags = hunt->namespaces, .exit_signal = SIGCHLD };

	memset(shared->witnesses, 0, sizeof(shared->witnesses));
	shared->code = shared->begun = 0;
	fflush(NULL);
	pid_t child;

	/* Namespaces end a little after their last process does. */
	for (int tries = 0; (child = syscall(SYS_clone3, &how, sizeof(how))) < 0; tries++) {
		if (tries == 500)
			usage(strerror(errno));
		usleep(10000);
	}
	if (!child)
		perform();
	reap(child);
	if (hunt->finish)
		hunt->finish();
	totals.sequences++;
	totals.steps += shared->begun;
	if (shared->code && hunt->restore)
		hunt->restore();
	return shared->code;
}
