// SPDX-License-Identifier: GPL-2.0-only
/* Files and their names. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___file
#include "act.h"
#include "around.bpf.h"
#include "loader.bpf.h"
#include "seen.bpf.h"

/* ---- Open files --------------------------------------------------------------------------- */

/*
 * What an overlay opens for itself had, before v6.7, the path of the overlay's file: a name that had its verdict
 * when that was opened. Which file it is only the inode tells.
 */
static __always_inline int enf_is_behind(const struct file *file)
{
	if (bpf_core_field_exists(((struct backing_file *)0)->user_path))
		return 0;
	return file->f_inode != file->f_path.dentry->d_inode;
}

static __always_inline void enf_fill_pair(struct enf_access *a, __u32 pair)
{
	a->n_ops = 1;
	a->op[0] = pair;
	if (a->op[0] == ENF_NO_OP)
		a->op[0] = pair >> 8;
	a->op[1] = pair >> 8; /* looked at only when there are two */
	if ((pair & 0xff) != ENF_NO_OP && pair >> 8 != ENF_NO_OP)
		a->n_ops = 2;
}

#define ENF_ALIASES_MAX 8 /* names of one inode that are looked at */

/* Decide by each name that the inode at this address has; any may be the one that the overlay went by. */
__attribute__((noinline)) int enf_layer_file(__u64 inode, __u32 pair, int is_settled)
{
	struct enf_access a = { .is_layer = 1, .is_file = 1 };
	struct enf_key key = { .pair = pair };
	__u64 alias = 0, parent;
	int error;

	enf_fill_pair(&a, pair);
	enf_key_inode(&key, inode);
	enf_read(alias, inode + enf_offset(struct inode, i_dentry.first));
	for (int i = 0; i < ENF_ALIASES_MAX && alias; i++) {
		a.dentry = alias - enf_offset(struct dentry, d_u.d_alias);
		key.dentry = a.dentry;
		parent = 0;
		enf_read(parent, a.dentry + enf_offset(struct dentry, d_parent));
		enf_read(key.dir, parent + enf_offset(struct dentry, d_inode));
		enf_read(key.hash_len, a.dentry + enf_offset(struct dentry, d_name.hash_len));
		enf_read(alias, alias + enf_offset(struct hlist_node, next));
		if (is_settled && (enf_is_plain(&key, enf_pair_ops(pair)) || enf_prefilter(&key)))
			continue;
		error = enf_act(&a);
		if (error)
			return error;
	}
	if (!alias)
		return 0;
	/* More than that: unknown, so that onError decides. */
	a.dentry = 0;
	a.present = ENF_BIT64(ENF_DIM_PATH);
	a.unknown = ENF_BIT64(ENF_DIM_PATH);
	a.is_file = 0;
	return enf_act(&a);
}

/*
 * *ops* are those of *pair*: each hook has them more cheaply than enf_pair_ops() does. *is_strict*: they are those of
 * strict rules.
 */
static __always_inline int enf_file_access(const struct enf_task *task, struct file *file,
					   __u32 pair, __u64 ops, int is_strict)
{
	union {
		struct enf_key key;
		struct enf_access a;
	} room;

	if (task && !(task->ops & ops))
		return 0;
	if (enf_is_behind(file))
		return enf_result(enf_layer_file(enf_address(file->f_inode), pair, task != NULL));
	if (task) {
		if (enf_is_unmatched(&room.key, file, pair, ops, task->set, is_strict))
			return 0;
		pair = room.key.pair;
	}
	room.a = (struct enf_access){
		.dentry = enf_pointer(file, f_path.dentry),
		.mnt = enf_pointer(file, f_path.mnt),
		.is_file = 1,
	};
	enf_fill_pair(&room.a, pair);
	return enf_act(&room.a);
}

/*
 * A file at this address that was opened to append, perhaps as a layer's. What is done to the overlay's file, to map it
 * or to remove O_APPEND, is done to this one as well, and no hook tells of this one. So it is asked already now
 * whether it may be overwritten. A rule on both names therefore refuses even to append by the overlay.
 *
 * The file behind one of a FUSE server (v6.9) is reached by a mount like any other, but opened with the credentials that
 * the server had. Fail direction: whatever is opened with another's credentials counts as such a file.
 */
