/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of a directory, so that a name in it that nobody has asked about costs its last component alone.
 *
 * A directory has what the strings of an image say of the way to it: the hash of its path, its length, and the deepest
 * string above. It is told by the address of its inode, which has one place until something is moved (rename_lock) or
 * mounted (mount_lock), or a directory is freed (enf_dirs_gone): the same counters as in seen.bpf.h.
 *
 * An answer is what an image says to a set of subjects of all paths that meet the same strings. A path that is a string
 * of the image is that one path; of another the deepest string above it says which others are, since these lie on the
 * way to that; and below no such string does a glob begin, or there is no answer. So it depends on the image, by its
 * generation, and on nothing that anybody can move. Whether a path is a string is compared byte by byte: the hash alone
 * could be made up.
 *
 * Answers hold for what has one name, the host's, and is no directory and no device: flags and inodes are no operands
 * then. Names of the other kinds, what must be recorded or refused, and what is not found here, goes the long way.
 */
#ifndef ENFORCER_DIRECTORY_BPF_H
#define ENFORCER_DIRECTORY_BPF_H

#include "act.h"
#include "fast.bpf.h"

/*
 * By its directory: may who has the set of *key* do what it asks for, which is counted then; or is no row about it,
 * whoever asks? Returns: 1 if so, 0 if nothing is known of the directory, -1 if the long way must decide.
 */
int enf_by_directory(const struct enf_key *key);

/* What is known of a directory. */
struct enf_known {
	__u64 generation; /* of the image */
	__u64 hash;
	__u32 len;
	__u32 text;
	__u32 above;
	__u32 globs;
	__u32 renames;
	__u32 mounts;
};

/* Keep what was found of the directory of *dentry*, under these counters. */
int enf_keep_known(__u64 dentry, __u64 mnt, const struct enf_known *known);

/* Keep what was decided on the access, of its directory and of all paths that meet the same strings. */
int enf_learn(struct enf_scratch *s, struct enf_task *task, struct enf_access *a);

#endif
