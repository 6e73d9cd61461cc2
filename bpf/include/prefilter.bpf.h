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

#define ENF_PREFILTER_WORDS 32 /* of eight bytes in one component: NAME_MAX */

static __always_inline const void *enf_prefilter_at(const struct enf_image *image, __u32 off,
						    __u32 size)
{
	enf_barrier(off);
	if (off > enf_image_bytes - size)
		return NULL;
	return (const unsigned char *)image + off;
}

/*
 * The string with this hash and length, which may be another than the path, or NULL. Returns: not 0 if the image leads
 * outside: nothing can be told.
 */
static __always_inline int enf_slot_of(const struct enf_image *image, __u64 hash, __u32 len,
				       const struct enf_slot **found)
{
	*found = NULL;
	/* There is always a slot, if an empty one: no question for each component. */
	for (__u32 i = 0; i < ENF_MAX_PROBES; i++) {
		__u32 n = ((__u32)hash + i) & (image->n_slots - 1);
		const struct enf_slot *slot =
			enf_prefilter_at(image, image->off_slots + n * 32, 32);

		if (!slot)
			return 1;
		if (slot->kind == ENF_SLOT_EMPTY)
			return 0;
		if (slot->hash == hash && slot->kind == ENF_SLOT_PATH && slot->len == len) {
			*found = slot;
			return 0;
		}
	}
	return 0;
}

/* Is there a row on *op* that asks for no path? */
static __always_inline int enf_prefilter_asked(const struct enf_image *image, __u32 op)
{
	const struct enf_range *rows;

	if (op == ENF_NO_OP)
		return 0;
	rows = enf_prefilter_at(image, image->off_op_rows + op * 8, 8);
	return !rows || rows->count;
}

/*
 * The hash of a path by its next component. Global: the verifier goes through it once, not once for each component
 * of each depth.
 */
__u64 enf_prefilter_hash(__u64 hash, __u64 name, __u32 len);

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

/*
 * The same of a name that is made or taken away. If patterns have met one in its directory for the same operations, it
 * is not asked about the next ones, for a minute or so: most of them would go the long way as well.
 */
int enf_prefilter_name(const struct enf_key *key);

#endif
