// SPDX-License-Identifier: GPL-2.0-only
/* Which kinds of records are counted outside of the rings, and how they get there: see repeats.bpf.h. */
#include "repeats.bpf.h"

#define ENF_COUNT_TRIES 16 /* others that count in the same entry at once */

const volatile __u32 enf_crowded_decisions = 0;
const volatile __u32 enf_crowded_activity = 0;

_Static_assert(!(ENF_REPEATS_DECISIONS & (ENF_REPEATS_DECISIONS - 1)), "a mask finds an entry");
_Static_assert(!(ENF_REPEATS_ACTIVITY & (ENF_REPEATS_ACTIVITY - 1)), "likewise");

/* ---- Counting ----------------------------------------------------------------------------- */

/* The verifier wants what loops go about on the stack of who loops. */
struct enf_search_for {
	struct enf_kind *kind;
};

/* Is *r*, an entry of the same process, whole and of the kind *k*? */
static __always_inline int enf_is_kind(const struct enf_repeats *r, __u64 state,
				       const struct enf_kind *k)
{
	return (state & ENF_REPEATS_WHOLE) && r->exec_ns == k->exec_ns &&
	       r->generation == k->generation && r->row == k->row &&
	       *(__u32 *)&r->kind == *(__u32 *)&k->kind;
}

static long enf_repeat_one(__u32 i, struct enf_search_for *search)
{
	struct enf_kind *k = search->kind;
	__u32 at = k->first + ((k->at + i) & k->mask);
	struct enf_repeats *r = bpf_map_lookup_elem(&repeats, &at);
	__u64 state;

	if (!r)
		return 1;
	state = *(volatile __u64 *)&r->state;
	if (!(state & ENF_REPEATS_TAKEN)) {
		k->n_free += 1;
		if (!k->place)
			k->place = at + 1;
		return 0;
	}
	k->of_account += r->account == k->account;
	if (r->cgroup != k->cgroup)
		return 0;
	k->of_cgroup += r->pid != 0;
	if (r->pid != k->pid || r->start_ns != k->start_ns)
		return 0;
	k->of_process += 1;
	if (!enf_is_kind(r, state, k))
		return 0;
	k->found = at + 1;
	return 1;
}

/*
 * Count in the entry that was found, if it is still the kind's. What makes it another's, its turn or that it is told,
 * changes the state.
 */
static long enf_count_one(__u32 i, struct enf_search_for *search)
{
	struct enf_kind *k = search->kind;
	__u32 at = (__u32)k->found - 1;
	struct enf_repeats *r = bpf_map_lookup_elem(&repeats, &at);
	__u64 state;

	(void)i;
	if (!r)
		return 1;
	state = *(volatile __u64 *)&r->state;
	if (!enf_is_kind(r, state, k) || r->pid != k->pid || r->start_ns != k->start_ns ||
	    r->cgroup != k->cgroup)
		return 1;
	if ((state & ENF_REPEATS_COUNT) == ENF_REPEATS_COUNT)
		return 1; /* nobody has read for weeks: another entry goes on */
	/* Before the count: who tells that has a time which is not before it. */
	r->last_ns = bpf_ktime_get_boot_ns();
	if (__sync_val_compare_and_swap(&r->state, state, state + 1) != state)
		return 0;
	k->is_counted = 1;
	return 1;
}

static __always_inline int enf_has_share(struct enf_kind *k)
{
	if (!k->place)
		return 0;
	if (!k->pid) /* of a user that is not root never more than two thirds of the table */
		return 4 * k->of_process < k->n_free &&
		       (!k->account || k->of_account < 2 * k->n_free);
	return k->of_cgroup + k->of_process < k->n_free &&
	       (!k->account || k->of_account < k->n_free);
}

/* Make the entry that was found the kind's. Returns: its number and 1, or ENF_OVERTAKEN. */
static __noinline int enf_repeat_take(struct enf_kind *k)
{
	__u32 at = (__u32)k->place - 1;
	struct enf_repeats *r = bpf_map_lookup_elem(&repeats, &at);
	__u64 state;

	if (!r)
		return 0;
	state = *(volatile __u64 *)&r->state;
	if (state & ENF_REPEATS_TAKEN ||
	    __sync_val_compare_and_swap(&r->state, state, state | ENF_REPEATS_TAKEN) != state)
		return ENF_OVERTAKEN;
	r->cgroup = k->cgroup;
	r->account = k->account;
	r->pid = k->pid;
	r->start_ns = k->start_ns;
	r->exec_ns = k->exec_ns;
	r->generation = k->generation;
	r->row = k->row;
	*(__u32 *)&r->kind = *(__u32 *)&k->kind;
	return at + 1;
}

/* Shares are counted while others take entries, so as many kinds as there are processors may be too many. */
__attribute__((noinline)) int enf_repeat_try(struct enf_kind *k)
{
	struct enf_search_for search;

	if (!k)
		return 0;
	search.kind = k;
	k->found = enf_nothing;
	k->place = enf_nothing;
	k->n_free = enf_nothing;
	k->of_cgroup = enf_nothing;
	k->of_account = enf_nothing;
	k->of_process = enf_nothing;
	k->is_counted = enf_nothing;
	bpf_loop((__u32)k->mask + 1, enf_repeat_one, &search, 0);
	if (k->found) {
		bpf_loop(ENF_COUNT_TRIES, enf_count_one, &search, 0);
		return k->is_counted ? ENF_REPEATED : ENF_OVERTAKEN;
	}
	return enf_has_share(k) ? enf_repeat_take(k) : 0;
}

/* ---- Telling ------------------------------------------------------------------------------ */

struct enf_record_kept {
	struct enf_event event;
	char tail[ENF_TAIL_KEPT];
};

_Static_assert(sizeof(struct enf_repeats) - __builtin_offsetof(struct enf_repeats, event) ==
		       sizeof(struct enf_record_kept),
	       "a record and nothing behind it");

static long enf_tell_one(__u32 at, struct enf_telling *telling)
{
	struct enf_repeats *r = bpf_map_lookup_elem(&repeats, &at);
	struct enf_record_kept *out;
	__u64 state, n;

	if (!r)
		return 1;
	state = *(volatile __u64 *)&r->state;
	if (!(state & ENF_REPEATS_TAKEN))
		return 0;
	/* From here on nobody counts in it. */
	if (!(state & ENF_REPEATS_WHOLE) ||
	    __sync_val_compare_and_swap(&r->state, state, state & ~ENF_REPEATS_WHOLE) != state) {
		telling->left += 1;
		return 0;
	}
	out = at < ENF_REPEATS_DECISIONS ? bpf_ringbuf_reserve(&decisions, sizeof(*out), 0)
					 : bpf_ringbuf_reserve(&activity, sizeof(*out), 0);
	if (!out) {
		enf_keep(r);
		telling->left += 1;
		return 0;
	}
	bpf_probe_read_kernel(out, sizeof(*out), &r->event);
	n = state & ENF_REPEATS_COUNT;
	out->event.repeats = n;
	out->event.last_ns = n ? r->last_ns : 0;
	bpf_ringbuf_submit(out, 0);
	__sync_lock_test_and_set(&r->state, ((state >> ENF_REPEATS_TURN_AT) + 1)
						    << ENF_REPEATS_TURN_AT);
	telling->told += 1;
	return 0;
}

/* Move what is whole into the rings, as far as there is room. */
SEC("?syscall")
int enf_tell_repeats(struct enf_telling *out)
{
	struct enf_telling telling = {};

	bpf_loop(ENF_REPEATS, enf_tell_one, &telling, 0);
	*out = telling;
	return 0;
}
