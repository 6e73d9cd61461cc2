// SPDX-License-Identifier: GPL-2.0-only
/* Self-protection: the names of the engine's objects, and the mounts that they lie on. */
#include "around.bpf.h"
#include "guard.bpf.h"

#define ENF_CLIMB_MAX 64   /* directories and mounts from the pins to the root of the host */
#define ENF_PINS_DEEP 4	   /* directory, session, pin */
#define ENF_MASTERS_MAX 16 /* mounts of which each repeats the next */
#define ENF_TAKING_MAX                                                                             \
	(1 << 17) /* steps over the mounts that those on the way repeat, and over what is on them */

/* ---- Pins --------------------------------------------------------------------------------- */

/* Is this name the pins' directory, below it, or on the way to it? */
static __noinline int enf_is_pin(const struct enf_guard *g, __u64 dentry)
{
	__u64 at = dentry, up = 0;

	if (!g)
		return 0;
	for (int i = 0; i < ENF_PINS_DEEP; i++) {
		if (at == g->base)
			return 1;
		enf_read(at, at + enf_offset(struct dentry, d_parent));
	}
	up = g->base;
	for (int i = 0; i < ENF_PINS_DEEP; i++) {
		enf_read(up, up + enf_offset(struct dentry, d_parent));
		if (up == dentry)
			return 1;
	}
	return 0;
}

/* ---- The way to them ---------------------------------------------------------------------- */

static __always_inline __u32 enf_group(__u64 mount)
{
	__u32 group = 0;

	enf_read(group, mount + enf_offset(struct mount, mnt_group_id));
	return group;
}

static __always_inline __u64 enf_mounted_on(__u64 mount)
{
	__u64 parent = 0;

	enf_read(parent, mount + enf_offset(struct mount, mnt_parent));
	return parent == mount ? 0 : parent;
}

static __always_inline __u64 enf_mounted_at(__u64 mount)
{
	__u64 point = 0;

	enf_read(point, mount + enf_offset(struct mount, mnt_mountpoint));
	return point;
}

static __always_inline __u64 enf_master(__u64 mount)
{
	__u64 master = 0;

	enf_read(master, mount + enf_offset(struct mount, mnt_master));
	return master;
}

/*
 * Does *one* repeat what happens to *other*, of the group *others_group* (0: nobody repeats it)? Mounts of a group
 * repeat each other, and what happens to their master, which is of a group itself.
 */
static __noinline int enf_repeats_mount(__u64 one, __u64 other, __u32 others_group)
{
	if (one == other)
		return 1;
	if (!others_group)
		return 0;
	for (int i = 0; i < ENF_MASTERS_MAX; i++) {
		if (enf_group(one) == others_group)
			return 1;
		one = enf_master(one);
		if (!one)
			return 0;
	}
	return 1; /* so many masters are made on purpose: refused */
}

/* From the directory of pins up to the host's root, over every mount on the way. */
struct enf_ascent {
	__u64 mount, dentry; /* where it is */
	__u64 other, place;  /* looked for: a mount, and a directory in it */
	__u32 group;	     /* of that mount; 0: it shares nothing */
	__u32 anywhere;	     /* the directory is looked for in every mount */
	__u32 found;
	__u32 _pad;
};

/* Would a mount on *place* of *other* hide what we climb from? */
static long enf_ascend_names(__u32 i, void *arg)
{
	struct enf_ascent *a = arg;
	__u64 root = 0, parent = 0;

	(void)i;
	if (a->dentry == a->place &&
	    (a->anywhere || enf_repeats_mount(a->mount, a->other, a->group))) {
		a->found = 1;
		return 1;
	}
	enf_read(root, a->mount + enf_offset(struct mount, mnt.mnt_root));
	if (a->dentry == root) {
		parent = enf_mounted_on(a->mount);
		if (!parent)
			return 1;
		a->dentry = enf_mounted_at(a->mount);
		a->mount = parent;
		return 0;
	}
	enf_read(parent, a->dentry + enf_offset(struct dentry, d_parent));
	if (!parent || parent == a->dentry)
		return 1;
	a->dentry = parent;
	return 0;
}

