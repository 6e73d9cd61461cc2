// SPDX-License-Identifier: GPL-2.0-only
/* What is known of directories and of the strings that paths meet: see directory.bpf.h. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___directory
#include "directory.bpf.h"
#include "hash.h"
#include "images.bpf.h"
#include "path.bpf.h"
#include "permit.bpf.h"
#include "prefilter.bpf.h"
#include "seen.bpf.h"

/* ---- Directories --------------------------------------------------------------------------- */

static __always_inline struct enf_directory *enf_directory_of(__u64 dir, __u64 mnt)
{
	__u32 at = (dir >> 6 ^ dir >> 15 ^ mnt >> 6) & (ENF_DIRECTORIES - 1);

	return bpf_map_lookup_elem(&directories, &at);
}

static __always_inline __u64 enf_directory_inode(__u64 dentry)
{
	__u64 parent = 0, dir = 0;

	enf_read(parent, dentry + enf_offset(struct dentry, d_parent));
	if (parent == dentry) /* the root, or torn off: in no directory */
		return 0;
	enf_read(dir, parent + enf_offset(struct dentry, d_inode));
	return dir;
}

/* Is *e* of this directory, and has nothing changed that it depends on, as far as its counters of moves are current? */
static __always_inline int enf_is_of(const struct enf_directory *e, __u64 dir, __u64 mnt,
				     __u64 generation)
{
	return e->dir == dir && e->mnt == mnt && e->generation == generation &&
	       e->dirs == enf_dirs_gone && e->epoch == enf_epoch();
}

static __always_inline int enf_is_known(const struct enf_directory *e, __u64 dir, __u64 mnt,
					__u64 generation, __u32 renames, __u32 mounts)
{
	return e->renames == renames && e->mounts == mounts && enf_is_of(e, dir, mnt, generation);
}

/* Not of procfs, sysfs and cgroups, of whose directories nobody counts which are freed. */
__attribute__((noinline)) int enf_keep_known(__u64 dentry, __u64 mnt, const struct enf_known *known)
{
	__u64 dir = enf_directory_inode(dentry), sb = 0;
	struct enf_directory *e = enf_directory_of(dir, mnt);
	__u32 version;

	enf_read(sb, dentry + enf_offset(struct dentry, d_sb));
	if (!known || !dir || !mnt || !e || enf_needs_no_count(sb) ||
	    !enf_begin_write(&e->version, &version))
		return 0;
	e->generation = known->generation;
	e->dir = dir;
	e->mnt = mnt;
	e->hash = known->hash;
	e->len = known->len;
	e->text = known->text;
	e->above = known->above;
	e->globs = known->globs;
	e->renames = known->renames;
	e->mounts = known->mounts;
	e->dirs = enf_dirs_gone; /* who asks holds the directory */
	e->epoch = enf_epoch();
	enf_end_write(&e->version, version);
	return 0;
}

/* ---- Answers ------------------------------------------------------------------------------- */

/* Of the two places for it, one. */
static __always_inline struct enf_answer *enf_answer_of(__u32 met, __u32 set, __u32 pair,
							__u32 other)
{
	__u64 hash = ((__u64)pair << 48 | (__u64)set << 32 | met) * 0x9e3779b97f4a7c15ULL;
	__u32 at = (hash >> 40 & (ENF_ANSWERS - 1)) ^ other;

	return bpf_map_lookup_elem(&answers, &at);
}

/* Returns: whether *e* is the answer; the row that it counts for is left in *row*. */
static __always_inline int enf_is_answer(const struct enf_answer *e, __u64 generation, __u32 met,
					 __u32 set, __u32 pair, __u32 *row)
{
	__u32 version;

	if (!e)
		return 0;
	version = enf_in_order(&e->version);
	*row = e->row;
	return !(version & 1) && e->generation == generation && e->met == met && e->set == set &&
	       e->pair == pair && enf_in_order(&e->version) == version;
}

static __always_inline int enf_find_answer(__u64 generation, __u32 met, __u32 set, __u32 pair,
					   __u32 *row)
{
	if (!set)
		return 0;
	return enf_is_answer(enf_answer_of(met, set, pair, 0), generation, met, set, pair, row) ||
	       enf_is_answer(enf_answer_of(met, set, pair, 1), generation, met, set, pair, row);
}

