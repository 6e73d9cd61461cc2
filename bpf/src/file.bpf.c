// SPDX-License-Identifier: GPL-2.0-only
/* Files and their names. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___file
#include "act.h"
#include "around.bpf.h"
#include "fast.bpf.h"

/* ---- Open files --------------------------------------------------------------------------- */

static __always_inline int enf_file_access(const struct enf_task *task, struct file *file,
					   __u32 pair)
{
	union {
		struct enf_key key;
		struct enf_access a;
	} room;

	if (!enf_pair_ops(pair) || (task && !(task->ops & enf_pair_ops(pair))))
		return 0;
	if (task) {
		if (enf_is_nobodys(&room.key, file, pair))
			return 0;
		pair = room.key.pair;
	}
	room.a = (struct enf_access){
		.dentry = (__u64)file->f_path.dentry,
		.mnt = (__u64)file->f_path.mnt,
		.n_ops = 1,
		.is_file = 1,
	};
	room.a.op[0] = pair;
	if (room.a.op[0] == ENF_NO_OP)
		room.a.op[0] = pair >> 8;
	room.a.op[1] = pair >> 8; /* looked at only when there are two */
	if ((pair & 0xff) != ENF_NO_OP && pair >> 8 != ENF_NO_OP)
		room.a.n_ops = 2;
	return enf_act(&room.a);
}

#define ENF_OPEN_OPS (ENF_BIT(ENF_OP_READ) | ENF_BIT(ENF_OP_WRITE) | ENF_BIT(ENF_OP_APPEND))

SEC("lsm/file_open")
int BPF_PROG(enf_file_open, struct file *file, int ret)
{
	const struct enf_task *task;
	__u32 pair = ENF_PAIR(ENF_NO_OP, ENF_NO_OP);

	if (ret)
		return ret;
	task = enf_settled_task();
	if (task && !(task->ops & ENF_OPEN_OPS))
		return 0;
	if (file->f_mode & ENF_FMODE_WRITE)
		pair = ENF_PAIR(ENF_NO_OP,
				file->f_flags & ENF_O_APPEND ? ENF_OP_APPEND : ENF_OP_WRITE);
	if (file->f_mode & ENF_FMODE_READ)
		pair = (pair & ~0xffu) | ENF_OP_READ;
	return enf_file_access(task, file, pair);
}

/* Strict rules: every use of a descriptor, also of one that was opened before the policy. */
SEC("lsm/file_permission")
int BPF_PROG(enf_file_permission, struct file *file, int mask, int ret)
{
	if (ret)
		return ret;
	return enf_file_access(
		enf_settled_task(), file,
		ENF_PAIR(mask & ENF_MAY_READ ? ENF_OP_FD_READ : ENF_NO_OP,
			 mask & (ENF_MAY_WRITE | ENF_MAY_APPEND) ? ENF_OP_FD_WRITE : ENF_NO_OP));
}

/* A descriptor that may only append must not become one that may write anywhere. */
SEC("lsm/file_fcntl")
int BPF_PROG(enf_file_fcntl, struct file *file, unsigned int cmd, unsigned long arg, int ret)
{
	if (ret)
		return ret;
	if (cmd != ENF_F_SETFL || (arg & ENF_O_APPEND) || !(file->f_flags & ENF_O_APPEND) ||
	    !(file->f_mode & ENF_FMODE_WRITE))
		return 0;
	return enf_file_access(enf_settled_task(), file, ENF_PAIR(ENF_NO_OP, ENF_OP_WRITE));
}

SEC("lsm/mmap_file")
int enf_mmap_file(unsigned long long *ctx)
{
	struct enf_mapping m = enf_mapping_of(ctx);
	struct file *file = (struct file *)ctx[0];

	if (m.ret)
		return m.ret;
	/* Both: verifiers that take the pointer for never NULL leave the second out, others ask for it. */
	if (!m.file || !file || !(m.prot & ENF_PROT_EXEC))
		return 0;
	return enf_file_access(enf_settled_task(), file, ENF_PAIR(ENF_OP_MMAP_EXEC, ENF_NO_OP));
}

/*
 * What an overlay maps is the file below it, whose own path the host may not have. The name it was
 * opened by is beside it since v6.7; earlier it is the file's path.
 */
static __always_inline int enf_mapped(struct file *file)
{
	struct enf_access a = {
		.dentry = (__u64)file->f_path.dentry,
		.mnt = (__u64)file->f_path.mnt,
		.op = { ENF_OP_MMAP_EXEC },
		.n_ops = 1,
	};
	__u64 mnt = 0;

	/* the number, not the pointer: a global function takes none */
	bpf_core_read(&mnt, sizeof(mnt), &file->f_path.mnt);
	if (enf_is_layer(mnt) && bpf_core_field_exists(((struct backing_file *)0)->user_path)) {
		const struct backing_file *backing = (const void *)file;

		bpf_core_read(&a.dentry, sizeof(a.dentry), &backing->user_path.dentry);
		bpf_core_read(&a.mnt, sizeof(a.mnt), &backing->user_path.mnt);
	}
	return enf_act(&a);
}

