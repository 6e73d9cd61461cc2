/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directories that find a name by several spellings, or without a key by another name: how they do it, and where on the
 * way to an object the first of them lies. What that means for patterns is match.h's business.
 *
 * A dentry has the name as who looked it up first has spelled it. Nearly all superblocks tell names by their bytes;
 * whether one may not is known with it, and then nothing here is done.
 */
#ifndef ENFORCER_FOLD_BPF_H
#define ENFORCER_FOLD_BPF_H

#include "image.h"
#include "read.bpf.h"

#define ENF_S_ENCRYPTED (1 << 14) /* include/linux/fs.h */

/*
 * Does the directory with this inode keep names encrypted? Whoever looks one up without the key finds the file by a
 * name that no rule has, and the dentry keeps that name until somebody looks it up with the key; what is looked up
 * below it in between has its own name. What lies below such a directory is itself such a directory, up to the next
 * mount (fscrypt_has_permitted_context()).
 */
static __always_inline int enf_is_encrypted(__u64 dir)
{
	__u32 flags = 0;

	enf_read(flags, dir + enf_offset(struct inode, i_flags));
	return flags & ENF_S_ENCRYPTED;
}

/* The same of the directory that the dentry is in. */
static __always_inline int enf_in_encrypted(__u64 dentry)
{
	__u64 parent = enf_word_at(dentry + enf_offset(struct dentry, d_parent));

	return enf_is_encrypted(enf_word_at(parent + enf_offset(struct dentry, d_inode)));
}

/* Could a directory of the superblock fold names, or one above *mount*, if that is not 0? */
int enf_may_fold(__u64 sb, __u64 mount);

/*
 * Say in the object's flags where its path, which was just found, begins to be folded. A further way up, as only those
 * pay for it who have such a superblock. Returns: not 0 if names have moved since, and nothing is known.
 */
int enf_fold(struct enf_scratch *s, __u64 dentry, __u64 mount, __u64 root);

#endif
