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

#include "kernel.h"
#include "image.h"
#include "maps.bpf.h"
#include "read.bpf.h"

#define ENF_WALK_MAX 4096	/* steps: a component or a mount; of a longer path the head */
#define ENF_WALK_DEEP 8192	/* steps from below a path over PATH_MAX; a deeper one is unknown */
#define ENF_WALK_TRIES 4	/* while renames and mounts go on */
#define ENF_SB_MOUNTS_MAX 65536 /* mounts of one superblock looked through for the host's */
#define ENF_ANCESTORS_MAX 4096

/* ---- The walk ----------------------------------------------------------------------------- */

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

#include "fold.bpf.h"

static __always_inline __u32 enf_dentry_seq(__u64 dentry)
{
	__u32 seq = 0;

	enf_read(seq, dentry + enf_offset(struct dentry, d_seq));
	return seq;
}

static __always_inline __u64 enf_print(__u64 print, __u64 value)
{
	print = (print ^ value) * 0x9e3779b97f4a7c15ULL; /* 2^64 over the golden ratio */
	return (print ^ print >> 32) | 1;		 /* never none */
}

/* From the root of a mount to the mount point. Returns: not 0 if there is none, the walk is over. */
static __always_inline int enf_walk_over(struct enf_walk *w)
{
	__u64 parent = 0;

	if (!w->mount) {
		w->state = ENF_WALKED;
		return 1;
	}
	enf_read(parent, w->mount + enf_offset(struct mount, mnt_parent));
	if (parent == w->mount || !parent) {
		w->state = ENF_WALKED;
		return 1;
	}
	enf_read(w->dentry, w->mount + enf_offset(struct mount, mnt_mountpoint));
	w->mount = parent;
	if (w->print)
		w->print = enf_print(enf_print(w->print, w->dentry), parent);
	enf_read(w->root, parent + enf_offset(struct mount, mnt.mnt_root));
	return 0;
}

static long enf_walk_up_one(__u32 i, void *arg)
{
	struct enf_scratch *s = ((struct enf_hold *)arg)->s;
	struct enf_walk *w = enf_walk_of(s);
	struct enf_link link = {};
	__u64 parent = 0, name = 0;
	__u32 len = 0, at, seq = 0;
	int pseudo;

	(void)i;
	if (w->dentry == w->root)
		return enf_walk_over(w);
	if (w->print) {
		seq = enf_dentry_seq(w->dentry);
		w->print = enf_print(enf_print(w->print, w->dentry), seq);
	}
	enf_read_name(w->dentry, &link);
	parent = link.parent;
	len = link.hash_len >> 32;
	name = link.name;
	/* Its own parent, and not the root: torn off, or of a superblock that nobody mounts. There
	 * the one name of a memfd is all there is, and a pipe has none.
	 */
	pseudo = parent == w->dentry;
	if (!parent || (pseudo && (w->mount || w->at != ENF_PATH_MAX))) {
		w->state = ENF_LOST;
		return 1;
	}
	if (pseudo && !len) {
		__builtin_memcpy(&s->text[ENF_PATH_MAX - 6], "/pipe:", 6);
		w->at = ENF_PATH_MAX - 6;
		w->state = ENF_WALKED;
		return 1;
	}
	at = w->at;
	if (len > ENF_NAME_MAX || len + 1 > at) {
		w->state = len > ENF_NAME_MAX ? ENF_LOST : ENF_LONG;
		return 1;
	}
	at -= len + 1;
	enf_barrier(at);
	enf_barrier(len);
	if (at > ENF_PATH_MAX - 1 || len > ENF_NAME_MAX ||
	    bpf_probe_read_kernel(&s->text[at + 1], len, (const void *)name)) {
		w->state = ENF_LOST;
		return 1;
	}
	if (w->print && ((seq & 1) || enf_dentry_seq(w->dentry) != seq)) {
		w->state = ENF_LOST;
		return 1;
	}
	s->text[at] = '/';
	w->at = at;
	w->dentry = parent;
	if (!pseudo)
		return 0;
	w->state = ENF_WALKED;
	return 1;
}

