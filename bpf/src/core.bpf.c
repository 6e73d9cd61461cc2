// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an access to its verdict, for every hook: who acts, the fast way out, the object's names, the
 * decision, and what follows from it.
 *
 * Fail directions, all counted:
 *   no image                      allow: nothing has been asked for yet
 *   no label, no working memory   refuse (EPERM) if some row of the operation would refuse on error
 *                                 (image->refuse_ops), else allow: that is onError, coarsely
 *   path, name, argv unreadable   the row's onError
 *   record lost                   the verdict stands
 *   signal not delivered          the refusal stands
 */
#define ENF_RDONLY_CAST bpf_rdonly_cast___core
#include "act.h"
#include "caller.bpf.h"
#include "decide.bpf.h"
#include "emit.bpf.h"
#include "glance.bpf.h"
#include "lineage.h"
#include "marks.bpf.h"
#include "own_mount.bpf.h"
#include "path.bpf.h"
#include "record.bpf.h"
#include "refused.bpf.h"

const volatile __u32 enf_image_bytes = 4096;
const volatile __u32 enf_scratch_slots = 8;
const volatile __u32 enf_slots_per_cpu = 4;
const volatile __u32 enf_host_mnt_ns = 0;
const volatile __u32 enf_rows = 1;
const volatile __u32 enf_carries = 0;
const volatile __u32 enf_records = 0;
const volatile __u32 enf_around = 0;
const volatile struct enf_place enf_places[ENF_PLACES] = {};
const volatile __u64 enf_rename_lock = 0;
const volatile __u64 enf_mount_lock = 0;
volatile __u64 enf_live SEC(".data.live") = ENF_NOT_LIVE;
const volatile __u64 enf_abi_hash = ENF_ABI_HASH;
volatile __u8 enf_nothing = 0;

char LICENSE[] SEC("license") = "GPL";

/* ---- The object --------------------------------------------------------------------------- */

/* By which a device is used, whatever node leads to it. */
#define ENF_NODE_OPS                                                                               \
	(ENF_BIT(ENF_OP_READ) | ENF_BIT(ENF_OP_WRITE) | ENF_BIT(ENF_OP_APPEND) |                   \
	 ENF_BIT(ENF_OP_MMAP_EXEC) | ENF_BIT(ENF_OP_FD_READ) | ENF_BIT(ENF_OP_FD_WRITE))

/* What is known of the object at a dentry besides its path. */
static __always_inline void enf_describe_inode(struct enf_object *o, __u64 dentry)
{
	__u64 inode = 0, sb = 0;
	__u32 nlink = 0, dev = 0, type, rdev = 0;
	__u16 mode = 0;

	enf_read(inode, dentry + enf_offset(struct dentry, d_inode));
	enf_read(sb, dentry + enf_offset(struct dentry, d_sb));
	enf_read(dev, sb + enf_offset(struct super_block, s_dev));
	o->dev = dev;
	if (inode) {
		enf_read(o->ino, inode + enf_offset(struct inode, i_ino));
		enf_read(nlink, inode + enf_offset(struct inode, i_nlink));
		enf_read(mode, inode + enf_offset(struct inode, i_mode));
		type = mode & ENF_S_IFMT;
		if (type == ENF_S_IFDIR) {
			o->flags |= ENF_OF_DIR;
		} else if ((type == ENF_S_IFCHR || type == ENF_S_IFBLK) &&
			   (ENF_BIT(o->op[0] & 63) & ENF_NODE_OPS)) {
			enf_read(rdev, inode + enf_offset(struct inode, i_rdev));
			o->num[ENF_DIM_N0 - ENF_DIM_FIRST_NUM] = (__u64)type << 32 | rdev;
			o->present |= ENF_BIT(ENF_DIM_INODE);
		} else if (nlink > 1) { /* other names may exist: the inode counts too */
			o->present |= ENF_BIT(ENF_DIM_INODE);
		}
		if (!nlink)
			o->flags |= ENF_OF_FILELESS;
	}
	o->present |= ENF_BIT(ENF_DIM_PATH);
}

/* Nothing is known yet of what is to be decided. */
static __always_inline struct enf_object *enf_begin(struct enf_scratch *s)
{
	struct enf_object *o = &s->object;

	if (enf_records)
		s->since = bpf_ktime_get_boot_ns();
	s->met = 0;
	s->resolved = 0;
	s->recalled = 0;
	s->matches.n = 0;
	__builtin_memset(o, 0, sizeof(*o));
	return o;
}

