// SPDX-License-Identifier: GPL-2.0-only
/* One step a dentry or a mount point, in a loop that the verifier bounds. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___walk
#include "fold.bpf.h"
#include "walk.bpf.h"

#define ENF_WALK_MAX 4096  /* steps: a component or a mount; of a longer path the head */
#define ENF_WALK_DEEP 8192 /* steps from below a path over PATH_MAX; a deeper one is unknown */

static __always_inline __u32 enf_dentry_seq(__u64 dentry)
{
	__u32 seq = 0;

	enf_read(seq, dentry + enf_offset(struct dentry, d_seq));
	return seq;
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

__attribute__((noinline)) int enf_walk_up(struct enf_scratch *s, __u64 dentry, __u64 mount,
					  __u64 root, __u64 print)
{
	struct enf_hold hold = { .s = s };
	struct enf_walk *w;

	if (!s)
		return 1;
	if (enf_in_encrypted(dentry)) /* any name on the way may be one without a key */
		s->folds = 1;
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
