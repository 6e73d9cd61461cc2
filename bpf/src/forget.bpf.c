// SPDX-License-Identifier: GPL-2.0-only
/*
 * What voids what is remembered of files (seen.bpf.h), where no counter of the kernel does: that a directory's inode
 * is freed, so that another may get its address. By then nobody has it, and before that it had its place.
 */
#define ENF_RDONLY_CAST bpf_rdonly_cast___forget
#include "fast.bpf.h"

/*
 * In these file systems directories come and go with processes and cgroups, hundreds a second. Of procfs nothing is
 * remembered (enf_bear). Inodes of sysfs and cgroups have a number that is never given again (kernfs_node.id), and no
 * second name.
 */
static __always_inline int enf_needs_no_count(__u64 sb)
{
	unsigned long magic = 0;

	enf_read(magic, sb + enf_offset(struct super_block, s_magic));
	return magic == ENF_PROC_MAGIC || magic == ENF_SYSFS_MAGIC || magic == ENF_CGROUP2_MAGIC;
}

SEC("lsm/inode_free_security")
int BPF_PROG(enf_inode_free, struct inode *inode)
{
	__u64 at = enf_address(inode), sb = 0;
	__u16 mode = 0;

	enf_read(mode, at + enf_offset(struct inode, i_mode));
	enf_read(sb, at + enf_offset(struct inode, i_sb));
	if ((mode & ENF_S_IFMT) == ENF_S_IFDIR && !enf_needs_no_count(sb))
		__sync_fetch_and_add(&enf_dirs_gone, 1);
	return 0;
}
