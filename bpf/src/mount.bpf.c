// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree of mounts. Of what mount(2) moves, and binds, it says only a text that the caller could make
 * mean something else before the kernel looks it up; move_mount(2) has looked it up. No hook sees
 * mount_setattr(2), nor fsmount(2): what it makes is decided on when its file system is made, and when it
 * is attached, also in a namespace that is made for it.
 *
 * Guards (ENF_OP_MOUNT_GUARD) are about the host's mounts, by which names go. Another namespace may
 * change its own, unless they are shared: then the change could reach the host.
 */
#include "act.h"
#include "maps.bpf.h"
#include "path.bpf.h"
#include "read.bpf.h"

#define ENF_STACKED_MAX 32 /* mounts on one place, one over the other */

/* struct mount of a struct vfsmount, both by their addresses. */
static __always_inline __u64 enf_mount(__u64 mnt)
{
	return mnt - enf_offset(struct mount, mnt);
}

/*
 * Where a mount is, as an object: its mount point, below whatever else is mounted there. Its root is no
 * answer: of a bind mount that has its name elsewhere. But the lowest one's is: since v7.0 it lies on a file
 * system that cannot be changed (nullfs), of which nobody has a name.
 */
__attribute__((noinline)) int enf_place(struct enf_access *a, __u64 mnt)
{
	__u64 m = enf_mount(mnt);

	if (!a)
		return 0;
	for (int i = 0; i < ENF_STACKED_MAX; i++) {
		__u64 parent = 0, root = 0, sb = 0;

		enf_read(parent, m + enf_offset(struct mount, mnt_parent));
		enf_read(sb, parent + enf_offset(struct mount, mnt.mnt_sb));
		if (parent && enf_kernels_own(sb)) {
			enf_read(a->dentry, m + enf_offset(struct mount, mnt.mnt_root));
			a->mnt = m + enf_offset(struct mount, mnt);
			return 0;
		}
		enf_read(a->dentry, m + enf_offset(struct mount, mnt_mountpoint));
		enf_read(root, parent + enf_offset(struct mount, mnt.mnt_root));
		a->mnt = parent + enf_offset(struct mount, mnt);
		if (!parent)
			break;
		if (parent == m || a->dentry != root)
			return 0;
		m = parent;
	}
	a->dentry = 0; /* unknown: onError decides */
	enf_count(ENF_STAT_PATH_UNKNOWN);
	a->present |= ENF_BIT64(ENF_DIM_PATH);
	a->unknown |= ENF_BIT64(ENF_DIM_PATH);
	return 0;
}

/* Would the names that the host has change with what is mounted on *mnt*? */
__attribute__((noinline)) int enf_is_hosts(__u64 mnt)
{
	__u64 m = enf_mount(mnt), ns = 0;
	int group = 0;

	enf_read(group, m + enf_offset(struct mount, mnt_group_id));
	if (group) /* shared; perhaps not with the host, but what passes it on is not known here */
		return 1;
	enf_read(ns, m + enf_offset(struct mount, mnt_ns));
	return enf_is_host_ns(ns);
}

/* One operation, and the guards where it is about the host's names. */
static __always_inline int enf_act_guarded(struct enf_access *a, __u8 op, int is_hosts)
{
	a->op[0] = op;
	a->n_ops = 1;
	if (is_hosts) {
		a->op[1] = ENF_OP_MOUNT_GUARD;
		a->n_ops = 2;
	}
	return enf_act(a);
}

static __always_inline int enf_act_mount(struct enf_access *a, __u8 op, __u64 mnt)
{
	return enf_act_guarded(a, op, enf_is_hosts(mnt));
}

/* What is at *path* is to be covered by *op*. */
static __always_inline int enf_act_onto(struct enf_access *a, const struct path *path, __u8 op)
{
	__u64 mnt = 0, root = 0;

	enf_read(mnt, &path->mnt);
	enf_read(a->dentry, &path->dentry);
	enf_read(root, mnt + enf_offset(struct vfsmount, mnt_root));
	a->mnt = mnt;
	if (a->dentry == root)
		enf_place(a, mnt);
	return enf_act_mount(a, op, mnt);
}

