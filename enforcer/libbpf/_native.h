/* SPDX-License-Identifier: MIT */
/* The decision core as the extension offers it: the source that the kernel runs, without a kernel. */
#ifndef ENFORCER_NATIVE_H
#define ENFORCER_NATIVE_H

#ifndef ENFORCER_CDEF /* cffi has it already */
#include "enforcer_abi.h"
#endif

/*
 * Decide *in* by *image*; the answer is in->verdict. If in->reval is set, the sets of in->task are
 * computed from its identity first.
 * Returns: 0; -EINVAL if the image is too short or a length in *in* leads outside its text; -EBADMSG
 * if the image led outside itself, in which case the verdict is what unknown operands give.
 */
static int enf_native_decide(const void *image, unsigned int size, struct enf_test_input *in);

/* Decide *in* as enf_native_decide() does, *times* times; stores what that took. */
static int enf_native_decide_time(const void *image, unsigned int size, struct enf_test_input *in,
				  unsigned int times, unsigned long long *ns);

/* *child* is forked by *parent*. Returns: -EINVAL if the sets of *parent* are not of this image. */
static int enf_native_fork(const void *image, unsigned int size, struct enf_task *child,
			   struct enf_task *parent, int same_parent);

/* *task* execs: what it was joins its ancestors. The caller sets the new identity afterwards. */
static int enf_native_exec(const void *image, unsigned int size, struct enf_task *task,
			   unsigned int flags, unsigned long long now);

/* Compute the sets of *task* from its identity; *cgroup_len* 0: the cgroup's path is not known. */
static int enf_native_evaluate(const void *image, unsigned int size, struct enf_task *task,
			       const char *cgroup, unsigned int cgroup_len);

/*
 * Decide the access that *record*, a struct enf_event of kind ENF_EVENT_ACCESS with its tail, says, for
 * *task*, whose sets are current. What the programs would not ask about gives no verdict.
 * *marks*: all that the task has, whoever they are of; NULL: none. *asked*, ENF_ROW_MARKS of them: when
 * those were set that the row asks about which decides in audit mode.
 * Returns: as enf_native_decide(); -EINVAL also for a record that does not fit together.
 */
static int enf_native_replay(const void *image, unsigned int size, struct enf_task *task,
			     const void *record, unsigned int record_size,
			     const struct enf_marks *marks, unsigned long long *asked,
			     struct enf_verdict *verdict);

#endif
