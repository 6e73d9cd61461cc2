// SPDX-License-Identifier: GPL-2.0-only
/* The prefilter: the way above a mount, and the name below it. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___prefilter
#include "prefilter.bpf.h"
#include "directory.bpf.h"
#include "hash.h"
#include "images.bpf.h"
#include "path.bpf.h"
#include "seen.bpf.h"

#define ENF_PREFILTER_DEPTH                                                                        \
	16 /* components below a mount, and above it; their dentries lie on the stack */
#define ENF_PREFILTER_STEPS 32 /* components and mounts above a mount */

/*
 * The small numbers do not begin words: there the verifier does not follow their values, and need not
 * go through the loops once for each.
 */
struct enf_prefilter_path {
	const struct enf_image *image;
	__u64 dentry, root, mount; /* the way up */
	__u64 hash;		   /* the way down */
	__u32 _word;
	__u32 len;
	__u8 _bytes[5];
	__u8 n;
	__u8 state; /* ENF_WAY_*: the way has come to its end */
	__u8 _end;
	__u64 up[ENF_PREFILTER_DEPTH];
};

/* Returns: 0 if no pattern is the path that has this hash, or is about what lies below; *what* says
 * which of them is asked, ENF_PATHS_AT or ENF_PATHS_BELOW.
 */
static __always_inline int enf_prefilter_met(const struct enf_image *image, __u64 hash, __u32 len,
					     __u32 what)
{
	const struct enf_slot *slot;

	if (enf_slot_of(image, hash, len, &slot))
		return 1;
	return slot ? slot->paths & what : 0;
}

__attribute__((noinline)) __u64 enf_prefilter_hash(__u64 hash, __u64 name, __u32 len)
{
	__u32 at;

	/* Whole words first, with one way through each: of two the verifier would go all combinations. */
	for (at = 0; at < ENF_PREFILTER_WORDS * 8 && at + 8 <= len; at += 8)
		hash = enf_mix(hash, enf_word_at(name + at));
	if (at < len)
		hash = enf_mix(hash, enf_first(enf_word_at(name + at), len - at));
	return enf_mix(hash, ((__u64)len << 8) | 0x2f);
}

/* The same by its dentry. Returns: bytes of the component, or 0 if it is too long. */
static __always_inline __u32 enf_prefilter_add(__u64 *hash, __u64 dentry)
{
	__u64 hash_len = 0, name = 0;
	__u32 len;

	enf_read(hash_len, dentry + enf_offset(struct dentry, d_name.hash_len));
	enf_read(name, dentry + enf_offset(struct dentry, d_name.name));
	len = hash_len >> 32;
	if (!len || len > ENF_PREFILTER_WORDS * 8)
		return 0;
	*hash = enf_prefilter_hash(*hash, name, len);
	return len;
}

/* ---- Above a mount ------------------------------------------------------------------------ */

static long enf_prefilter_up(__u32 i, void *arg)
{
	struct enf_prefilter_path *g = arg;
	__u64 parent = 0;
	__u32 n = g->n;

	(void)i;
	if (g->dentry == g->root) {
		enf_read(parent, g->mount + enf_offset(struct mount, mnt_parent));
		if (parent == g->mount || !parent) {
			g->state = ENF_WAY_OPEN;
			return 1;
		}
		enf_read(g->dentry, g->mount + enf_offset(struct mount, mnt_mountpoint));
		enf_read(g->root, parent + enf_offset(struct mount, mnt.mnt_root));
		g->mount = parent;
		return 0;
	}
	enf_read(parent, g->dentry + enf_offset(struct dentry, d_parent));
	enf_barrier(n);
	if (n >= ENF_PREFILTER_DEPTH || !parent || parent == g->dentry)
		return 1;
	g->up[n] = g->dentry;
	g->n = n + 1;
	g->dentry = parent;
	return 0;
}

static long enf_prefilter_down(__u32 i, void *arg)
{
	struct enf_prefilter_path *g = arg;
	__u32 n = g->n, len;
	__u64 hash = g->hash;

	(void)i;
	if (!n) {
		g->state = ENF_WAY_OPEN;
		return 1;
	}
	n -= 1;
	enf_barrier(n);
	if (n >= ENF_PREFILTER_DEPTH)
		return 1;
	len = enf_prefilter_add(&hash, g->up[n]);
	if (!len)
		return 1;
	g->len += len + 1;
	if (g->len > g->image->max_path_slot) {
		g->state = ENF_WAY_EXCLUDED;
		return 1;
	}
	if (enf_prefilter_met(g->image, hash, g->len, ENF_PATHS_BELOW))
		return 1;
	g->hash = hash;
	g->n = n;
	return 0;
}