__attribute__((noinline)) int enf_append_layer(__u64 file)
{
	struct enf_access a = {
		.dentry = enf_word_at(file + enf_offset(struct file, f_path.dentry)),
		.mnt = enf_word_at(file + enf_offset(struct file, f_path.mnt)),
		.op = { ENF_OP_OVERWRITE },
		.n_ops = 1,
	};
	struct task_struct *t = bpf_get_current_task_btf();

	if (enf_word_at(file + enf_offset(struct file, f_cred)) == enf_pointer(t, real_cred) &&
	    !enf_is_layer(a.mnt))
		return 0;
	return enf_act(&a);
}

/* The same where the layer's file may have the overlay's path. */
__attribute__((noinline)) int enf_append_opened(__u64 file)
{
	__u64 dentry, inode;

	if (!bpf_core_field_exists(((struct backing_file *)0)->user_path)) {
		dentry = enf_word_at(file + enf_offset(struct file, f_path.dentry));
		inode = enf_word_at(file + enf_offset(struct file, f_inode));
		if (inode != enf_word_at(dentry + enf_offset(struct dentry, d_inode)))
			return enf_layer_file(inode, ENF_PAIR(ENF_NO_OP, ENF_OP_OVERWRITE), 0);
	}
	return enf_append_layer(file);
}

#define ENF_OPEN_OPS (ENF_BIT(ENF_OP_READ) | ENF_BIT(ENF_OP_WRITE) | ENF_BIT(ENF_OP_APPEND))

SEC("lsm/file_open")
int BPF_PROG(enf_file_open, struct file *file, int ret)
{
	const struct enf_task *task;
	__u32 mode, pair = ENF_PAIR(ENF_OP_READ, ENF_NO_OP);
	__u64 ops = ENF_BIT(ENF_OP_READ);
	__u8 writes = ENF_OP_WRITE;
	int error;

	if (ret)
		return ret;
	task = enf_settled_task();
	if (task && !(task->ops & ENF_OPEN_OPS))
		return 0;
	mode = file->f_mode & (ENF_FMODE_READ | ENF_FMODE_WRITE);
	if (mode != ENF_FMODE_READ) {
		/* open(path, 3): neither mode, for ioctl(2), and the kernel asks for both rights. A descriptor
		 * that is only a place (O_PATH) does not come here.
		 */
		if (mode && (file->f_flags & ENF_O_APPEND))
			writes = ENF_OP_APPEND;
		pair = ENF_PAIR(mode == ENF_FMODE_WRITE ? ENF_NO_OP : ENF_OP_READ, writes);
		ops = enf_pair_ops(pair);
	}
	if (writes == ENF_OP_APPEND && (!task || (task->ops & ENF_BIT(ENF_OP_OVERWRITE)))) {
		error = enf_append_opened(enf_address(file));
		if (error)
			return enf_result(error);
	}
	return enf_file_access(task, file, pair, ops, 0);
}

/* The name of a layer's file where it lies: one of its inode's, if the file has the overlay's path. */
static __always_inline __u64 enf_layer_name(const struct file *file)
{
	__u64 alias = 0;

	if (!enf_is_behind(file))
		return enf_pointer(file, f_path.dentry);
	enf_read(alias, enf_address(file->f_inode) + enf_offset(struct inode, i_dentry.first));
	return alias ? alias - enf_offset(struct dentry, d_u.d_alias) : 0;
}

/*
 * An overlay opens the file of a layer when its own is opened, with the same flags: so this is where a program is met
 * by the name that it has in a layer. An exec has decided about the overlay's name, or will. A loader opens what it is
 * told to run; who called exec for it is asked about each file of a layer that it opens until it has mapped its program.
 *
 * A loader itself is not asked about here: the kernel opens it for each program that names it as its interpreter. What
 * it runs is asked about.
 */
