// SPDX-License-Identifier: GPL-2.0-only
/* Which of two programs on one hook runs first: each notes the turn at which it was called. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct linux_binprm;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3); /* turns, plain, sleepable */
	__type(key, __u32);
	__type(value, __u64);
} turns SEC(".maps");

char LICENSE[] SEC("license") = "GPL";

static void note(__u32 who)
{
	__u32 zero = 0;
	__u64 *turn = bpf_map_lookup_elem(&turns, &zero);
	__u64 *mine = bpf_map_lookup_elem(&turns, &who);

	if (turn && mine && !*mine)
		*mine = __sync_fetch_and_add(turn, 1) + 1;
}

SEC("lsm/bprm_committed_creds")
int BPF_PROG(order_plain, struct linux_binprm *bprm)
{
	note(1);
	return 0;
}

SEC("lsm.s/bprm_committed_creds")
int BPF_PROG(order_sleepable, struct linux_binprm *bprm)
{
	note(2);
	return 0;
}
