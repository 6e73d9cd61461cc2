/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file that nobody has asked about yet: is there a row at all that its name could meet?
 *
 * Hashes the components of the host's name straight from the dentries and looks them up as match.h
 * does, without building the path, without working memory, and without a comparison: a hit only means
 * that the long way must decide. So does everything out of the ordinary: other mount namespaces,
 * layers, directories, hard links, very deep or long names, globs, names that move.
 */
#ifndef ENFORCER_GLANCE_BPF_H
#define ENFORCER_GLANCE_BPF_H

#include "fast.bpf.h"
#include "match.h"
#include "path.bpf.h"
#include "task.bpf.h"

#define ENF_GLANCE_DEPTH 16 /* components; the dentries lie on the stack */
#define ENF_GLANCE_STEPS 32 /* components and mounts */
#define ENF_GLANCE_WORDS 8  /* of eight bytes in one component */
#define ENF_GLANCE_DFAS 8

/*
 * The small numbers do not begin words: there the verifier does not follow their values, and need not
 * go through the loops once for each.
 */
struct enf_glance {
	const unsigned char *image;
	__u64 dentry, root, mount; /* the way up */
	__u64 hash;		   /* the way down */
	__u32 _word;
	__u32 len;
	__u8 _bytes[5];
	__u8 n;
	__u8 plain; /* the way has come to its end */
	__u8 _end;
	__u64 up[ENF_GLANCE_DEPTH];
};

static __always_inline const void *enf_glance_at(const unsigned char *image, __u32 off, __u32 size)
{
	enf_barrier(off);
	if (off > enf_image_bytes - size)
		return NULL;
	return image + off;
}

/* Returns: 0 if no pattern is what has this hash, if it is the *whole* path, or holds what is below. */
static __always_inline int enf_glance_met(const unsigned char *data, __u64 hash, __u32 len,
					  int whole)
{
	const struct enf_image *image = (const void *)data;

	for (__u32 i = 0; i < ENF_MAX_PROBES; i++) {
		__u32 n = ((__u32)hash + i) & (image->n_slots - 1);
		const struct enf_slot *slot = enf_glance_at(data, image->off_slots + n * 32, 32);

		if (!slot)
			return 1;
		if (slot->kind == ENF_SLOT_EMPTY)
			return 0;
		if (slot->hash == hash && slot->kind == ENF_SLOT_PATH && slot->len == len)
			return (whole ? slot->exact.count : slot->under.count) != 0;
	}
	return 0;
}

static long enf_glance_up(__u32 i, void *arg)
{
	struct enf_glance *g = arg;
	__u64 parent = 0;
	__u32 n = g->n;

	(void)i;
	if (g->dentry == g->root) {
		enf_read(parent, g->mount + enf_offset(struct mount, mnt_parent));
		if (parent == g->mount || !parent) {
			g->plain = 1;
			return 1;
		}
		enf_read(g->dentry, g->mount + enf_offset(struct mount, mnt_mountpoint));
		enf_read(g->root, parent + enf_offset(struct mount, mnt.mnt_root));
		g->mount = parent;
		return 0;
	}
	enf_read(parent, g->dentry + enf_offset(struct dentry, d_parent));
	enf_barrier(n);
	if (n >= ENF_GLANCE_DEPTH || !parent || parent == g->dentry)
		return 1;
	g->up[n] = g->dentry;
	g->n = n + 1;
	g->dentry = parent;
	return 0;
}

static long enf_glance_down(__u32 i, void *arg)
{
	struct enf_glance *g = arg;
	const struct enf_image *image = (const void *)g->image;
	__u64 hash_len = 0, name = 0, dentry, word, hash = g->hash;
	__u32 n = g->n - 1, len;

	(void)i;
	enf_barrier(n);
	if (n >= ENF_GLANCE_DEPTH)
		return 1;
	dentry = g->up[n];
	enf_read(hash_len, dentry + enf_offset(struct dentry, d_name.hash_len));
	enf_read(name, dentry + enf_offset(struct dentry, d_name.name));
	len = hash_len >> 32;
	if (!len || len > ENF_GLANCE_WORDS * 8)
		return 1;
	for (__u32 at = 0; at < ENF_GLANCE_WORDS * 8; at += 8) {
		if (at >= len)
			break;
		word = 0;
		enf_read(word, name + at);
		hash = enf_mix(hash, enf_first(word, len - at));
	}
	hash = enf_mix(hash, ((__u64)len << 8) | 0x2f);
	g->len += len + 1;
	if (g->len <= image->max_path_slot && enf_glance_met(g->image, hash, g->len, !n))
		return 1;
	g->hash = hash;
	g->n = n;
	if (n && g->len <= image->max_path_slot)
		return 0;
	g->plain = 1;
	return 1;
}

