/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether the code of a process is trusted: whether every executable mapping that it has made since its
 * exec, and those that the kernel made for it, are of files that may be trusted. Of the process, not of a
 * thread: what one thread maps all of them can run. Kept with the first thread, apart from the label, which
 * only its own task writes; labels take it over when they are brought up to date.
 *
 * It only goes one way, until the next exec. What nobody has looked at from the exec on is unknown: a task
 * that was there before some policy asked, one whose record found no memory. Rules fall to onError there.
 */
#ifndef ENFORCER_CODE_BPF_H
#define ENFORCER_CODE_BPF_H

#include "kernel.h"
#include "maps.bpf.h"
#include "read.bpf.h"

#define ENF_CODE_TRUSTED 1
#define ENF_CODE_FOREIGN 2
#define ENF_CODE_LENT 3 /* what its parent has, in whose memory it runs */
#define ENF_CODE_FLAGS (ENF_SF_TRUSTED_CODE | ENF_SF_CODE_UNKNOWN)

#define ENF_SB_NOSUID 0x2
#define ENF_OTHERS_WRITE 0022

/* ---- Files -------------------------------------------------------------------------------- */

/* Shows *mnt* files as other users' than the file system has them? If that cannot be told, it does. */
static __always_inline int enf_is_idmapped(__u64 mnt)
{
	__u64 map = 0;
	__u32 extents = 1;
	int level = 1;

	if (bpf_core_field_exists(((struct vfsmount___idmap *)0)->mnt_idmap)) {
		enf_read(map, mnt + enf_offset(struct vfsmount___idmap, mnt_idmap));
		if (bpf_core_field_exists(((struct mnt_idmap___map *)0)->uid_map)) {
			enf_read(extents,
				 map + enf_offset(struct mnt_idmap___map, uid_map.nr_extents));
			return extents; /* the map of all other mounts is empty */
		}
		enf_read(map, map + enf_offset(struct mnt_idmap___owner, owner));
	} else {
		enf_read(map, mnt + enf_offset(struct vfsmount___userns, mnt_userns));
	}
	enf_read(level, map + enf_offset(struct user_namespace, level));
	return level;
}

/*
 * A file is trusted if only root could have written it, as the kernel sees that for set-user-ID programs
 * of root: it is root's, neither its group nor others may write it, and where it is mounted it could be
 * one (mnt_may_suid(), bprm_fill_uid()), so that nobody else has put it there as root's: no file system
 * of a user namespace, none that fusermount or udisks mounted for a user, no mount that shows a
 * container's files as root's. What has no name could be anything.
 */
static __always_inline int enf_is_trusted_file(__u64 file)
{
	__u64 inode = 0, mnt = 0, sb = 0, ns = 0;
	__u32 uid = 1, nlink = 0, mnt_flags = ENF_MNT_NOSUID;
	unsigned long flags = ENF_SB_NOSUID;
	int level = 1;
	__u16 mode = ENF_OTHERS_WRITE;

	enf_read(inode, file + enf_offset(struct file, f_inode));
	enf_read(uid, inode + enf_offset(struct inode, i_uid));
	enf_read(mode, inode + enf_offset(struct inode, i_mode));
	enf_read(nlink, inode + enf_offset(struct inode, i_nlink));
	if (uid || (mode & ENF_OTHERS_WRITE) || !nlink || (mode & ENF_S_IFMT) != ENF_S_IFREG)
		return 0;
	enf_read(mnt, file + enf_offset(struct file, f_path.mnt));
	enf_read(mnt_flags, mnt + enf_offset(struct vfsmount, mnt_flags));
	enf_read(sb, inode + enf_offset(struct inode, i_sb));
	enf_read(flags, sb + enf_offset(struct super_block, s_flags));
	enf_read(ns, sb + enf_offset(struct super_block, s_user_ns));
	enf_read(level, ns + enf_offset(struct user_namespace, level));
	return !(mnt_flags & ENF_MNT_NOSUID) && !enf_is_idmapped(mnt) && !level &&
	       !(flags & (ENF_SB_NOSUID | ENF_SB_NOUSER | ENF_SB_KERNMOUNT));
}

/* ---- Processes ---------------------------------------------------------------------------- */

/*
 * What is known of the process of *leader*. Of one that runs in its parent's memory (vfork) it is what is known of the
 * parent: each of them can map code for both. Where the parent has other memory by now, nobody can say what was mapped.
 */
static __always_inline struct enf_code *enf_known_code(struct task_struct *leader, int *foreign)
{
	struct enf_code *known = bpf_task_storage_get(&code, leader, NULL, 0);
	struct task_struct *parent;

	*foreign = known && known->state == ENF_CODE_FOREIGN;
	if (!known || known->state != ENF_CODE_LENT)
		return known;
	parent = leader->real_parent;
	*foreign = !parent || enf_address(parent->mm) != enf_address(leader->mm);
	if (*foreign)
		return known;
	known = bpf_task_storage_get(&code, parent->group_leader, NULL, 0);
	*foreign = known && known->state != ENF_CODE_TRUSTED;
	return known;
}

static __always_inline __u32 enf_code_flags(struct task_struct *leader)
{
	int foreign;

	if (!enf_known_code(leader, &foreign))
		return ENF_SF_CODE_UNKNOWN;
	return foreign ? 0 : ENF_SF_TRUSTED_CODE;
}

/* The label of the current task, or a copy of one, takes over what is known of its process. */
static __always_inline void enf_take_code(struct enf_task *task, __u32 known)
{
	task->flags = (task->flags & ~ENF_CODE_FLAGS) | known;
}

/*
 * An exec has begun another program in *t*, the only thread. Its mappings are yet to come. Whoever traces it from before
 * (*is_traced*) writes into it without a hook, and can do so before its first instruction.
 */
static __always_inline void enf_exec_code(struct task_struct *t, int asked, int is_traced)
{
	struct enf_code *fresh;

	if (!asked) {
		bpf_task_storage_delete(&code, t); /* nobody may be looking at its mappings */
		return;
	}
	fresh = bpf_task_storage_get(&code, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (fresh)
		fresh->state = is_traced ? ENF_CODE_FOREIGN : ENF_CODE_TRUSTED;
	else /* unknown, which onError decides */
		enf_count(ENF_STAT_NO_TASK);
}

#endif
