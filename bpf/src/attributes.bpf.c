// SPDX-License-Identifier: GPL-2.0-only
/* What is kept with a file besides its content, mode, owner and extended attributes: times and flags. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___attributes
#include "act.h"
#include "around.bpf.h"

const volatile __u32 enf_fileattr_hook = 0; /* the kernel calls the hook inode_file_setattr */

/*
 * Times that somebody sets: utimensat(2) and its kin. Not those that the kernel sets at a write; size, mode
 * and owner are operations of their own.
 */
SEC("lsm/inode_setattr")
int enf_inode_setattr(unsigned long long *ctx)
{
	struct enf_change c = enf_change_of(ctx);

	if (c.ret)
		return c.ret;
	if (!(c.valid &
	      (ENF_ATTR_ATIME_SET | ENF_ATTR_MTIME_SET | ENF_ATTR_TIMES_SET | ENF_ATTR_TOUCH)))
		return 0;
	return enf_act_path(0, c.dentry, ENF_OP_ATTRIBUTES);
}

/* ---- Flags and project -------------------------------------------------------------------- */

/*
 * chattr(1), by ioctl(2). Where the kernel has a hook for what this comes to, and the file system leaves it to the
 * kernel, it is decided there, once.
 */
static __always_inline int enf_flags(struct file *file, unsigned int cmd)
{
	__u64 at;

	if (cmd != ENF_FS_IOC_SETFLAGS && cmd != ENF_FS_IOC32_SETFLAGS &&
	    cmd != ENF_FS_IOC_FSSETXATTR)
		return 0;
	if (enf_fileattr_hook) {
		at = enf_pointer(file, f_inode);
		at = enf_word_at(at + enf_offset(struct inode, i_op));
		if (enf_word_at(at + enf_offset(struct inode_operations, fileattr_set)))
			return 0;
	}
	return enf_act_file(file, ENF_OP_ATTRIBUTES);
}

SEC("lsm/file_ioctl")
int BPF_PROG(enf_file_ioctl, struct file *file, unsigned int cmd, unsigned long arg, int ret)
{
	return ret ? ret : enf_flags(file, cmd);
}

/* Of 32-bit programs, since v6.8 (f1bb47a31dff6) and in stable kernels; before, they came to the other. */
SEC("lsm/file_ioctl_compat")
int BPF_PROG(enf_file_ioctl_compat, struct file *file, unsigned int cmd, unsigned long arg, int ret)
{
	return ret ? ret : enf_flags(file, cmd);
}

/* Also file_setattr(2). Since v6.17. */
SEC("lsm/inode_file_setattr")
int BPF_PROG(enf_inode_file_setattr, struct dentry *dentry, void *fa, int ret)
{
	return ret ? ret : enf_act_path(0, (__u64)dentry, ENF_OP_ATTRIBUTES);
}