/* By address: a superblock has two kilobytes or so. */
static __always_inline struct enf_way *enf_way_of(__u64 sb)
{
	__u32 at = (sb >> 11 ^ sb >> 17) & (ENF_WAYS - 1);

	return bpf_map_lookup_elem(&ways, &at);
}

__attribute__((noinline)) int enf_prefilter_way(const struct enf_key *key)
{
	const struct enf_image *image = enf_current_image();
	struct enf_prefilter_path g = {};
	struct enf_sb_mount *known;
	__u32 renames, mounts, version;
	struct enf_way *way;
	__u64 sb = 0, root = 0;

	if (!key || !image)
		return 1;
	renames = enf_seq(enf_rename_lock);
	mounts = enf_seq(enf_mount_lock);
	enf_read(sb, key->dentry + enf_offset(struct dentry, d_sb));
	way = enf_way_of(sb);
	known = bpf_map_lookup_elem(&superblocks, &sb);
	/* not known: who goes the long way looks for it */
	if (!way || !known || known->seq != mounts || !renames || !mounts ||
	    ((renames | mounts) & 1))
		return 1;
	g.image = image;
	g.n = enf_nothing;
	g.state = enf_nothing;
	g.mount = known->mount;
	enf_read(root, g.mount + enf_offset(struct mount, mnt.mnt_root));
	g.root = root;
	g.dentry = root;
	bpf_loop(ENF_PREFILTER_STEPS, enf_prefilter_up, &g, 0);
	g.hash = image->seed;
	if (g.state == ENF_WAY_OPEN) {
		g.state = ENF_WAY_LONG;
		if (known->place ||
		    known->folds) /* its files have another name, or several spellings */
			goto keep;
		if (!enf_prefilter_met(image, enf_mix(image->seed, 0x2f), 1, ENF_PATHS_BELOW))
			bpf_loop(ENF_PREFILTER_DEPTH + 1, enf_prefilter_down, &g, 0);
	}
	/* Not below its root, the name is by another mount, which may be shorter. */
	if (g.state == ENF_WAY_EXCLUDED && !known->is_whole)
		g.state = ENF_WAY_LONG;
keep:
	/* What is found while names move is of no use: no counter will have this value again. */
	if (enf_seq(enf_rename_lock) != renames || enf_seq(enf_mount_lock) != mounts)
		return 1;
	if (!enf_begin_write(&way->version, &version))
		return 1; /* somebody else writes it */
	way->generation = image->generation;
	way->sb = sb;
	way->mnt = known->mount + enf_offset(struct mount, mnt);
	way->root = root;
	way->hash = g.hash;
	way->len = g.len;
	way->state = g.state;
	way->renames = renames;
	way->mounts = mounts;
	enf_end_write(&way->version, version);
	return 0;
}

/* ---- Below it ----------------------------------------------------------------------------- */

/* What is known of the way to a superblock's root, as one reading. */
struct enf_way_seen {
	__u64 mnt;
	__u64 root;
	__u64 hash;
	__u32 len;
	__u32 state;
};

static __always_inline int enf_way_find(struct enf_way_seen *to, const struct enf_image *image,
					__u64 sb, __u32 renames, __u32 mounts)
{
	struct enf_way *way = enf_way_of(sb);
	__u32 version;

	if (!way)
		return 0;
	version = enf_in_order(&way->version);
	if ((version & 1) || way->sb != sb || way->generation != image->generation ||
	    way->renames != renames || way->mounts != mounts)
		return 0;
	to->mnt = way->mnt;
	to->root = way->root;
	to->hash = way->hash;
	to->len = way->len;
	to->state = way->state;
	return enf_in_order(&way->version) == version;
}

/*
 * The part of a name below the root of its superblock. Returns: not 0 if no pattern can be about it; then *known* has
 * hash and length of the directory's path. Global: what follows is proven once, not for each depth.
 */
__attribute__((noinline)) int enf_prefilter_below(const struct enf_way_seen *way, __u64 dentry,
						  struct enf_known *known)
{
	const struct enf_image *image = enf_current_image();
	__u64 up[ENF_PREFILTER_DEPTH], parent, hash;
	__u32 len, n = ENF_PREFILTER_DEPTH, more, at;