SEC("lsm/file_open")
int BPF_PROG(enf_exec_layer, struct file *file, int ret)
{
	const struct enf_task *task;
	__u64 name;

	if (ret)
		return ret;
	if (!enf_is_behind(file) && !enf_is_layer(enf_pointer(file, f_path.mnt)))
		return 0;
	if (file->f_flags & ENF_FMODE_EXEC) {
		name = enf_layer_name(file);
		if (name && enf_has_loader_name(name))
			return 0;
		return enf_file_access(enf_settled_task(), file,
				       ENF_PAIR(ENF_OP_EXEC_LAYER, ENF_NO_OP),
				       ENF_BIT(ENF_OP_EXEC_LAYER), 0);
	}
	task = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);
	if (!task || !(task->flags & ENF_SF_LOADER))
		return 0;
	return enf_file_access(NULL, file, ENF_PAIR(ENF_OP_LOADED_LAYER, ENF_NO_OP),
			       ENF_BIT(ENF_OP_LOADED_LAYER), 0);
}

/* Strict rules: every use of a descriptor, also of one that was opened before the policy. */
SEC("lsm/file_permission")
int BPF_PROG(enf_file_permission, struct file *file, int mask, int ret)
{
	__u32 pair = ENF_PAIR(ENF_OP_FD_READ, ENF_NO_OP);
	__u64 ops = ENF_BIT(ENF_OP_FD_READ);

	if (ret)
		return ret;
	if (mask & (ENF_MAY_WRITE | ENF_MAY_APPEND)) {
		pair = ENF_PAIR(mask & ENF_MAY_READ ? ENF_OP_FD_READ : ENF_NO_OP, ENF_OP_FD_WRITE);
		ops = enf_pair_ops(pair);
	} else if (!(mask & ENF_MAY_READ)) {
		return 0;
	}
	return enf_file_access(enf_settled_task(), file, pair, ops, 1);
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
	return enf_file_access(enf_settled_task(), file, ENF_PAIR(ENF_NO_OP, ENF_OP_WRITE),
			       ENF_BIT(ENF_OP_WRITE), 0);
}

SEC("lsm/mmap_file")
int enf_mmap_file(unsigned long long *ctx)
{
	struct enf_mapping m = enf_mapping_of(ctx);
	struct file *file = (struct file *)ctx[0];

	if (m.ret)
		return m.ret;
	if (!(m.prot & ENF_PROT_EXEC))
		return 0;
	/* Both: verifiers that take the pointer for never NULL leave the second out, others ask for it. */
	if (!enf_mapped_file(ctx) || !file)
		return 0;
	return enf_file_access(enf_settled_task(), file, ENF_PAIR(ENF_OP_MMAP_EXEC, ENF_NO_OP),
			       ENF_BIT(ENF_OP_MMAP_EXEC), 0);
}

SEC("lsm/file_mprotect")
int BPF_PROG(enf_file_mprotect, struct vm_area_struct *vma, unsigned long reqprot,
	     unsigned long prot, int ret)
{
	__u64 file;

	if (ret)
		return ret;
	if (!(prot & ENF_PROT_EXEC))
		return 0;
	file = enf_pointer(vma, vm_file);
	if (!file)
		return 0;
	return enf_act_mapped(file, ENF_OP_MMAP_EXEC, ENF_NO_OP);
}

/*
 * Strict rules: memory is a use of the descriptor that it is mapped from, for as long as it is mapped. Whatever rights
 * it has, it is read by /proc/self/mem, ptrace(2) and core dumps. These write to private copies only, if it may not be
 * written otherwise.
 */
SEC("lsm/mmap_file")
int enf_mmap_strict(unsigned long long *ctx)
{
	struct enf_mapping m = enf_mapping_of(ctx);
	struct file *file = (struct file *)ctx[0];
	int is_written = m.is_shared && (m.prot & ENF_PROT_WRITE);

	if (m.ret)
		return m.ret;
	if (!enf_mapped_file(ctx) || !file) /* both: see above */
		return 0;
	return enf_file_access(
		enf_settled_task(), file,
		ENF_PAIR(ENF_OP_FD_READ, is_written ? ENF_OP_FD_WRITE : ENF_NO_OP),
		ENF_BIT(ENF_OP_FD_READ) | (is_written ? ENF_BIT(ENF_OP_FD_WRITE) : 0), 1);
}

