// SPDX-License-Identifier: GPL-2.0-only
/* What a file is to the image of a container: see drift.bpf.h. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___drift
#include "drift.bpf.h"
#include "read.bpf.h"
#include "task.bpf.h"

volatile struct enf_overlay enf_overlay SEC(".data.overlay") = {};

/* Besides ENF_DRIFT_*. */
#define ENF_DRIFT_NOWHERE 0x100 /* there is no image, or this is no content that one could bring */
#define ENF_DRIFT_UNTOLD 0x200

/* Besides the address of a superblock. */
#define ENF_ROOT_HOST 0 /* the host's view of files: no container */
#define ENF_ROOT_OTHER                                                                             \
	1 /* no overlay of the host's, or one that cannot be told from the host's own root */

/* ---- Roots -------------------------------------------------------------------------------- */

/* Has somebody mounted it who is root in a user namespace only? Then its layers are whatever he has. */
static __always_inline int enf_is_users(__u64 sb)
{
	__u64 ns = 0;
	int level = 1;

	enf_read(ns, sb + enf_offset(struct super_block, s_user_ns));
	enf_read(level, ns + enf_offset(struct user_namespace, level));
	return level;
}

static __always_inline __u64 enf_magic_of(__u64 sb)
{
	unsigned long magic = 0;

	enf_read(magic, sb + enf_offset(struct super_block, s_magic));
	return magic;
}

/* The root by which the task at *t* sees files now. */
static __always_inline __u64 enf_root_now(__u64 t)
{
	__u64 at = 0, sb = 0;
	__u32 dev = 0;

	enf_read(at, t + enf_offset(struct task_struct, nsproxy));
	if (!at) /* a thread of the kernel, or one that ends */
		return ENF_ROOT_HOST;
	enf_read(at, at + enf_offset(struct nsproxy, mnt_ns));
	if (enf_is_host_ns(at))
		return ENF_ROOT_HOST;
	enf_read(at, t + enf_offset(struct task_struct, fs));
	if (!at)
		return ENF_ROOT_OTHER;
	enf_read(at, at + enf_offset(struct fs_struct, root.mnt));
	enf_read(sb, at + enf_offset(struct vfsmount, mnt_sb));
	if (enf_magic_of(sb) != ENF_OVERLAY_MAGIC || enf_is_users(sb))
		return ENF_ROOT_OTHER;
	enf_read(dev, sb + enf_offset(struct super_block, s_dev));
	/* A service with mounts of its own, on a host whose root is an overlay; or a runtime on its way. */
	if (dev == enf_overlay.root_dev)
		return ENF_ROOT_OTHER;
	return sb;
}

__attribute__((noinline)) int enf_take_root(struct enf_task *task, __u64 t)
{
	__u64 root;

	if (!task || task->root)
		return 0;
	root = enf_root_now(t);
	if (root > ENF_ROOT_OTHER)
		task->root = root;
	return 0;
}

/* ---- Files -------------------------------------------------------------------------------- */

/* Does the file system show what the kernel itself has? */
static __always_inline int enf_is_pseudo(__u64 magic)
{
	for (int i = 0; i < ENF_PLACES; i++)
		if (enf_places[i].len && enf_places[i].magic == (__u32)magic)
			return 1;
	return 0;
}

/* Of an inode on an overlay. The upper file is read before the flags: a copy sets these first. */
static __always_inline __u32 enf_overlay_drift(__u64 inode)
{
	unsigned long flags = 0;
	__u64 upper = 0;

	if (!enf_overlay.known)
		return ENF_DRIFT_UNTOLD;
	inode -= enf_overlay.inode;
	enf_read(upper, inode + enf_overlay.upper);
	if (!upper)
		return 0;
	enf_read(flags, inode + enf_overlay.flags);
	/* Without it only owner, mode and the like were copied up (metacopy): the data are the layer's below. */
	return flags >> (enf_overlay.whole & 63) & 1 ? ENF_DRIFT_WRITTEN : 0;
}