__attribute__((noinline)) int enf_describe(struct enf_scratch *s, struct enf_access *a)
{
	struct enf_object *o;
	__u32 len;

	if (!s || !a)
		return 0;
	o = enf_begin(s);
	len = a->name_len;
	o->present = a->present;
	o->unknown = a->unknown;
	o->flags = a->flags;
	*(__u32 *)o->op = *(__u32 *)a->op;
	o->n_ops = a->n_ops;
	if (a->present & ENF_BIT(ENF_DIM_ADDR)) { /* else there are addresses of the kernel's */
		o->addr_hi = a->addr_hi;
		o->addr_lo = a->addr_lo;
	}
	o->num[ENF_DIM_FAMILY - ENF_DIM_FIRST_NUM] = a->family;
	o->num[ENF_DIM_TYPE - ENF_DIM_FIRST_NUM] = a->type;
	o->num[ENF_DIM_PROTOCOL - ENF_DIM_FIRST_NUM] = a->protocol;
	o->num[ENF_DIM_PORT - ENF_DIM_FIRST_NUM] = a->port;
	o->num[ENF_DIM_MODE - ENF_DIM_FIRST_NUM] = a->mode;
	if (a->present & ENF_BIT(ENF_DIM_CODE))
		o->num[ENF_DIM_CODE - ENF_DIM_FIRST_NUM] = a->code;
	if (a->present & ENF_BIT(ENF_DIM_BITS))
		o->num[ENF_DIM_BITS - ENF_DIM_FIRST_NUM] = a->bits;
	if (a->present & ENF_BIT(ENF_DIM_TO_UID))
		o->num[ENF_DIM_TO_UID - ENF_DIM_FIRST_NUM] = a->to_uid;
	if (a->present & ENF_BIT(ENF_DIM_TO_GID))
		o->num[ENF_DIM_TO_GID - ENF_DIM_FIRST_NUM] = a->to_gid;
	if (a->name) {
		long n;

		o->present |= ENF_BIT(ENF_DIM_NAME);
		if (len) {
			enf_barrier(len);
			n = len > ENF_NAME_MAX ? -1
					       : bpf_probe_read_kernel(&s->text[ENF_TEXT_NAME], len,
								       (const void *)a->name);
			n = n ? -1 : (long)len;
		} else {
			n = bpf_probe_read_kernel_str(&s->text[ENF_TEXT_NAME], ENF_NAME_MAX + 1,
						      (const void *)a->name);
			n = n > 0 ? n - 1 : -1;
		}
		if (n < 0) {
			o->unknown |= ENF_BIT(ENF_DIM_NAME);
			enf_count(ENF_STAT_NAME_UNKNOWN);
		} else {
			o->name_len = n;
		}
	}
	if (a->dentry)
		enf_describe_inode(o, a->dentry);
	return 0;
}

__attribute__((noinline)) int enf_describe_fstype(struct enf_scratch *s, __u64 name)
{
	long n;

	if (!s)
		return 0;
	n = bpf_probe_read_kernel_str(&s->text[ENF_TEXT_FSTYPE], ENF_FSTYPE_MAX + 1,
				      (const void *)name);
	/* What fills the room may be longer than it: unknown, so that onError decides. */
	if (n <= 0 || n > ENF_FSTYPE_MAX) {
		s->object.unknown |= ENF_BIT(ENF_DIM_FSTYPE);
		enf_count(ENF_STAT_NAME_UNKNOWN);
		return 0;
	}
	s->object.fstype_len = n - 1;
	return 0;
}

/* The executable of another process, as its label has it, where an object's path would be. */
__attribute__((noinline)) int enf_describe_exe(struct enf_scratch *s, __u64 exe, __u32 len)
{
	__u32 at = ENF_PATH_MAX - len;

	if (!s)
		return 0;
	enf_barrier(at);
	enf_barrier(len);
	if (!len || len > ENF_EXE_MAX || at > ENF_PATH_MAX ||
	    bpf_probe_read_kernel(&s->text[at], len, (const void *)exe)) {
		s->object.unknown |= ENF_BIT(ENF_DIM_PATH);
		enf_count(ENF_STAT_EXE_UNKNOWN);
		return 0;
	}
	s->object.path_at = at;
	s->object.path_len = len;
	return 0;
}

/* A pipe, a socket, an event counter: what is written where a path would be is for people. */
static __always_inline void enf_nameless(struct enf_object *o, __u64 dentry)
{
	__u64 sb = 0;

	enf_read(sb, dentry + enf_offset(struct dentry, d_sb));
	if (enf_kernels_own(sb) && !(o->flags & ENF_OF_MEMFD))
		o->present &= ~ENF_BIT(ENF_DIM_PATH);
}

/* Decide with the object's path in one view; *facts* are flags of the object there. Returns
 * ENF_PATH_ABSENT if it has none there, -1 to ask again.
 */
__attribute__((noinline)) int enf_decide_view(struct enf_scratch *s, struct enf_task *task,
					      struct enf_access *a, __u32 view, __u32 facts)
{
	struct enf_object *o;
	int rc;

	if (!s || !task || !a)
		return 0;
	o = &s->object;
	rc = enf_resolve(s, a->dentry, a->mnt, view);
	if (rc == ENF_PATH_ABSENT)
		return rc;
	o->unknown &= ~ENF_BIT(ENF_DIM_PATH);
	o->flags = (o->flags & ~(ENF_OF_NSVIEW | ENF_OF_OFFHOST)) | facts;
	if (rc == ENF_PATH_UNKNOWN) {
		o->unknown |= ENF_BIT(ENF_DIM_PATH);
		o->path_len = 0;
		enf_count(ENF_STAT_PATH_UNKNOWN);
	} else if ((o->flags & ENF_OF_FILELESS) && o->path_len > 7) {
		__u32 at = o->path_at;

		enf_barrier(at);
		if (at <= ENF_PATH_MAX && !__builtin_memcmp(&s->text[at], "/memfd:", 7))
			o->flags |= ENF_OF_MEMFD;
	}
	enf_nameless(o, a->dentry);
	return enf_decide_now(s, task) ? -1 : 0;
}