SEC("lsm/file_mprotect")
int BPF_PROG(enf_file_mprotect, struct vm_area_struct *vma, unsigned long reqprot,
	     unsigned long prot, int ret)
{
	struct file *file;

	if (ret)
		return ret;
	file = vma->vm_file;
	if (!file || !(prot & ENF_PROT_EXEC))
		return 0;
	return enf_mapped(file);
}

SEC("lsm/path_truncate")
int BPF_PROG(enf_path_truncate, const struct path *path, int ret)
{
	if (ret)
		return ret;
	return enf_act_path(path->mnt, path->dentry, ENF_OP_TRUNCATE, 0);
}

/* ftruncate and O_TRUNC; split off path_truncate in v6.2 (3350607dc5637). */
SEC("lsm/file_truncate")
int BPF_PROG(enf_file_truncate, struct file *file, int ret)
{
	if (ret)
		return ret;
	return enf_act_path(file->f_path.mnt, file->f_path.dentry, ENF_OP_TRUNCATE, 0);
}

/* ---- Names -------------------------------------------------------------------------------- */

/* Is it a mount point, in whatever namespace? What is mounted there goes when its name goes. */
static __always_inline int enf_is_mounted(const struct dentry *dentry)
{
	__u32 mounted = ENF_DCACHE_MOUNTED;

	if (bpf_core_enum_value_exists(enum dentry_flags, DCACHE_MOUNTED))
		mounted = bpf_core_enum_value(enum dentry_flags, DCACHE_MOUNTED);
	return dentry->d_flags & mounted;
}

static __always_inline int enf_unname(const struct path *dir, struct dentry *dentry, __u8 op)
{
	struct enf_access a = {
		.dentry = (__u64)dentry,
		.mnt = (__u64)dir->mnt,
		.op = { op, ENF_OP_MOUNT_GUARD },
		.n_ops = 1 + !!enf_is_mounted(dentry),
	};

	return enf_act(&a);
}

SEC("lsm/path_unlink")
int BPF_PROG(enf_path_unlink, const struct path *dir, struct dentry *dentry, int ret)
{
	if (ret)
		return ret;
	return enf_unname(dir, dentry, ENF_OP_UNLINK);
}

SEC("lsm/path_rmdir")
int BPF_PROG(enf_path_rmdir, const struct path *dir, struct dentry *dentry, int ret)
{
	if (ret)
		return ret;
	return enf_unname(dir, dentry, ENF_OP_RMDIR);
}

static __always_inline int enf_new_name(const struct path *dir, struct dentry *dentry, __u8 op,
					__u32 mode)
{
	struct enf_access a = {
		.dentry = (__u64)dentry,
		.mnt = (__u64)dir->mnt,
		.present = ENF_BIT64(ENF_DIM_MODE),
		.mode = mode & 07777,
		.op = { op },
		.n_ops = 1,
	};

	return enf_act(&a);
}

SEC("lsm/path_mkdir")
int BPF_PROG(enf_path_mkdir, const struct path *dir, struct dentry *dentry, unsigned short mode,
	     int ret)
{
	if (ret)
		return ret;
	return enf_new_name(dir, dentry, ENF_OP_MKDIR, mode);
}

/* Also the creation of regular files by open, and of unix sockets by bind: that makes a name, too. */
SEC("lsm/path_mknod")
int BPF_PROG(enf_path_mknod, const struct path *dir, struct dentry *dentry, unsigned short mode,
	     unsigned int dev, int ret)
{
	__u32 type = mode & ENF_S_IFMT;

	if (ret)
		return ret;
	if (type == ENF_S_IFSOCK) {
		struct enf_access a = {
			.dentry = (__u64)dentry,
			.mnt = (__u64)dir->mnt,
			.present = ENF_BIT64(ENF_DIM_FAMILY) | ENF_BIT64(ENF_DIM_MODE),
			.family = ENF_AF_UNIX,
			.mode = mode & 07777,
			.flags = ENF_OF_UNIX,
			.op = { ENF_OP_BIND, ENF_OP_CREATE },
			.n_ops = 2,
		};
		int bound = enf_binding();

		if (bound >= 0) {
			a.present |= ENF_BIT64(ENF_DIM_TYPE) | ENF_BIT64(ENF_DIM_PROTOCOL);
			a.type = bound & 0xffff;
			a.protocol = bound >> 16 & 0xffff;
		}
		return enf_act(&a);
	}
	return enf_new_name(dir, dentry,
			    type == ENF_S_IFREG || !type ? ENF_OP_CREATE : ENF_OP_MKNOD, mode);
}

