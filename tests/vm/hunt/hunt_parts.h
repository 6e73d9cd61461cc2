/* SPDX-License-Identifier: MIT */
/* What the parts of the searchers' common program share: the sequence, the words shared with its processes, the totals. */
#ifndef HUNT_PARTS_H
#define HUNT_PARTS_H

#include "hunt.h"

#include <stdio.h>

#define MAX_LENGTH 4096
#define MAX_KINDS 256
#define TEXT 480

struct step {
	uint16_t kind;
	uint16_t dice[HUNT_DICE];
};

extern struct sequence {
	uint32_t role;
	uint32_t length;
	struct step steps[MAX_LENGTH];
} sequence;

struct count {
	uint64_t tried, idle, succeeded, refused;
};

/* Shared with the processes of sequences. */
extern struct shared {
	uint32_t witnesses[HUNT_WITNESSES]; /* first: HUNT_WITNESS_FD */
	uint32_t code;			    /* of the finding; 0 for none */
	uint32_t begun;			    /* steps of this sequence */
	char text[TEXT];
	struct count counts[MAX_KINDS];
} *shared;

extern struct options {
	uint64_t seed, first, sequences, seconds, length;
	const char *hit;
	bool verbose;
} options;

extern struct totals {
	uint64_t sequences, steps, crashed, hung, findings;
} totals;

extern const struct hunt *hunt;

/* End the searcher, which was called wrongly or has no means to work. */
void usage(const char *why) __attribute__((noreturn));

/* Make up the sequence of this number. */
void imagine(uint64_t number);

void print_step(FILE *file, const struct step *step);

/* As far as it came: later steps have no part in what was found. */
void print_sequence(FILE *file);

void read_sequence(const char *path);

/* Have words that the processes of sequences share. */
void share(void);

/* Make the sequence, and return the code of what was found. */
uint32_t make(void);

#endif