/* Keep the stricter of two verdicts, in enforcement and in audit each. */
static __always_inline void enf_stricter(struct enf_verdict *v, const struct enf_verdict *other)
{
	v->marks |= other->marks;
	if (other->action > v->action) {
		v->action = other->action;
		v->row = other->row;
		v->flags = other->flags;
		v->row_flags = other->row_flags;
		v->op = other->op;
		v->limit = other->limit;
		v->error = other->error;
		v->signal = other->signal;
	}
	if (other->audit_action > v->audit_action) {
		v->audit_action = other->audit_action;
		v->audit_row = other->audit_row;
		v->audit_flags = other->audit_flags;
		v->audit_row_flags = other->audit_row_flags;
		v->audit_op = other->audit_op;
		v->audit_limit = other->audit_limit;
	}
}

#define ENF_MNT_NS_INTERNAL ((__u64) - 22) /* ERR_PTR(-EINVAL), fs/mount.h */

/* What a file system that works on others has mounted for itself, for good: not what the kernel mounts
 * of its own, as for memfds, pipes and shared memory.
 */
__attribute__((noinline)) int enf_is_layer(__u64 mnt)
{
	unsigned long flags = 0;
	__u64 ns = 0, sb = 0;

	if (!mnt)
		return 0;
	enf_read(ns, mnt - enf_offset(struct mount, mnt) + enf_offset(struct mount, mnt_ns));
	if (ns != ENF_MNT_NS_INTERNAL)
		return 0;
	enf_read(sb, mnt + enf_offset(struct vfsmount, mnt_sb));
	enf_read(flags, sb + enf_offset(struct super_block, s_flags));
	return !(flags & (ENF_SB_KERNMOUNT | ENF_SB_NOUSER));
}

/*
 * Decide in every view that counts; the strictest verdict does.
 *
 * The host's name is the object's. Where its file system shows what the kernel has once, it has the name of
 * the usual place, too. What the host does not show has no name: then what the mount namespace calls it,
 * through which it was reached, counts as a claim (enf_of_views() in match.h). If it has a name and was reached
 * through another namespace, a rule holds by either.
 *
 * The layer of an overlay is decided by the host's name alone: the overlay's own name has had its verdict, and
 * what was asked for was not this name. The host's must still not be walked around.
 *
 * Returns: 0, or -1 to ask again.
 */
static __always_inline int enf_decide_access(struct enf_scratch *s, struct enf_task *task,
					     struct enf_access *a)
{
	int rc, layer, foreign;

	if (!s || !task || !a)
		return 0;
	if (!a->dentry)
		return enf_decide_now(s, task) ? -1 : 0;
	s->verdict = (struct enf_verdict){ .row = ENF_NONE, .audit_row = ENF_NONE };
	s->first = s->verdict;
	layer = a->is_layer || enf_is_layer(a->mnt);
	foreign = !layer && enf_foreign(a->mnt);
	s->place = 0;
	if (foreign && enf_is_shown(s, a->dentry)) {
		rc = enf_decide_view(s, task, a, ENF_VIEW_NAMESPACE, ENF_OF_NSVIEW);
		if (rc)
			return rc;
		s->first = s->verdict;
	}
	rc = enf_decide_view(s, task, a, ENF_VIEW_HOST, 0);
	if (rc == ENF_PATH_ABSENT && !layer)
		rc = enf_decide_view(s, task, a, ENF_VIEW_NAMESPACE,
				     ENF_OF_NSVIEW | ENF_OF_OFFHOST);
	if (rc < 0)
		return rc;
	enf_stricter(&s->verdict, &s->first);
	if (s->place) {
		s->first = s->verdict;
		rc = enf_decide_view(s, task, a, ENF_VIEW_PLACE, 0);
		if (rc < 0)
			return rc;
		enf_stricter(&s->verdict, &s->first);
	}
	return 0;
}

/* ---- Entry -------------------------------------------------------------------------------- */

static __always_inline __u64 enf_op_bits(const struct enf_access *a)
{
	__u64 bits = 0;

	for (__u32 i = 0; i < 4; i++)
		if (i < a->n_ops)
			bits |= ENF_BIT(a->op[i] & 63);
	return bits;
}

/*
 * Remember that no row on the access's operations depends on its object. What is remembered is what
 * the next access must find again: read after the path was resolved, under the same counters.
 */
__attribute__((noinline)) int enf_remember(struct enf_scratch *s, struct enf_task *task,
					   struct enf_access *a, __u64 ops)
{
	struct enf_link link = {};
	struct enf_ctx c = { .image = (const void *)enf_current_image() };
	struct enf_key key = {};
	__u64 inode = 0, ino;

	if (!s || s->met || !task || !a || !c.image || enf_head(&c)->generation != task->generation)
		return 0;
	c.s = s;
	for (__u32 i = 0; i < 4 && i < a->n_ops; i++) {
		const struct enf_range *range =
			enf_at(&c, enf_head(&c)->off_op_rows + a->op[i] * 8, 8);

		if (!range || range->count)
			return 0; /* rows that look at no path of their own */
	}
	enf_read_name(a->dentry, &link);
	enf_read(inode, a->dentry + enf_offset(struct dentry, d_inode));
	ino = enf_key_inode(&key, inode);
	if (!ino || enf_seq(enf_rename_lock) != s->renames ||
	    enf_seq(enf_mount_lock) != s->mounts || !s->renames || !s->mounts)
		return 0;
	key.dentry = a->dentry;
	key.mnt = a->mnt;
	key.parent = link.parent;
	key.hash_len = link.hash_len;
	enf_keep(&key, task->generation, ops, s->renames, s->mounts);
	return 0;
}

