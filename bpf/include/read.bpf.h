/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the kernel: fields at addresses, and the counters that tell whether names have moved. */
#ifndef ENFORCER_READ_BPF_H
#define ENFORCER_READ_BPF_H

#include "enforcer_abi.h"
#include "kernel.h"

/*
 * The sequence of a seqlock; odd while a writer is in. Where the kernel hides the symbol, *lock* is 0, and so is what
 * is found there: then races go unseen, and doctor says so.
 */
static __always_inline __u32 enf_seq(__u64 lock)
{
	__u32 found;

#ifdef ENF_RDONLY_CAST
	if (bpf_ksym_exists(ENF_RDONLY_CAST))
		return *(const __u32 *)ENF_RDONLY_CAST((const void *)lock,
						       bpf_core_type_id_kernel(struct timespec64));
#endif
	bpf_probe_read_kernel(&found, sizeof(found), (const void *)lock); /* 0 where it fails */
	return found;
}

extern const volatile __u32 enf_host_mnt_ns; /* inode number of the host's mount namespace */

/* Is the mount namespace at *ns* the host's? Nowhere, and what cannot be read, is not. */
static __always_inline int enf_is_host_ns(__u64 ns)
{
	__u32 inum = 0;

	enf_read(inum, ns + enf_offset(struct mnt_namespace, ns.inum));
	return inum == enf_host_mnt_ns;
}

/*
 * Are the credentials at *cred* of another user namespace than the host's? Their capabilities may look the same in both
 * (set_cred_user_ns()). Yes where that cannot be read: they count for nothing.
 */
static __always_inline int enf_is_of_other_users(__u64 cred)
{
	__u64 users = enf_word_at(cred + enf_offset(struct cred, user_ns));
	__u32 level = 0;

	enf_read(level, users + enf_offset(struct user_namespace, level));
	return !users || level != 0;
}

/* Are the capabilities that a label has those of the credentials at *cred*, and do they hold where they did? */
static __always_inline int enf_same_caps(const struct enf_task *task, __u64 cred)
{
	return enf_word_at(cred + enf_offset(struct cred, cap_effective)) == task->caps &&
	       enf_is_of_other_users(cred) == !!(task->flags & ENF_SF_USERNS);
}

/* The node above the one at *kn* of a pseudo file system such as that of cgroups; 0: there is none. */
static __always_inline __u64 enf_kernfs_parent(__u64 kn)
{
	__u64 parent = 0;

	if (bpf_core_field_exists(((struct kernfs_node___rcu *)0)->__parent))
		enf_read(parent, kn + enf_offset(struct kernfs_node___rcu, __parent));
	else
		enf_read(parent, kn + enf_offset(struct kernfs_node, parent));
	return parent;
}

/* Objects of this superblock cannot be reached by a path, whoever mounts what. */
static __always_inline __u64 enf_kernels_own(__u64 sb)
{
	unsigned long flags = 0;

	enf_read(flags, sb + enf_offset(struct super_block, s_flags));
	return flags & ENF_SB_NOUSER;
}

#endif
