// SPDX-License-Identifier: GPL-2.0-only
/* What was found of a file, remembered: see seen.bpf.h. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___seen
#include "seen.bpf.h"
#include "emit.bpf.h"
#include "hash.h"
#include "images.bpf.h"
#include "path.bpf.h"
#include "prefilter.bpf.h"
#include "view.bpf.h"

/* ---- After a decision --------------------------------------------------------------------- */

static __always_inline __u64 enf_ops_of(const struct enf_access *a)
{
	return enf_pair_ops(enf_pair_of(a));
}

/* Is there a row on the access's operations that looks at no path of its own? */
static __always_inline int enf_asks_all(const struct enf_image *image, const struct enf_access *a)
{
	for (__u32 i = 0; i < 2 && i < a->n_ops; i++) {
		__u32 at = image->off_op_rows + a->op[i] * 8;
		const struct enf_range *range;

		enf_barrier(at);
		if (at > enf_image_bytes - sizeof(*range))
			return 1;
		range = (const void *)image + at;
		if (range->count)
			return 1;
	}
	return 0;
}

__attribute__((noinline)) int enf_bear(struct enf_key *key)
{
	const struct enf_image *image = enf_current_image();
	__u64 name = 0, inode = 0, sb = 0, hash;
	unsigned long magic = 0;
	__u32 len, rdev = 0;
	__u16 mode = 0;

	if (!key || !image)
		return 0;
	if (key->born)
		return 1;
	len = key->hash_len >> 32;
	if (len > ENF_PREFILTER_WORDS * 8)
		return 0;
	enf_read(inode, key->dentry + enf_offset(struct dentry, d_inode));
	enf_read(rdev, inode + enf_offset(struct inode, i_rdev));
	enf_read(mode, inode + enf_offset(struct inode, i_mode));
	enf_read(sb, inode + enf_offset(struct inode, i_sb));
	enf_read(magic, sb + enf_offset(struct super_block, s_magic));
	if (magic == ENF_PROC_MAGIC)
		return 0;
	enf_read(name, key->dentry + enf_offset(struct dentry, d_name.name));
	hash = enf_mix(image->seed, (__u64)rdev << 32 | (mode & ENF_S_IFMT));
	hash = enf_prefilter_hash(hash, name, len);
	key->born = hash >> 32 | 1;
	return 1;
}

/* Returns: whether the file has a number; without it there is nothing to tell it by. */
static __always_inline int enf_key_access(struct enf_key *key, const struct enf_access *a)
{
	struct enf_link link = {};
	__u64 inode = 0;

	enf_read_name(a->dentry, &link);
	enf_read(key->dir, link.parent + enf_offset(struct dentry, d_inode));
	enf_read(inode, a->dentry + enf_offset(struct dentry, d_inode));
	key->dentry = a->dentry;
	key->mnt = a->mnt;
	key->hash_len = link.hash_len;
	key->pair = enf_pair_of(a);
	return enf_key_inode(key, inode) && enf_bear(key);
}

__attribute__((noinline)) int enf_recalled(struct enf_task *task, struct enf_access *a)
{
	struct enf_key key = {};

	if (!task || !a || a->is_layer || a->n_ops > 2 || enf_records ||
	    task->generation != enf_live || !enf_key_access(&key, a))
		return 0;
	if (enf_is_plain(&key, enf_ops_of(a)))
		return 1;
	key.set = enf_set_of(task);
	return enf_permitted(&key, a->flags);
}

/* Was it decided by that many links? A link may have come or gone meanwhile, which no counter tells. */
static __always_inline int enf_is_linked_so(const struct enf_object *o, __u32 nlink)
{
	int by_inode = !!(o->present & ENF_BIT(ENF_DIM_INODE));

	if (!!(o->flags & ENF_OF_FILELESS) == !!nlink)
		return 0;
	if ((o->flags & ENF_OF_DIR) || o->num[ENF_DIM_N0 - ENF_DIM_FIRST_NUM]) /* or a device */
		return 1;
	return by_inode == (nlink > 1);
}

/*
 * What runtimes have mounted gives files names that depend on the container. So what is found of a container's mount
 * counts for those in it; of what is reached by another's, or by the host's, each access is decided anew. The layers of
 * an overlay have mounts that are nobody's: there it counts where the task is.
 */
static __always_inline int enf_is_by_own_names(const struct enf_task *task,
					       const struct enf_access *a)
{
	int contained = !!(task->flags & ENF_SF_CONTAINED);
	int foreign = enf_foreign(a->mnt);

	if (a->is_layer || enf_is_layer(a->mnt))
		return contained || enf_is_host_ns(enf_own_ns());
	return contained == foreign && (!foreign || enf_ns_of(a->mnt) == enf_own_ns());
}

__attribute__((noinline)) int enf_remember(struct enf_scratch *s, struct enf_task *task,
					   struct enf_access *a)
{
	const struct enf_image *image = enf_current_image();
	struct enf_key key = {};
	int is_plain;

	if (!s || (s->met & ENF_MET_DOUBT) || !task || !a || a->n_ops > 2 || !image ||
	    image->generation != task->generation)
		return 0;
	is_plain = !s->met && !enf_asks_all(image, a);
	if (enf_has_mounted && !enf_is_by_own_names(task, a))
		return 0;
	/* Recordings want every access. */
	if (!is_plain && (enf_records || a->is_layer || (image->within_ops & enf_ops_of(a)) ||
			  (s->object.present & ~(ENF_BIT(ENF_DIM_PATH) | ENF_BIT(ENF_DIM_INODE))) ||
			  !enf_is_silent(s)))
		return 0;
	if (!enf_key_access(&key, a) || !enf_is_linked_so(&s->object, key.nlink) ||
	    enf_seq(enf_rename_lock) != s->renames || enf_seq(enf_mount_lock) != s->mounts ||
	    !s->renames || !s->mounts)
		return 0;
	if (is_plain) {
		enf_keep(&key, task->generation, enf_ops_of(a), s->renames, s->mounts);
		return 0;
	}
	key.set = enf_set_of(task);
	if (key.set)
		enf_keep_permit(&key, task->generation, s->verdict.row, a->flags, s->renames,
				s->mounts);
	return 0;
}