int enf_names_capability(__u32 capability)
{
	const struct enf_image *image = enf_current_image();

	return image && capability < 64 && (image->capabilities & ENF_BIT(capability));
}

int enf_concerned(__u64 ops)
{
	const struct enf_image *image = enf_current_image();

	return image && (image->ops & ops);
}

/*
 * Could some row on *ops* be about the current task? Then *c* has its label and working memory, which
 * whoever asked must release. Returns: not 0 if so; else *error* is what comes of the operation.
 */
static __always_inline int enf_admit(struct enf_ctx *c, const struct enf_image *image, __u64 ops,
				     int *error)
{
	*error = 0;
	if (!image || !(image->ops & ops))
		return 0;
	c->image = (const void *)image;
	if (ops & ENF_BIT(ENF_OP_EXEC_LOADED) ? enf_caller(c) : enf_current(c)) {
		/* Whoever cannot be told apart: refused if some row would. */
		*error = image->refuse_ops & ops ? -ENF_EPERM : 0;
		goto out;
	}
	if (!(c->task->ops & ops))
		goto out;
	if (!c->s)
		c->s = enf_acquire();
	if (!c->s) {
		enf_count(ENF_STAT_NO_SCRATCH);
		*error = image->refuse_ops & ops ? -ENF_EPERM : 0;
		return 0;
	}
	enf_count(ENF_STAT_DECISIONS);
	return 1;
out:
	if (c->s)
		enf_release(c->s);
	return 0;
}

/* Around security_bprm_creds_from_file the capabilities are known only when the kernel asks no longer. */
static __always_inline int enf_soften(struct enf_scratch *s, const struct enf_access *a)
{
	if (!enf_around || a->op[0] != ENF_OP_EXEC_CREDS)
		return ENF_BEFORE;
	if (s->verdict.action >= ENF_ACT_DENY) {
		s->verdict.action = ENF_ACT_KILL;
		s->verdict.signal = 9;
	}
	return ENF_BY_KILL;
}

/* The label of the current task, made current, or unknown: counted. */
static __always_inline int enf_renew(const struct enf_image *image)
{
	struct enf_ctx c = { .image = (const void *)image };

	if (!image)
		return 0;
	enf_current(&c);
	if (c.s)
		enf_release(c.s);
	return 0;
}

__attribute__((noinline)) int enf_act_once(struct enf_access *a)
{
	struct enf_ctx c = {};
	int error, unmounted;
	__u64 ops;

	if (!a)
		return 0;
	if (!a->n_ops)
		return enf_renew(enf_current_image());
	ops = enf_op_bits(a);
	if (!enf_admit(&c, enf_current_image(), ops, &error))
		return error;
	enf_describe(c.s, a);
	if (a->present & ENF_BIT(ENF_DIM_FSTYPE))
		enf_describe_fstype(c.s, a->fstype);
	if (!a->dentry && (a->present & ~a->unknown & ENF_BIT(ENF_DIM_PATH)))
		enf_describe_exe(c.s, a->exe, a->exe_len);
	if (enf_head(&c)->within_ops & ops)
		enf_recall(c.s);
	/* Hooks of inodes know no mount: that by which the caller sees it, if it is not on the host. */
	unmounted = !a->mnt && (ops & (ENF_BIT(ENF_OP_SETXATTR) | ENF_BIT(ENF_OP_ATTRIBUTES)));
	if (unmounted)
		a->mnt = enf_own_mount(c.s, a->dentry);
	if (enf_decide_access(c.s, c.task, a) < 0) {
		error = ENF_AGAIN;
		if (unmounted)
			a->mnt = 0; /* the next try looks anew */
	} else {
		error = enf_conclude(c.s, c.task, enf_soften(c.s, a));
		if (c.s->verdict.marks && enf_mark(c.s, c.task->generation))
			error = error ? error : -ENF_EPERM;
		if (a->is_file)
			enf_remember(c.s, c.task, a, ops);
	}
	enf_release(c.s);
	return error;
}

/* ---- Loaded once for all hooks ------------------------------------------------------------- */

SEC("?freplace/enf_ask")
int enf_core(struct enf_access *access)
{
	return enf_act_once(access);
}

/* Not 0 if no row on the operations of *key* could meet its file, whoever asks. */
SEC("?freplace/enf_glance")
int enf_core_glance(const struct enf_key *key)
{
	int nobodys;

	if (!key)
		return 0;
	nobodys = enf_glance_once(key);
	if (nobodys < 0 && !enf_glance_way(key))
		nobodys = enf_glance_once(key);
	return nobodys > 0;
}

/* ---- Arguments ---------------------------------------------------------------------------- */

struct enf_argscan {
	struct enf_scratch *s;
	__u32 len, count, last, argc;
};

static long enf_argscan_one(__u32 i, void *arg)
{
	struct enf_argscan *a = arg;
	__u32 at = ENF_TEXT_ARGV + i;

	enf_barrier(at);
	/* Behind the last argument lies the environment: no operand, and nobody's to record. */
	if (i >= a->len || at >= ENF_TEXT_SIZE || a->count >= ENF_MAX_ARGS || a->count >= a->argc)
		return 1;
	if (!a->s->text[at]) {
		a->count += 1;
		a->last = i + 1;
	}
	return 0;
}