static __noinline int enf_hides_pins(const struct enf_guard *g, __u64 mnt, __u64 dentry)
{
	struct enf_ascent a = {};

	if (!g || !g->mount)
		return 0;
	a.mount = g->mount;
	a.dentry = g->base;
	a.other = mnt - enf_offset(struct mount, mnt);
	a.place = dentry;
	a.group = enf_group(a.other);
	if (enf_is_pin(g, dentry) && enf_repeats_mount(g->mount, a.other, a.group))
		return 1; /* below the directory */
	bpf_loop(ENF_CLIMB_MAX, enf_ascend_names, &a, 0);
	return a.found;
}

/*
 * Is this directory on the way to the pins? Whoever sees it without what is mounted on it may remove it, or put
 * another in its place: then the kernel takes those mounts away in every namespace.
 */
static __noinline int enf_leads_to_pins(const struct enf_guard *g, __u64 dentry)
{
	struct enf_ascent a = { .place = dentry, .anywhere = 1 };

	if (!g || !g->mount || !dentry)
		return 0;
	a.mount = g->mount;
	a.dentry = g->base;
	bpf_loop(ENF_CLIMB_MAX, enf_ascend_names, &a, 0);
	return a.found;
}

/*
 * Would taking *other* away, with all that is mounted below it, take a mount on our way along? What is taken away
 * from a mount is taken away, at the same place, from all that repeat it. So for each mount on our way, at *place* of
 * *parent*: that itself, and what is mounted at *place* of each mount that *parent* repeats, must not be *other* or
 * lie below it. Each step does a little of this, or goes to the next:
 */
struct enf_taking {
	__u64 other;
	__u64 mount;	     /* on our way */
	__u64 parent, place; /* where that is mounted */
	__u64 peer, first;   /* the mount that is looked at, and that with which its ring began */
	__u64 child; /* the entry that is looked at of the list of what is mounted on the peer; 0: none yet */
	__u64 lower; /* one that is repeated, or on which that is mounted; 0: none */
	__u32 found, ended;
};

/* The next mount on our way, and on it. */
static __always_inline void enf_take_next(struct enf_taking *t, __u64 mount)
{
	t->mount = mount;
	t->parent = enf_mounted_on(mount);
	t->place = enf_mounted_at(mount);
	t->peer = t->first = t->parent;
	t->child = 0;
	t->lower = mount;
	t->ended = !t->parent;
}

/*
 * Nothing locks the lists and rings. What the kernel takes out of one (umount_tree, change_mnt_propagation) points to
 * itself, or soon into another: nothing leads back to where this began, so it begins again. No count is needed: who
 * changes them all the time uses up the steps, and that refuses.
 *
 * Is the peer, or that with which the ring began, in this ring no more? Those of a ring have its group, and no other.
 */
static __always_inline int enf_left_ring(const struct enf_taking *t)
{
	__u32 group = enf_group(t->first);

	if (t->peer == t->first) /* one that is in no ring is none that others repeat */
		return !group && t->first != t->parent;
	return !group || enf_group(t->peer) != group;
}

static __always_inline void enf_take_peer(struct enf_taking *t)
{
	__u64 next = 0;

	t->child = 0;
	if (enf_left_ring(t)) {
		t->peer = t->first = t->parent;
		return;
	}
	enf_read(next, t->peer + enf_offset(struct mount, mnt_share.next));
	t->peer = next - enf_offset(struct mount, mnt_share);
	if (!next || t->peer == t->first)
		t->peer = t->first = enf_master(t->first);
	if (!t->peer)
		enf_take_next(t, t->parent);
}

