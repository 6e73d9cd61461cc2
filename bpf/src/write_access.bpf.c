// SPDX-License-Identifier: GPL-2.0-only
/*
 * By which mount a task writes, for hooks that get a dentry alone: of extended attributes, of access control lists,
 * of times and flags. The kernel asks for write access to the mount first: mnt_want_write() in all of their system
 * calls, and in what serves files to others. Attached where a rule is about these operations.
 *
 * A layered file system asks for the layer's mount after the hook of its own file. So the last is the one, if it is
 * of the file's superblock; else it was asked for something else, and own_mount.bpf.h says what is done then.
 *
 * The mount of before stays where the kernel does not call this (lsm_support.find_call_gap: it can preempt tasks that
 * work on a map). If it is of the same superblock, it counts. Then the name that was used in the caller's own namespace
 * is not decided; the host's name is, all the same.
 */
#include "kernel.h"
#include "maps.bpf.h"

SEC("?kprobe.multi/enf_write_access")
int enf_write_access(struct pt_regs *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_write_access *access;
	__u64 mnt = ctx->di;

	if (bpf_get_attach_cookie(ctx)) /* mnt_want_write_file(): a struct file */
		enf_read(mnt, mnt + enf_offset(struct file, f_path.mnt));
	access = bpf_task_storage_get(&write_access, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!access)
		return 0;
	access->mnt = mnt;
	enf_read(access->sb, mnt + enf_offset(struct vfsmount, mnt_sb));
	return 0;
}
