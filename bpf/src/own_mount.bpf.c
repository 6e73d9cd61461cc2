// SPDX-License-Identifier: GPL-2.0-only
/* The search for the caller's own mount. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___own_mount
#include "ns_mounts.bpf.h"
#include "own_mount.bpf.h"
#include "path.bpf.h"

#define ENF_OWN_MOUNTS_MAX 16384
#define ENF_OWN_TRIES 8

__attribute__((noinline)) __u64 enf_own_mount(struct enf_scratch *s, __u64 dentry)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 ns = 0, sb = 0, before = ENF_MNT_UNKNOWN, event, then;

	if (!s)
		return 0;
	ns = (__u64)BPF_CORE_READ(t, nsproxy, mnt_ns);
	if (!ns) /* a thread of the kernel, or one that ends */
		return 0;
	if (enf_is_host_ns(ns))
		return 0;
	enf_read(sb, dentry + enf_offset(struct dentry, d_sb));
	for (int i = 0; i < ENF_OWN_TRIES; i++) {
		__u32 mounts = enf_seq(enf_mount_lock);
		__u64 found;

		enf_read(event, ns + enf_offset(struct mnt_namespace, event));
		found = enf_mount_among(s, ns, sb, dentry, ENF_OWN_MOUNTS_MAX);
		if (found == ENF_MNT_UNKNOWN)
			return found;
		enf_read(then, ns + enf_offset(struct mnt_namespace, event));
		if (found)
			found += enf_offset(struct mount, mnt);
		if (!(mounts & 1) && mounts == enf_seq(enf_mount_lock))
			return found;
		if (event == then && found == before)
			return found;
		before = event == then ? found : ENF_MNT_UNKNOWN;
	}
	return ENF_MNT_UNKNOWN;
}
