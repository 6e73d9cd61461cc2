/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way up from a dentry, over mount points, which becomes a path.
 *
 * It takes no locks: whether names moved meanwhile is the caller's question (path.bpf.h).
 */
#ifndef ENFORCER_WALK_BPF_H
#define ENFORCER_WALK_BPF_H

#include "image.h"
#include "read.bpf.h"

/* The state of walk and search lies in the working memory: eight frames share 512 bytes of stack. */
struct enf_hold {
	struct enf_scratch *s;
};

struct enf_walk {
	__u64 dentry;
	__u64 mount; /* struct mount; 0: stop at the superblock's root */
	__u64 root;  /* its mnt_root, or the superblock's */
	__u32 at;    /* where the path starts so far */
	__u32 state; /* ENF_WALK_* */
	__u64 print; /* of the dentries' counters, as they were: see enf_resolve(); 0: no print */
};

static __always_inline struct enf_walk *enf_walk_of(struct enf_scratch *s)
{
	return (struct enf_walk *)s->work;
}

#define ENF_WALKING 0
#define ENF_WALKED 1
#define ENF_LOST 2 /* disconnected or unreadable */
#define ENF_LONG 3 /* more than there is room for */

/* A dentry's parent and name; d_name.hash_len has the length in its upper half (little endian). */
struct enf_link {
	__u64 parent;
	__u64 hash_len;
	__u64 name;
};

static __always_inline void enf_read_name(__u64 dentry, struct enf_link *link)
{
	enf_read(link->parent, dentry + enf_offset(struct dentry, d_parent));
	enf_read(link->hash_len, dentry + enf_offset(struct dentry, d_name.hash_len));
	enf_read(link->name, dentry + enf_offset(struct dentry, d_name.name));
}

static __always_inline __u64 enf_print(__u64 print, __u64 value)
{
	print = (print ^ value) * 0x9e3779b97f4a7c15ULL; /* 2^64 over the golden ratio */
	return (print ^ print >> 32) | 1;		 /* never none */
}

/*
 * From *dentry* over the struct mount *mount* that it lies in, with its *root*; without a mount only to the root.
 * *print*: where the print of the names and mounts on the way begins, which enf_walk_of() has then; 0: no print.
 *
 * Returns: 0 and the path in s->text[s->object.path_at, + path_len), or not 0. Of a path that is too long it
 * is the head, in whole components (ENF_OF_CUT). In an encrypted directory, s->folds is set.
 */
int enf_walk_up(struct enf_scratch *s, __u64 dentry, __u64 mount, __u64 root, __u64 print);

#endif
