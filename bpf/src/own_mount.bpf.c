// SPDX-License-Identifier: GPL-2.0-only
/* The search for the caller's own mount, in either form that the kernel keeps the mounts of a namespace in. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___own_mount
#include "climb.bpf.h"
#include "own_mount.bpf.h"
#include "path.bpf.h"

#define ENF_OWN_MOUNTS_MAX 16384
#define ENF_OWN_TRIES 8

/* In the working memory, as those of the other searches. */
struct enf_own {
	__u64 at;  /* list_head, or rb_node; 0: the search is over */
	__u64 end; /* list head, where it is a list */
	__u64 sb;  /* of the object */
	__u64 dentry;
	__u64 found; /* struct mount */
	__u32 came;  /* ENF_FROM_*: how the tree's node was reached */
	__u32 state; /* ENF_WALK_* */
};

_Static_assert(sizeof(struct enf_own) <= sizeof(((struct enf_scratch *)0)->work), "work");

#define ENF_FROM_ABOVE 0
#define ENF_FROM_LEFT 1

static __always_inline struct enf_own *enf_own_of(struct enf_scratch *s)
{
	return (struct enf_own *)s->work;
}

/* Does *mount* show the object? */
static __always_inline int enf_shows(struct enf_own *o, __u64 mount)
{
	struct enf_climb c = { .dentry = o->dentry };
	__u64 sb = 0;

	enf_read(sb, mount + enf_offset(struct mount, mnt.mnt_sb));
	if (sb != o->sb)
		return 0;
	enf_read(c.root, mount + enf_offset(struct mount, mnt.mnt_root));
	bpf_loop(ENF_ANCESTORS_MAX, enf_climb_one, &c, 0);
	return c.found;
}

static long enf_own_listed(__u32 i, void *arg)
{
	struct enf_own *o = enf_own_of(((struct enf_hold *)arg)->s);
	__u64 at = o->at, mount = at - enf_offset(struct mount, mnt_list);

	(void)i;
	if (!at || at == o->end) {
		o->state = ENF_WALKED;
		return 1;
	}
	if (enf_shows(o, mount)) {
		o->found = mount;
		o->state = ENF_WALKED;
		return 1;
	}
	enf_read(o->at, at);
	return 0;
}

/* One step through the tree, by age: a node's left side, itself, its right side, then up again. */
static long enf_own_grown(__u32 i, void *arg)
{
	struct enf_own *o = enf_own_of(((struct enf_hold *)arg)->s);
	__u64 at = o->at, next = 0, mount, left = 0;

	(void)i;
	if (!at) {
		o->state = ENF_WALKED;
		return 1;
	}
	if (o->came == ENF_FROM_ABOVE) {
		enf_read(next, at + enf_offset(struct rb_node, rb_left));
		if (next) {
			o->at = next;
			return 0;
		}
		o->came = ENF_FROM_LEFT;
	}
	if (o->came == ENF_FROM_LEFT) {
		mount = at - enf_offset(struct mount___tree, mnt_node);
		if (enf_shows(o, mount)) {
			o->found = mount;
			o->state = ENF_WALKED;
			return 1;
		}
		enf_read(next, at + enf_offset(struct rb_node, rb_right));
		if (next) {
			o->at = next;
			o->came = ENF_FROM_ABOVE;
			return 0;
		}
	}
	enf_read(next, at + enf_offset(struct rb_node, __rb_parent_color));
	next &= ~3ULL;
	if (next)
		enf_read(left, next + enf_offset(struct rb_node, rb_left));
	o->at = next;
	o->came = left == at ? ENF_FROM_LEFT : ENF_FROM_LEFT + 1;
	return 0;
}

/* One search. Returns: not 0 if it came to its end. */
__attribute__((noinline)) int enf_own_mount_once(struct enf_scratch *s, __u64 ns, __u64 dentry)
{
	struct enf_hold hold = { .s = s };
	struct enf_own *o;

	if (!s)
		return 0;
	o = enf_own_of(s);
	o->dentry = dentry;
	enf_read(o->sb, dentry + enf_offset(struct dentry, d_sb));
	o->found = 0;
	o->came = ENF_FROM_ABOVE;
	o->state = ENF_WALKING;
	if (bpf_core_field_exists(((struct mnt_namespace___tree *)0)->mounts)) {
		enf_read(o->at, ns + enf_offset(struct mnt_namespace___tree, mounts.rb_node));
		bpf_loop(2 * ENF_OWN_MOUNTS_MAX, enf_own_grown, &hold, 0);
	} else {
		o->end = ns + enf_offset(struct mnt_namespace, list);
		enf_read(o->at, o->end);
		bpf_loop(ENF_OWN_MOUNTS_MAX, enf_own_listed, &hold, 0);
	}
	return o->state == ENF_WALKED;
}

__attribute__((noinline)) __u64 enf_own_mount(struct enf_scratch *s, __u64 dentry)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 ns = 0, before = ENF_MNT_UNKNOWN, event, then;

	if (!s)
		return 0;
	ns = (__u64)BPF_CORE_READ(t, nsproxy, mnt_ns);
	if (!ns) /* a thread of the kernel, or one that ends */
		return 0;
	if (enf_is_host_ns(ns))
		return 0;
	for (int i = 0; i < ENF_OWN_TRIES; i++) {
		__u32 mounts = enf_seq(enf_mount_lock);
		__u64 found;

		enf_read(event, ns + enf_offset(struct mnt_namespace, event));
		if (!enf_own_mount_once(s, ns, dentry))
			return ENF_MNT_UNKNOWN;
		enf_read(then, ns + enf_offset(struct mnt_namespace, event));
		found = enf_own_of(s)->found;
		if (found)
			found += enf_offset(struct mount, mnt);
		if (!(mounts & 1) && mounts == enf_seq(enf_mount_lock))
			return found;
		if (event == then && found == before)
			return found;
		before = event == then ? found : ENF_MNT_UNKNOWN;
	}
	return ENF_MNT_UNKNOWN;
}
