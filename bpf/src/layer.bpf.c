// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an overlay does to its layers, by their names on the host.
 *
 * An overlay carries out what is asked of it by calls that pass no path_* hook (vfs_unlink and the like), so
 * whoever mounts one over a directory could change all that lies there. The inode_* hooks are passed for each
 * file system that takes part. They are asked here only if the current task acts with credentials that are not
 * its own: so does every overlay with those of who mounted it, and a file server with those of its client,
 * both by override_creds(). What a task does itself was decided at the path_* hook a moment ago.
 *
 * While it is mounted, an overlay empties and makes its work directory, on most kernels with the credentials of
 * who mounts it: so they are asked in mount(2) and fsconfig(2), too.
 *
 * The test only adds decisions: nobody evades one by borrowing credentials. A layer that the host does not show
 * has no name, and nothing to decide by (ENF_PATH_ABSENT): the overlay's own name has had its verdict.
 *
 * Not met are file systems that change others in the name of who asks (eCryptfs).
 */
#include "act.h"
#include "around.bpf.h"
#include "queue.bpf.h"

static __always_inline int enf_is_layered(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u32 call;

	if (t->cred != t->real_cred)
		return 1;
	/* The numbers of 32 bits, too: what they are in 64 bits names no files that it would change. */
	call = enf_call_of(t);
	return call == ENF_MOUNT || call == ENF_MOUNT_32 || call == ENF_FSCONFIG;
}

/* Up to four operations at once, those behind the last ENF_NO_OP. */
static __always_inline int enf_layer(const struct dentry *dentry, __u32 flags, __u8 op, __u8 second,
				     __u8 third, __u8 fourth)
{
	struct enf_access a = {
		.dentry = (__u64)dentry,
		.flags = flags,
		.op = { op, second, third, fourth },
		.n_ops = 1 + (second != ENF_NO_OP) + (third != ENF_NO_OP) + (fourth != ENF_NO_OP),
		.is_layer = 1,
	};

	return enf_act(&a);
}

/* What is mounted there goes when its name goes. */
static __always_inline int enf_layer_unmounted(const struct dentry *dentry)
{
	if (!enf_is_mounted(dentry))
		return 0;
	return enf_layer(dentry, 0, ENF_OP_MOUNT_GUARD, ENF_NO_OP, ENF_NO_OP, ENF_NO_OP);
}

static __always_inline int enf_layer_made(const struct dentry *dentry, __u8 op, __u32 mode)
{
	struct enf_access a = {
		.dentry = (__u64)dentry,
		.present = ENF_BIT64(ENF_DIM_MODE),
		.mode = mode & 07777,
		.flags = op == ENF_OP_MKDIR ? ENF_OF_DIR : 0, /* there is no inode yet */
		.op = { op, ENF_OP_NAME_GUARD },
		.n_ops = 1 + (op == ENF_OP_MKNOD),
		.is_layer = 1,
	};

	return enf_act(&a);
}

/* ---- Names -------------------------------------------------------------------------------- */

/* Two hooks are for message queues as well. One program costs those who pass half as much as two. */
SEC("lsm/inode_create")
int BPF_PROG(enf_inode_create, struct inode *dir, struct dentry *dentry, unsigned short mode,
	     int ret)
{
	if (!ret)
		ret = enf_queue(dentry, ENF_OP_CREATE, mode);
	if (ret || !enf_is_layered())
		return ret;
	return enf_layer_made(dentry, ENF_OP_CREATE, mode);
}

SEC("lsm/inode_mkdir")
int BPF_PROG(enf_layer_mkdir, struct inode *dir, struct dentry *dentry, unsigned short mode,
	     int ret)
{
	if (ret || !enf_is_layered())
		return ret;
	return enf_layer_made(dentry, ENF_OP_MKDIR, mode);
}

SEC("lsm/inode_mknod")
int BPF_PROG(enf_layer_mknod, struct inode *dir, struct dentry *dentry, unsigned short mode,
	     unsigned int dev, int ret)
{
	__u32 type = mode & ENF_S_IFMT;

	if (ret || !enf_is_layered())
		return ret;
	return enf_layer_made(dentry, type == ENF_S_IFREG || !type ? ENF_OP_CREATE : ENF_OP_MKNOD,
			      mode);
}

