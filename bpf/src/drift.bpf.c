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
	1 /* no overlay of the host's, one that cannot be told from the host's own root, not the first */

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

/*
 * The first root of a container, by the cgroup in which its first program was run: whoever is in there cannot leave it,
 * but may make others below. Not by enf_container_of(): several containers may have the same one, such as all of one
 * namespace of containerd, and here that would refuse. An entry stays as long as its cgroup.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ENF_ROOTS_KEPT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct enf_root);
} roots SEC(".maps");

struct enf_rooted {
	__u64 kn;
	__u64 sb; /* of the highest cgroup that has one; 0: none has */
};

static long enf_rooted_one(__u32 i, void *arg)
{
	struct enf_rooted *c = arg;
	__u64 parent = enf_kernfs_parent(c->kn), id = 0;
	const struct enf_root *kept;

	(void)i;
	if (parent) { /* what is in the root of all cgroups is in none */
		enf_read(id, c->kn + enf_offset(struct kernfs_node, id));
		kept = bpf_map_lookup_elem(&roots, &id);
		if (kept)
			c->sb = kept->sb;
	}
	c->kn = parent;
	return !parent;
}

/* What has become of a cgroup that is gone is not online, or its node has another's number. */
static long enf_sweep_root(void *map, const __u64 *key, struct enf_root *root, void *none)
{
	__u64 whose = *key, id = 0, cgroup = 0;
	unsigned int flags = 0;

	(void)none;
	enf_read(id, root->kn + enf_offset(struct kernfs_node, id));
	enf_read(cgroup, root->kn + enf_offset(struct kernfs_node, priv));
	enf_read(flags, cgroup + enf_offset(struct cgroup, self.flags));
	if (id != whose || !(flags & ENF_CSS_ONLINE))
		bpf_map_delete_elem(map, &whose);
	return 0;
}

/* Keep *root* for the cgroup at *kn*. Returns what is kept; 0: there is no room. */
static __noinline __u64 enf_keep_root(__u64 kn, __u64 root)
{
	struct enf_root mine = { .sb = root, .kn = kn };
	const struct enf_root *kept;
	__u64 id = 0;

	enf_read(id, kn + enf_offset(struct kernfs_node, id));
	if (bpf_map_update_elem(&roots, &id, &mine, BPF_NOEXIST)) {
		/* Full, or somebody was faster. */
		bpf_for_each_map_elem(&roots, enf_sweep_root, NULL, 0);
		bpf_map_update_elem(&roots, &id, &mine, BPF_NOEXIST);
	}
	kept = bpf_map_lookup_elem(&roots, &id);
	if (kept)
		return kept->sb;
	enf_count(ENF_STAT_ROOT_LOST);
	return 0;
}

/*
 * *root*, by which the task at *t* sees files now, if its container began with that one; else ENF_ROOT_OTHER. With
 * *keeps*, a container without a root has begun with this one; one that finds no room for it has none.
 */
__attribute__((noinline)) __u64 enf_first_root(__u64 t, __u64 root, __u32 keeps)
{
	struct enf_rooted c = {};
	__u64 kn = 0;

	enf_read(kn, t + enf_offset(struct task_struct, cgroups));
	enf_read(kn, kn + enf_offset(struct css_set, dfl_cgrp));
	enf_read(kn, kn + enf_offset(struct cgroup, kn));
	if (!kn || !enf_kernfs_parent(kn))
		return root;
	c.kn = kn;
	bpf_loop(256, enf_rooted_one, &c, 0);
	if (c.kn) /* deeper than one looks: its container's may be farther up */
		return ENF_ROOT_OTHER;
	if (!c.sb && keeps)
		c.sb = enf_keep_root(kn, root);
	else if (!c.sb)
		return root;
	return c.sb == root ? root : ENF_ROOT_OTHER;
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
		task->root = enf_first_root(t, root, 1);
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
	__u64 root = task->root;

	if (root)
		return root;
	root = enf_root_now(t);
	return root > ENF_ROOT_OTHER ? enf_first_root(t, root, 0) : root;
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
