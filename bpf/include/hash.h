/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hash is seeded with a secret per image so that slots cannot be crowded from outside; a hit is
 * confirmed byte by byte, so it need not be strong. Eight bytes a step, zero padded. A path hashes
 * component by component: after each, one more step with the component's length. A plain string is
 * one component that may contain anything. compiler/strings.py is the other half of this.
 */
#ifndef ENFORCER_HASH_H
#define ENFORCER_HASH_H

#include "image.h"

ENF_INLINE __u64 enf_mix(__u64 h, __u64 w)
{
	h ^= w;
	h *= 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 32);
}

/* The first n bytes of a little-endian word; n in 0..8. */
ENF_INLINE __u64 enf_first(__u64 w, __u32 n)
{
	return n >= 8 ? w : w & (ENF_BIT((n & 7) * 8) - 1);
}

#endif
