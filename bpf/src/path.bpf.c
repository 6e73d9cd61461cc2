// SPDX-License-Identifier: GPL-2.0-only
/* The search for the host's mount of a superblock, and both views of a name. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___path
#include "climb.bpf.h"
#include "fold.bpf.h"
#include "ns_mounts.bpf.h"
#include "path.bpf.h"

#define ENF_WALK_TRIES 4	/* while renames and mounts go on */
#define ENF_SB_MOUNTS_MAX 65536 /* mounts of one superblock looked through for the host's */
#define ENF_SB_MOUNTS_NEAR 256	/* ... where the host's namespace can be searched instead */

/* ---- The host's mount of a superblock ----------------------------------------------------- */

struct enf_find {
	__u64 mount; /* cursor */
	__u64 end;   /* list head, where it is a list */
	__u64 dentry;
	__u64 found;
	__u64 found_id;
	__u64 print;  /* of what was looked through; 0: no print */
	__u32 within; /* look for mounts of a part that holds the dentry */
	__u32 cut;  /* a limit ended the search: another mount may be the oldest, or the only one */
	__u32 deep; /* a limit ended the climb to the root of a mount */
};

_Static_assert(sizeof(struct enf_find) <= sizeof(((struct enf_scratch *)0)->work), "work");

static __always_inline struct enf_find *enf_find_of(struct enf_scratch *s)
{
	return (struct enf_find *)s->work;
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
		if (!c.ended) /* that mount may be the oldest */
			f->deep = 1;
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

/* Begin it at the superblock's mounts. */
__attribute__((noinline)) int enf_find_first(struct enf_scratch *s, __u64 sb, __u64 dentry)
{
	struct enf_find *f;
	__u64 first = 0;

	if (!s)
		return 0;
	f = enf_find_of(s);
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
	f->deep = 0;
	return 0;
}

/* The host's mount namespace, or 0 if it is not at hand. It lives as long as the first process. */
__attribute__((noinline)) __u64 enf_host_ns(void)
{
	const struct enf_sb_mount *known;
	__u64 ns = enf_own_ns(), key = ENF_SB_NONE;

	if (enf_is_host_ns(ns))
		return ns;
	known = bpf_map_lookup_elem(&superblocks, &key);
	return known && enf_is_host_ns(known->mount) ? known->mount : 0;
}

/* The end of the search among the mounts of the namespace *ns*, in the same working memory. */
__attribute__((noinline)) int enf_find_last(struct enf_scratch *s, __u64 ns, __u64 print,
					    __u64 dentry)
{
	struct enf_find *f;
	__u64 found, event = 0;

	if (!s)
		return 0;
	found = enf_among_found(s);
	f = enf_find_of(s);
	enf_read(event, ns + enf_offset(struct mnt_namespace, event));
	f->cut = found == ENF_MNT_UNKNOWN ||
		 (found && !bpf_core_field_exists(((struct mnt_namespace___tree *)0)->mounts));
	f->found = found == ENF_MNT_UNKNOWN ? 0 : found;
	f->found_id = f->found ? enf_mount_id(f->found) : 0;
	f->within = dentry != 0;
	f->print = print ? enf_print(print, event) : 0;
	return 0;
}

/*
 * The host's oldest mount of *sb*, or the oldest that shows *dentry*, is left in the search.
 *
 * The search ends among the mounts of the host's namespace if the superblock has many: those that users make in theirs
 * are not among them, and so make no file of others unknown, however many there are. Before v6.8 a namespace does not
 * have its mounts by age, so that it tells only that none of them shows the file.
 */
static __always_inline void enf_find(struct enf_hold *hold, __u64 sb, __u64 dentry)
{
	struct enf_find *f = enf_find_of(hold->s);
	__u64 ns = enf_host_ns(), print;

	enf_find_first(hold->s, sb, dentry);
	bpf_loop(ns ? ENF_SB_MOUNTS_NEAR : ENF_SB_MOUNTS_MAX, enf_find_one, hold, 0);
	f->cut = f->deep || f->mount != f->end;
	if (!ns || f->mount == f->end)
		return;
	print = f->print;
	enf_among_first(hold->s, ns, sb, dentry);
	enf_look_among(hold, ENF_SB_MOUNTS_MAX);
	enf_find_last(hold->s, ns, print, dentry);
}

/* Is the mount *known* of *sb* still one of the host's? When it is taken away, it has no namespace. */
__attribute__((noinline)) int enf_stands(const struct enf_sb_mount *known, __u64 sb)
{
	__u64 its = 0, root = 0;

	if (!known)
		return 0;
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
	whole = fresh.root;
	enf_read(fresh.mount, f->found + enf_offset(struct mount, mnt_ns));
	sb = ENF_SB_NONE;
	if (enf_is_host_ns(fresh.mount))
		bpf_map_update_elem(&superblocks, &sb, &fresh, BPF_NOEXIST);
	return whole;
}

/*
 * Returns: the host's mount through which *dentry* has its name, or 0.
 *
 * What is known of a superblock holds as long as its mount stands: however many mounts others make, they
 * do not lengthen anybody else's way. Superblocks that the host does not show are not kept, so that who
 * makes many of them drives nothing out.
 */
__attribute__((noinline)) __u64 enf_host_mount(struct enf_scratch *s, __u64 dentry, int is_printed)
{
	struct enf_hold hold = { .s = s };
	struct enf_find *f;
	struct enf_sb_mount *known;
	__u32 seq = enf_seq(enf_mount_lock);
	__u64 root, sb, part = 0; /* look for a mount that shows this dentry */

	if (!s)
		return 0;
	sb = enf_word_at(dentry + enf_offset(struct dentry, d_sb));
	f = enf_find_of(s);
	f->print = is_printed;
	f->cut = 1;
	f->within = 0;
	if (!sb) /* the walk says that it is unknown */
		return 0;
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
		part = dentry;
	}
	for (int i = 0; i < 2; i++) {
		enf_find(&hold, sb, part);
		s->folds = enf_may_fold(sb, f->found);
		if (part)
			return f->found;
		s->place = enf_place_of(sb);
		if (!f->found)
			return 0;
		root = enf_keep_mount(s, sb, seq);
		if (enf_is_below(dentry, root, sb))
			return f->found;
		part = dentry;
	}
	return 0;
}