/* ---- Paths over PATH_MAX ------------------------------------------------------------------ */

/* Behind what walk and search keep. */
struct enf_passed {
	__u64 length; /* bytes that were passed by */
	__u64 skip;   /* how many to pass by; 0: all */
};

static __always_inline struct enf_passed *enf_passed_of(struct enf_scratch *s)
{
	return (struct enf_passed *)&s->work[22];
}

static long enf_pass_by_one(__u32 i, void *arg)
{
	struct enf_scratch *s = ((struct enf_hold *)arg)->s;
	struct enf_passed *p = enf_passed_of(s);
	struct enf_walk *w = enf_walk_of(s);
	struct enf_link link = {};

	(void)i;
	if (p->skip && p->length >= p->skip)
		return 1;
	if (w->dentry == w->root)
		return enf_walk_over(w);
	enf_read_name(w->dentry, &link);
	if (!link.parent || link.parent == w->dentry) {
		w->state = ENF_LOST;
		return 1;
	}
	p->length += (link.hash_len >> 32) + 1;
	w->dentry = link.parent;
	return 0;
}

static __always_inline void enf_pass_by(struct enf_scratch *s, __u64 dentry, __u64 mount,
					__u64 root, __u64 skip)
{
	struct enf_hold hold = { .s = s };
	struct enf_passed *p = enf_passed_of(s);
	struct enf_walk *w = enf_walk_of(s);

	w->dentry = dentry;
	w->mount = mount;
	w->root = root;
	w->print = 0;
	p->length = 0;
	p->skip = skip;
	w->state = ENF_WALKING;
	bpf_loop(ENF_WALK_DEEP, enf_pass_by_one, &hold, 0);
}

/*
 * Go to where the rest of the way to the root finds room. Returns: not 0 if that cannot be found; so it is
 * where names never pause, since of what was passed by no print is left.
 */
static __always_inline int enf_walk_to_head(struct enf_scratch *s, __u64 dentry, __u64 mount,
					    __u64 root)
{
	struct enf_passed *p = enf_passed_of(s);
	struct enf_walk *w = enf_walk_of(s);

	enf_pass_by(s, dentry, mount, root, 0);
	if (w->state != ENF_WALKED || p->length <= ENF_PATH_MAX)
		return 1;
	enf_pass_by(s, dentry, mount, root, p->length - ENF_PATH_MAX);
	if (w->state != ENF_WALKING || p->length < p->skip)
		return 1;
	w->at = ENF_PATH_MAX;
	return 0;
}

/*
 * Returns: 0 and the path in s->text[s->object.path_at, + path_len), or not 0. Of a path that is too long it
 * is the head, in whole components (ENF_OF_CUT).
 */
__attribute__((noinline)) int enf_walk_up(struct enf_scratch *s, __u64 dentry, __u64 mount,
					  __u64 root, __u64 print)
{
	struct enf_hold hold = { .s = s };
	struct enf_walk *w;

	if (!s)
		return 1;
	w = enf_walk_of(s);
	w->dentry = dentry;
	w->mount = mount;
	w->root = root;
	w->print = print;
	w->at = ENF_PATH_MAX;
	w->state = ENF_WALKING;
	s->object.flags &= ~ENF_OF_CUT;
	bpf_loop(ENF_WALK_MAX, enf_walk_up_one, &hold, 0);
	if (w->state == ENF_LONG && !print) {
		if (enf_walk_to_head(s, dentry, mount, root))
			return 1;
		s->object.flags |= ENF_OF_CUT;
		bpf_loop(ENF_WALK_MAX, enf_walk_up_one, &hold, 0);
	}
	if (w->state != ENF_WALKED)
		return 1;
	if (w->at == ENF_PATH_MAX) {
		w->at -= 1;
		s->text[ENF_PATH_MAX - 1] = '/';
	}
	s->object.path_at = w->at;
	s->object.path_len = ENF_PATH_MAX - w->at;
	return 0;
}

/* ---- The host's mount of a superblock ----------------------------------------------------- */

