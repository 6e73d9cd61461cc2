/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of files by what a runtime has mounted for a container: user space reads that in the runtime's files and writes
 * it here, before the container is known.
 *
 * The view of a mount namespace is the container's to change. What it mounts elsewhere has another name there, and a
 * rule on /data/secret would not be about it. The host's path stays, and what it becomes by this table is what the
 * container called the file when it began. That is decided besides the other names: the stricter verdict counts.
 *
 * Fails open where the table has no entry: the names by which the file was reached, and the host's, still count.
 */
#ifndef ENFORCER_MOUNTED_BPF_H
#define ENFORCER_MOUNTED_BPF_H

#include "image.h"

/* Does the table have entries? User space says so before it writes the first. */
extern volatile __u64 enf_has_mounted;

/*
 * Decide by these names the object whose path in s->text is the host's, for the task in whose container it is reached:
 * s->verdict gets the stricter one. Leaves the path as it was. Returns: 0, or not 0 to ask again.
 */
int enf_decide_mounted(struct enf_scratch *s, struct enf_task *task);

#endif
