// SPDX-License-Identifier: GPL-2.0-only
/* What was found of a file, remembered: see seen.bpf.h. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___seen
#include "seen.bpf.h"
#include "emit.bpf.h"
#include "images.bpf.h"
#include "path.bpf.h"

/* ---- Sets of subjects --------------------------------------------------------------------- */

#define ENF_SET_TRIES 4 /* places for one set */
#define ENF_SET_HALF ENF_SUBJECT_WORDS

static __always_inline __u64 enf_set_word(const struct enf_task *task, __u32 i)
{
	return i < ENF_SET_HALF ? task->subject[i] : task->subject_unknown[i - ENF_SET_HALF];
}

/* Is the set at *e* that of the label? Returns: 1; 0 if it is another, or is being written. */
static __always_inline int enf_is_set(const struct enf_set *e, const struct enf_task *task)
{
	__u32 version = enf_in_order(&e->version);
	__u64 differs = e->generation ^ task->generation;

	for (__u32 i = 0; i < 2 * ENF_SET_HALF; i++)
		differs |= e->word[i] ^ enf_set_word(task, i);
	return !differs && !(version & 1) && enf_in_order(&e->version) == version;
}

/* Put the label's set at *e*, if what stands there is of an earlier generation. Returns: whether it was. */
static __always_inline int enf_take_set(struct enf_set *e, const struct enf_task *task)
{
	__u32 version = e->version;
	int is_free;

	if ((version & 1) || e->generation >= task->generation ||
	    __sync_val_compare_and_swap(&e->version, version, version + 1) != version)
		return 0;
	is_free = e->generation < task->generation; /* asked again: nobody else writes it now */
	if (is_free) {
		for (__u32 i = 0; i < 2 * ENF_SET_HALF; i++)
			e->word[i] = enf_set_word(task, i);
		e->generation = task->generation;
	}
	__sync_lock_test_and_set(&e->version, version + 2);
	return is_free;
}

/*
 * The number of the set that the label's subjects are. 0: there is no room for it, and every access of such a task
 * is decided anew; so is one that meets a writer.
 */
static __always_inline __u32 enf_set_of(struct enf_task *task)
{
	__u64 hash = task->generation;
	__u32 at;

	if (task->set)
		return task->set;
	for (__u32 i = 0; i < 2 * ENF_SET_HALF; i++)
		hash = (hash ^ enf_set_word(task, i)) * 0x9e3779b97f4a7c15ULL;
	for (__u32 i = 0; i < ENF_SET_TRIES; i++) {
		struct enf_set *e;

		at = ((hash >> 32) + i) & (ENF_SETS - 1);
		e = bpf_map_lookup_elem(&sets, &at);
		if (e && (enf_is_set(e, task) || enf_take_set(e, task))) {
			task->set = at + 1;
			return task->set;
		}
	}
	enf_count(ENF_STAT_NO_SET);
	return 0;
}

/* ---- Permits ------------------------------------------------------------------------------ */

static __always_inline struct enf_seen *enf_permit_of(const struct enf_key *key)
{
	__u32 at = (__u32)key->hash_len ^ (__u32)key->ino;

	at = (at ^ key->set * 0x9e3779b1 ^ key->pair * 0x85ebca6b) & (ENF_SEEN - 1);
	return bpf_map_lookup_elem(&seen, &at);
}

__attribute__((noinline)) int enf_permitted(const struct enf_key *key)
{
	const struct enf_seen *e;
	__u32 version, row;

	if (!key || !key->set)
		return 0;
	e = enf_permit_of(key);
	if (!e)
		return 0;
	version = enf_in_order(&e->version);
	row = e->row;
	if ((version & 1) || e->set != key->set || e->pair != key->pair || e->flags != key->flags ||
	    !enf_is_same(e, key) || enf_in_order(&e->version) != version)
		return 0;
	if (row != ENF_NONE)
		enf_hit(row, enf_live, 1);
	return 1;
}

/* Does nothing follow from the verdict, but that the row is counted? */
static __always_inline int enf_is_silent(const struct enf_scratch *s)
{
	const struct enf_verdict *v = &s->verdict;

	if (v->audit_row != ENF_NONE || v->marks || (v->flags & ENF_VF_ON_ERROR) ||
	    (v->row_flags & ENF_RF_RECORD) || s->matches.n > ENF_MATCHES)
		return 0;
	if (v->row != ENF_NONE && v->action != ENF_ACT_ALLOW)
		return 0;
	for (__u32 i = 0; i < ENF_MATCHES; i++)
		if (i < s->matches.n && (s->matches.at[i] & ENF_MATCH_RECORD))
			return 0;
	return 1;
}

static __always_inline void enf_permit(struct enf_scratch *s, struct enf_task *task,
				       const struct enf_key *key)
{
	struct enf_seen *e = enf_permit_of(key);
	__u32 version;

	if (!e || !enf_seen_open(e, &version))
		return;
	enf_seen_fill(e, key, task->generation, s->renames, s->mounts);
	e->ops = 0; /* not for anybody */
	e->set = key->set;
	e->pair = key->pair;
	e->flags = key->flags;
	e->row = s->verdict.row;
	enf_seen_close(e, version);
}

/* ---- After a decision --------------------------------------------------------------------- */

/* The same number for the same operations, whoever puts them together. */
static __always_inline __u32 enf_pair_of(const struct enf_access *a)
{
	return ENF_PAIR(a->op[0], a->n_ops > 1 ? a->op[1] : ENF_NO_OP);
}

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

/* Returns: whether the file has a number; without it there is nothing to tell it by. */
static __always_inline int enf_key_access(struct enf_key *key, const struct enf_access *a)
{
	struct enf_link link = {};
	__u64 inode = 0;

	enf_read_name(a->dentry, &link);
	enf_read(inode, a->dentry + enf_offset(struct dentry, d_inode));
	key->dentry = a->dentry;
	key->mnt = a->mnt;
	key->parent = link.parent;
	key->hash_len = link.hash_len;
	key->pair = enf_pair_of(a);
	key->flags = a->flags;
	return enf_key_inode(key, inode) != 0;
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
	return enf_permitted(&key);
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
	/* Recordings want every access. */
	if (!is_plain && (enf_records || a->is_layer || (image->within_ops & enf_ops_of(a)) ||
			  (s->object.present & ~(ENF_BIT(ENF_DIM_PATH) | ENF_BIT(ENF_DIM_INODE))) ||
			  !enf_is_silent(s)))
		return 0;
	if (!enf_key_access(&key, a) || enf_seq(enf_rename_lock) != s->renames ||
	    enf_seq(enf_mount_lock) != s->mounts || !s->renames || !s->mounts)
		return 0;
	if (is_plain) {
		enf_keep(&key, task->generation, enf_ops_of(a), s->renames, s->mounts);
		return 0;
	}
	key.set = enf_set_of(task);
	if (key.set)
		enf_permit(s, task, &key);
	return 0;
}
