// SPDX-License-Identifier: GPL-2.0-only
/* Exercises every way in which user space talks to the engine's maps, without any hook. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, 16);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct inner);
} images SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 2 * sizeof(__u64));
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} first SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} second SEC(".maps");

const volatile __u32 fixture_bias = 1;
const volatile __u64 enf_abi_hash = ENF_ABI_HASH;

char LICENSE[] SEC("license") = "GPL";

struct fixture_io {
	__u64 value;	/* in; out: bias + first 8 bytes of the active image */
	__u32 to_first; /* records to write */
	__u32 to_second;
	__u32 length;
	__u32 refused; /* out: records that found no room */
};

static void write_records(struct fixture_io *io, void *ring, __u32 n, __u8 mark)
{
	for (__u32 i = 0; i < n && i < 256; i++) {
		__u8 *record = bpf_ringbuf_reserve(ring, 100, 0);

		if (!record) {
			io->refused += 1;
			continue;
		}
		__builtin_memset(record, mark, 100);
		*(__u32 *)record = i;
		bpf_ringbuf_submit(record, 0);
	}
}

SEC("syscall")
int fixture(struct fixture_io *io)
{
	__u32 zero = 0;
	void *inner = bpf_map_lookup_elem(&images, &zero);
	__u64 *value = inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
	__u64 *count = bpf_map_lookup_elem(&counts, &zero);

	if (!count)
		return 2;
	count[0] += 1;
	count[1] += io->value;
	write_records(io, &first, io->to_first, 0xf1);
	write_records(io, &second, io->to_second, 0xf2);
	if (!value)
		return 1;
	io->value = fixture_bias + *value;
	return 0;
}

/* What the verifier must refuse: reads through a number. */
SEC("syscall")
int refused(struct fixture_io *io)
{
	return *(int *)io->value;
}
