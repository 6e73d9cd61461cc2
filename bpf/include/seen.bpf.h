/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was found of a file, remembered for the next access: that no row is about it, or that a set of subjects may use
 * it. Looked up by fast.bpf.h.
 *
 * A permit (permit.bpf.h) depends on the operations and flags of the access, on whether the file has other names and
 * which device it is (by link count, inode and device), and on its names in each view. These stand as long as dentry, mount, parent and name
 * are the same and the kernel's two counters have not moved. Marks, arguments and the clock are none of an open
 * file's operands, or the verdict is not remembered.
 */
#ifndef ENFORCER_SEEN_BPF_H
#define ENFORCER_SEEN_BPF_H

#include "act.h"
#include "fast.bpf.h"
#include "permit.bpf.h"

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

/* Was what *key* asks for permitted to its set? Counts that it was, as the decision would. */
int enf_permitted(const struct enf_key *key);

/*
 * The entry at *e*, if nobody else writes it, with what *key* says and was found under these counters. Returns: not 0
 * if so. The writer adds the rest, and closes.
 */
static __always_inline int enf_seen_open(struct enf_seen *e, __u32 *version)
{
	*version = e->version;
	return !(*version & 1) &&
	       __sync_val_compare_and_swap(&e->version, *version, *version + 1) == *version;
}

static __always_inline void enf_seen_close(struct enf_seen *e, __u32 version)
{
	__sync_lock_test_and_set(&e->version, version + 2);
}

static __always_inline void enf_seen_fill(struct enf_seen *e, const struct enf_key *key,
					  __u64 generation, __u32 renames, __u32 mounts)
{
	e->generation = generation;
	e->dentry = key->dentry;
	e->mnt = key->mnt;
	e->parent = key->parent;
	e->hash_len = key->hash_len;
	e->ino = key->ino;
	e->nlink = key->nlink;
	e->renames = renames;
	e->mounts = mounts;
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

	if (!e || !enf_seen_open(e, &version))
		return;
	if (e->generation == generation && e->dentry == key->dentry && e->mnt == key->mnt &&
	    e->parent == key->parent && e->hash_len == key->hash_len && e->ino == key->ino &&
	    e->nlink == key->nlink && e->renames == renames && e->mounts == mounts)
		ops |= e->ops;
	enf_seen_fill(e, key, generation, renames, mounts);
	e->ops = ops;
	e->set = 0;
	enf_seen_close(e, version);
}

#endif