struct enf_find {
	__u64 mount; /* cursor */
	__u64 end;   /* list head, where it is a list */
	__u64 dentry;
	__u64 found;
	__u64 found_id;
	__u64 print;  /* of what was looked through; 0: no print */
	__u32 within; /* look for mounts of a part that holds the dentry */
	__u32 cut;    /* there may be more than was looked through */
};

_Static_assert(sizeof(struct enf_find) <= sizeof(((struct enf_scratch *)0)->work), "work");

static __always_inline struct enf_find *enf_find_of(struct enf_scratch *s)
{
	return (struct enf_find *)s->work;
}

struct enf_climb {
	__u64 dentry, root;
	__u32 found;
};

static long enf_climb_one(__u32 i, void *arg)
{
	struct enf_climb *c = arg;
	__u64 parent = 0;

	(void)i;
	if (c->dentry == c->root) {
		c->found = 1;
		return 1;
	}
	enf_read(parent, c->dentry + enf_offset(struct dentry, d_parent));
	if (parent == c->dentry)
		return 1;
	c->dentry = parent;
	return 0;
}

static __always_inline int enf_on_host(__u64 mount)
{
	__u64 ns = 0;
	__u32 inum = 0;

	enf_read(ns, mount + enf_offset(struct mount, mnt_ns));
	if (!ns || ns >= (__u64)-4095) /* unmounted, or MNT_NS_INTERNAL */
		return 0;
	enf_read(inum, ns + enf_offset(struct mnt_namespace, ns.inum));
	return inum == enf_host_mnt_ns;
}

/* Its number among all mounts, which grows with time; before v6.8 one that is used again. */
static __always_inline __u64 enf_mount_id(__u64 mount)
{
	__u64 id = 0;

	if (bpf_core_field_exists(((struct mount___unique *)0)->mnt_id_unique)) {
		enf_read(id, mount + enf_offset(struct mount___unique, mnt_id_unique));
	} else {
		__u32 reused = 0;

		enf_read(reused, mount + enf_offset(struct mount, mnt_id));
		id = reused;
	}
	return id;
}

static long enf_find_one(__u32 i, void *arg)
{
	struct enf_find *f = enf_find_of(((struct enf_hold *)arg)->s);
	__u64 mount = f->mount, root = 0, id;
	int is_chain = bpf_core_field_exists(((struct mount___chain *)0)->mnt_next_for_sb);

	(void)i;
	if (mount == f->end)
		return 1;
	if (is_chain) {
		enf_read(f->mount, mount + enf_offset(struct mount___chain, mnt_next_for_sb));
	} else {
		__u64 next = 0;

		/* What was just taken out of the list leads nowhere. */
		enf_read(next, mount + enf_offset(struct mount, mnt_instance));
		f->mount = next ? next - enf_offset(struct mount, mnt_instance) : 0;
		if (!f->mount)
			return 1;
	}
	if (f->print)
		f->print = enf_print(f->print, mount);
	if (!enf_on_host(mount))
		return 0;
	enf_read(root, mount + enf_offset(struct mount, mnt.mnt_root));
	if (f->within) {
		struct enf_climb c = { .dentry = f->dentry, .root = root };

		bpf_loop(ENF_ANCESTORS_MAX, enf_climb_one, &c, 0);
		if (!c.found)
			return 0;
	}
	/* The oldest. A list is in order of age; a chain has the newest first (v7.0). */
	id = enf_mount_id(mount);
	if (!f->found || id < f->found_id) {
		f->found = mount;
		f->found_id = id;
	}
	if (is_chain)
		return 0;
	f->mount = f->end;
	return 1;
}