/*
 * No program around a function of the kernel may sleep. That is not a loss as a rule: the exec has just
 * written the strings there, and what has been swapped out since is unknown.
 */
static __always_inline long enf_copy_argv(void *to, __u32 n, __u64 start)
{
	if (enf_around)
		return bpf_probe_read_user(to, n, (const void *)start);
	return bpf_copy_from_user(to, n, (const void *)start);
}

/* Copy the arguments and describe what is known of them. */
__attribute__((noinline)) int enf_describe_argv(struct enf_scratch *s, __u64 start, __u64 len,
						__u32 argc)
{
	struct enf_argscan scan = {};
	__u32 n = len > ENF_ARGV_MAX ? ENF_ARGV_MAX : len;
	struct enf_object *o;

	if (!s)
		return 0;
	o = &s->object;
	o->present |= ENF_BIT(ENF_DIM_ARG_ANY);
	enf_barrier(n);
	if (n > ENF_ARGV_MAX || enf_copy_argv(&s->text[ENF_TEXT_ARGV], n, start)) {
		o->unknown |= ENF_BIT(ENF_DIM_ARG_ANY);
		n = 0;
	}
	scan.s = s;
	scan.len = n;
	scan.argc = argc;
	scan.count = enf_nothing;
	bpf_loop(ENF_ARGV_MAX, enf_argscan_one, &scan, 0);
	o->argv_len = scan.last; /* whole arguments only */
	o->argc = scan.count;
	for (__u32 i = 0; i < ENF_MAX_ARG_INDEX; i++) {
		if (i < argc)
			o->present |= ENF_BIT(ENF_DIM_ARG0 + i);
		if (i < argc && i >= scan.count)
			o->unknown |= ENF_BIT(ENF_DIM_ARG0 + i);
	}
	if (scan.count < argc)
		o->unknown |= ENF_BIT(ENF_DIM_ARG_ANY);
	if (o->unknown)
		enf_count(ENF_STAT_ARGV_UNKNOWN);
	return 0;
}

int enf_act_argv(struct enf_access *a, __u64 start, __u64 len, __u32 argc)
{
	const struct enf_image *image = enf_current_image();
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_task *task;
	struct enf_scratch *s;

	if (!a || !image)
		return 0;
	/* The subject is who called exec: its sets were brought up to date when the exec began. */
	task = bpf_task_storage_get(&tasks, t, NULL, 0);
	if (!task) {
		enf_count(ENF_STAT_NO_TASK);
		return 0; /* cannot tell whom to kill: the exec stands; bprm_check has had its say */
	}
	if (!(task->ops & ENF_BIT(ENF_OP_EXEC_ARGV)))
		return 0;
	s = enf_acquire();
	if (!s) {
		enf_count(ENF_STAT_NO_SCRATCH);
		return 0; /* as above */
	}
	enf_count(ENF_STAT_DECISIONS);
	enf_describe(s, a);
	enf_describe_argv(s, start, len, argc);
	if (image->within_ops & ENF_BIT(ENF_OP_EXEC_ARGV))
		enf_recall_alone(s);
	/* A reload in the middle of an exec: the label is of the old policy, and so is the image
	 * that had its say at bprm_check. Counted; the next exec meets the new one.
	 */
	if (!enf_decide_access(s, task, a)) {
		/* Too late to refuse, early enough: no instruction of the program has run. */
		if (s->verdict.action == ENF_ACT_DENY) {
			s->verdict.action = ENF_ACT_KILL;
			s->verdict.signal = 9;
		}
		enf_conclude(s, task, ENF_BY_KILL);
		if (s->verdict.marks)
			enf_mark_alone(s, task->generation);
	} else {
		enf_count(ENF_STAT_ARGV_UNKNOWN);
	}
	enf_release(s);
	return 0;
}

/* ---- System calls -------------------------------------------------------------------------- */

/* Only as much of a register as the kernel looks at: the rest is whatever the caller put there. */
static __always_inline __u64 enf_narrow(__u64 value, __u32 kind)
{
	switch (kind) {
	case ENF_SYS_S32:
		return (__s64)(__s32)value;
	case ENF_SYS_U32:
		return (__u32)value;
	case ENF_SYS_U16:
		return (__u16)value;
	default:
		return value;
	}
}

/*
 * The number of the call, its arguments as numbers, and its strings as the arguments of a program
 * would be: argument i is the string i, which is empty where it is none. The caller can change what
 * lies in its memory after we have looked.
 */
