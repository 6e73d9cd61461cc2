// SPDX-License-Identifier: GPL-2.0-only
/* The decision in one view, and which mounts are layers. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___view
#include "decide.bpf.h"
#include "path.bpf.h"
#include "view.bpf.h"

__attribute__((noinline)) int enf_decide_view(struct enf_scratch *s, struct enf_task *task,
					      struct enf_access *a, __u32 view, __u32 facts)
{
	struct enf_object *o;
	int rc;

	if (!s || !task || !a)
		return 0;
	o = &s->object;
	rc = enf_resolve(s, a->dentry, a->mnt, view);
	if (rc == ENF_PATH_ABSENT)
		return rc;
	o->unknown &= ~ENF_BIT(ENF_DIM_PATH);
	o->flags = (o->flags & ~(ENF_OF_NSVIEW | ENF_OF_OFFHOST)) | facts;
	if (rc == ENF_PATH_UNKNOWN) {
		o->unknown |= ENF_BIT(ENF_DIM_PATH);
		o->path_len = 0;
		enf_count(ENF_STAT_PATH_UNKNOWN);
	} else if ((o->flags & ENF_OF_FILELESS) && o->path_len >= 7) { /* its name may be empty */
		__u32 at = o->path_at;

		enf_barrier(at);
		if (at <= ENF_PATH_MAX && !__builtin_memcmp(&s->text[at], "/memfd:", 7))
			o->flags |= ENF_OF_MEMFD;
	}
	enf_nameless(o, a->dentry);
	return enf_decide_now(s, task) ? -1 : 0;
}

#define ENF_MNT_NS_INTERNAL ((__u64) - 22) /* ERR_PTR(-EINVAL), fs/mount.h */

/* What a file system that works on others has mounted for itself, for good: not what the kernel mounts
 * of its own, as for memfds, pipes and shared memory.
 */
__attribute__((noinline)) int enf_is_layer(__u64 mnt)
{
	unsigned long flags = 0;
	__u64 ns = 0, sb = 0;

	if (!mnt)
		return 0;
	enf_read(ns, mnt - enf_offset(struct mount, mnt) + enf_offset(struct mount, mnt_ns));
	if (ns != ENF_MNT_NS_INTERNAL)
		return 0;
	enf_read(sb, mnt + enf_offset(struct vfsmount, mnt_sb));
	enf_read(flags, sb + enf_offset(struct super_block, s_flags));
	return !(flags & (ENF_SB_KERNMOUNT | ENF_SB_NOUSER));
}