/* What is mounted as *mnt* is to go from where it is. */
static __always_inline int enf_act_away(struct enf_access *a, __u64 mnt, __u8 op)
{
	enf_place(a, mnt);
	return enf_act_mount(a, op, mnt);
}

static __always_inline void enf_fstype(struct enf_access *a, __u64 mnt)
{
	__u64 sb = 0, type = 0;

	enf_read(sb, mnt + enf_offset(struct vfsmount, mnt_sb));
	enf_read(type, sb + enf_offset(struct super_block, s_type));
	enf_read(a->fstype, type + enf_offset(struct file_system_type, name));
	a->present |= ENF_BIT64(ENF_DIM_FSTYPE);
}

/* ---- mount(2) ------------------------------------------------------------------------------ */

SEC("lsm/sb_mount")
int BPF_PROG(enf_sb_mount, const char *source, const struct path *path, const char *type,
	     unsigned long flags, void *data, int ret)
{
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_BITS),
		.bits = flags,
	};
	int error;

	if (ret)
		return ret;
	/* in the order in which the kernel looks at them */
	if (flags & ENF_MS_REMOUNT) {
		if (!(flags & ENF_MS_BIND)) /* at sb_remount */
			return 0;
		enf_read(a.mnt, &path->mnt);
		enf_fstype(&a, a.mnt);
		enf_place(&a, a.mnt);
		a.op[0] = ENF_OP_REMOUNT;
		a.n_ops = 1;
		return enf_act(&a);
	}
	if (flags & ENF_MS_BIND) {
		a.name = (__u64)source;
		return enf_act_onto(&a, path, ENF_OP_BIND_MOUNT);
	}
	if (flags & ENF_MS_PROPAGATION) {
		enf_read(a.mnt, &path->mnt);
		enf_place(&a, a.mnt);
		a.op[0] = ENF_OP_PROPAGATE;
		a.n_ops = 1;
		return enf_act(&a);
	}
	if (flags & ENF_MS_MOVE) {
		/* From where is not known yet, only that it is in the caller's namespace. Of a mount that passes on what
		 * becomes of it, the kernel lets nothing be moved away (do_move_mount): it is no name of the host's, unless
		 * that namespace is.
		 */
		a.present |= ENF_BIT64(ENF_DIM_PATH);
		a.unknown |= ENF_BIT64(ENF_DIM_PATH);
		enf_read(a.mnt, &path->mnt);
		error = enf_act_guarded(&a, ENF_OP_MOVE_MOUNT, enf_is_host_ns(enf_own_ns()));
		if (error)
			return error;
		a.unknown = 0;
		a.flags = ENF_OF_NEWNAME;
		return enf_act_onto(&a, path, ENF_OP_MOVE_MOUNT);
	}
	a.name = (__u64)source;
	a.fstype = (__u64)type;
	a.present |= ENF_BIT64(ENF_DIM_FSTYPE);
	return enf_act_onto(&a, path, ENF_OP_MOUNT);
}

/* Of a whole file system, by mount(2) and by fsconfig(2), wherever it is mounted. */
SEC("lsm/sb_remount")
int BPF_PROG(enf_sb_remount, struct super_block *sb, void *options, int ret)
{
	struct enf_access a = {
		.dentry = (__u64)sb->s_root,
		.fstype = (__u64)sb->s_type->name,
		.present = ENF_BIT64(ENF_DIM_FSTYPE),
		.op = { ENF_OP_REMOUNT },
		.n_ops = 1,
	};

	return ret ? ret : enf_act(&a);
}

/* ---- fsconfig(2) --------------------------------------------------------------------------- */

/*
 * A file system is there that nothing need ever be attached of: fsmount(2) gives a descriptor to use it by. Where
 * it goes, what it is called and its options are not known yet, so rules on these are not met (they are when it
 * is attached), and allowing ones count in favour (ENF_OF_DETACHED). mount(2) passes here, too, and has been
 * decided on; what the kernel mounts by itself does not.
 */