/* ---- Both views --------------------------------------------------------------------------- */

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
					       __u32 view, __u64 found)
{
	__u64 sb, root, mount = 0, print = !!(view & ENF_VIEW_PRINTED);
	int rc, host;

	if (!s)
		return ENF_PATH_UNKNOWN;
	sb = enf_word_at(dentry + enf_offset(struct dentry, d_sb));
	if (!sb)
		return ENF_PATH_UNKNOWN;
	view &= ~ENF_VIEW_PRINTED;
	host = view == ENF_VIEW_HOST;
	s->print = 0;
	s->in_directory = 0;
	s->object.flags &= ~ENF_FOLD_BITS;
	if (view == ENF_VIEW_HOST) {
		mount = found;
		if (enf_find_of(s)->cut && (!mount || enf_find_of(s)->within))
			return ENF_PATH_UNKNOWN;
		print = enf_find_of(s)->print;
		if (!mount && !s->place) {
			s->print = print;
			return ENF_PATH_ABSENT;
		}
		/* Of a part, or where there may be an older mount, each name in the directory may be by another. */
		s->in_directory =
			mount && !s->place && !enf_find_of(s)->within && !enf_find_of(s)->cut;
		if (mount)
			print = print ? enf_print(print, mount) : 0;
		else
			view = ENF_VIEW_PLACE; /* the only name that it has */
	} else if (view == ENF_VIEW_NAMESPACE && mnt == ENF_MNT_UNKNOWN) {
		return ENF_PATH_UNKNOWN;
	} else if (view == ENF_VIEW_NAMESPACE && mnt) {
		__u64 ns;

		mount = mnt - enf_offset(struct mount, mnt);
		ns = enf_word_at(mount + enf_offset(struct mount, mnt_ns));
		if (!ns || ns >= (__u64)-4095) /* no namespace: memfd, pipe; detached mount */
			mount = 0;
	}
	if (!host)
		s->folds = enf_may_fold(sb, mount);
	root = mount ? enf_word_at(mount + enf_offset(struct mount, mnt.mnt_root))
		     : enf_word_at(sb + enf_offset(struct super_block, s_root));
	if (dentry == root)
		s->in_directory = 0;
	if (enf_walk_up(s, dentry, mount, root, print)) {
		s->in_directory = 0; /* of what is unknown nothing is learnt */
		return ENF_PATH_UNKNOWN;
	}
	s->print = enf_walk_of(s)->print;
	if (s->folds)
		s->in_directory = 0;
	if (s->folds && enf_fold(s, dentry, mount, root))
		return ENF_PATH_UNKNOWN;
	/* A name with a key takes the place of one without, with the flag: walks must agree on that, too. */
	if (s->print)
		s->print = enf_print(s->print, s->object.flags & ENF_FOLD_BITS);
	if (view != ENF_VIEW_PLACE)
		return ENF_PATH_OK;
	rc = enf_put_place(s);
	if (!mount)
		s->place = 0; /* and so it has no second one */
	return rc;
}

__attribute__((noinline)) int enf_resolve(struct enf_scratch *s, __u64 dentry, __u64 mnt,
					  __u32 view)
{
	__u32 renames, mounts, calm;
	__u64 before = 0;

	if (!s)
		return ENF_PATH_UNKNOWN;
	for (int i = 0; i < 2 * ENF_WALK_TRIES; i++) {
		__u32 among = i < ENF_WALK_TRIES ? 0 : ENF_VIEW_PRINTED;
		__u64 shown; /* by this mount of the host's */
		int rc;

		renames = enf_seq(enf_rename_lock);
		mounts = enf_seq(enf_mount_lock);
		shown = view == ENF_VIEW_HOST ? enf_host_mount(s, dentry, !!among) : 0;
		rc = enf_resolve_once(s, dentry, mnt, view | among, shown);
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
			s->met |= ENF_MET_DOUBT; /* the two views are not of one moment */
		s->resolved = 1;
		s->renames = renames;
		s->mounts = mounts;
		return rc;
	}
	return ENF_PATH_UNKNOWN;
}

__attribute__((noinline)) int enf_is_shown(struct enf_scratch *s, __u64 dentry)
{
	__u32 mounts = enf_seq(enf_mount_lock);

	if (!s)
		return 1;
	return enf_host_mount(s, dentry, 0) || enf_find_of(s)->cut ||
	       mounts != enf_seq(enf_mount_lock);
}