/* What the mapping could not be used for before. On x86 what may be written or run may be read, but for pkeys. */
SEC("lsm/file_mprotect")
int BPF_PROG(enf_mprotect_strict, struct vm_area_struct *vma, unsigned long reqprot,
	     unsigned long prot, int ret)
{
	unsigned long had = vma->vm_flags;
	int reads, writes;
	__u64 file;

	if (ret)
		return ret;
	file = enf_pointer(vma, vm_file);
	if (!file)
		return 0;
	writes = (prot & ENF_PROT_WRITE) && !(had & ENF_VM_WRITE) && (had & ENF_VM_SHARED);
	reads = (prot & (ENF_PROT_READ | ENF_PROT_WRITE | ENF_PROT_EXEC)) &&
		!(had & (ENF_VM_READ | ENF_VM_WRITE));
	if (!reads && !writes)
		return 0;
	return enf_act_mapped(file, reads ? ENF_OP_FD_READ : ENF_OP_FD_WRITE,
			      reads && writes ? ENF_OP_FD_WRITE : ENF_NO_OP);
}

SEC("lsm/path_truncate")
int BPF_PROG(enf_path_truncate, const struct path *path, int ret)
{
	if (ret)
		return ret;
	return enf_act_path(enf_pointer(path, mnt), enf_pointer(path, dentry), ENF_OP_TRUNCATE);
}

/* ftruncate and O_TRUNC; split off path_truncate in v6.2 (3350607dc5637). */
SEC("lsm/file_truncate")
int BPF_PROG(enf_file_truncate, struct file *file, int ret)
{
	if (ret)
		return ret;
	return enf_act_file(file, ENF_OP_TRUNCATE);
}

/* Does the file system have a server, which may truncate a file as it opens it? */
static __always_inline int enf_opens_elsewhere(const struct file *file)
{
	unsigned long magic = BPF_CORE_READ(file, f_path.dentry, d_sb, s_magic);

	return magic == ENF_FUSE_MAGIC || magic == ENF_CIFS_MAGIC || magic == ENF_SMB2_MAGIC ||
	       magic == ENF_CEPH_MAGIC || magic == ENF_9P_MAGIC || magic == ENF_NFS_MAGIC ||
	       magic == ENF_CODA_MAGIC || magic == ENF_VBOXSF_MAGIC;
}

/*
 * O_TRUNC where it takes effect in the open of the file system, before the kernel asks (handle_truncate comes behind
 * vfs_open). Where it does not, file_truncate asks once more. What this open has made is empty.
 */
SEC("lsm/file_open")
int BPF_PROG(enf_open_truncate, struct file *file, int ret)
{
	if (ret)
		return ret;
	if (!(file->f_flags & ENF_O_TRUNC) || (file->f_mode & ENF_FMODE_CREATED) ||
	    !enf_opens_elsewhere(file))
		return 0;
	return enf_act_file(file, ENF_OP_TRUNCATE);
}

/*
 * A file in which the kernel is to keep quotas. quotactl(2) reads what is there, and writes it, without a descriptor,
 * and the file gets flags (it is immutable then). Also by an option of a mount.
 */
SEC("lsm/quota_on")
int BPF_PROG(enf_quota_on, struct dentry *dentry, int ret)
{
	struct enf_access a = {
		.dentry = (__u64)dentry,
		.op = { ENF_OP_READ, ENF_OP_WRITE, ENF_OP_ATTRIBUTES },
		.n_ops = 3,
	};

	return ret ? ret : enf_act(&a);
}

/* ---- Names -------------------------------------------------------------------------------- */

/* By the prefilter, or by what is known of the directory: is there nothing to decide about the name? */
static __always_inline int enf_is_settled_name(const struct enf_task *task, const struct path *dir,
					       struct dentry *dentry, __u32 pair)
{
	struct enf_key key = { .nlink = 1, .pair = pair, .set = task->set };
	__u64 inode;

	key.dentry = (__u64)dentry;
	key.mnt = (__u64)dir->mnt;
	key.dir = enf_word_at((__u64)dir->dentry + enf_offset(struct dentry, d_inode));
	/* As a number: see enf_rename(). Without an inode nothing is remembered. */
	inode = enf_word_at((__u64)dentry + enf_offset(struct dentry, d_inode));
	if (!inode)
		return enf_prefilter(&key);
	/* A name that goes is not met again: nothing is remembered of it either. */
	if (ENF_BIT(pair & 63) & ENF_NAME_OPS) {
		key.nlink = 0;
		key.ino = enf_word_at(inode + enf_offset(struct inode, i_ino));
		enf_read(key.nlink, inode + enf_offset(struct inode, i_nlink));
		return key.ino && enf_prefilter(&key);
	}
	key.hash_len = enf_word_at((__u64)dentry + enf_offset(struct dentry, d_name.hash_len));
	return enf_key_inode(&key, inode) && (enf_is_plain(&key, enf_pair_ops(pair)) ||
					      enf_permitted(&key, 0) || enf_prefilter(&key));
}