/* The host's oldest mount of *sb*, or the oldest that shows *dentry*, is left in the search. */
static __always_inline void enf_find_mount(struct enf_scratch *s, __u64 sb, __u64 dentry)
{
	struct enf_hold hold = { .s = s };
	struct enf_find *f = enf_find_of(s);
	__u64 first = 0;

	if (bpf_core_field_exists(((struct mount___chain *)0)->mnt_next_for_sb)) {
		enf_read(first, sb + enf_offset(struct super_block___chain, s_mounts));
		f->end = 0;
	} else {
		f->end = sb + enf_offset(struct super_block, s_mounts) -
			 enf_offset(struct mount, mnt_instance);
		enf_read(first, sb + enf_offset(struct super_block, s_mounts));
		first -= enf_offset(struct mount, mnt_instance);
	}
	f->mount = first;
	f->dentry = dentry;
	f->within = dentry != 0;
	f->found = 0;
	bpf_loop(ENF_SB_MOUNTS_MAX, enf_find_one, &hold, 0);
	f->cut = f->mount != f->end;
}

/* Is the mount *known* of *sb* still one of the host's? When it is taken away, it has no namespace. */
static __always_inline int enf_stands(const struct enf_sb_mount *known, __u64 sb)
{
	__u64 its = 0, root = 0;

	enf_read(its, known->mount + enf_offset(struct mount, mnt.mnt_sb));
	enf_read(root, known->mount + enf_offset(struct mount, mnt.mnt_root));
	return its == sb && root == known->root && enf_on_host(known->mount) &&
	       enf_mount_id(known->mount) == known->id;
}

__attribute__((noinline)) int enf_is_below(__u64 dentry, __u64 root, __u64 sb)
{
	struct enf_climb c = { .dentry = dentry, .root = root };
	__u64 whole = 0;

	enf_read(whole, sb + enf_offset(struct super_block, s_root));
	if (whole == root)
		return 1;
	bpf_loop(ENF_ANCESTORS_MAX, enf_climb_one, &c, 0);
	return c.found;
}

/* Which of enf_places the file system is of, and 1; 0: none, or it is the one that is there. */
__attribute__((noinline)) __u32 enf_place_of(__u64 sb)
{
	unsigned long magic = 0;
	__u32 dev = 0;

	enf_read(magic, sb + enf_offset(struct super_block, s_magic));
	enf_read(dev, sb + enf_offset(struct super_block, s_dev));
	for (__u32 i = 0; i < ENF_PLACES; i++)
		if (enf_places[i].magic == (__u32)magic && enf_places[i].len)
			return enf_places[i].dev == dev ? 0 : i + 1;
	return 0;
}

/*
 * Keep what was found. A torn search may have missed the oldest; without the counter nobody knows. Returns: the
 * root of the mount. A function of its own: frames of eight calls share what there is of a stack.
 */
__attribute__((noinline)) __u64 enf_keep_mount(struct enf_scratch *s, __u64 sb, __u32 seq)
{
	struct enf_sb_mount fresh = { .seq = seq };
	const struct enf_find *f;
	__u64 whole = 0;

	if (!s)
		return 0;
	f = enf_find_of(s);
	fresh.mount = f->found;
	fresh.id = f->found_id;

	enf_read(fresh.root, f->found + enf_offset(struct mount, mnt.mnt_root));
	enf_read(whole, sb + enf_offset(struct super_block, s_root));
	fresh.is_whole = fresh.root == whole;
	fresh.place = s->place;
	fresh.folds = s->folds;
	if (seq && !(seq & 1) && !f->cut && seq == enf_seq(enf_mount_lock))
		bpf_map_update_elem(&superblocks, &sb, &fresh, BPF_ANY);
	return fresh.root;
}

/*
 * Returns: the host's mount through which *dentry* has its name, or 0.
 *
 * What is known of a superblock holds as long as its mount stands: however many mounts others make, they
 * do not lengthen anybody else's way. Superblocks that the host does not show are not kept, so that who
 * makes many of them drives nothing out.
 */
