// SPDX-License-Identifier: MIT
/* Steps of the searcher of processes that run others: in a thread, and in children of each kind. */
#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define INNER 2 /* steps in another context */
#define STACK (64 * 1024)

static const struct hunt_step *inner;
static size_t inner_count;
static char stack[STACK] __attribute__((aligned(16)));

void offer_steps(const struct hunt_step *steps, size_t count)
{
	inner = steps;
	inner_count = count;
}

/* As often as in a sequence, against the others. */
static const struct hunt_step *choose(uint32_t die)
{
	unsigned int all = 0;
	size_t kind = 0;

	for (size_t i = 0; i < inner_count; i++)
		all += inner[i].weight;
	for (die %= all; die >= inner[kind].weight; kind++)
		die -= inner[kind].weight;
	return &inner[kind];
}

static uint32_t next_die(uint64_t *state)
{
	return (hunt_random(state) >> 20) % HUNT_SIDES;
}

long run_steps_of(uint64_t state, unsigned int count)
{
	long value = 0;

	for (unsigned int i = 0; i < count; i++) {
		const struct hunt_step *step = choose(next_die(&state));
		uint32_t dice[HUNT_DICE];

		for (int j = 0; j < HUNT_DICE; j++)
			dice[j] = next_die(&state);
		hunt_say("  %s %u %u %u %u", step->name, dice[0], dice[1], dice[2], dice[3]);
		value = step->run(dice);
		look_at_credentials();
	}
	return value;
}

/* The dice of the inner steps follow from two of this one. */
static long run_inner(const uint32_t *dice)
{
	return run_steps_of(dice[1] | (uint64_t)dice[2] << 16, INNER);
}

struct other {
	const uint32_t *dice;
	long value;
};

static void *in_thread(void *argument)
{
	struct other *other = argument;

	other->value = run_inner(other->dice);
	return NULL;
}

static int in_child(void *argument)
{
	begin_child();
	run_inner(argument);
	_exit(0);
}

static long in_a_thread(const uint32_t *dice)
{
	struct other other = { dice, 0 };
	pthread_t thread;
	int error = pthread_create(&thread, NULL, in_thread, &other);

	if (error)
		return -error;
	pthread_join(thread, NULL);
	return other.value;
}

/* One whose memory is the parent's must not leave what is true of the child alone. */
static long in_a_child(const uint32_t *dice, int flags)
{
	struct standing was = standing;
	int status = 0;
	pid_t child = clone(in_child, stack + STACK, flags | SIGCHLD, (void *)dice);

	if (child < 0)
		return -errno;
	pid_t ended = waitpid(child, &status, __WALL);

	standing = was;
	return ended == child && !status ? 0 : -ECHILD;
}

/* One inside another would have the same stack, and a parent that waits in a thread would stop all. */
static bool is_inside;

static long do_sub(const uint32_t *dice)
{
	long value;

	if (is_inside)
		return HUNT_IDLE;
	static const int flags[] = { 0,		  CLONE_VM | CLONE_VFORK,
				     CLONE_VM,	  CLONE_FILES | CLONE_FS,
				     CLONE_VFORK, CLONE_VM | CLONE_FILES };

	hunt_say("sub %u", dice[0] % 9);
	is_inside = true;
	if (dice[0] % 9 >= HUNT_SIZE(flags))
		value = in_a_thread(dice);
	else
		value = in_a_child(dice, flags[dice[0] % 9]);
	is_inside = false;
	return value;
}

/* Those that it left, in a stop or in a wait, must not make it last for ever. */
static void wait_for_the_end(void)
{
	int status;

	while (wait(&status) > 0 || errno == EINTR)
		if (WIFEXITED(status) && WEXITSTATUS(status) >= HUNT_ENDED &&
		    WEXITSTATUS(status) <= HUNT_BROKEN)
			_exit(WEXITSTATUS(status));
	_exit(0);
}

/* The child goes on with the sequence. */
static long do_fork(const uint32_t *dice)
{
	pid_t child = is_inside ? -1 : fork();

	if (child < 0)
		return is_inside ? HUNT_IDLE : -errno;
	if (child) {
		leave_keeper();
		wait_for_the_end();
	}
	begin_child();
	if (dice[0] % 3)
		setsid();
	if (dice[0] % 3 != 2)
		return 0;
	child = fork();
	if (child)
		_exit(0); /* the first process of the namespace gets the grandchild */
	begin_child();
	return 0;
}

const struct hunt_step context_steps[] = {
	{ "sub", do_sub, 10 },
	{ "fork", do_fork, 1 },
};
