/* SPDX-License-Identifier: MIT */
/* What the steps of the searcher of names share: names.c has its world and its oracle. */
#ifndef HUNT_NAMES_H
#define HUNT_NAMES_H

#include "hunt.h"

#define PATH 512
#define PLACES 6 /* for descriptors that a step leaves to others */
#define GOOD "good"
#define EVIL "evil"

extern const char *base;
extern int places[PLACES];
extern int proc;      /* the directory, for where no step leads to it any more */
#define STRANGER 1234 /* the user who is not root */

/* Directories below the base find a name in capital letters, too. */
extern bool folds;

/* The sequence names nothing that is held: no refusal is right then. */
extern bool is_innocent;

/* Requests of io_uring are made. Threads that serve them keep the process from new namespaces. */
extern bool has_rings;

/* What a system call returned, or its negative errno. A refusal is a finding in a sequence that names nothing held. */
long result(long value);

/* A name that a die chooses, in one of the forms in which it can be said; it is written into a room of PATH bytes. */
const char *name(uint32_t die, char *room);

/* The same, of a directory. */
const char *directory(uint32_t die, char *room);

/* As root of a new user namespace, be who has this number outside. */
void write_maps(unsigned int uid, unsigned int gid);

/* Keep the mount namespace for later steps, and have one that was kept. */
long keep_namespace(uint32_t die);
int namespace_at(uint32_t die);

/* The same below the base, without a form. */
const char *bare_name(uint32_t die);

/* Put a descriptor into a place, and return it; -1 is the failure that errno tells. */
int keep(uint32_t die, int fd);

/* The descriptor of a place, or -1. */
int at(uint32_t die);

/* Look for the secret in what a step has read. */
long seen(const char *bytes, long length, const char *how);

/* End the searcher if its world is not as it needs it. */
void must(bool holds, const char *what);

/* The files below the base: remember them, ask whether held names are where they were, and make all of it new. */
void note_world(void);
void look_at_names(void);
void renew_world(void);

#define GUARDED 899 /* the descriptor of held/data, and below it those of all that is held */

#define FILE_STEPS 19
#define MOUNT_STEPS 14
#define PAIR_STEPS 3
#define RING_STEPS 1
extern const struct hunt_step file_steps[FILE_STEPS], mount_steps[MOUNT_STEPS],
	pair_steps[PAIR_STEPS], ring_steps[RING_STEPS];

#endif