static __always_inline __u64 enf_host_mount(struct enf_scratch *s, __u64 dentry, __u64 sb)
{
	struct enf_find *f = enf_find_of(s);
	struct enf_sb_mount *known;
	__u32 seq = enf_seq(enf_mount_lock);
	__u64 root = 0;

	f->cut = 0;
	known = bpf_map_lookup_elem(&superblocks, &sb);
	if (known && (known->seq == seq || enf_stands(known, sb))) {
		if (known->seq != seq) {
			/* what it lies in may be another */
			known->folds = enf_may_fold(sb, known->mount);
			if (!(seq & 1))
				known->seq = seq; /* it stood after this was read */
		}
		s->place = known->place;
		s->folds = known->folds;
		if (known->is_whole || enf_is_below(dentry, known->root, sb))
			return known->mount;
		goto part;
	}
	enf_find_mount(s, sb, 0);
	s->place = enf_place_of(sb);
	s->folds = enf_may_fold(sb, f->found);
	if (!f->found)
		return 0;
	root = enf_keep_mount(s, sb, seq);
	if (enf_is_below(dentry, root, sb))
		return f->found;
part:
	enf_find_mount(s, sb, dentry);
	s->folds = enf_may_fold(sb, f->found);
	return f->found;
}

/* ---- Both views --------------------------------------------------------------------------- */

#define ENF_VIEW_HOST 0
#define ENF_VIEW_NAMESPACE 1
#define ENF_VIEW_PLACE 2   /* by the usual place of what the kernel has only once: s->place */
#define ENF_VIEW_PRINTED 4 /* with any: leave a print of the names and mounts on the way */

#define ENF_MNT_UNKNOWN 1 /* for a struct vfsmount: there may be one, but which was not found out */

#define ENF_PATH_OK 0
#define ENF_PATH_UNKNOWN 1 /* there is one, but it could not be read */
#define ENF_PATH_ABSENT 2  /* the object has no name in this view */

/* Put the usual place in front of a path that was walked up to the root of its superblock. */
static __always_inline int enf_put_place(struct enf_scratch *s)
{
	__u32 n = s->place - 1, at = s->object.path_at, len;

	if (n >= ENF_PLACES)
		return ENF_PATH_UNKNOWN;
	len = enf_places[n].len;
	if (s->object.path_len == 1) /* the root itself */
		at = ENF_PATH_MAX;
	at -= len;
	enf_barrier(at);
	enf_barrier(len);
	if (len > sizeof(enf_places[n].path) || at > ENF_PATH_MAX ||
	    bpf_probe_read_kernel(&s->text[at], len, (const void *)enf_places[n].path))
		return ENF_PATH_UNKNOWN;
	s->object.path_at = at;
	s->object.path_len = ENF_PATH_MAX - at;
	if (s->object.flags & ENF_FOLD_BITS)
		s->object.flags += len << ENF_FOLD_FROM_AT;
	return ENF_PATH_OK;
}

/*
 * Global, as are the other large pieces of the core: the verifier proves a global function once for a
 * program, from unknown arguments, instead of again on every way that leads to it.
 */
__attribute__((noinline)) int enf_resolve_once(struct enf_scratch *s, __u64 dentry, __u64 mnt,
					       __u32 view)
{
	__u64 sb = 0, root = 0, mount = 0, print = !!(view & ENF_VIEW_PRINTED);
	int rc, host;

	if (!s)
		return ENF_PATH_UNKNOWN;
	enf_read(sb, dentry + enf_offset(struct dentry, d_sb));
	if (!sb)
		return ENF_PATH_UNKNOWN;
	view &= ~ENF_VIEW_PRINTED;
	host = view == ENF_VIEW_HOST;
	s->print = 0;
	s->object.flags &= ~ENF_FOLD_BITS;
	if (view == ENF_VIEW_HOST) {
		enf_find_of(s)->print = print;
		mount = enf_host_mount(s, dentry, sb);
		if (!mount && enf_find_of(s)->cut)
			return ENF_PATH_UNKNOWN;
		print = enf_find_of(s)->print;
		if (!mount && !s->place) {
			s->print = print;
			return ENF_PATH_ABSENT;
		}
		if (mount)
			print = print ? enf_print(print, mount) : 0;
		else
			view = ENF_VIEW_PLACE; /* the only name that it has */
	} else if (view == ENF_VIEW_NAMESPACE && mnt == ENF_MNT_UNKNOWN) {
		return ENF_PATH_UNKNOWN;
	} else if (view == ENF_VIEW_NAMESPACE && mnt) {
		__u64 ns = 0;

		mount = mnt - enf_offset(struct mount, mnt);
		enf_read(ns, mount + enf_offset(struct mount, mnt_ns));
		if (!ns || ns >= (__u64)-4095) /* no namespace: memfd, pipe; detached mount */
			mount = 0;
	}
	if (!host)
		s->folds = enf_may_fold(sb, mount);
	if (mount)
		enf_read(root, mount + enf_offset(struct mount, mnt.mnt_root));
	else
		enf_read(root, sb + enf_offset(struct super_block, s_root));
	if (enf_walk_up(s, dentry, mount, root, print))
		return ENF_PATH_UNKNOWN;
	s->print = enf_walk_of(s)->print;
	if (s->folds && enf_fold(s, dentry, mount, root))
		return ENF_PATH_UNKNOWN;
	if (view != ENF_VIEW_PLACE)
		return ENF_PATH_OK;
	rc = enf_put_place(s);
	if (!mount)
		s->place = 0; /* and so it has no second one */
	return rc;
}

