// SPDX-License-Identifier: MIT
/* Sequences of steps: a seed decides them, and text says them. */
#define _GNU_SOURCE
#include "hunt_parts.h"

#include <string.h>

struct sequence sequence;

/* SplitMix64: every seed is as good as another, neighbours included. */
uint64_t hunt_random(uint64_t *state)
{
	uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ (mixed >> 31);
}

static uint16_t die(uint64_t *state)
{
	return (hunt_random(state) >> 20) % HUNT_SIDES;
}

static unsigned int weight(size_t kind)
{
	return hunt->steps[kind].weight ?: 1;
}

static uint16_t choose(uint64_t *state)
{
	unsigned int all = 0;

	for (size_t kind = 0; kind < hunt->count; kind++)
		all += weight(kind);
	unsigned int left = (hunt_random(state) >> 20) % all;
	uint16_t kind = 0;

	for (; left >= weight(kind); kind++)
		left -= weight(kind);
	return kind;
}

void imagine(uint64_t number)
{
	uint64_t state = options.seed;
	uint64_t own = hunt_random(&state) ^ (number * UINT64_C(0xd1342543de82ef95));

	sequence.role = die(&own);
	/* Short ones, too: what has run into a wall goes no further however long it is. */
	sequence.length = 1 + die(&own) % options.length;
	for (uint32_t at = 0; at < sequence.length; at++) {
		struct step *step = &sequence.steps[at];

		step->kind = choose(&own);
		for (int i = 0; i < HUNT_DICE; i++)
			step->dice[i] = die(&own);
	}
}

void print_step(FILE *file, const struct step *step)
{
	fputs(hunt->steps[step->kind].name, file);
	for (int i = 0; i < HUNT_DICE; i++)
		fprintf(file, " %u", step->dice[i]);
	fputc('\n', file);
}

void print_sequence(FILE *file)
{
	fprintf(file, "as %u\n", sequence.role);
	for (uint32_t at = 0; at < sequence.length && at < shared->begun; at++)
		print_step(file, &sequence.steps[at]);
}

static void read_step(const char *name, const unsigned int *dice, int has)
{
	struct step *step = &sequence.steps[sequence.length];

	if (!strcmp(name, "as") && has >= 1) {
		sequence.role = dice[0];
		return;
	}
	if (sequence.length++ == MAX_LENGTH)
		usage("the sequence has too many steps");
	if (has != HUNT_DICE)
		usage("a step has no four dice");
	for (step->kind = 0; step->kind < hunt->count; step->kind++)
		if (!strcmp(hunt->steps[step->kind].name, name))
			break;
	if (step->kind == hunt->count)
		usage("no step has this name");
	for (int i = 0; i < HUNT_DICE; i++) {
		if (dice[i] >= HUNT_SIDES)
			usage("a die is too large");
		step->dice[i] = dice[i];
	}
}

void read_sequence(const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
	char line[256];

	if (!file)
		usage("the sequence cannot be read");
	while (fgets(line, sizeof(line), file)) {
		unsigned int dice[HUNT_DICE];
		char name[64];
		int has = sscanf(line, "%63s %u %u %u %u", name, &dice[0], &dice[1], &dice[2],
				 &dice[3]);

		if (has > 0 && name[0] != '#')
			read_step(name, dice, has - 1);
	}
	if (file != stdin)
		fclose(file);
}