__attribute__((noinline)) int enf_describe_call(struct enf_scratch *s, struct enf_call *call)
{
	__u32 kinds, at = ENF_TEXT_ARGV, texts = 0;
	struct enf_object *o;

	if (!s || !call)
		return 0;
	o = enf_begin(s);
	o->op[0] = ENF_OP_SYSCALL;
	o->n_ops = 1;
	o->present = ENF_BIT(ENF_DIM_CODE);
	o->num[ENF_DIM_CODE - ENF_DIM_FIRST_NUM] = call->told & 0xffff;
	kinds = call->told >> ENF_SYS_KINDS_AT;
	for (__u32 i = 0; i < ENF_SYS_ARGS; i++) {
		__u32 kind = kinds >> (4 * i) & 15;
		__u64 value = call->arg[i];
		long n = 0;

		if (!kind)
			break;
		o->argc = i + 1;
		if (call->told & ENF_SYS_COMPAT)
			value = (__u32)value;
		value = enf_narrow(value, kind);
		o->num[ENF_DIM_N0 - ENF_DIM_FIRST_NUM + i] = value;
		o->present |= ENF_BIT(ENF_DIM_N0 + i);
		if (call->told & ENF_SYS_IPC)
			o->unknown |= ENF_BIT(ENF_DIM_N0 + i);
		if (kind == ENF_SYS_TEXT && value) { /* without an address there is no string */
			o->present |= ENF_BIT(ENF_DIM_ARG_ANY) | ENF_BIT(ENF_DIM_ARG0 + i);
			enf_barrier(at);
			if (texts < ENF_SYS_TEXTS && at <= ENF_TEXT_SIZE - ENF_PATH_MAX &&
			    !(call->told & ENF_SYS_IPC))
				n = bpf_probe_read_user_str(&s->text[at], ENF_PATH_MAX,
							    (const void *)value);
			/* What fills the room may be longer than it. */
			if (n <= 0 || n >= ENF_PATH_MAX) {
				o->unknown |= ENF_BIT(ENF_DIM_ARG_ANY) | ENF_BIT(ENF_DIM_ARG0 + i);
				n = 0;
			} else {
				texts += 1;
				at += n;
			}
		}
		if (!n) {
			enf_barrier(at);
			if (at < ENF_TEXT_SIZE)
				s->text[at] = 0;
			at += 1;
		}
	}
	if (texts)
		o->argv_len = at - ENF_TEXT_ARGV;
	if (o->unknown)
		enf_count(ENF_STAT_ARGV_UNKNOWN);
	return 0;
}

int enf_act_call(struct enf_call *call, int how)
{
	struct enf_ctx c = {};
	int error;

	if (!call)
		return 0;
	if (!enf_admit(&c, enf_current_image(), ENF_BIT(ENF_OP_SYSCALL), &error))
		return error;
	enf_describe_call(c.s, call);
	if (enf_head(&c)->within_ops & ENF_BIT(ENF_OP_SYSCALL))
		enf_recall(c.s);
	if (enf_decide_now(c.s, c.task)) {
		error = ENF_AGAIN;
	} else {
		error = enf_conclude(c.s, c.task, how);
		if (c.s->verdict.marks && enf_mark(c.s, c.task->generation))
			error = error ? error : -ENF_EPERM;
	}
	enf_release(c.s);
	return error;
}

/* ---- Points of the kernel ------------------------------------------------------------------ */

#include "meet.bpf.h"

SEC("?freplace/enf_ask_meet")
int enf_core_meet(struct enf_meet *meet, int how)
{
	return enf_meet_once(meet, how);
}

/* ---- Calls that the kernel refused --------------------------------------------------------- */

#include "attempt.bpf.h"

/* ---- Fork, exec, and the tasks that were there before ------------------------------------- */

/* The label of the current task, made current if it is not; NULL if there is none: counted. */
static __always_inline struct enf_task *enf_own_label(const struct enf_image *image)
{
	struct enf_task *task = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);
	struct enf_access none = {};

	if (task && task->exec_ns && enf_fresh(image, task))
		return task;
	enf_ask(&none);
	return bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);
}

/* By one call: the verifier would go through a hundred loads and stores on each way that leads here. */
static __always_inline void enf_copy_label(struct enf_task *to, const struct enf_task *from)
{
	bpf_probe_read_kernel(to, sizeof(*to), from);
}

SEC("lsm/task_alloc")
int BPF_PROG(enf_task_alloc, struct task_struct *child, unsigned long clone_flags, int ret)
{
	const struct enf_image *image = enf_current_image();
	struct enf_task *label, *own;

	if (ret)
		return ret;
	if (!image)
		return 0;
	own = enf_own_label(image);
	if (!own) /* the child will be met without a label: unknown lineage */
		return 0;
	label = bpf_task_storage_get(&tasks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!label) { /* a child without a label would have shed its lineage: no child */
		enf_count(ENF_STAT_FORK_REFUSED);
		return -ENF_ENOMEM;
	}
	if (clone_flags & ENF_CLONE_THREAD) {
		enf_copy_label(label, own);
		if (child->flags & ENF_PF_IO_WORKER)
			label->generation = 0; /* to be watched: see enf_cred_of() */
	} else {
		enf_task_fork(label, own, !!(clone_flags & ENF_CLONE_PARENT));
		label->line = enf_new_line();
		if (enf_records) {
			enf_read_cred(own, bpf_get_current_task());
			enf_record_line(own, label->line, bpf_get_current_task(),
					clone_flags & ENF_CLONE_PARENT ? ENF_LINE_SIBLING
								       : ENF_LINE_FORK,
					0);
		}
	}
	label->flags &= ~ENF_SF_FOUND;
	if (clone_flags & ENF_CLONE_THREAD)
		return 0; /* its marks and its code are those of the first thread */
	if (image->asked_flags & ENF_SF_TRUSTED_CODE)
		enf_fork_code(child);
	return enf_fork_marks(image, child);
}

/* The ids that the label's sets were computed with are about to change, or may be. */
static __always_inline int enf_ids_change(int ret)
{
	struct enf_task *task = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), NULL, 0);

	if (task) /* else there are no sets to void */
		task->generation = 0;
	return ret;
}

