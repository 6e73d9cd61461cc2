/* SPDX-License-Identifier: GPL-2.0-only */
/* One call of a point of the kernel, as its program found it and hands it to the core. */
#ifndef ENFORCER_POINT_CALL_H
#define ENFORCER_POINT_CALL_H

#include "act.h"

struct enf_point_call {
	__u64 arg[ENF_POINT_ARGS];
	__u64 result; /* at a function's end */
	__u64 record; /* of a tracepoint: its address */
	__u64 number; /* of the point */
};

/*
 * One try, by the core that is loaded once, and by one inside. Returns: 0 or -errno, or ENF_AGAIN. *how*:
 * when an error takes effect, ENF_AFTER or ENF_BEFORE.
 */
int enf_ask_point(struct enf_point_call *call, int how);
int enf_point_once(struct enf_point_call *call, int how);

/* Returns: 0 or -errno. */
static __always_inline int enf_act_point(struct enf_point_call *call, int how)
{
	int error = ENF_AGAIN;

	for (int i = 0; i < ENF_TRIES; i++) {
		error = enf_ask_point(call, how);
		if (error != ENF_AGAIN)
			break;
	}
	return enf_result(error);
}

/* The same in a program that has the core inside. */
static __always_inline int enf_act_point_inside(struct enf_point_call *call, int how)
{
	int error = ENF_AGAIN;

	for (int i = 0; i < ENF_TRIES; i++) {
		error = enf_point_once(call, how);
		if (error != ENF_AGAIN)
			break;
	}
	return enf_result(error);
}

#endif