	if (!way || !known || !image)
		return 0;
	hash = way->hash;
	len = way->len;
	for (at = ENF_PREFILTER_DEPTH; at > 0 && dentry != way->root; at--) {
		up[at - 1] = dentry;
		n = at - 1;
		parent = 0;
		enf_read(parent, dentry + enf_offset(struct dentry, d_parent));
		if (!parent || parent == dentry)
			return 0; /* torn off, or of a superblock that nobody mounts */
		dentry = parent;
	}
	if (dentry != way->root)
		return 0;
	for (at = n; at < ENF_PREFILTER_DEPTH; at++) {
		known->hash = hash;
		known->len = len;
		more = enf_prefilter_add(&hash, up[at]);
		if (!more)
			return 0;
		len += more + 1;
		if (len > image->max_path_slot) {
			/* of a directory as long it is enough to know that */
			if (at != ENF_PREFILTER_DEPTH - 1)
				known->len = len;
			return 1;
		}
		if (enf_prefilter_met(image, hash, len,
				      at == ENF_PREFILTER_DEPTH - 1 ? ENF_PATHS_AT
								    : ENF_PATHS_BELOW))
			return 0;
	}
	return n < ENF_PREFILTER_DEPTH; /* else it is the root itself */
}

__attribute__((noinline)) int enf_prefilter_once(const struct enf_key *key)
{
	const struct enf_image *image = enf_current_image();
	struct enf_way_seen way = {};
	struct enf_known known = {};
	__u32 renames, mounts, rdev = 0;
	__u64 sb = 0, inode = 0;

	/* directories and files with other names have flags and inodes of their own */
	if (!key || !image || image->generation != enf_live || key->nlink != 1)
		return 0;
	if (!key->ino) {
		__u64 its = 0;

		enf_read(its, key->dentry + enf_offset(struct dentry, d_inode));
		if (its) /* a file without a number, and no name that is to be made */
			return 0;
	}
	/* A device may be met by its number. */
	if (image->intervals[ENF_DIM_INODE - ENF_DIM_FIRST_NUM].count) {
		enf_read(inode, key->dentry + enf_offset(struct dentry, d_inode));
		enf_read(rdev, inode + enf_offset(struct inode, i_rdev));
		if (rdev)
			return 0;
	}
	if (enf_prefilter_asked(image, key->pair & 0xff) ||
	    enf_prefilter_asked(image, key->pair >> 8))
		return 0;
	renames = enf_seq(enf_rename_lock);
	mounts = enf_seq(enf_mount_lock);
	if (!renames || !mounts || ((renames | mounts) & 1))
		return 0;
	enf_read(sb, key->dentry + enf_offset(struct dentry, d_sb));
	if (!enf_way_find(&way, image, sb, renames, mounts))
		return -1;
	/* The mount that names the superblock is the host's. */
	if (way.state == ENF_WAY_LONG || (key->mnt != way.mnt && enf_foreign(key->mnt)))
		return 0;
	if (way.state != ENF_WAY_EXCLUDED && !enf_prefilter_below(&way, key->dentry, &known))
		return 0;
	if (enf_seq(enf_rename_lock) != renames || enf_seq(enf_mount_lock) != mounts)
		return 0;
	enf_keep(key, image->generation, enf_pair_ops(key->pair), renames, mounts);
	if (way.state != ENF_WAY_EXCLUDED) {
		known.generation = image->generation;
		known.renames = renames;
		known.mounts = mounts;
		enf_keep_known(key->dentry, key->mnt, &known);
	}
	return 1;
}

/* ---- Names -------------------------------------------------------------------------------- */

__attribute__((noinline)) int enf_prefilter_name(const struct enf_key *key)
{
	__u64 *met, its;
	__u32 at;

	if (!key)
		return 0;
	at = (key->dir >> 6 ^ key->dir >> 14 ^ key->pair) & (ENF_MET_DIRS - 1);
	met = bpf_map_lookup_elem(&met_dirs, &at);
	if (!met)
		return 0;
	its = enf_mix(key->dir ^ enf_live, (__u64)enf_epoch() << 32 | key->pair);
	if (*met == its)
		return 0;
	if (enf_is_excluded(key))
		return 1;
	*met = its;
	return 0;
}
