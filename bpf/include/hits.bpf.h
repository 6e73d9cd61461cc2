/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often each row decided, exactly. A copy of all counts for each processor would be megabytes on large machines,
 * and one copy for all would be a line of memory that all of them write. So a processor counts in a few slots of its
 * own, and adds to the common count when another row takes the slot.
 *
 * A task may lose its processor in between, and another count in the same slot. Each change is one compare-and-swap of
 * the whole slot; whoever meets a change adds to the common count. No count is lost or made twice. A reader that comes
 * between a swap and the addition that follows sees too little for that moment.
 */
#ifndef ENFORCER_HITS_BPF_H
#define ENFORCER_HITS_BPF_H

#include "kernel.h"
#include "maps.bpf.h"

#define ENF_HIT_COUNT ((1ULL << ENF_HIT_COUNT_BITS) - 1)
#define ENF_HIT_AUDITED (1ULL << ENF_HIT_COUNT_BITS)
#define ENF_HIT_ROW_AT (ENF_HIT_COUNT_BITS + 1)
#define ENF_HIT_GENERATION_AT (ENF_HIT_ROW_AT + ENF_HIT_ROW_BITS)

_Static_assert(ENF_MAX_ROWS <= 1 << ENF_HIT_ROW_BITS, "a slot has room for each row");
_Static_assert(ENF_HIT_GENERATION_AT + ENF_HIT_GENERATION_BITS == 64, "and is full");

/*
 * The counts of this generation and of those before it have been read out. Their half is another's, so what slots still
 * have of them is not added. User space stores it before it sets that half to 0.
 */
extern volatile __u64 enf_settled;

/*
 * Add what stands in a slot to the common count. Two halves, by turns: counts of an image stay whole while the next
 * one counts.
 */
static __always_inline void enf_hit_add(__u64 slot)
{
	__u64 of = slot >> ENF_HIT_GENERATION_AT, n = slot & ENF_HIT_COUNT;
	__u32 row = (slot >> ENF_HIT_ROW_AT) & ((1 << ENF_HIT_ROW_BITS) - 1);
	__u32 at = row + (of & 1) * enf_rows;
	struct enf_hits *h;

	if (!n || (__s64)((of - enf_settled) << ENF_HIT_GENERATION_AT) <= 0)
		return;
	h = bpf_map_lookup_elem(&hits, &at);
	if (!h)
		return;
	__sync_fetch_and_add(slot & ENF_HIT_AUDITED ? &h->audited : &h->enforced, n);
	enf_count(ENF_STAT_HITS_ADDED);
}

/* Does the slot count what *tag* says, and is its count not full? That of *tag* is 0. */
static __always_inline int enf_is_hit_of(__u64 slot, __u64 tag)
{
	return (slot ^ tag) < ENF_HIT_COUNT;
}

/*
 * Two rows that decide by turns and have one slot would add each time. So a row has two slots; it takes the second if
 * the first is one of another row of its generation.
 */
static __always_inline void enf_hit(__u32 row, __u64 generation, __u32 enforced)
{
	__u64 tag = generation << ENF_HIT_GENERATION_AT | (__u64)row << ENF_HIT_ROW_AT |
		    (enforced ? 0 : ENF_HIT_AUDITED);
	__u32 at = row & (ENF_HIT_SLOTS - 1);
	__u64 *slot = bpf_map_lookup_elem(&hit_slots, &at);
	__u64 before, was;

	if (!slot)
		return;
	before = *(volatile __u64 *)slot;
	if (!enf_is_hit_of(before, tag) && (before ^ tag) >> ENF_HIT_COUNT_BITS &&
	    !((before ^ tag) >> ENF_HIT_GENERATION_AT)) {
		at = (row + 11 * (row / ENF_HIT_SLOTS) + 7) & (ENF_HIT_SLOTS - 1);
		slot = bpf_map_lookup_elem(&hit_slots, &at);
		if (!slot)
			return;
		before = *(volatile __u64 *)slot;
	}
	if (enf_is_hit_of(before, tag)) {
		was = __sync_val_compare_and_swap(slot, before, before + 1);
		enf_barrier(was); /* or the compiler makes a number of the comparison first */
		if (was == before)
			return;
	} else if (__sync_val_compare_and_swap(slot, before, tag | 1) == before) {
		enf_hit_add(before);
		return;
	}
	enf_hit_add(tag | 1);
}

#endif
