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

/* Both, the way only where it must be found. Returns: not 0 if no row can match, whoever asks. */
static __always_inline int enf_is_excluded(const struct enf_key *key)
{
	int excluded = enf_prefilter_once(key);

	if (excluded < 0 && !enf_prefilter_way(key))
		excluded = enf_prefilter_once(key);
	return excluded > 0;
}

#define ENF_NAME_OPS                                                                               \
	(ENF_BIT(ENF_OP_CREATE) | ENF_BIT(ENF_OP_UNLINK) | ENF_BIT(ENF_OP_SYMLINK) |               \
	 ENF_BIT(ENF_OP_MKDIR) | ENF_BIT(ENF_OP_RMDIR) | ENF_BIT(ENF_OP_MKNOD))

/*
 * The same of a name that is made or taken away. If patterns have met one in its directory for the same operations, it
 * is not asked about the next ones, for a minute or so: most of them would go the long way as well.
 */
int enf_prefilter_name(const struct enf_key *key);

#endif