SEC("lsm/sb_kern_mount")
int BPF_PROG(enf_sb_kern_mount, const struct super_block *sb, int ret)
{
	struct enf_access a = {
		.fstype = (__u64)sb->s_type->name,
		.present = ENF_BIT64(ENF_DIM_FSTYPE),
		.flags = ENF_OF_DETACHED,
		.op = { ENF_OP_MOUNT },
		.n_ops = 1,
	};

	if (ret || enf_call_of(bpf_get_current_task_btf()) != ENF_FSCONFIG)
		return ret;
	return enf_act(&a);
}

/* ---- The others ---------------------------------------------------------------------------- */

SEC("lsm/sb_umount")
int BPF_PROG(enf_sb_umount, struct vfsmount *mnt, int flags, int ret)
{
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_BITS),
		.bits = flags,
	};
	__u64 parent = 0, at = 0;

	if (ret)
		return ret;
	bpf_probe_read_kernel(&at, sizeof(at), &mnt);
	enf_fstype(&a, at);
	enf_place(&a, at);
	/* It goes from the parent, and from wherever the parent passes that on to. */
	enf_read(parent, enf_mount(at) + enf_offset(struct mount, mnt_parent));
	return enf_act_mount(&a, ENF_OP_UNMOUNT, parent + enf_offset(struct mount, mnt));
}

/* The options of a mount, as mount(2) numbers them. */
static __always_inline __u64 enf_options(__u64 mnt)
{
	unsigned long sb_flags = 0;
	__u64 bits = 0, sb = 0;
	int flags = 0;

	enf_read(flags, mnt + enf_offset(struct vfsmount, mnt_flags));
	enf_read(sb, mnt + enf_offset(struct vfsmount, mnt_sb));
	enf_read(sb_flags, sb + enf_offset(struct super_block, s_flags));
	if ((flags & ENF_MNT_READONLY) || (sb_flags & ENF_MS_RDONLY))
		bits |= ENF_MS_RDONLY;
	bits |= flags & ENF_MNT_NOSUID ? ENF_MS_NOSUID : 0;
	bits |= flags & ENF_MNT_NODEV ? ENF_MS_NODEV : 0;
	bits |= flags & ENF_MNT_NOEXEC ? ENF_MS_NOEXEC : 0;
	bits |= flags & ENF_MNT_NOSYMFOLLOW ? ENF_MS_NOSYMFOLLOW : 0;
	bits |= flags & ENF_MNT_NOATIME ? ENF_MS_NOATIME : 0;
	bits |= flags & ENF_MNT_NODIRATIME ? ENF_MS_NODIRATIME : 0;
	bits |= flags & ENF_MNT_RELATIME ? ENF_MS_RELATIME : 0;
	return bits;
}

/* Is this the only mount of its file system? */
static __always_inline int enf_is_first(__u64 mnt)
{
	__u64 sb = 0, first = 0, other = 0;

	enf_read(sb, mnt + enf_offset(struct vfsmount, mnt_sb));
	if (bpf_core_field_exists(((struct mount___chain *)0)->mnt_next_for_sb)) {
		enf_read(first, sb + enf_offset(struct super_block___chain, s_mounts));
		enf_read(other, enf_mount(mnt) + enf_offset(struct mount___chain, mnt_next_for_sb));
		return first == enf_mount(mnt) && !other;
	}
	enf_read(first, sb + enf_offset(struct super_block, s_mounts.next));
	enf_read(other, sb + enf_offset(struct super_block, s_mounts.prev));
	return first == other;
}

/*
 * What is moved is either somewhere in the caller's tree, or was made by fsmount or open_tree and is
 * nowhere yet. Of these nothing tells a further view of a mounted file system (bind) from a new mount
 * of it: it is both.
 */
SEC("lsm/move_mount")
int BPF_PROG(enf_move_mount, const struct path *from, const struct path *to, int ret)
{
	struct enf_access a = {};
	__u64 mnt = 0, ns = 0;
	int error;

	if (ret)
		return ret;
	enf_read(mnt, &from->mnt);
	enf_read(ns, enf_mount(mnt) + enf_offset(struct mount, mnt_ns));
	if (ns == enf_own_ns()) {
		error = enf_act_away(&a, mnt, ENF_OP_MOVE_MOUNT);
		if (error)
			return error;
		a.present = 0;
		a.unknown = 0;
		a.flags = ENF_OF_NEWNAME;
		return enf_act_onto(&a, to, ENF_OP_MOVE_MOUNT);
	}
	a.present = ENF_BIT64(ENF_DIM_BITS);
	a.bits = enf_options(mnt);
	enf_fstype(&a, mnt);
	enf_read(a.name, enf_mount(mnt) + enf_offset(struct mount, mnt_devname));
	if (!enf_is_first(mnt)) {
		error = enf_act_onto(&a, to, ENF_OP_BIND_MOUNT);
		if (error)
			return error;
	}
	return enf_act_onto(&a, to, ENF_OP_MOUNT);
}

