/* SPDX-License-Identifier: GPL-2.0-only */
/* From a dentry up to a root above it, within one superblock: the step of a bpf_loop(). */
#ifndef ENFORCER_CLIMB_BPF_H
#define ENFORCER_CLIMB_BPF_H

#include "read.bpf.h"

#define ENF_ANCESTORS_MAX 4096

struct enf_climb {
	__u64 dentry, root;
	__u32 found;
	__u32 ended; /* at one of both roots; 0: the limit ended it, and what is above is unknown */
};

static long enf_climb_one(__u32 i, void *arg)
{
	struct enf_climb *c = arg;
	__u64 parent = 0;

	(void)i;
	if (c->dentry == c->root) {
		c->found = 1;
		c->ended = 1;
		return 1;
	}
	enf_read(parent, c->dentry + enf_offset(struct dentry, d_parent));
	if (parent == c->dentry) {
		c->ended = 1;
		return 1;
	}
	c->dentry = parent;
	return 0;
}

#endif