SEC("lsm/task_fix_setuid")
int BPF_PROG(enf_setuid, struct cred *new, const struct cred *old, int flags, int ret)
{
	return enf_ids_change(ret);
}

SEC("lsm/task_fix_setgid")
int BPF_PROG(enf_setgid, struct cred *new, const struct cred *old, int flags, int ret)
{
	return enf_ids_change(ret);
}

/* The start of an exec: the caller's sets must be current before its identity changes. */
SEC("lsm/bprm_creds_for_exec")
int BPF_PROG(enf_exec_begin, struct linux_binprm *bprm, int ret)
{
	const struct enf_image *image = enf_current_image();
	struct enf_task *own;

	if (ret)
		return ret;
	if (!image)
		return 0;
	own = enf_own_label(image);
	if (own) /* also where no rule looks at credentials: enf_committed compares them */
		enf_read_cred(own, bpf_get_current_task());
	return enf_exec_marks(image);
}

/* The exec has happened: the label takes the new identity. */
SEC("lsm/bprm_committed_creds")
int BPF_PROG(enf_committed, struct linux_binprm *bprm)
{
	struct enf_ctx c = { .image = (const void *)enf_current_image() };
	struct task_struct *t = bpf_get_current_task_btf();
	__u32 flags = 0, euid = 0, egid = 0;
	__u64 cred;

	if (!c.image)
		return 0;
	enf_executed_marks(enf_head(&c));
	c.task = bpf_task_storage_get(&tasks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!c.task) {
		/* The label there may be speaks of the program before, and would for good: killed before its
		 * first instruction, where some row would refuse what cannot be told. Before v6.2 the kernel
		 * gives nobody a label while a task that it preempted in this helper waits for the processor.
		 */
		enf_count(ENF_STAT_NO_TASK);
		if (enf_head(&c)->refuse_ops)
			bpf_send_signal(ENF_SIGKILL);
		return 0;
	}
	if (!c.task->exec_ns)
		flags |= ENF_SF_LINEAGE_UNKNOWN;
	if (bprm->interp != bprm->filename)
		flags |= ENF_SF_SCRIPT;
	cred = (__u64)t->real_cred;
	enf_read(euid, cred + enf_offset(struct cred, euid));
	enf_read(egid, cred + enf_offset(struct cred, egid));
	if (c.task->exec_ns && (euid != c.task->euid || egid != c.task->egid))
		flags |= ENF_SF_SETID;
	if ((enf_head(&c)->ops & ENF_BIT(ENF_OP_EXEC_LOADED)) &&
	    enf_has_loader_name((__u64)bprm->file->f_path.dentry)) {
		flags |= ENF_SF_LOADER;
		enf_keep_caller(c.task);
	}
	if (enf_records) {
		__u64 line = enf_new_line();

		enf_record_line(c.task, line, bpf_get_current_task(), ENF_LINE_EXEC, 0);
		c.task->line = line;
	}
	enf_task_exec(c.task, flags, bpf_ktime_get_boot_ns());
	enf_exec_code(t, !!(enf_head(&c)->asked_flags & ENF_SF_TRUSTED_CODE));
	c.s = enf_acquire();
	if (!c.s) {
		c.task->exe_len = 0;
		c.task->flags |= ENF_SF_EXE_UNKNOWN;
		enf_count(ENF_STAT_NO_SCRATCH);
		return 0;
	}
	enf_read_exe(c.s, c.task, enf_address(bprm->file));
	enf_release(c.s);
	return 0;
}

/*
 * Tasks that are there already: at the start all their labels, at a reload the lineage under the
 * labels that are new with the staged image. Touches no set that a task may be deciding by.
 *
 * Run until nothing changes: a child may come before its parent. Prints the number of changed labels.
 */
__u64 enf_labels_changed = 0;

static __always_inline __u64 enf_grow(__u64 *set, __u64 more)
{
	__u64 grown = more & ~*set;

	if (grown)
		__sync_fetch_and_or(set, grown);
	return grown;
}

/*
 * What follows is one word at a time, in functions that are proven once: as a loop it was half of what this
 * program takes to verify.
 */
__attribute__((noinline)) int enf_carry_word(struct enf_task *task, const struct enf_task *old,
					     __u32 i)
{
	__u64 changed = 0;

	if (!task || !old || i >= ENF_LABEL_WORDS)
		return 0;
	changed |= enf_grow(&task->ancestor[i], old->ancestor[i]);
	changed |= enf_grow(&task->parent[i], old->parent[i]);
	changed |= enf_grow(&task->ancestor_unknown[i], old->ancestor_unknown[i]);
	changed |= enf_grow(&task->parent_unknown[i], old->parent_unknown[i]);
	changed |= enf_grow(&task->ancestor_claimed[i], old->ancestor_claimed[i]);
	return changed != 0;
}

/* What an earlier engine knew of the task joins its label. Returns: whether that was news. */
static __always_inline __u32 enf_carry(struct enf_task *task, const struct enf_task *old)
{
	__u32 changed = 0;

	if ((task->flags & ENF_SF_LINEAGE_UNKNOWN) && !(old->flags & ENF_SF_LINEAGE_UNKNOWN)) {
		task->flags &= ~ENF_SF_LINEAGE_UNKNOWN;
		changed = 1;
	}
	for (__u32 i = 0; i < ENF_LABEL_WORDS; i++)
		changed |= enf_carry_word(task, old, i);
	return changed;
}

