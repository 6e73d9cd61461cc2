/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The caller's own view of an object of which a hook has the dentry alone: the oldest mount in the caller's
 * namespace that shows it. Where the host's namespace is the caller's, there is no view besides the host's.
 *
 * Looked for among the mounts of that namespace, not among those of the superblock: who makes many mounts
 * pays for them alone. A search that ends because of the limit, or while mounts do not hold still, leaves the
 * name in this view unknown.
 */
#ifndef ENFORCER_OWN_MOUNT_BPF_H
#define ENFORCER_OWN_MOUNT_BPF_H

#include "image.h"

/*
 * The struct vfsmount of the caller's namespace that shows *dentry*; 0: there is none, or that namespace is the
 * host's; ENF_MNT_UNKNOWN (path.bpf.h).
 *
 * Either no mount of the machine changed during the search; or none of this namespace did, and two searches
 * in a row found the same: so that storms of mounts elsewhere do not matter.
 */
__u64 enf_own_mount(struct enf_scratch *s, __u64 dentry);

#endif