static long enf_take_one(__u32 i, void *arg)
{
	struct enf_taking *t = arg;
	__u64 list, next = 0, mount, on;

	(void)i;
	if (t->lower) {
		t->found = t->lower == t->other;
		t->lower = enf_mounted_on(t->lower);
		return t->found;
	}
	if (t->ended)
		return 1;
	list = t->peer + enf_offset(struct mount, mnt_mounts);
	enf_read(next, t->child ? t->child : list);
	if (!next || next == list || t->peer == t->parent) {
		enf_take_peer(t);
		return 0;
	}
	mount = next - enf_offset(struct mount, mnt_child);
	on = enf_mounted_on(mount);
	if (next == t->child || (on && on != t->peer)) { /* on none: about to be taken out */
		t->child = 0;
		return 0;
	}
	t->child = next;
	if (enf_mounted_at(mount) == t->place)
		t->lower = mount;
	return 0;
}

/* Where mounts of other namespaces are left alone (*alone*): what others repeat, the kernel does not move. */
static __noinline int enf_carries_pins(const struct enf_guard *g, __u64 mnt, int alone)
{
	struct enf_taking t = {};

	if (!g || !g->mount)
		return 0;
	t.other = mnt - enf_offset(struct mount, mnt);
	enf_take_next(&t, g->mount);
	t.ended |= alone;
	if (bpf_loop(ENF_TAKING_MAX, enf_take_one, &t, 0) == ENF_TAKING_MAX)
		return 1; /* so many mounts are made on purpose: refused */
	return t.found;
}

static __always_inline int enf_refuse_mount(__u64 dentry)
{
	__u64 name = 0;

	enf_read(name, dentry + enf_offset(struct dentry, d_name.name));
	return enf_refuse_named(ENF_GUARD_MOUNT, 0, name);
}

/* ---- Names --------------------------------------------------------------------------------- */

static __always_inline int enf_guard_pin(struct dentry *dentry)
{
	struct enf_guard *g = enf_guard_state();
	__u64 name = 0, inode = 0, ino = 0;

	if (!g || (__u64)dentry->d_sb != g->sb || !enf_is_pin(g, (__u64)dentry) ||
	    !enf_is_outsider(g))
		return 0;
	enf_read(name, &dentry->d_name.name);
	enf_read(inode, &dentry->d_inode);
	if (inode)
		enf_read(ino, inode + enf_offset(struct inode, i_ino));
	return enf_refuse_named(ENF_GUARD_PIN, ino, name);
}

SEC("lsm/inode_unlink")
int BPF_PROG(enf_guard_unlink, struct inode *dir, struct dentry *dentry, int ret)
{
	return ret ? ret : enf_guard_pin(dentry);
}

static __always_inline int enf_guard_way(struct dentry *dentry)
{
	struct enf_guard *g = enf_guard_state();

	if (!g || !enf_leads_to_pins(g, (__u64)dentry) || !enf_is_outsider(g))
		return 0;
	return enf_refuse_mount((__u64)dentry);
}

SEC("lsm/inode_rmdir")
int BPF_PROG(enf_guard_rmdir, struct inode *dir, struct dentry *dentry, int ret)
{
	if (!ret)
		ret = enf_guard_pin(dentry);
	return ret ? ret : enf_guard_way(dentry);
}

/* security_inode_rename has flags before the verdict. */
SEC("lsm/inode_rename")
int enf_guard_rename(unsigned long long *ctx)
{
	struct dentry *old_dentry = (void *)ctx[1], *new_dentry = (void *)ctx[3];
	int ret = ENF_ARG(ctx, 32, 40);

	if (!ret)
		ret = enf_guard_pin(old_dentry);
	if (!ret)
		ret = enf_guard_pin(new_dentry);
	if (!ret)
		ret = enf_guard_way(old_dentry);
	return ret ? ret : enf_guard_way(new_dentry);
}

/* What is not a pin of the engine's must not look like one. */
SEC("lsm/inode_link")
int BPF_PROG(enf_guard_hardlink, struct dentry *old_dentry, struct inode *dir,
	     struct dentry *new_dentry, int ret)
{
	if (!ret)
		ret = enf_guard_pin(old_dentry);
	return ret ? ret : enf_guard_pin(new_dentry);
}