/* *news*: the labels that count. Returns: whether the lineage grew. */
__attribute__((noinline)) int enf_join_word(struct enf_task *task, const struct enf_task *parent,
					    __u32 i, __u64 news)
{
	__u64 known, unknown, sure, changed = 0;

	if (!task || !parent || i >= ENF_LABEL_WORDS)
		return 0;
	known = parent->self[i] & news;
	unknown = parent->self_unknown[i] & news;
	changed |= enf_grow(&task->ancestor[i], parent->ancestor[i] | (known & ~unknown));
	changed |= enf_grow(&task->ancestor_claimed[i],
			    parent->ancestor_claimed[i] | (known & unknown));
	changed |= enf_grow(&task->ancestor_unknown[i],
			    parent->ancestor_unknown[i] | (unknown & ~known));
	sure = task->parent[i] & ~task->parent_unknown[i];
	changed |= enf_grow(&task->parent[i], known);
	changed |= enf_grow(&task->parent_unknown[i], unknown & ~sure);
	if (task->parent_unknown[i] & known & ~unknown)
		__sync_fetch_and_and(&task->parent_unknown[i], ~known | unknown);
	return changed != 0;
}

/*
 * The lineage of *task* under its living *parent*, whose sets are by the image at hand, for the labels that
 * *only* has; NULL: for all. Returns: whether it grew.
 */
static __always_inline __u32 enf_join(struct enf_task *task, const struct enf_task *parent,
				      const __u64 *only)
{
	__u32 changed = 0;

	for (__u32 i = 0; i < ENF_LABEL_WORDS; i++)
		changed |= enf_join_word(task, parent, i, only ? only[i] : ~0ULL);
	return changed;
}

static const volatile struct enf_task enf_blank;

/* The label of a task that has none yet. */
static __always_inline void enf_first_label(struct enf_scratch *s, struct enf_task *task, __u64 t,
					    const struct enf_task *old)
{
	if (old) {
		enf_copy_label(&s->other, old);
		s->other.flags &= ~ENF_SF_FOUND;
	} else {
		enf_copy_label(&s->other, (const struct enf_task *)&enf_blank);
		enf_label(s, &s->other, t);
		s->other.flags |= ENF_SF_FOUND;
	}
	s->other.generation = 0;
	s->other.watches = ENF_WATCH_LINEAGE;
	if (!task->exec_ns) /* or it has met itself meanwhile */
		enf_copy_label(task, &s->other);
	enf_labels_changed += 1;
}

SEC("iter/task")
int enf_label_tasks(struct bpf_iter__task *ctx)
{
	const struct enf_image *image = enf_image_at(ENF_IMAGE_STAGED);
	struct task_struct *t = ctx->task, *real_parent;
	struct enf_task *task, *parent = NULL, *old = NULL;
	__u32 staged = image != NULL, changed = 0, all;
	struct enf_scratch *s;

	if (enf_records)
		enf_recorder = bpf_get_current_pid_tgid() >> 32;
	if (!t) {
		BPF_SEQ_PRINTF(ctx->meta->seq, "%llu\n", enf_labels_changed);
		enf_labels_changed = 0;
		return 0;
	}
	if (!image)
		image = enf_current_image();
	if (!image)
		return 0;
	task = bpf_task_storage_get(&tasks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!task) {
		enf_count(ENF_STAT_NO_TASK);
		return 0;
	}
	s = enf_acquire();
	if (!s) {
		enf_count(ENF_STAT_NO_SCRATCH);
		enf_labels_changed += 1; /* try again */
		return 0;
	}
	if (enf_carries)
		old = bpf_task_storage_get(&tasks_before, t, NULL, 0);
	if (old && !old->exec_ns)
		old = NULL;
	if (!task->exec_ns) {
		enf_first_label(s, task, enf_address(t), old);
	} else if (!staged) { /* it has met itself, or its parent has, while we were starting */
		if (old) {
			changed = enf_carry(task, old);
		} else if (task->flags & ENF_SF_LINEAGE_UNKNOWN) {
			task->flags = (task->flags & ~ENF_SF_LINEAGE_UNKNOWN) | ENF_SF_FOUND;
			changed = 1;
		}
	}
	all = !staged && (task->flags & ENF_SF_FOUND);
	real_parent = t->real_parent;
	if (real_parent)
		parent = bpf_task_storage_get(&tasks, real_parent, NULL, 0);
	s->other.line = 0;
	if (parent && parent != task && parent->exec_ns) {
		enf_copy_label(&s->other, parent);
		if (image->asked_flags & ENF_SF_TRUSTED_CODE)
			enf_take_code(&s->other, real_parent->group_leader);
		enf_evaluate(s, &s->other, enf_address(real_parent), staged);
		changed += enf_join(task, &s->other, all ? NULL : image->new_labels);
	}
	/* In every round: the last one has the parent's line, whichever of the two came first. */
	if (all)
		enf_record_line(&s->other, task->line, enf_address(real_parent), ENF_LINE_FOUND,
				enf_address(t));
	if (changed) /* it may have drawn its conclusions without, under the image in force */
		__sync_fetch_and_or(&task->watches, ENF_WATCH_LINEAGE);
	enf_labels_changed += changed;
	enf_release(s);
	return 0;
}
