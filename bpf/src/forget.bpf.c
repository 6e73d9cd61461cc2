// SPDX-License-Identifier: GPL-2.0-only
/*
 * What voids what is remembered of files (seen.bpf.h), where no counter of the kernel does: that a directory's inode
 * is freed, so that another may get its address. By then nobody has it, and before that it had its place.
 */
#define ENF_RDONLY_CAST bpf_rdonly_cast___forget
#include "fast.bpf.h"

SEC("lsm/inode_free_security")
int BPF_PROG(enf_inode_free, struct inode *inode)
{
	if ((inode->i_mode & ENF_S_IFMT) == ENF_S_IFDIR && !enf_needs_no_count((__u64)inode->i_sb))
		__sync_fetch_and_add(&enf_dirs_gone, 1);
	return 0;
}
