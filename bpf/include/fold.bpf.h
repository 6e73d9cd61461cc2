/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directories that find a name by several spellings: how they do it, and where on the way to an object the first of
 * them lies. What that means for patterns is match.h's business.
 *
 * A dentry has the name as who looked it up first has spelled it. Nearly all superblocks tell names by their bytes;
 * whether one may not is known with it, and then nothing here is done.
 */
#ifndef ENFORCER_FOLD_BPF_H
#define ENFORCER_FOLD_BPF_H

#include "image.h"

/* Could a directory of the superblock fold names, or one above *mount*, if that is not 0? */
int enf_may_fold(__u64 sb, __u64 mount);

/*
 * Say in the object's flags where its path, which was just found, begins to be folded. A further way up, as only those
 * pay for it who have such a superblock. Returns: not 0 if names have moved since, and nothing is known.
 */
int enf_fold(struct enf_scratch *s, __u64 dentry, __u64 mount, __u64 root);

#endif