SEC("lsm/path_symlink")
int BPF_PROG(enf_path_symlink, const struct path *dir, struct dentry *dentry, const char *old_name,
	     int ret)
{
	if (ret)
		return ret;
	return enf_act_path(dir->mnt, dentry, ENF_OP_SYMLINK, 0);
}

/* Both names of a link. The guard speaks for the old one: a second name would evade its rules. */
SEC("lsm/path_link")
int BPF_PROG(enf_path_link, struct dentry *old_dentry, const struct path *new_dir,
	     struct dentry *new_dentry, int ret)
{
	struct enf_access a = {
		.dentry = (__u64)old_dentry,
		.mnt = (__u64)new_dir->mnt,
		.op = { ENF_OP_LINK, ENF_OP_GUARD },
		.n_ops = 2,
	};
	int error;

	if (ret)
		return ret;
	error = enf_act(&a);
	if (error)
		return error;
	a.dentry = (__u64)new_dentry;
	a.flags = ENF_OF_NEWNAME;
	a.op[1] = ENF_OP_CREATE;
	return enf_act(&a);
}

/*
 * One side of a rename: a name is taken away from *from*, and *to* gets another file. What replaces a
 * file is a write to it.
 */
static __always_inline int enf_rename(struct vfsmount *mnt, struct dentry *from, struct dentry *to)
{
	struct enf_access a = {
		.dentry = (__u64)from,
		.mnt = (__u64)mnt,
		.op = { ENF_OP_RENAME, ENF_OP_GUARD },
		.n_ops = 2,
	};
	__u64 inode = 0;
	int error = enf_act(&a);

	if (error)
		return error;
	a.dentry = (__u64)to;
	a.flags = ENF_OF_NEWNAME;
	/* As a number: of the pointer some verifiers believe that it is never NULL (6.8 to 6.12 at least),
	 * and drop what is to be done when it is.
	 */
	bpf_core_read(&inode, sizeof(inode), &to->d_inode);
	if (inode) {
		a.op[1] = ENF_OP_UNLINK;
		a.op[2] = ENF_OP_WRITE;
		a.op[3] = ENF_OP_MOUNT_GUARD;
		a.n_ops = 3 + !!enf_is_mounted(to);
	} else {
		a.op[1] = ENF_OP_CREATE;
	}
	return enf_act(&a);
}

SEC("lsm/path_rename")
int BPF_PROG(enf_path_rename, const struct path *old_dir, struct dentry *old_dentry,
	     const struct path *new_dir, struct dentry *new_dentry, unsigned int flags, int ret)
{
	int error;

	if (ret)
		return ret;
	error = enf_rename(new_dir->mnt, old_dentry, new_dentry);
	if (error || !(flags & ENF_RENAME_EXCHANGE))
		return error;
	return enf_rename(new_dir->mnt, new_dentry, old_dentry);
}

/* ---- Metadata ----------------------------------------------------------------------------- */

SEC("lsm/path_chmod")
int BPF_PROG(enf_path_chmod, const struct path *path, unsigned short mode, int ret)
{
	if (ret)
		return ret;
	return enf_new_name(path, path->dentry, ENF_OP_CHMOD, mode);
}

SEC("lsm/path_chown")
int BPF_PROG(enf_path_chown, const struct path *path, __u64 uid, __u64 gid, int ret)
{
	if (ret)
		return ret;
	return enf_act_path(path->mnt, path->dentry, ENF_OP_CHOWN, 0);
}

static __always_inline int enf_xattr(struct dentry *dentry, const char *name)
{
	struct enf_access a = {
		.dentry = (__u64)dentry,
		.name = (__u64)name,
		.op = { ENF_OP_SETXATTR },
		.n_ops = 1,
	};

	return enf_act(&a);
}

SEC("lsm/inode_setxattr")
int BPF_PROG(enf_inode_setxattr, void *idmap, struct dentry *dentry, const char *name,
	     const void *value, __u64 size, int flags, int ret)
{
	return ret ? ret : enf_xattr(dentry, name);
}

SEC("lsm/inode_removexattr")
int BPF_PROG(enf_inode_removexattr, void *idmap, struct dentry *dentry, const char *name, int ret)
{
	return ret ? ret : enf_xattr(dentry, name);
}

/* POSIX ACLs got hooks of their own in v6.2 (72b6d2b6b4f4c). */
SEC("lsm/inode_set_acl")
int BPF_PROG(enf_inode_set_acl, void *idmap, struct dentry *dentry, const char *name, void *acl,
	     int ret)
{
	return ret ? ret : enf_xattr(dentry, name);
}

SEC("lsm/inode_remove_acl")
int BPF_PROG(enf_inode_remove_acl, void *idmap, struct dentry *dentry, const char *name, int ret)
{
	return ret ? ret : enf_xattr(dentry, name);
}