/*
 * Can no row on the operations of *pair* be about a name that is made or taken away: none is about who does it, or
 * about the name? Or may who does it, which has been counted then?
 */
static __always_inline int enf_is_unmatched_name(const struct path *dir, struct dentry *dentry,
						 __u32 pair)
{
	const struct enf_task *task = enf_settled_task();

	if (!task)
		return 0;
	if (!(task->ops & enf_pair_ops(pair)))
		return 1;
	return enf_is_settled_name(task, dir, dentry, pair);
}

static __always_inline int enf_decide_unname(const struct path *dir, struct dentry *dentry, __u8 op,
					     __u8 other, int is_mounted)
{
	struct enf_access a = {
		.dentry = (__u64)dentry,
		.mnt = enf_pointer(dir, mnt),
		.op = { op, ENF_OP_MOUNT_GUARD, other },
		.n_ops = 3,
	};

	if (!is_mounted) {
		a.op[1] = other;
		a.n_ops = 2;
	}
	if (other == ENF_NO_OP)
		a.n_ops -= 1;
	return enf_act(&a);
}

/* *op*, and *other* if it is one; what is mounted there goes as well. */
static __always_inline int enf_unname(const struct path *dir, struct dentry *dentry, __u8 op,
				      __u8 other)
{
	int is_mounted = enf_is_mounted(dentry);

	if (!is_mounted && enf_is_unmatched_name(dir, dentry, ENF_PAIR(op, other)))
		return 0;
	return enf_decide_unname(dir, dentry, op, other, is_mounted);
}

/*
 * A client of NFS or AFS does not unlink a file that somebody has, it gives it another name for that time
 * (nfs_sillyrename, afs_sillyrename), and so does libfuse (hard_remove). By that name rules do not know it. Who has
 * the file cannot be told here: each is guarded.
 */
static __always_inline int enf_guard_hidden(__u64 mnt, struct dentry *dentry)
{
	unsigned long magic = BPF_CORE_READ(dentry, d_sb, s_magic);

	if (magic != ENF_NFS_MAGIC && magic != ENF_AFS_MAGIC && magic != ENF_FUSE_MAGIC)
		return 0;
	return enf_act_path(mnt, (__u64)dentry, ENF_OP_GUARD);
}

SEC("lsm/path_unlink")
int BPF_PROG(enf_path_unlink, const struct path *dir, struct dentry *dentry, int ret)
{
	if (!ret)
		ret = enf_unname(dir, dentry, ENF_OP_UNLINK, ENF_OP_NAME_GUARD);
	return ret ? ret : enf_guard_hidden(enf_pointer(dir, mnt), dentry);
}

SEC("lsm/path_rmdir")
int BPF_PROG(enf_path_rmdir, const struct path *dir, struct dentry *dentry, int ret)
{
	if (ret)
		return ret;
	return enf_unname(dir, dentry, ENF_OP_RMDIR, ENF_NO_OP);
}

static __always_inline int enf_decide_new_name(const struct path *dir, struct dentry *dentry,
					       __u8 op, __u32 mode)
{
	struct enf_access a = {
		.dentry = (__u64)dentry,
		.mnt = enf_pointer(dir, mnt),
		.present = ENF_BIT64(ENF_DIM_MODE),
		.mode = mode & 07777,
		.flags = op == ENF_OP_MKDIR ? ENF_OF_DIR : 0, /* there is no inode yet */
		.op = { op },
		.n_ops = 1,
	};

	return enf_act(&a);
}

static __always_inline int enf_new_name(const struct path *dir, struct dentry *dentry, __u8 op,
					__u32 mode)
{
	if (enf_is_unmatched_name(dir, dentry, ENF_PAIR(op, ENF_NO_OP)))
		return 0;
	return enf_decide_new_name(dir, dentry, op, mode);
}

