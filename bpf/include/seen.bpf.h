/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was found of a file, remembered for the next access: that no row is about it, or that a set of subjects may use
 * it. Looked up by fast.bpf.h.
 *
 * A permit (permit.bpf.h) depends on the operations and flags of the access, on whether the file has other names and
 * which device it is (by link count, inode and device), and on its names in each view. Marks, arguments and the clock
 * are none of an open file's operands, or the verdict is not remembered.
 *
 * A name is the place of a directory, and a name in it. What has the inode of a directory has one place, until
 * something is moved (rename_lock) or mounted (mount_lock). The address is that inode's until it is freed, which
 * enf_dirs_gone counts: addresses and inode numbers are given again. The name in the directory is told by dentry,
 * length and the kernel's hash, for which another can be made up; but that is another file, of another i_generation.
 */
#ifndef ENFORCER_SEEN_BPF_H
#define ENFORCER_SEEN_BPF_H

#include "act.h"
#include "emit.bpf.h"
#include "fast.bpf.h"
#include "permit.bpf.h"

/*
 * File systems that do not tell inodes by generation (overlays, some of the kernel's) give numbers again as others do:
 * there the name itself tells, by a hash that nobody can make up, and what kind of file it is. Returns: 0 if it is too long for that,
 * or is on procfs, where files of different processes have name and number in common.
 */
int enf_bear(struct enf_key *key);

/*
 * Remember what was decided on the access, if it will be the same the next time: for anybody, or for the task's set.
 * What is remembered is what the next access must find again: read after the path was resolved, under the same
 * counters.
 */
int enf_remember(struct enf_scratch *s, struct enf_task *task, struct enf_access *a);

/*
 * The same as enf_is_plain and enf_permitted, of an access by a task whose label is current: for those whose hook
 * cannot know that, and for what a hook knows only when it has looked closer.
 */
int enf_recalled(struct enf_task *task, struct enf_access *a);

#define ENF_SECOND_OPS (ENF_BIT(ENF_OP_WRITE) | ENF_BIT(ENF_OP_APPEND) | ENF_BIT(ENF_OP_FD_WRITE))

/* The pair as the hook had it: what writes is the second, also where it is alone. */
static __always_inline __u32 enf_pair_of(const struct enf_access *a)
{
	if (a->n_ops > 1)
		return ENF_PAIR(a->op[0], a->op[1]);
	if (ENF_BIT(a->op[0] & 63) & ENF_SECOND_OPS)
		return ENF_PAIR(ENF_NO_OP, a->op[0]);
	return ENF_PAIR(a->op[0], ENF_NO_OP);
}

/* What an entry is found by, as it was under these counters. */
static __always_inline void enf_seen_fill(struct enf_seen *e, const struct enf_key *key,
					  __u64 generation, __u32 renames, __u32 mounts)
{
	e->generation = generation;
	e->dentry = key->dentry;
	e->mnt = key->mnt;
	e->dir = key->dir;
	e->hash_len = key->hash_len;
	e->ino = key->ino;
	e->nlink = key->nlink;
	e->born = key->born;
	e->renames = renames;
	e->mounts = mounts;
	e->dirs = enf_dirs_gone; /* who asks holds the file, and so its directory */
	e->epoch = enf_epoch();
}

/*
 * Remember that no row on *ops* can match the file of *key*, as found under these counters. Called
 * while they still are what they were.
 */
static __always_inline void enf_keep(const struct enf_key *key, __u64 generation, __u64 ops,
				     __u32 renames, __u32 mounts)
{
	struct enf_seen *e = enf_seen_of(key->hash_len, key->ino);
	__u32 version;

	if (!key->born || !e || !enf_begin_write(&e->version, &version))
		return;
	if (e->renames == renames && e->mounts == mounts && e->generation == generation &&
	    enf_is_same(e, key))
		ops |= e->ops;
	enf_seen_fill(e, key, generation, renames, mounts);
	e->ops = ops;
	e->who = 0;
	enf_end_write(&e->version, version);
}

_Static_assert(ENF_SETS < 1 << 16, "a set has 16 bits");

/* The set, and what it asks for. */
static __always_inline __u32 enf_who(const struct enf_key *key)
{
	return key->set << 16 | key->pair;
}

static __always_inline struct enf_seen *enf_permit_of(const struct enf_key *key, __u32 who)
{
	__u32 at = (__u32)key->hash_len ^ (__u32)key->ino ^ (who * 0x9e3779b1) >> 16;

	at &= ENF_SEEN - 1;
	return bpf_map_lookup_elem(&seen, &at);
}

/* Remember that the set of *key* may do what it asks for, as found under these counters; it counts for *row*. */
static __always_inline void enf_keep_permit(const struct enf_key *key, __u64 generation, __u32 row,
					    __u32 flags, __u32 renames, __u32 mounts)
{
	__u32 version, who = enf_who(key);
	struct enf_seen *e = enf_permit_of(key, who);

	if (!key->set || !e || !enf_begin_write(&e->version, &version))
		return;
	enf_seen_fill(e, key, generation, renames, mounts);
	e->ops = 0; /* not for anybody */
	e->who = who;
	e->flags = flags;
	e->row = row;
	enf_end_write(&e->version, version);
}

/*
 * Was what *key* asks for permitted to its set, by an access with these flags? Counts that it was, as the decision would.
 * No set is 0, and so is none of what has been kept.
 */
static __always_inline int enf_permitted(const struct enf_key *key, __u32 flags)
{
	const struct enf_seen *e;
	__u32 version, row, who = enf_who(key);
	__u64 generation;

	e = enf_permit_of(key, who);
	if (!e)
		return 0;
	version = enf_in_order(&e->version);
	row = e->row;
	generation = e->generation;
	if ((version & 1) || e->who != who || e->flags != flags || !enf_is_same(e, key) ||
	    enf_in_order(&e->version) != version)
		return 0;
	if (row != ENF_NONE)
		enf_hit(row, generation, 1);
	return 1;
}

/*
 * Is no row on the operations of *pair*, which *ops* has as a mask, about *file*, whoever asks? Or may who has the
 * *set*, which has been counted then? What is remembered is looked up here: a call into the core costs as much.
 */
static __always_inline int enf_is_unmatched(struct enf_key *key, struct file *file, __u32 pair,
					    __u64 ops, __u32 set, int is_strict)
{
	enf_key_of(key, file);
	key->pair = pair;
	key->set = set;
	asm volatile("" : : "r"(key) : "memory"); /* it shall lie there */
	/* What is looked up in vain costs thirty instructions. Strict rules mostly list what is allowed. */
	if (is_strict)
		return enf_permitted(key, 0) || enf_is_plain(key, ops) || enf_prefilter(key);
	return enf_is_plain(key, ops) || enf_permitted(key, 0) || enf_prefilter(key);
}

#endif
