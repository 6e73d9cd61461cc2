// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records as fast as a kernel can write them, into rings like the engine's: models that user space
 * made, each time with another moment, inode number and path.
 */
#include "kernel.h"
#include "enforcer_abi.h"

#define FLOOD_MODELS 256
#define FLOOD_TAIL 512 /* as most records have it: see emit.bpf.h */
#define FLOOD_DIGITS 12
#define FLOOD_MOST 0xffff /* records of one order */

struct flood_record {
	struct enf_event event;
	char tail[FLOOD_TAIL];
};

struct flood_model {
	__u64 digits_at; /* of the path, in the tail */
	struct flood_record record;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} decisions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} activity SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOOD_MODELS);
	__type(key, __u32);
	__type(value, struct flood_model);
} models SEC(".maps");

struct flood_order {
	__u64 first; /* number of the first record: its inode number, and the digits of its path */
	__u32 count; /* records to write */
	__u32 model; /* first model */
	__u32 n_models;	 /* models to take by turns */
	__u32 is_strict; /* into the ring of decisions */
	__u32 written;	 /* out: all before it, if the ring got full */
	__u32 _pad;
};

static long flood_one(__u32 at, void *arg)
{
	struct flood_order *order = arg;
	__u32 key = order->model + at % (order->n_models ?: 1);
	__u64 number = order->first + at, rest = number;
	void *ring = order->is_strict ? (void *)&decisions : (void *)&activity;
	struct flood_model *model = bpf_map_lookup_elem(&models, &key);
	struct flood_record *r;

	if (!model)
		return 1;
	r = bpf_ringbuf_reserve(ring, sizeof(*r), 0);
	if (!r)
		return 1;
	bpf_probe_read_kernel(r, sizeof(*r), &model->record);
	r->event.time_ns = bpf_ktime_get_boot_ns();
	r->event.ino = number + 1;
	for (__u32 i = FLOOD_DIGITS; i--; rest /= 10)
		r->tail[(model->digits_at + i) & (FLOOD_TAIL - 1)] = '0' + rest % 10;
	bpf_ringbuf_submit(r, 0);
	order->written += 1;
	return 0;
}

SEC("syscall")
int flood(struct flood_order *order)
{
	struct flood_order held = *order;

	held.written = 0;
	/* The mask clears the upper half of the register, which an inlined bpf_loop() looks at, too. */
	bpf_loop(held.count & FLOOD_MOST, flood_one, &held, 0);
	order->written = held.written;
	return 0;
}

char _license[] SEC("license") = "GPL";
