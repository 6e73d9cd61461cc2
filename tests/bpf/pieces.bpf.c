// SPDX-License-Identifier: GPL-2.0-only
/* Takes pieces of memory as decisions do, and gives one back while somebody waits for it. */
#include "../../bpf/src/scratch.bpf.c"

volatile __u8 enf_nothing = 0;
const volatile __u64 enf_abi_hash = ENF_ABI_HASH;

char LICENSE[] SEC("license") = "GPL";

#define PIECES_CLOCK_MONOTONIC 1

struct pieces_io {
	__u32 is_argument;
	__u32 times;
	__u32 taken; /* out: how many could be had */
	__u32 freed; /* of pieces_wait: the number of the piece that is given back, from 1 on */
	__u64 after; /* and after how many ns */
	__u64 ns;    /* out: what the last took */
};

struct pieces_timer {
	struct bpf_timer timer;
	__u32 is_argument;
	__u32 freed;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pieces_timer);
} pieces_timers SEC(".maps");

static __noinline int pieces_one(struct pieces_io *io)
{
	__u64 start = bpf_ktime_get_ns();
	int is_taken = io->is_argument ? enf_acquire_arguments() != 0 : enf_acquire() != NULL;

	io->ns = bpf_ktime_get_ns() - start;
	io->taken += is_taken;
	return 0;
}

static long pieces_next(__u32 i, struct pieces_io *io)
{
	(void)i;
	return pieces_one(io);
}

SEC("syscall")
int pieces_take(struct pieces_io *io)
{
	struct pieces_io own = *io;

	own.taken = enf_nothing;
	bpf_loop(own.times, pieces_next, &own, 0);
	*io = own;
	return 0;
}

static int pieces_give_back(void *map, __u32 *key, struct pieces_timer *t)
{
	struct enf_search_piece of = { .is_argument = t->is_argument };
	struct enf_claim *claim = enf_claim_at(&of, t->freed - 1);

	(void)map;
	(void)key;
	if (claim)
		__sync_lock_test_and_set(&claim->busy, 0);
	return 0;
}

/* Look for a piece, while an interrupt gives one back. */
SEC("syscall")
int pieces_wait(struct pieces_io *io)
{
	__u32 zero = 0;
	struct pieces_timer *t = bpf_map_lookup_elem(&pieces_timers, &zero);
	struct pieces_io own = *io;

	if (!t)
		return 1;
	t->is_argument = own.is_argument;
	t->freed = own.freed;
	bpf_timer_init(&t->timer, &pieces_timers, PIECES_CLOCK_MONOTONIC);
	if (bpf_timer_set_callback(&t->timer, pieces_give_back) ||
	    bpf_timer_start(&t->timer, own.after, 0))
		return 2;
	own.taken = 0;
	pieces_one(&own);
	bpf_timer_cancel(&t->timer);
	*io = own;
	return 0;
}
