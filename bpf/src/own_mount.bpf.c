// SPDX-License-Identifier: GPL-2.0-only
/* The caller's own mount: as it was told, or searched for. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___own_mount
#include "maps.bpf.h"
#include "ns_mounts.bpf.h"
#include "own_mount.bpf.h"
#include "path.bpf.h"

#define ENF_OWN_MOUNTS_MAX 16384
#define ENF_OWN_TRIES 8

__attribute__((noinline)) int enf_among_first(struct enf_scratch *s, __u64 ns, __u64 sb,
					      __u64 dentry)
{
	struct enf_among *a;

	if (!s)
		return 0;
	a = enf_among_of(s);
	a->dentry = dentry;
	a->sb = sb;
	a->found = 0;
	a->came = ENF_FROM_ABOVE;
	a->state = ENF_WALKING;
	if (bpf_core_field_exists(((struct mnt_namespace___tree *)0)->mounts)) {
		enf_barrier(
			ns); /* only one of both offsets exists: neither is added before the question */
		enf_read(a->at, ns + enf_offset(struct mnt_namespace___tree, mounts.rb_node));
	} else {
		enf_barrier(ns);
		a->end = ns + enf_offset(struct mnt_namespace, list);
		enf_read(a->at, a->end);
	}
	return 0;
}

__attribute__((noinline)) __u64 enf_own_mount(struct enf_scratch *s, __u64 dentry)
{
	struct enf_hold hold = { .s = s };
	struct enf_write_access *access;
	__u64 ns = 0, sb = 0, before = ENF_MNT_UNKNOWN, event, then;

	if (!s)
		return 0;
	enf_read(sb, dentry + enf_offset(struct dentry, d_sb));
	access = bpf_task_storage_get(&write_access, bpf_get_current_task_btf(), NULL, 0);
	if (access && access->sb == sb)
		return access->mnt;
	ns = enf_own_ns();
	if (!ns) /* a thread of the kernel, or one that ends */
		return 0;
	if (enf_is_host_ns(ns))
		return 0;
	for (int i = 0; i < ENF_OWN_TRIES; i++) {
		__u32 mounts = enf_seq(enf_mount_lock);
		__u64 found;

		enf_read(event, ns + enf_offset(struct mnt_namespace, event));
		enf_among_first(s, ns, sb, dentry);
		enf_look_among(&hold, ENF_OWN_MOUNTS_MAX);
		found = enf_among_found(s);
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