SEC("lsm/inode_create")
int BPF_PROG(enf_guard_create, struct inode *dir, struct dentry *dentry, unsigned short mode,
	     int ret)
{
	return ret ? ret : enf_guard_pin(dentry);
}

SEC("lsm/inode_mkdir")
int BPF_PROG(enf_guard_mkdir, struct inode *dir, struct dentry *dentry, unsigned short mode,
	     int ret)
{
	return ret ? ret : enf_guard_pin(dentry);
}

SEC("lsm/inode_symlink")
int BPF_PROG(enf_guard_symlink, struct inode *dir, struct dentry *dentry, const char *old_name,
	     int ret)
{
	return ret ? ret : enf_guard_pin(dentry);
}

/* ---- Mounts ------------------------------------------------------------------------------- */

SEC("lsm/sb_umount")
int BPF_PROG(enf_guard_umount, struct vfsmount *mnt, int flags, int ret)
{
	struct enf_guard *g = enf_guard_state();
	__u64 address = (__u64)mnt, point = 0;

	if (ret || !g)
		return ret;
	if (!enf_carries_pins(g, address, 0) || !enf_is_outsider(g))
		return 0;
	enf_read(point, address - enf_offset(struct mount, mnt) +
				enf_offset(struct mount, mnt_mountpoint));
	return enf_refuse_mount(point);
}

/*
 * The order of the kernel's tests: remount, bind, change of propagation, move, new mount. What mount(2)
 * moves is known to it by name only, so no other process moves anything on the host by it; what
 * move_mount(2) moves is looked at below.
 */
SEC("lsm/sb_mount")
int BPF_PROG(enf_guard_mount, const char *dev_name, const struct path *path, const char *type,
	     unsigned long flags, void *data, int ret)
{
	struct enf_guard *g = enf_guard_state();
	__u64 mnt, dentry;
	int refused;

	if (ret || !g)
		return ret;
	mnt = (__u64)path->mnt;
	dentry = (__u64)path->dentry;
	if (flags & ENF_MS_REMOUNT)
		refused = (__u64)path->dentry->d_sb == g->sb && enf_on_hosts(mnt);
	else if (flags & ENF_MS_BIND)
		refused = enf_hides_pins(g, mnt, dentry);
	else if (flags & ENF_MS_PROPAGATION)
		refused = 0;
	else if (flags & ENF_MS_MOVE)
		refused = (g->mount && enf_on_hosts(mnt)) || enf_hides_pins(g, mnt, dentry);
	else
		refused = enf_hides_pins(g, mnt, dentry);
	return refused && enf_is_outsider(g) ? enf_refuse_mount(dentry) : 0;
}

SEC("lsm/move_mount")
int BPF_PROG(enf_guard_move, const struct path *from, const struct path *to, int ret)
{
	struct enf_guard *g = enf_guard_state();
	__u64 dentry;

	if (ret || !g)
		return ret;
	dentry = (__u64)to->dentry;
	if (!enf_hides_pins(g, (__u64)to->mnt, dentry) && !enf_carries_pins(g, (__u64)from->mnt, 1))
		return 0;
	return enf_is_outsider(g) ? enf_refuse_mount(dentry) : 0;
}

SEC("lsm/sb_pivotroot")
int BPF_PROG(enf_guard_pivot, const struct path *old_path, const struct path *new_path, int ret)
{
	struct enf_guard *g = enf_guard_state();

	if (ret || !g)
		return ret;
	if (!g->mount || !enf_on_hosts((__u64)new_path->mnt) || !enf_is_outsider(g))
		return 0;
	return enf_refuse_mount((__u64)new_path->dentry);
}

SEC("lsm/sb_remount")
int BPF_PROG(enf_guard_remount, struct super_block *sb, void *options, int ret)
{
	struct enf_guard *g = enf_guard_state();

	if (ret || !g || (__u64)sb != g->sb || !enf_is_outsider(g))
		return ret;
	return enf_refuse_mount(g->base);
}
