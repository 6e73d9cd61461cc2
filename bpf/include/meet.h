/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs at points of the kernel say to the core: one passing, as they found it. */
#ifndef ENFORCER_MEET_H
#define ENFORCER_MEET_H

#include "act.h"

struct enf_meet {
	__u64 arg[ENF_POINT_ARGS];
	__u64 result; /* at a function's end */
	__u64 record; /* of a tracepoint: its address */
	__u64 number; /* of the point */
};

/*
 * One try, by the core that is loaded once, and by one inside. Returns: 0 or -errno, or ENF_AGAIN. *how*:
 * when an error takes effect, ENF_AFTER or ENF_BEFORE.
 */
int enf_ask_meet(struct enf_meet *meet, int how);
int enf_meet_once(struct enf_meet *meet, int how);

/* Returns: 0 or -errno. */
static __always_inline int enf_act_meet(struct enf_meet *meet, int how)
{
	int error = ENF_AGAIN;

	for (int i = 0; i < ENF_TRIES; i++) {
		error = enf_ask_meet(meet, how);
		if (error != ENF_AGAIN)
			break;
	}
	return enf_result(error);
}

/* The same in a program that has the core inside. */
static __always_inline int enf_act_meet_inside(struct enf_meet *meet, int how)
{
	int error = ENF_AGAIN;

	for (int i = 0; i < ENF_TRIES; i++) {
		error = enf_meet_once(meet, how);
		if (error != ENF_AGAIN)
			break;
	}
	return enf_result(error);
}

#endif
