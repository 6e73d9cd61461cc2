/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The short way out of a hook, before anything is gathered: for tasks that no rule is about, and for
 * files that no rule on paths is about.
 *
 * Both only leave early where the long way would find nothing to do; whatever is not certain goes the
 * long way. User space stores the active generation in enf_live once it is committed, and
 * ENF_NOT_LIVE before it commits another: a task or a file that was found uninteresting under another
 * generation, or while an image waits to be confirmed, is asked again.
 */
#ifndef ENFORCER_FAST_BPF_H
#define ENFORCER_FAST_BPF_H

#include "image.h"
#include "maps.bpf.h"
#include "read.bpf.h"

extern volatile __u64 enf_live;
extern volatile __u32 enf_dirs_gone; /* directories whose inodes the kernel has freed */

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

/* ---- Tasks -------------------------------------------------------------------------------- */

/*
 * The current task's label, if its sets are certain to be current; else NULL. User and group ids change in hooks that
 * void the label, see enf_ids_change. What no hook tells is compared: enf_fresh does the same.
 */
static __always_inline struct enf_task *enf_settled_task(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_task *task = bpf_task_storage_get(&tasks, t, NULL, 0);

	if (!task || task->generation != enf_live)
		return NULL;
	if (!task->watches)
		return task;
	if (task->watches & ~(__u64)(ENF_WATCH_CGROUP | ENF_WATCH_CAPS))
		return NULL; /* enf_fresh looks */
	if ((task->watches & ENF_WATCH_CGROUP) && bpf_get_current_cgroup_id() != task->cgroup)
		return NULL;
	if ((task->watches & ENF_WATCH_CAPS) && !enf_same_caps(task, enf_pointer(t, real_cred)))
		return NULL;
	return task;
}

/* ---- Files -------------------------------------------------------------------------------- */

/* Up to two operations in one number: few registers live in a hook, and its stack is counted. */
#define ENF_PAIR(read, write) ((__u32)(read) | (__u32)(write) << 8)

static __always_inline __u64 enf_pair_ops(__u32 pair)
{
	return ((pair & 0xff) != ENF_NO_OP ? ENF_BIT(pair & 0xff) : 0) |
	       (pair >> 8 != ENF_NO_OP ? ENF_BIT(pair >> 8) : 0);
}

/* That make a name or take it away. */
#define ENF_NAME_OPS                                                                               \
	(ENF_BIT(ENF_OP_CREATE) | ENF_BIT(ENF_OP_UNLINK) | ENF_BIT(ENF_OP_SYMLINK) |               \
	 ENF_BIT(ENF_OP_MKDIR) | ENF_BIT(ENF_OP_RMDIR) | ENF_BIT(ENF_OP_MKNOD))

/* By the kernel's hash of the name, seeded by its directory: addresses may not be computed with. */
static __always_inline struct enf_seen *enf_seen_of(__u64 hash_len, __u64 ino)
{
	__u32 at = ((__u32)hash_len ^ (__u32)ino) & (ENF_SEEN - 1);

	return bpf_map_lookup_elem(&seen, &at);
}

/* Loads in the order of writing: x86 does that by itself. */
#if defined(__TARGET_ARCH_x86)
#define enf_in_order(p) (*(volatile __u32 *)(p))
#else
#define enf_in_order(p) __sync_fetch_and_add(p, 0)
#endif

/*
 * An entry that many read and write has a version. Who gets it odd writes, and makes it even again; nobody waits.
 * Returns: not 0 if so.
 */
static __always_inline int enf_begin_write(__u32 *at, __u32 *version)
{
	*version = *at;
	return !(*version & 1) &&
	       __sync_val_compare_and_swap(at, *version, *version + 1) == *version;
}

static __always_inline void enf_end_write(__u32 *at, __u32 version)
{
	__sync_lock_test_and_set(at, version + 2);
}

/* What an entry must be found with. In memory, not in registers: it shares the room of the access that
 * a hook sets up when it does not leave.
 */
struct enf_key {
	__u64 dentry;
	__u64 mnt;
	__u64 dir; /* the inode of the directory: it has one place, while no directory is moved or freed */
	__u64 hash_len;
	__u64 ino;
	__u32 born; /* i_generation: an inode's number is given once more; see enf_bear() where it is 0 */
	__u32 nlink;
	__u32 pair; /* the operations that it is asked for */
	__u32 set;  /* of who asks; 0: of anybody */
};

/* The same from the address of an inode. Returns: its number. */
static __always_inline __u64 enf_key_inode(struct enf_key *key, __u64 inode)
{
	key->born = 0;
	key->nlink = 0;
	key->ino = enf_word_at(inode + enf_offset(struct inode, i_ino));
	enf_read(key->born, inode + enf_offset(struct inode, i_generation));
	enf_read(key->nlink, inode + enf_offset(struct inode, i_nlink));
	return key->ino;
}

static __always_inline __u64 enf_hash_len(const struct dentry *dentry)
{
#ifdef ENF_RDONLY_CAST
	if (bpf_ksym_exists(ENF_RDONLY_CAST)) /* both are of v6.2 */
		return dentry->d_name.hash_len;
#endif
	/* Before, the verifier looks into the first member of a union only. */
	return (__u64)dentry->d_name.len << 32 | dentry->d_name.hash;
}

static __always_inline void enf_key_of(struct enf_key *key, struct file *file)
{
	struct dentry *dentry = file->f_path.dentry;
	struct inode *inode = file->f_inode;

	key->dentry = (__u64)dentry;
	key->mnt = (__u64)file->f_path.mnt;
	key->dir = (__u64)dentry->d_parent->d_inode;
	key->hash_len = enf_hash_len(dentry);
	key->ino = inode->i_ino;
	key->nlink = inode->i_nlink;
	key->born = inode->i_generation;
}

/*
 * What stands only for some minutes: the kernel's counters have 32 bits, and nobody shall wait until they have gone
 * round.
 */
static __always_inline __u32 enf_epoch(void)
{
	return bpf_jiffies64() >> 16;
}

/*
 * Is *e* of this very file, by this very name and way, and has nothing changed that it depends on? No entry has 0 for
 * born.
 */
static __always_inline int enf_is_same(const struct enf_seen *e, const struct enf_key *key)
{
	return e->generation == enf_live && e->dentry == key->dentry && e->mnt == key->mnt &&
	       e->dir == key->dir && e->hash_len == key->hash_len && e->ino == key->ino &&
	       e->nlink == key->nlink && e->born == key->born &&
	       e->renames == enf_seq(enf_rename_lock) && e->mounts == enf_seq(enf_mount_lock) &&
	       e->dirs == enf_dirs_gone && e->epoch == enf_epoch();
}

/*
 * Has a decision on this very file, by this very name and way, found that no row on *ops* can match
 * it, whoever asks? The kernel's own counters say whether any name or mount may have changed since.
 */
static __always_inline int enf_is_plain(const struct enf_key *key, __u64 ops)
{
	struct enf_seen *e = enf_seen_of(key->hash_len, key->ino);
	__u32 version;

	if (!e)
		return 0;
	version = enf_in_order(&e->version);
	if ((version & 1) || (ops & e->ops) != ops || !enf_is_same(e, key))
		return 0;
	return enf_in_order(&e->version) == version;
}

/*
 * The same of a file that nobody has asked about, if it is quickly found (prefilter.bpf.h). Or may who has the set of
 * *key* use it, by what is known of its directory or by its name? That is counted then.
 */
int enf_prefilter(const struct enf_key *key);

#endif
