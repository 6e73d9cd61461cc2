/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Message queues: the names that mq_open(2) and mq_unlink(2) make and remove are files of a file system, but pass
 * no hook of paths (do_mq_open, vfs_mkobj). The hooks of inodes see them, and every other file as well, which
 * has been asked about already; so only that file system is looked at. What open(2) and unlink(2) do there is
 * asked about twice, with the same answer.
 */
#ifndef ENFORCER_QUEUE_BPF_H
#define ENFORCER_QUEUE_BPF_H

#include "act.h"

#define ENF_MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */

static __always_inline int enf_queue(struct dentry *dentry, __u8 op, __u32 mode)
{
	/* Without a mount: by the one that the host has of this file system. */
	struct enf_access a = {
		.dentry = (__u64)dentry,
		.op = { op },
		.n_ops = 1,
	};

	if (dentry->d_sb->s_magic != ENF_MQUEUE_MAGIC)
		return 0;
	if (op == ENF_OP_CREATE) {
		a.present = ENF_BIT64(ENF_DIM_MODE);
		a.mode = mode & 07777;
	}
	return enf_act(&a);
}

#endif
