/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The prefilter of files that nobody has asked about yet: can any row at all match the name?
 *
 * Hashes the components of the host's name straight from the dentries and looks them up as match.h
 * does, without building the path, without working memory, and without a comparison: a hit only means
 * that the long way must decide. So does everything out of the ordinary: other mount namespaces,
 * layers, directories, hard links, very deep or long names, names below which a glob begins, names
 * that move.
 *
 * What lies above the root of a superblock is the same for all of its files: that part of the way is
 * kept in a table, for as long as nothing is renamed or mounted.
 */
#ifndef ENFORCER_PREFILTER_BPF_H
#define ENFORCER_PREFILTER_BPF_H

#include "fast.bpf.h"

/* Returns: 1 if no row on the operations of *key* can match its file, whoever asks; 0 if it must be
 * asked; -1 if the way to its superblock must be found first.
 */
int enf_prefilter_once(const struct enf_key *key);

/*
 * Go the way to the root of the superblock of *key*, and keep what is found. Returns: 0 if it was
 * found; what to do about it stands in the table.
 */
int enf_prefilter_way(const struct enf_key *key);

/*
 * Remember that no row on *ops* can match the file of *key*, as found under these counters. Called
 * while they still are what they were.
 */
static __always_inline void enf_keep(const struct enf_key *key, __u64 generation, __u64 ops,
				     __u32 renames, __u32 mounts)
{
	struct enf_seen *e = enf_seen_of(key->hash_len, key->ino);
	__u32 version;

	if (!e)
		return;
	version = e->version;
	if ((version & 1) ||
	    __sync_val_compare_and_swap(&e->version, version, version + 1) != version)
		return; /* somebody else writes it */
	if (e->generation == generation && e->dentry == key->dentry && e->mnt == key->mnt &&
	    e->parent == key->parent && e->hash_len == key->hash_len && e->ino == key->ino &&
	    e->nlink == key->nlink && e->renames == renames && e->mounts == mounts)
		ops |= e->ops;
	e->generation = generation;
	e->ops = ops;
	e->dentry = key->dentry;
	e->mnt = key->mnt;
	e->parent = key->parent;
	e->hash_len = key->hash_len;
	e->ino = key->ino;
	e->nlink = key->nlink;
	e->renames = renames;
	e->mounts = mounts;
	__sync_lock_test_and_set(&e->version, version + 2);
}

#endif
