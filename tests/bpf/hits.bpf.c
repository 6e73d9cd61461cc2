// SPDX-License-Identifier: GPL-2.0-only
/* Counts rows as hooks do. */
#include "hits.bpf.h"

const volatile __u32 enf_rows = 256;
volatile __u64 enf_settled SEC(".data.settled") = 0;
const volatile __u64 enf_abi_hash = ENF_ABI_HASH;

char LICENSE[] SEC("license") = "GPL";

struct hits_io {
	__u32 row;
	__u32 step; /* added to the row each time, within enf_rows */
	__u32 times;
	__u32 enforced;
	__u64 generation;
};

struct hits_loop {
	struct hits_io io;
	__u32 row;
};

static long hit_once(__u32 index, void *of)
{
	struct hits_loop *loop = of;

	enf_hit(loop->row & 255, loop->io.generation, loop->io.enforced);
	loop->row += loop->io.step;
	return 0;
}

SEC("syscall")
int hits_of(struct hits_io *io)
{
	struct hits_loop loop = { .io = *io, .row = io->row };

	bpf_loop(io->times, hit_once, &loop, 0);
	return 0;
}

/* A slot that is about to be full. */
SEC("syscall")
int hits_fill(struct hits_io *io)
{
	__u32 at = io->row & (ENF_HIT_SLOTS - 1);
	__u64 *slot = bpf_map_lookup_elem(&hit_slots, &at);

	if (!slot)
		return 1;
	*slot = io->generation << ENF_HIT_GENERATION_AT | (__u64)io->row << ENF_HIT_ROW_AT |
		(ENF_HIT_COUNT - 1);
	return 0;
}