static __always_inline void enf_keep_answer(__u64 generation, __u32 met, __u32 set, __u32 pair,
					    __u32 row)
{
	struct enf_answer *e = enf_answer_of(met, set, pair, 0);
	__u32 version;

	/* Two that have the first place in common do not push each other out. */
	if (e && e->generation == generation && e->met != met)
		e = enf_answer_of(met, set, pair, 1);
	if (!set || !e || !enf_begin_write(&e->version, &version))
		return;
	e->generation = generation;
	e->met = met;
	e->set = set;
	e->pair = pair;
	e->row = row;
	enf_end_write(&e->version, version);
}

/* ---- A name -------------------------------------------------------------------------------- */

/* Do the bytes of the image at *off* differ from the word? Those behind its end do. */
static __always_inline __u64 enf_differs_at(const struct enf_image *image, __u32 off, __u64 word)
{
	enf_barrier(off);
	if (off > enf_image_bytes - 8)
		return ~0ULL;
	return word ^ enf_load8((const unsigned char *)image + off);
}

/* Does the text at *text* go on with the name? Global, so that its loop is proven once. */
__attribute__((noinline)) int enf_ends_in(__u32 text, __u64 name, __u32 len)
{
	const struct enf_image *image = enf_current_image();
	__u32 at;

	if (!image)
		return 0;
	text += image->off_text;
	for (at = 0; at < ENF_PREFILTER_WORDS * 8 && at + 8 <= len; at += 8)
		if (enf_differs_at(image, text + at, enf_word_at(name + at)))
			return 0;
	return at >= len ||
	       !enf_first(enf_differs_at(image, text + at, enf_word_at(name + at)), len - at);
}

struct enf_alike {
	const struct enf_image *image;
	__u32 one, other; /* in the image */
	__u32 len;
	__u32 differs;
};

static long enf_alike_one(__u32 i, void *arg)
{
	struct enf_alike *k = arg;
	__u32 a = k->one + i * 8, b = k->other + i * 8;
	__u64 word;

	enf_barrier(a);
	enf_barrier(b);
	if (a > enf_image_bytes - 8 || b > enf_image_bytes - 8) {
		k->differs = 1;
		return 1;
	}
	word = enf_load8((const unsigned char *)k->image + a) ^
	       enf_load8((const unsigned char *)k->image + b);
	if (enf_first(word, k->len - i * 8)) {
		k->differs = 1;
		return 1;
	}
	return 0;
}

/* Have both texts the first *len* bytes in common? */
__attribute__((noinline)) int enf_begin_alike(__u32 one, __u32 other, __u32 len)
{
	const struct enf_image *image = enf_current_image();
	struct enf_alike k = { .image = image, .len = len, .differs = enf_nothing };

	if (!image)
		return 0;
	k.one = image->off_text + one;
	k.other = image->off_text + other;
	bpf_loop((len + 7) / 8, enf_alike_one, &k, 0);
	return !k.differs;
}

/*
 * What the name at *dentry* meets in its directory. Returns: 1 and it in *met*, -1 if that cannot be told without the
 * whole path.
 */
static __always_inline int enf_meet_name(const struct enf_image *image,
					 const struct enf_known *known, __u64 dentry, __u32 *met)
{
	const struct enf_slot *slot = NULL;
	__u64 hash_len = 0, name = 0;
	__u32 len, n;

	enf_read(hash_len, dentry + enf_offset(struct dentry, d_name.hash_len));
	enf_read(name, dentry + enf_offset(struct dentry, d_name.name));
	n = hash_len >> 32;
	len = known->len + 1 + n;
	if (!n || n > ENF_PREFILTER_WORDS * 8)
		return -1;
	if (len <= image->max_path_slot &&
	    enf_slot_of(image, enf_prefilter_hash(known->hash, name, n), len, &slot))
		return -1;
	if (!slot || !(slot->paths & ENF_PATHS_AT)) {
		*met = known->above;
		return known->globs ? -1 : 1;
	}
	if (!known->text || !enf_ends_in(slot->text + known->len + 1, name, n) ||
	    (slot->text != known->text - 1 &&
	     !enf_begin_alike(slot->text, known->text - 1, known->len + 1)))
		return -1;
	*met = slot->text | ENF_IS_STRING;
	return 1;
}

