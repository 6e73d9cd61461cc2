/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The name of an object, from the object.
 *
 * Two views. The host's: the dentry's way up to the root of the host's mount that shows it, then that
 * mount's place; the oldest mount that shows it names it, so that no later one renames anything. Bind mounts,
 * chroots, other namespaces and /proc/PID/root do not change it. And the view of the mount namespace that
 * the object was reached through, for what containers call it. bpf_d_path is no help for a verdict: it
 * stops at the caller's root.
 *
 * The walk takes no locks. The kernel's own sequence counters (rename_lock, mount_lock) tell whether
 * names moved meanwhile; then it is repeated. Where renames or mounts never pause, or whoever renames does
 * not get on (its processor may be a virtual machine's that does not run), the names and mounts on this way
 * alone must hold still. In the end the path is unknown, which the rule's onError decides; so it is when a
 * search ends by a limit.
 */
#ifndef ENFORCER_PATH_BPF_H
#define ENFORCER_PATH_BPF_H

#include "maps.bpf.h"
#include "walk.bpf.h"

#define ENF_VIEW_HOST 0
#define ENF_VIEW_NAMESPACE 1
#define ENF_VIEW_PLACE 2   /* by the usual place of what the kernel has only once: s->place */
#define ENF_VIEW_PRINTED 4 /* with any: leave a print of the names and mounts on the way */

#define ENF_MNT_UNKNOWN 1 /* for a struct vfsmount: there may be one, but which was not found out */

#define ENF_PATH_OK 0
#define ENF_PATH_UNKNOWN 1 /* there is one, but it could not be read */
#define ENF_PATH_ABSENT 2  /* the object has no name in this view */

/*
 * Returns: ENF_PATH_*. Repeats while names move.
 *
 * If they never pause, two walks in a row count that meet the same dentries with the same counters, and the
 * same mounts. The kernel makes a dentry's d_seq odd while it changes its name or parent, and another number
 * afterwards (__d_move()), so between the two there was a moment at which all of this was the path, whatever
 * else was renamed. Mounts have no such number: one that went away and came back between two readings of the
 * same walk would be taken for one that stood. Only who may change these very mounts can do that.
 */
int enf_resolve(struct enf_scratch *s, __u64 dentry, __u64 mnt, __u32 view);

/* Does the host show this object? Where that cannot be told now: yes, then its two views count. */
int enf_is_shown(struct enf_scratch *s, __u64 dentry);

static __always_inline int enf_on_host(__u64 mount)
{
	__u64 ns = 0;

	enf_read(ns, mount + enf_offset(struct mount, mnt_ns));
	if (!ns || ns >= (__u64)-4095) /* unmounted, or MNT_NS_INTERNAL */
		return 0;
	return enf_is_host_ns(ns);
}

/* The mount namespaces of a mount, and of the current task. */
static __always_inline __u64 enf_ns_of(__u64 mnt)
{
	return enf_word_at(mnt - enf_offset(struct mount, mnt) + enf_offset(struct mount, mnt_ns));
}

static __always_inline __u64 enf_own_ns(void)
{
	return (__u64)BPF_CORE_READ(bpf_get_current_task_btf(), nsproxy, mnt_ns);
}

/* Is this object reached through a mount namespace other than the host's? */
static __always_inline int enf_foreign(__u64 mnt)
{
	return mnt && !enf_on_host(mnt - enf_offset(struct mount, mnt));
}

#endif
