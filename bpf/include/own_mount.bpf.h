/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The caller's own view of an object of which a hook has the dentry alone: the mount by which the caller asked to
 * write (write_access.bpf.c). Where that is not told, since a file system below another is changed without it or the
 * kernel takes no program there: the oldest mount in the caller's namespace that shows the object. Where the host's
 * namespace is the caller's, there is no view besides the host's then.
 *
 * Looked for among the mounts of that namespace, not among those of the superblock: who makes many mounts
 * pays for them alone. A search that ends because of the limit, or while mounts do not hold still, leaves the
 * name in this view unknown.
 */
#ifndef ENFORCER_OWN_MOUNT_BPF_H
#define ENFORCER_OWN_MOUNT_BPF_H

#include "image.h"

/*
 * The struct vfsmount by which the caller changes *dentry*; 0: there is none, or the namespace that was searched is the
 * host's; ENF_MNT_UNKNOWN (path.bpf.h).
 *
 * Of a search: either no mount of the machine changed during it; or none of this namespace did, and two searches in
 * a row found the same: so that storms of mounts elsewhere do not matter.
 */
__u64 enf_own_mount(struct enf_scratch *s, __u64 dentry);

#endif