/*
 * Returns: ENF_PATH_*. Repeats while names move.
 *
 * If they never pause, two walks in a row count that meet the same dentries with the same counters, and the
 * same mounts. The kernel makes a dentry's d_seq odd while it changes its name or parent, and another number
 * afterwards (__d_move()), so between the two there was a moment at which all of this was the path, whatever
 * else was renamed. Mounts have no such number: one that went away and came back between two readings of the
 * same walk would be taken for one that stood. Only who may change these very mounts can do that.
 */
__attribute__((noinline)) int enf_resolve(struct enf_scratch *s, __u64 dentry, __u64 mnt,
					  __u32 view)
{
	__u32 renames, mounts, calm;
	__u64 before = 0;

	if (!s)
		return ENF_PATH_UNKNOWN;
	for (int i = 0; i < 2 * ENF_WALK_TRIES; i++) {
		__u32 among = i < ENF_WALK_TRIES ? 0 : ENF_VIEW_PRINTED;
		int rc;

		renames = enf_seq(enf_rename_lock);
		mounts = enf_seq(enf_mount_lock);
		rc = enf_resolve_once(s, dentry, mnt, view | among);
		calm = 1;
		/* No number says how long what was found among changes holds: it is not remembered. */
		if ((mounts & 1) || mounts != enf_seq(enf_mount_lock)) {
			mounts = 0;
			calm = 0;
		}
		if ((renames & 1) || renames != enf_seq(enf_rename_lock)) {
			renames = 0;
			calm = 0;
		}
		if (calm)
			goto found;
		if (s->print && s->print == before) {
			enf_count(ENF_STAT_PATH_AMONG);
			goto found;
		}
		before = rc == ENF_PATH_UNKNOWN ? 0 : s->print;
		continue;
found:
		if (s->resolved && (s->renames != renames || s->mounts != mounts))
			s->met = 1; /* the two views are not of one moment */
		s->resolved = 1;
		s->renames = renames;
		s->mounts = mounts;
		return rc;
	}
	return ENF_PATH_UNKNOWN;
}

/* Does the host show this object? Where that cannot be told now: yes, then its two views count. */
__attribute__((noinline)) int enf_is_shown(struct enf_scratch *s, __u64 dentry)
{
	__u32 mounts = enf_seq(enf_mount_lock);
	__u64 sb = 0;

	if (!s)
		return 1;
	enf_read(sb, dentry + enf_offset(struct dentry, d_sb));
	enf_find_of(s)->print = 0;
	return enf_host_mount(s, dentry, sb) || enf_find_of(s)->cut ||
	       mounts != enf_seq(enf_mount_lock);
}

/* Is this object reached through a mount namespace other than the host's? */
static __always_inline int enf_foreign(__u64 mnt)
{
	return mnt && !enf_on_host(mnt - enf_offset(struct mount, mnt));
}

#endif
