// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must be known of this kernel before the engine is loaded. Decides nothing.
 *
 * Does it call LSM programs? One that counts. A kernel whose list of active LSMs lacks bpf loads and
 * attaches such a program and never calls it, so only a count tells.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct file;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

const volatile __u64 enf_abi_hash = ENF_ABI_HASH;

char LICENSE[] SEC("license") = "GPL";

/* Not loaded with the other: a kernel that cannot is one that enforces all the same. Never attached where
 * its result would matter: the function it names is let through.
 */
struct pt_regs;

/* Can a program be put at many functions at once? */
SEC("?kprobe.multi/enf_probe_many")
int enf_probe_many(struct pt_regs *ctx)
{
	return 0;
}

SEC("?kprobe.multi/enf_probe_override")
int enf_probe_override(struct pt_regs *ctx)
{
	if (bpf_get_attach_cookie(ctx) == 1) /* which no attachment says */
		bpf_override_return(ctx, -1);
	return 0;
}

SEC("lsm/file_open")
int BPF_PROG(enf_probe_called, struct file *file, int ret)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&calls, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	return ret;
}

struct enf_locks {
	__u64 renames; /* address of rename_lock; 0 where the kernel hides its symbols */
	__u64 mounts;  /* of mount_lock */
};

/* The kernel looks up a name in no time, while a reader of /proc/kallsyms goes through all of them. */
SEC("?syscall")
int enf_probe_locks(struct enf_locks *locks)
{
	char renames[] = "rename_lock", mounts[] = "mount_lock";
	__u64 address = 0;

	locks->renames = 0;
	locks->mounts = 0;
	if (!bpf_kallsyms_lookup_name(renames, sizeof(renames), 0, &address))
		locks->renames = address;
	if (!bpf_kallsyms_lookup_name(mounts, sizeof(mounts), 0, &address))
		locks->mounts = address;
	return 0;
}
