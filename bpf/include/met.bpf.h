/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Containers that were met after the image was made: user space writes here what the image would say of one. So a
 * container needs no image of its own, and no label but those in it, nor anything that is remembered, becomes void.
 *
 * Labels depend on an entry, and so they are made anew after it: user space writes it, and then lets enf_meet_tasks mark
 * those in the cgroup (ENF_WATCH_NEWS). Whoever computes one meanwhile has taken the mark away before it looks here.
 * Where nobody is there but a runtime, nothing is marked: no condition on containers holds of it, and its label is made
 * anew when it execs, or becomes another.
 *
 * An entry counts for the image that it was made for. It is removed when its cgroup is gone, or that image is. Who reads
 * it at that moment may read what has become another's: the copy counts only if it is still the same entry afterwards.
 */
#ifndef ENFORCER_MET_BPF_H
#define ENFORCER_MET_BPF_H

#include "image.h"

/*
 * Touch what is met by the cgroup at *kn*, or one above it, under the image of *generation*. Fails to nothing, which
 * is a container that nobody has identified: onError decides.
 */
int enf_touch_met(struct enf_scratch *s, __u64 kn, __u64 generation);

#endif
