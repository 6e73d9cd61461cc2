/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A recording session: what is written down is not the verdict but everything that one needs, for
 * every access in every view, and how processes came to be. Where nothing is recorded the verifier
 * removes all of this.
 *
 * What finds no room in a ring is counted, as records of verdicts are.
 */
#ifndef ENFORCER_RECORD_BPF_H
#define ENFORCER_RECORD_BPF_H

#include "image.h"

extern __u32 enf_recorder; /* the process that records: what it does itself is left out */

/* Write down what was just decided: operands, and who asked, as the decision saw them. */
int enf_record(struct enf_scratch *s, struct enf_task *task);

/*
 * Write down that *line* began out of *from*, a task's label that says what that was at this moment.
 * *t*: the task at whose cgroup policies would look. *found*: the task that was there, else 0.
 */
ENF_FN int enf_record_line(struct enf_task *from, __u64 line, __u64 t, __u32 how, __u64 found);

#endif
