/* SPDX-License-Identifier: MIT */
/* What the steps of the searcher of processes share: processes.c has its world and its oracle. */
#ifndef HUNT_PROCESSES_H
#define HUNT_PROCESSES_H

#include "hunt.h"

#include <sys/types.h>

#define PATH 512
#define PAGE 4096
#define AREA (2 * PAGE)
#define PLACES 5

#define FORBIDDEN_USER 4242
#define FORBIDDEN_GROUP 4343

/* Words of hunt_witness: 1 if it was so. */
enum witness {
	FOREIGN_RAN,   /* a program that base/bin does not have */
	OWN_RAN,       /* one that it has */
	MARK_PASSED,   /* that program read a file in spite of its mark */
	MARK_MISTAKEN, /* or was refused one without a mark */
	WITNESSES,
};

#define FOREIGN_FD 902 /* is open where a foreign library came in */

extern const char *base;
extern const char *secret_text; /* NULL in the keeper, which must read it */

/*
 * Files without a name are memfds alone: the rules on them are then of that kind, and no file may lose its name. No rule is
 * on memory, which would refuse a memfd by another way. So code may be called, and only foreign programs are forbidden.
 */
extern bool only_memfds;

/* ---- What is true of a process, and not of others in its memory -------------------------------------------- */

extern struct standing {
	bool has_tree, has_process; /* marks that it must have */
	/* The forbidden ids as it says them: a user namespace may have them as 0. */
	uint32_t forbidden_user, forbidden_group;
} standing;

/* Its number as /proc says it, which may be the host's. */
int own_number(void);

/* In a process that was just made: it has not the marks that are its parent's alone. */
void begin_child(void);

/* ---- Files -------------------------------------------------------------------------------------------------- */

/* Descriptors that a step leaves to others. */
extern int places[PLACES];

/* What a system call returned, or its negative errno. */
long result(long value);

/* A path below the base that a die chooses, in one of the forms in which it can be said: a room of PATH bytes. */
const char *name(uint32_t die, char *room);

/* Put a descriptor into a place, and return it; -1 is the failure that errno tells. */
long keep(uint32_t die, int fd);

/* The descriptor of a place, or -1. */
int at(uint32_t die);

/* ---- Code --------------------------------------------------------------------------------------------------- */

#define FOREIGN_ANSWER 42

/* The function that returns it, which no file of base/bin has. */
extern const unsigned char foreign_code[6];

/* Whether foreign code has run in this memory. It is forbidden but in the keeper. */
extern bool is_keeper, is_tainted;

/* Call memory, and return what it answered; a fault is an answer like another. */
long call(const void *code);

/* Leave memory to the steps on code. */
long leave_area(uint32_t die, void *mapped);

/* Leave some that every process may have. */
void map_some(void);

/* Copy to memory that may not be writable, or not there: 0, or -EFAULT. */
long copy_in(void *to, const void *from, size_t size);

/* ---- Steps -------------------------------------------------------------------------------------------------- */

/* Those that other contexts may run: all but the contexts themselves. */
void offer_steps(const struct hunt_step *steps, size_t count);
long run_steps_of(uint64_t state, unsigned int count);

/* Try to get a mark. */
long get_mark(const uint32_t *dice);

void look_at_credentials(void);

/* Let it end when all others have left it. */
void leave_keeper(void);

/* The keeper's life; it returns when it has been told all. */
void be_keeper(void);

/* In a program of base/bin: read the files of marks, and say by witnesses what was wrong. */
void bear_witness_of_marks(bool has_tree, bool has_process);

#define CODE_STEPS 10
#define RUN_STEPS 4
#define CREDENTIAL_STEPS 4
#define MARK_STEPS 2
#define TRACE_STEPS 1
#define KEEPER_STEPS 4
#define KEEPER_OWN_STEPS 1 /* which nobody else may run */
#define INNER_STEPS                                                                                \
	(CODE_STEPS + RUN_STEPS + CREDENTIAL_STEPS + MARK_STEPS + TRACE_STEPS + KEEPER_STEPS)
#define CONTEXT_STEPS 2
extern const struct hunt_step code_steps[CODE_STEPS], run_steps[RUN_STEPS],
	credential_steps[CREDENTIAL_STEPS], mark_steps[MARK_STEPS], trace_steps[TRACE_STEPS],
	keeper_steps[KEEPER_STEPS], keeper_own_steps[KEEPER_OWN_STEPS],
	context_steps[CONTEXT_STEPS];

#endif