/* Directories and devices have flags and numbers of their own; a name that is to be made has neither. */
static __always_inline int enf_is_common(const struct enf_key *key)
{
	__u64 inode = 0;
	__u32 type;
	__u16 mode = 0;

	if (!key->ino && (ENF_BIT(key->pair & 63) & ENF_NAME_OPS))
		return 1;
	enf_read(inode, key->dentry + enf_offset(struct dentry, d_inode));
	enf_read(mode, inode + enf_offset(struct inode, i_mode));
	type = mode & ENF_S_IFMT;
	return type != ENF_S_IFDIR && type != ENF_S_IFCHR && type != ENF_S_IFBLK;
}

__attribute__((noinline)) int enf_by_directory(const struct enf_key *key)
{
	const struct enf_image *image = enf_current_image();
	struct enf_directory *e;
	struct enf_known known = {};
	__u32 renames, mounts, version, met = 0, row = ENF_NONE;
	int found;
	__u64 dir;

	if (!key || !image || image->generation != enf_live || key->nlink != 1)
		return 0;
	dir = ENF_BIT(key->pair & 63) & ENF_NAME_OPS ? key->dir : enf_directory_inode(key->dentry);
	e = enf_directory_of(dir, key->mnt);
	if (!dir || !e)
		return 0;
	version = enf_in_order(&e->version);
	if ((version & 1) || !enf_is_of(e, dir, key->mnt, image->generation))
		return 0;
	renames = e->renames;
	mounts = e->mounts;
	known.hash = e->hash;
	known.len = e->len;
	known.text = e->text;
	known.above = e->above;
	known.globs = e->globs;
	if (enf_in_order(&e->version) != version || !enf_is_common(key))
		return 0;
	found = enf_meet_name(image, &known, key->dentry, &met);
	/*
	 * The counters of moves only grow. If they are now what they were when the directory was kept, they were so all
	 * the time: it had that place, and the name that was read was one.
	 */
	if (enf_seq(enf_rename_lock) != renames || enf_seq(enf_mount_lock) != mounts)
		return 0;
	if (found < 0)
		return -1;
	if (!met && !enf_prefilter_asked(image, key->pair & 0xff) &&
	    !enf_prefilter_asked(image, key->pair >> 8)) {
		if (key->born)
			enf_keep(key, image->generation, enf_pair_ops(key->pair), renames, mounts);
		return 1;
	}
	if (!enf_find_answer(image->generation, met, key->set, key->pair, &row))
		return -1;
	if (row != ENF_NONE)
		enf_hit(row, image->generation, 1);
	if (key->born)
		enf_keep_permit(key, image->generation, row, 0, renames, mounts);
	return 1;
}

/* ---- After a decision ---------------------------------------------------------------------- */

__attribute__((noinline)) int enf_learn(struct enf_scratch *s, struct enf_task *task,
					struct enf_access *a)
{
	const struct enf_image *image = enf_current_image();
	struct enf_known known = {};
	struct enf_directory *e;
	__u64 dir, ops;
	__u32 met;

	if (!s || !task || !a || enf_records || !image || image->generation != task->generation ||
	    image->generation != enf_live || !s->in_directory || (s->met & ENF_MET_DOUBT) ||
	    s->object.flags || a->n_ops > 2 || !a->mnt ||
	    !(s->present & image->dims & ENF_BIT(ENF_DIM_PATH)))
		return 0;
	dir = enf_directory_inode(a->dentry);
	if (!dir || !s->renames || !s->mounts || enf_seq(enf_rename_lock) != s->renames ||
	    enf_seq(enf_mount_lock) != s->mounts)
		return 0;
	e = enf_directory_of(dir, a->mnt);
	if (e && (!enf_is_known(e, dir, a->mnt, image->generation, s->renames, s->mounts) ||
		  (!e->text && s->met_string))) {
		known.generation = image->generation;
		known.renames = s->renames;
		known.mounts = s->mounts;
		known.hash = s->way_hash;
		known.len = s->way_len;
		known.text = s->met_string;
		known.above = s->met_above;
		known.globs = s->met_globs;
		enf_keep_known(a->dentry, a->mnt, &known);
	}
	ops = enf_pair_ops(enf_pair_of(a));
	if (((image->within_ops | image->drift_ops) & ops) || !enf_is_silent(s) ||
	    (s->present & image->dims & ~ENF_BIT(ENF_DIM_PATH)))
		return 0;
	met = s->met_string ? (s->met_string - 1) | ENF_IS_STRING : s->met_above;
	if (s->met_string || !s->met_globs)
		enf_keep_answer(image->generation, met, enf_set_of(task), enf_pair_of(a),
				s->verdict.row);
	return 0;
}
