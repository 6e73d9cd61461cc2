/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drift: what a container's image did not bring.
 *
 * An image is a lower layer of an overlay, and what is written in the container lies in the upper one. The kernel
 * keeps both with the overlay's inode (struct ovl_inode). So a file is the image's if it is on the overlay that is
 * the root of the container and has no data in the upper layer. Nothing here goes by names.
 *
 * The root is what the runtime has made it when the first program of the container is run. The label keeps it: over
 * forks and execs, and over namespaces and roots that processes of the container make for themselves. A container
 * without an overlay that the host has mounted has no such root, and what the image brought cannot be told there.
 *
 * A process that the runtime puts in later has no label of the container's, and root of the container may have mounted
 * something over the root by then. So the cgroup keeps the first one, too: with another, nothing can be told.
 *
 * A file goes only one way, from the lower layer to the upper one. Who has opened it before still maps and runs what
 * was decided: the kernel keeps programs that run from being written, and a mapping stays with the layer that its
 * file was opened in. What is copied up whole counts as written, though its content may be the same: nothing here
 * compares it. That falls to drift.
 */
#ifndef ENFORCER_DRIFT_BPF_H
#define ENFORCER_DRIFT_BPF_H

#include "act.h"
#include "image.h"
#include "maps.bpf.h"

/* Where struct ovl_inode has what is asked of it, as user space found: the kernel may load overlayfs at any time. */
struct enf_overlay {
	__u32 known; /* 0: not found yet, which makes files of overlays unknown */
	__u32 inode; /* where its struct inode lies in it */
	__u32 upper; /* likewise __upperdentry */
	__u32 flags;
	__u32 whole;	/* the bit of flags that says: the upper layer has the data, too */
	__u32 root_dev; /* s_dev of the host's own root */
};

extern volatile struct enf_overlay enf_overlay;

/* Does some row ask, so that roots must be kept? */
static __always_inline int enf_asks_drift(const struct enf_image *image)
{
	return enf_records || image->drift_ops || (image->dims & ENF_BIT(ENF_DIM_EXE_DRIFT));
}

/* What the file of an access is to the image of the container of *task*, the current one. */
int enf_describe_drift(struct enf_scratch *s, struct enf_task *task, struct enf_access *a);

/* The same of the executable of the task at *t*, whose label is *task*, if nobody has looked yet. */
int enf_take_exe_drift(struct enf_task *task, __u64 t);

/* The root of the container in which the task at *t* has just run a program, if the label has none yet. */
int enf_take_root(struct enf_task *task, __u64 t);

#endif