/* What the inode's file is to the image at *root*: ENF_DRIFT_* of either kind. */
__attribute__((noinline)) int enf_drift_of(__u64 inode, __u64 root)
{
	unsigned long flags = 0;
	__u64 sb = 0, magic;
	__u16 mode = 0;

	if (root == ENF_ROOT_HOST || !inode)
		return ENF_DRIFT_NOWHERE;
	enf_read(mode, inode + enf_offset(struct inode, i_mode));
	if ((mode & ENF_S_IFMT) != ENF_S_IFREG)
		return ENF_DRIFT_NOWHERE;
	enf_read(sb, inode + enf_offset(struct inode, i_sb));
	magic = enf_magic_of(sb);
	if (enf_is_pseudo(magic))
		return ENF_DRIFT_NOWHERE;
	enf_read(flags, sb + enf_offset(struct super_block, s_flags));
	if ((flags & (ENF_SB_NOUSER | ENF_SB_KERNMOUNT)) || magic == ENF_TMPFS_MAGIC ||
	    magic == ENF_RAMFS_MAGIC || magic == ENF_HUGETLBFS_MAGIC)
		return ENF_DRIFT_MEMORY;
	if (enf_is_users(sb))
		return ENF_DRIFT_FOREIGN;
	if (root == ENF_ROOT_OTHER)
		return ENF_DRIFT_UNTOLD;
	if (sb != root)
		return ENF_DRIFT_VOLUME;
	return enf_overlay_drift(inode);
}

static __always_inline __u64 enf_root_of(const struct enf_task *task, __u64 t)
{
	return task->root ? task->root : enf_root_now(t);
}

__attribute__((noinline)) int enf_describe_drift(struct enf_scratch *s, struct enf_task *task,
						 struct enf_access *a)
{
	struct enf_object *o;
	__u64 inode = 0;
	__u32 found;

	/* What an overlay does to its layers: its own file was decided a moment ago. */
	if (!s || !task || !a || !a->dentry || a->is_layer || enf_is_layer(a->mnt))
		return 0;
	enf_read(inode, a->dentry + enf_offset(struct dentry, d_inode));
	found = enf_drift_of(inode, enf_root_of(task, bpf_get_current_task()));
	if (found & ENF_DRIFT_NOWHERE)
		return 0;
	o = &s->object;
	o->present |= ENF_BIT(ENF_DIM_DRIFT);
	if (found & ENF_DRIFT_UNTOLD) { /* each row's onError */
		o->unknown |= ENF_BIT(ENF_DIM_DRIFT);
		enf_count(ENF_STAT_DRIFT_UNKNOWN);
		return 0;
	}
	o->num[ENF_DIM_DRIFT - ENF_DIM_FIRST_NUM] = found;
	return 0;
}

__attribute__((noinline)) int enf_take_exe_drift(struct enf_task *task, __u64 t)
{
	__u64 file, inode = 0, root;
	__u32 found;

	if (!task || (task->flags & (ENF_SF_IMAGE | ENF_SF_IMAGE_UNKNOWN | ENF_SF_NO_IMAGE)))
		return 0;
	root = enf_root_of(task, t);
	if (root == ENF_ROOT_HOST)
		goto nowhere;
	file = enf_exe_file(t);
	if (!file)
		goto nowhere;
	if (!enf_is_executed(file)) { /* its owner has put it there */
		task->flags |= ENF_SF_IMAGE_UNKNOWN;
		return 0;
	}
	enf_read(inode, file + enf_offset(struct file, f_inode));
	found = enf_drift_of(inode, root);
	if (found & ENF_DRIFT_NOWHERE)
		goto nowhere;
	if (found & ENF_DRIFT_UNTOLD) {
		task->flags |= ENF_SF_IMAGE_UNKNOWN;
		enf_count(ENF_STAT_DRIFT_UNKNOWN);
		return 0;
	}
	task->flags |= ENF_SF_IMAGE | found << ENF_SF_DRIFT_AT;
	return 0;
nowhere:
	task->flags |= ENF_SF_NO_IMAGE;
	return 0;
}