static __always_inline int enf_decide_put_name(const struct path *dir, struct dentry *dentry,
					       __u8 op, __u32 mode)
{
	struct enf_access a = {
		.dentry = (__u64)dentry,
		.mnt = enf_pointer(dir, mnt),
		.op = { op, ENF_OP_NAME_GUARD },
		.n_ops = 2,
	};

	if (op == ENF_OP_MKNOD) {
		a.present = ENF_BIT64(ENF_DIM_MODE);
		a.mode = mode & 07777;
	}
	return enf_act(&a);
}

/* What is not a file of its own takes the name: a link, a pipe, a device. */
static __always_inline int enf_put_name(const struct path *dir, struct dentry *dentry, __u8 op,
					__u32 mode)
{
	if (enf_is_unmatched_name(dir, dentry, ENF_PAIR(op, ENF_OP_NAME_GUARD)))
		return 0;
	return enf_decide_put_name(dir, dentry, op, mode);
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
			.mnt = enf_pointer(dir, mnt),
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
	if (type == ENF_S_IFREG || !type)
		return enf_new_name(dir, dentry, ENF_OP_CREATE, mode);
	return enf_put_name(dir, dentry, ENF_OP_MKNOD, mode);
}

SEC("lsm/path_symlink")
int BPF_PROG(enf_path_symlink, const struct path *dir, struct dentry *dentry, const char *old_name,
	     int ret)
{
	if (ret)
		return ret;
	return enf_put_name(dir, dentry, ENF_OP_SYMLINK, 0);
}

/*
 * Both names of a link. The guard speaks for the old one: a second name would evade its rules. What gets
 * the new one has its mode already; of a file that was made without a name (O_TMPFILE) no hook has told it.
 */
SEC("lsm/path_link")
int BPF_PROG(enf_path_link, struct dentry *old_dentry, const struct path *new_dir,
	     struct dentry *new_dentry, int ret)
{
	struct enf_access a = {
		.dentry = (__u64)old_dentry,
		.mnt = enf_pointer(new_dir, mnt),
		.op = { ENF_OP_LINK, ENF_OP_GUARD },
		.n_ops = 2,
	};
	__u16 mode;
	int error;

	if (ret)
		return ret;
	error = enf_act(&a);
	if (error)
		return error;
	mode = BPF_CORE_READ(old_dentry, d_inode,
			     i_mode); /* verifiers do not know that there is one */
	a.present = ENF_BIT64(ENF_DIM_MODE);
	a.mode = mode & 07777;
	a.dentry = (__u64)new_dentry;
	a.flags = ENF_OF_NEWNAME;
	a.op[1] = ENF_OP_CREATE;
	a.op[2] = ENF_OP_NAME_GUARD;
	a.n_ops = 3;
	return enf_act(&a);
}

/*
 * One side of a rename: a name is taken away from *from*, and *to* gets another file. What replaces a
 * file is a write to it.
 */
static __always_inline int enf_rename(__u64 mnt, struct dentry *from, struct dentry *to)
{
	struct enf_access a = {
		.dentry = (__u64)from,
		.mnt = mnt,
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
	a.op[2] = ENF_OP_NAME_GUARD;
	a.n_ops = 3;
	if (!inode) {
		a.op[1] = ENF_OP_CREATE;
		return enf_act(&a);
	}
	a.op[1] = ENF_OP_UNLINK;
	a.op[3] = ENF_OP_WRITE;
	a.n_ops = 4;
	error = enf_act(&a);
	if (!error)
		error = enf_guard_hidden(mnt, to);
	if (error || !enf_is_mounted(to))
		return error;
	a.op[0] = ENF_OP_MOUNT_GUARD;
	a.n_ops = 1;
	return enf_act(&a);
}

SEC("lsm/path_rename")
int BPF_PROG(enf_path_rename, const struct path *old_dir, struct dentry *old_dentry,
	     const struct path *new_dir, struct dentry *new_dentry, unsigned int flags, int ret)
{
	int error;

	if (ret)
		return ret;
	error = enf_rename(enf_pointer(new_dir, mnt), old_dentry, new_dentry);
	if (error || !(flags & ENF_RENAME_EXCHANGE))
		return error;
	return enf_rename(enf_pointer(new_dir, mnt), new_dentry, old_dentry);
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
	return enf_act_path(enf_pointer(path, mnt), enf_pointer(path, dentry), ENF_OP_CHOWN);
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