/* Is there a row on *op* that asks for no path? */
static __always_inline int enf_glance_asked(const struct enf_image *image, __u32 op)
{
	const struct enf_range *rows;

	if (op == ENF_NO_OP)
		return 0;
	rows = enf_glance_at((const void *)image, image->off_op_rows + op * 8, 8);
	return !rows || rows->count;
}

/* Is there an automaton for paths? */
static __always_inline int enf_glance_globs(const struct enf_image *image)
{
	for (__u32 i = 0; i < ENF_GLANCE_DFAS; i++) {
		const struct enf_dfa *dfa;

		if (i >= image->n_dfas)
			return 0;
		dfa = enf_glance_at((const void *)image, image->off_dfas + i * 32, 32);
		if (!dfa || (dfa->dims & ENF_BIT(ENF_DIM_PATH)))
			return 1;
	}
	return 1;
}

/*
 * Remember that no row on *ops* could meet the file of *key*, as found under these counters. Called
 * while they still are what they were.
 */
static __always_inline void enf_keep(const struct enf_key *key, __u64 generation, __u64 ops,
				     __u32 renames, __u32 mounts)
{
	struct enf_seen *e = enf_seen_of(key->hash_len, key->ino);
	__u32 version;

	enf_rename_lock = (__u64)&rename_lock;
	enf_mount_lock = (__u64)&mount_lock;
	if (!e)
		return;
	version = e->version;
	if ((version & 1) ||
	    __sync_val_compare_and_swap(&e->version, version, version + 1) != version)
		return; /* somebody else writes it */
	if (e->generation == generation && e->dentry == key->dentry && e->mnt == key->mnt &&
	    e->parent == key->parent && e->hash_len == key->hash_len && e->ino == key->ino &&
	    e->nlink == key->nlink && e->renames == renames && e->mounts == mounts)
		ops |= e->ops;
	e->generation = generation;
	e->ops = ops;
	e->dentry = key->dentry;
	e->mnt = key->mnt;
	e->parent = key->parent;
	e->hash_len = key->hash_len;
	e->ino = key->ino;
	e->nlink = key->nlink;
	e->renames = renames;
	e->mounts = mounts;
	__sync_lock_test_and_set(&e->version, version + 2);
}

/* Returns: not 0 if no row on the operations of *key* could meet its file, whoever asks. */
__attribute__((noinline)) int enf_glance(const struct enf_key *key)
{
	const struct enf_image *image = enf_current_image();
	struct enf_glance g = {};
	struct enf_sb_mount *known;
	__u32 renames, mounts;
	__u64 sb = 0;

	/* directories and files with other names have flags and inodes of their own */
	if (!key || !image || image->generation != enf_live || key->nlink != 1 || !key->ino)
		return 0;
	if (enf_glance_asked(image, key->pair & 0xff) || enf_glance_asked(image, key->pair >> 8) ||
	    enf_glance_globs(image))
		return 0;
	renames = enf_seq(&rename_lock);
	mounts = enf_seq(&mount_lock);
	if (!renames || !mounts || ((renames | mounts) & 1) || enf_foreign(key->mnt))
		return 0;
	enf_read(sb, key->dentry + enf_offset(struct dentry, d_sb));
	known = bpf_map_lookup_elem(&superblocks, &sb);
	if (!known || known->seq != mounts || !known->mount)
		return 0; /* who goes the long way looks for it */
	g.image = (const void *)image;
	g.mount = known->mount;
	g.dentry = key->dentry;
	enf_read(g.root, g.mount + enf_offset(struct mount, mnt.mnt_root));
	bpf_loop(ENF_GLANCE_STEPS, enf_glance_up, &g, 0);
	if (!g.plain || !g.n || enf_glance_met(g.image, enf_mix(image->seed, 0x2f), 1, 0))
		return 0;
	g.plain = 0;
	g.hash = image->seed;
	bpf_loop(ENF_GLANCE_DEPTH, enf_glance_down, &g, 0);
	if (!g.plain || enf_seq(&rename_lock) != renames || enf_seq(&mount_lock) != mounts)
		return 0;
	enf_keep(key, image->generation, enf_pair_ops(key->pair), renames, mounts);
	return 1;
}

#endif
