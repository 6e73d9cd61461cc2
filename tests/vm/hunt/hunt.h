/* SPDX-License-Identifier: MIT */
/*
 * A searcher: random sequences of steps, each in a process of its own, and an oracle that says whether a forbidden
 * effect was reached. A searcher brings its steps and its oracle, and hunt.c has the rest.
 *
 * A step takes its choices from dice and from nothing else, so a sequence is replayed exactly from its text:
 *
 *	as 3			the role, which is the die of begin()
 *	open 17 2 0 41		a step and its dice
 *
 * A step that chooses among what earlier steps made must choose from a fixed number of places (dice[0] % PLACES), and
 * say HUNT_IDLE if the place is empty: then a step means the same after others were taken out.
 */
#ifndef HUNT_H
#define HUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUNT_DICE 4 /* of a step, each below HUNT_SIDES */
#define HUNT_SIDES 65536
#define HUNT_IDLE (-100000L)	/* the step had nothing to act on */
#define HUNT_LACKING (-100001L) /* the kernel has no means for the step, so it was not tried */

/* Exit codes, of a whole run and of a replay. */
enum hunt_code {
	HUNT_OK = 0,
	HUNT_USAGE = 2,
	HUNT_ENDED = 9,	     /* of the last process of a sequence: it found nothing */
	HUNT_FORBIDDEN = 10, /* a forbidden effect was reached */
	HUNT_REFUSED = 11,   /* the policy refused what it does not name */
	HUNT_BROKEN = 12,    /* the oracle itself does not work */
};

struct hunt_step {
	const char *name;
	/* Returns 0 or more if it succeeded, else a negative errno, HUNT_IDLE or HUNT_LACKING. */
	long (*run)(const uint32_t *dice);
	unsigned int weight; /* how often, against the others; 0 counts as 1 */
};

struct hunt {
	const struct hunt_step *steps;
	size_t count; /* of steps */
	int refusal;  /* the errno that the policy refuses with, and the kernel does not */
	unsigned int
		namespaces; /* CLONE_NEW*: what each sequence has of its own; CLONE_NEWPID ends all it left */
	unsigned int patience; /* seconds that a sequence may take, before it is ended; 0: 10 */
	unsigned int length;   /* of a sequence at most, unless --length says otherwise; 0: 24 */
	void (*prepare)(int argc,
			char **argv); /* once; the arguments are those behind the options */
	void (*begin)(uint32_t role); /* first, in the process of the sequence */
	void (*look)(void);	      /* the oracle from inside, after each step */
	void (*finish)(void);	      /* the oracle from outside, once the sequence has ended */
	void (*restore)(void); /* makes the world new after a finding; without it finish() does */
};

int hunt_main(const struct hunt *hunt, int argc, char **argv);

/* Whether no policy is active: then forbidden effects are what is wanted, and are counted (--control). */
extern bool hunt_is_control;

/*
 * What the oracles say. In a process of a sequence they end it. In the others, of finish(), they return. The first
 * finding of a sequence counts.
 */
void hunt_forbidden(const char *format, ...) __attribute__((format(printf, 1, 2)));
void hunt_refused(const char *format, ...) __attribute__((format(printf, 1, 2)));
void hunt_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tell what a step does; only a replay with --verbose prints it. */
void hunt_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Words that all processes of a sequence share, zero when it begins. Programs that it executes have them, too, at the
 * start of the file of this descriptor: who ran leaves its witness there by pwrite().
 */
#define HUNT_WITNESSES 64
#define HUNT_WITNESS_FD 900
extern volatile uint32_t *hunt_witness;

/* In a program that a sequence executed: its oracles say what they find to the searcher. */
void hunt_join(void);

/* Random numbers that a seed decides, for oracles: a secret for example. Steps must not use them. */
uint64_t hunt_random(uint64_t *state);

#define HUNT_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* An element of an array that a die chooses. */
#define HUNT_PICK(array, die) ((array)[(die) % HUNT_SIZE(array)])

#endif
