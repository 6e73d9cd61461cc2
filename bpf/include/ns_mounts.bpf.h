/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A search through the mounts of a namespace, in either form that the kernel keeps them in: a list, or since v6.8 a
 * tree by age.
 */
#ifndef ENFORCER_NS_MOUNTS_BPF_H
#define ENFORCER_NS_MOUNTS_BPF_H

#include "climb.bpf.h"
#include "path.bpf.h"

/* In the working memory, as those of the other searches. */
struct enf_among {
	__u64 at;  /* list_head, or rb_node; 0: the search is over */
	__u64 end; /* list head, where it is a list */
	__u64 sb;  /* of the object */
	__u64 dentry;
	__u64 found; /* struct mount */
	__u32 came;  /* ENF_FROM_*: how the tree's node was reached */
	__u32 state; /* ENF_WALK_* */
};

_Static_assert(sizeof(struct enf_among) <= sizeof(((struct enf_scratch *)0)->work), "work");

#define ENF_FROM_ABOVE 0
#define ENF_FROM_LEFT 1

static __always_inline struct enf_among *enf_among_of(struct enf_scratch *s)
{
	return (struct enf_among *)s->work;
}

/* Does *mount* show the object? -1: a limit ended the search for its root, so that is unknown. */
static __always_inline int enf_shows(struct enf_among *a, __u64 mount)
{
	struct enf_climb c = { .dentry = a->dentry };
	__u64 sb = 0;

	enf_read(sb, mount + enf_offset(struct mount, mnt.mnt_sb));
	if (sb != a->sb)
		return 0;
	if (!a->dentry)
		return 1;
	enf_read(c.root, mount + enf_offset(struct mount, mnt.mnt_root));
	bpf_loop(ENF_ANCESTORS_MAX, enf_climb_one, &c, 0);
	return c.ended ? c.found : -1;
}

/* Returns: not 0 if the search ends with *mount*, which shows the object, or of which that is unknown. */
static __always_inline long enf_among_ends(struct enf_among *a, __u64 mount)
{
	int shows = enf_shows(a, mount);

	if (shows > 0) {
		a->found = mount;
		a->state = ENF_WALKED;
	}
	return shows != 0;
}

static long enf_among_listed(__u32 i, void *arg)
{
	struct enf_among *a = enf_among_of(((struct enf_hold *)arg)->s);
	__u64 at = a->at, mount = at - enf_offset(struct mount, mnt_list);

	(void)i;
	if (!at || at == a->end) {
		a->state = ENF_WALKED;
		return 1;
	}
	if (enf_among_ends(a, mount))
		return 1;
	enf_read(a->at, at);
	return 0;
}

/* One step through the tree, by age: a node's left side, itself, its right side, then up again. */
static long enf_among_grown(__u32 i, void *arg)
{
	struct enf_among *a = enf_among_of(((struct enf_hold *)arg)->s);
	__u64 at = a->at, next = 0, mount, left = 0;

	(void)i;
	if (!at) {
		a->state = ENF_WALKED;
		return 1;
	}
	if (a->came == ENF_FROM_ABOVE) {
		enf_read(next, at + enf_offset(struct rb_node, rb_left));
		if (next) {
			a->at = next;
			return 0;
		}
		a->came = ENF_FROM_LEFT;
	}
	if (a->came == ENF_FROM_LEFT) {
		mount = at - enf_offset(struct mount___tree, mnt_node);
		if (enf_among_ends(a, mount))
			return 1;
		enf_read(next, at + enf_offset(struct rb_node, rb_right));
		if (next) {
			a->at = next;
			a->came = ENF_FROM_ABOVE;
			return 0;
		}
	}
	enf_read(next, at + enf_offset(struct rb_node, __rb_parent_color));
	next &= ~3ULL;
	if (next)
		enf_read(left, next + enf_offset(struct rb_node, rb_left));
	a->at = next;
	a->came = left == at ? ENF_FROM_LEFT : ENF_FROM_LEFT + 1;
	return 0;
}

/* Begin the search for *dentry*, or for anything of *sb* if *dentry* is 0, among the mounts of the namespace *ns*. */
int enf_among_first(struct enf_scratch *s, __u64 ns, __u64 sb, __u64 dentry);

/*
 * Go on with it through *most* mounts. What is found is the oldest that shows the object, where the namespace has
 * its mounts by age.
 *
 * Inlined, and with its callbacks in each file that searches: a verdict is eight frames deep here.
 */
static __always_inline void enf_look_among(struct enf_hold *hold, __u32 most)
{
	if (bpf_core_field_exists(((struct mnt_namespace___tree *)0)->mounts))
		bpf_loop(2 * most, enf_among_grown, hold, 0);
	else
		bpf_loop(most, enf_among_listed, hold, 0);
}

/* A struct mount; 0: none shows the object; ENF_MNT_UNKNOWN (path.bpf.h): a limit ended the search. */
static __always_inline __u64 enf_among_found(struct enf_scratch *s)
{
	struct enf_among *a = enf_among_of(s);

	return a->state == ENF_WALKED ? a->found : ENF_MNT_UNKNOWN;
}

#endif