/* What is mounted on the root of the mount namespace *ns*, or 0. */
static __always_inline __u64 enf_on_root(__u64 ns)
{
	__u64 root = 0, head, child = 0;

	enf_read(root, ns + enf_offset(struct mnt_namespace, root));
	head = root + enf_offset(struct mount, mnt_mounts);
	enf_read(child, head);
	if (!root || !child || child == head)
		return 0;
	return child + enf_offset(struct mount, mnt) - enf_offset(struct mount, mnt_child);
}

/*
 * Some kernels (v7.3) can mount in a namespace that open_tree(2), open_tree_attr(2) or fsmount(2) makes
 * (OPEN_TREE_NAMESPACE, FSMOUNT_NAMESPACE), and no hook on mounts sees it. The kernel then opens that namespace
 * for the caller, which is decided on: what is mounted there goes with it. In these calls it opens no other file
 * of nsfs; elsewhere such a file is no mount (/proc/PID/ns/mnt).
 */
SEC("lsm/file_open")
int BPF_PROG(enf_mount_namespace, struct file *file, int ret)
{
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_BITS),
	};
	__u32 call = enf_call_of(bpf_get_current_task_btf());
	__u64 mnt;

	if (ret || (call != ENF_OPEN_TREE && call != ENF_OPEN_TREE_ATTR && call != ENF_FSMOUNT) ||
	    file->f_inode->i_sb->s_magic != ENF_NSFS_MAGIC)
		return ret;
	/* A view of what is mounted is a new mount of it, too, as at move_mount. */
	a.op[0] = ENF_OP_MOUNT;
	a.op[1] = ENF_OP_BIND_MOUNT;
	a.n_ops = call == ENF_FSMOUNT ? 1 : 2;
	mnt = enf_on_root((__u64)file->f_inode->i_private - enf_offset(struct mnt_namespace, ns));
	if (!mnt) { /* made in another way than is known here: all of it is unknown, and onError decides */
		a.present |= ENF_BIT64(ENF_DIM_PATH) | ENF_BIT64(ENF_DIM_NAME) |
			     ENF_BIT64(ENF_DIM_FSTYPE);
		a.unknown = a.present;
		enf_count(ENF_STAT_PATH_UNKNOWN);
		return enf_act(&a);
	}
	a.bits = enf_options(mnt);
	enf_fstype(&a, mnt);
	enf_read(a.name, enf_mount(mnt) + enf_offset(struct mount, mnt_devname));
	/* Its mount point is the root of its namespace: what is seen there has the name. */
	enf_read(a.dentry, mnt + enf_offset(struct vfsmount, mnt_root));
	a.mnt = mnt;
	return enf_act(&a);
}

/* The new root leaves its place, the old one goes where *put_old* is. */
SEC("lsm/sb_pivotroot")
int BPF_PROG(enf_sb_pivotroot, const struct path *put_old, const struct path *new_root, int ret)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_access a = {};
	__u64 mnt = 0, root;
	int error;

	if (ret)
		return ret;
	enf_read(mnt, &new_root->mnt);
	error = enf_act_away(&a, mnt, ENF_OP_PIVOT_ROOT);
	if (error)
		return error;
	root = (__u64)BPF_CORE_READ(t, fs, root.mnt);
	a.present = 0;
	a.unknown = 0;
	if (!enf_is_hosts(root))
		return 0;
	enf_place(&a, root);
	a.op[0] = ENF_OP_MOUNT_GUARD;
	a.n_ops = 1;
	error = enf_act(&a);
	if (error)
		return error;
	a.present = 0;
	a.unknown = 0;
	error = enf_act_onto(&a, put_old, ENF_OP_MOUNT_GUARD);
	return error;
}