SEC("lsm/inode_symlink")
int BPF_PROG(enf_layer_symlink, struct inode *dir, struct dentry *dentry, const char *old_name,
	     int ret)
{
	if (ret || !enf_is_layered())
		return ret;
	return enf_layer(dentry, 0, ENF_OP_SYMLINK, ENF_OP_NAME_GUARD, ENF_NO_OP, ENF_NO_OP);
}

SEC("lsm/inode_link")
int BPF_PROG(enf_layer_link, struct dentry *old_dentry, struct inode *dir,
	     struct dentry *new_dentry, int ret)
{
	if (ret || !enf_is_layered())
		return ret;
	ret = enf_layer(old_dentry, 0, ENF_OP_LINK, ENF_OP_GUARD, ENF_NO_OP, ENF_NO_OP);
	if (ret)
		return ret;
	return enf_layer(new_dentry, ENF_OF_NEWNAME, ENF_OP_LINK, ENF_OP_CREATE, ENF_OP_NAME_GUARD,
			 ENF_NO_OP);
}

SEC("lsm/inode_unlink")
int BPF_PROG(enf_inode_unlink, struct inode *dir, struct dentry *dentry, int ret)
{
	if (!ret)
		ret = enf_queue(dentry, ENF_OP_UNLINK, 0);
	if (ret || !enf_is_layered())
		return ret;
	ret = enf_layer(dentry, 0, ENF_OP_UNLINK, ENF_OP_NAME_GUARD, ENF_NO_OP, ENF_NO_OP);
	return ret ? ret : enf_layer_unmounted(dentry);
}

SEC("lsm/inode_rmdir")
int BPF_PROG(enf_layer_rmdir, struct inode *dir, struct dentry *dentry, int ret)
{
	if (ret || !enf_is_layered())
		return ret;
	ret = enf_layer(dentry, 0, ENF_OP_RMDIR, ENF_NO_OP, ENF_NO_OP, ENF_NO_OP);
	return ret ? ret : enf_layer_unmounted(dentry);
}

/* An exchange passes the hook once for each of the two ways. security_inode_rename has flags before the
 * verdict.
 */
SEC("lsm/inode_rename")
int enf_layer_rename(unsigned long long *ctx)
{
	const struct dentry *from = (void *)ctx[1], *to = (void *)ctx[3];
	int ret = ENF_ARG(ctx, 32, 40);
	__u64 inode = 0;

	if (ret || !enf_is_layered())
		return ret;
	ret = enf_layer(from, 0, ENF_OP_RENAME, ENF_OP_GUARD, ENF_NO_OP, ENF_NO_OP);
	if (ret)
		return ret;
	bpf_core_read(&inode, sizeof(inode), &to->d_inode);
	if (!inode)
		return enf_layer(to, ENF_OF_NEWNAME, ENF_OP_RENAME, ENF_OP_CREATE,
				 ENF_OP_NAME_GUARD, ENF_NO_OP);
	ret = enf_layer(to, ENF_OF_NEWNAME, ENF_OP_RENAME, ENF_OP_UNLINK, ENF_OP_NAME_GUARD,
			ENF_OP_WRITE);
	return ret ? ret : enf_layer_unmounted(to);
}

/* ---- Metadata ----------------------------------------------------------------------------- */

/* Times are decided in attributes.bpf.c, whoever sets them. */
SEC("lsm/inode_setattr")
int enf_layer_setattr(unsigned long long *ctx)
{
	struct enf_change c = enf_change_of(ctx);
	struct enf_access a = { .dentry = c.dentry, .is_layer = 1 };
	__u32 ops = 0, n = 0; /* as a number: the verifier follows no index */
	__u16 mode = 0;

	if (c.ret || !enf_is_layered())
		return c.ret;
	if (c.valid & ENF_ATTR_MODE) {
		a.present = ENF_BIT64(ENF_DIM_MODE);
		enf_read(mode, c.attr + enf_offset(struct iattr, ia_mode));
		a.mode = mode & 07777;
		ops = ENF_OP_CHMOD;
		n += 1;
	}
	if (c.valid & (ENF_ATTR_UID | ENF_ATTR_GID)) {
		ops = ops << 8 | ENF_OP_CHOWN;
		n += 1;
	}
	if (c.valid & ENF_ATTR_SIZE) {
		ops = ops << 8 | ENF_OP_TRUNCATE;
		n += 1;
	}
	*(__u32 *)a.op = ops;
	a.n_ops = n;
	return n ? enf_act(&a) : 0;
}
