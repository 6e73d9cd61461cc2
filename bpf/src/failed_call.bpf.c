// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the end of a system call that the kernel itself refused to its record.
 *
 * It is too late to decide anything: rows on attempts only log. What the call was about is what the caller's
 * memory says now, put together with the directory that it begins at; the kernel has ended before it followed
 * symbolic links, and so nobody does. Another thread may have changed that memory meanwhile.
 *
 * Fail directions: a name that cannot be read is unknown, and then the attempt is recorded if all else that the
 * row asks holds (on_error of these rows), which PATH_UNKNOWN counts. Without label or working memory, and where
 * policies change faster than it is decided, there is no record: NO_TASK, NO_SCRATCH, ATTEMPT_LOST.
 */
#define ENF_RDONLY_CAST bpf_rdonly_cast___failed_call
#include "admit.bpf.h"
#include "call.h"
#include "decide.bpf.h"
#include "emit.bpf.h"
#include "given.bpf.h"
#include "marks.bpf.h"
#include "object.bpf.h"
#include "operand.bpf.h"
#include "refused.bpf.h"
#include "view.bpf.h"

/* ---- What the call was --------------------------------------------------------------------- */

#define ENF_O_WRONLY 01
#define ENF_O_RDWR 02
#define ENF_O_CREAT 0100
#define ENF_O_TRUNC 01000
#define ENF_O_PATH 010000000

#define ENF_MADE (ENF_BIT(ENF_OP_CREATE) | ENF_BIT(ENF_OP_WRITE) | ENF_BIT(ENF_OP_TRUNCATE))
#define ENF_REPLACED (ENF_BIT(ENF_OP_CREATE) | ENF_BIT(ENF_OP_WRITE) | ENF_BIT(ENF_OP_UNLINK))

static __always_inline __u64 enf_opened(__u64 flags)
{
	__u64 ops = 0;

	if (flags & ENF_O_PATH) /* a place, and no use of the file */
		return 0;
	if (!(flags & ENF_O_WRONLY) || (flags & ENF_O_RDWR))
		ops |= ENF_BIT(ENF_OP_READ);
	if (flags & (ENF_O_WRONLY | ENF_O_RDWR))
		ops |= ENF_BIT(flags & ENF_O_APPEND ? ENF_OP_APPEND : ENF_OP_WRITE);
	if (flags & ENF_O_CREAT)
		ops |= ENF_BIT(ENF_OP_CREATE);
	if (flags & ENF_O_TRUNC)
		ops |= ENF_BIT(ENF_OP_TRUNCATE);
	return ops;
}

#define ENF_PTRACE_ATTACH 16
#define ENF_PTRACE_SEIZE 0x4206

/* path_mount(): the first of these that is set says what it is. */
static __always_inline __u32 enf_mounted(__u32 flags)
{
	if (flags & 0x20) /* MS_REMOUNT */
		return ENF_OP_REMOUNT;
	if (flags & 0x1000) /* MS_BIND */
		return ENF_OP_BIND_MOUNT;
	if (flags & 0x1e0000) /* MS_UNBINDABLE to MS_SHARED */
		return ENF_OP_PROPAGATE;
	return flags & 0x2000 /* MS_MOVE */ ? ENF_OP_MOVE_MOUNT : ENF_OP_MOUNT;
}

/* How the operations of the call follow from its arguments. */
static __always_inline __u32 enf_end_how(const struct enf_failed *call)
{
	return call->told >> (ENF_SYS_KINDS_AT + ENF_END_HOW_AT) & 15;
}

/* The argument *n*, counted from 1. */
static __always_inline __u64 enf_arg(const struct enf_failed *call, __u32 n)
{
	n -= 1;
	enf_barrier(n);
	return n < ENF_SYS_ARGS ? call->arg[n] : 0;
}

/*
 * The operations that the call would have been, all of them: whether a name that it may make was there, the
 * kernel does not say any more. *name*: which argument the name is, counted from 1.
 */
static __always_inline __u64 enf_attempted(const struct enf_failed *call, __u32 name)
{
	__u64 behind = enf_arg(call, name + 1);
	__u32 op = call->told >> (ENF_SYS_KINDS_AT + ENF_END_OP_AT) & 63;
	__u64 flags = 0;
	__u32 type;

	switch (enf_end_how(call)) {
	case ENF_END_OPEN:
		return enf_opened((__u32)behind);
	case ENF_END_OPEN_HOW:
		if (call->told & ENF_SYS_COMPAT)
			behind = (__u32)behind;
		/* Unreadable: whatever it may have been. */
		if (bpf_probe_read_user(&flags, sizeof(flags), (const void *)behind))
			return ENF_MADE | ENF_BIT(ENF_OP_READ) | ENF_BIT(ENF_OP_APPEND);
		return enf_opened(flags);
	case ENF_END_CREAT:
		return ENF_MADE;
	case ENF_END_NODE:
		type = behind & ENF_S_IFMT;
		if (!type || type == ENF_S_IFREG || type == ENF_S_IFSOCK)
			return ENF_BIT(ENF_OP_CREATE);
		break;
	case ENF_END_UNLINK:
		return ENF_BIT(behind & 0x200 /* AT_REMOVEDIR */ ? ENF_OP_RMDIR : ENF_OP_UNLINK);
	case ENF_END_SIGNAL: /* 0 asks whether there is such a process */
		return (__u32)enf_arg(call, name) ? ENF_BIT(op) : 0;
	case ENF_END_PTRACE:
		flags = (__u32)enf_arg(call, 1);
		if (!flags)
			return ENF_BIT(ENF_OP_TRACEME);
		return flags == ENF_PTRACE_ATTACH || flags == ENF_PTRACE_SEIZE ? ENF_BIT(op) : 0;
	case ENF_END_MOUNT:
		return ENF_BIT(enf_mounted((__u32)enf_arg(call, 4)));
	case ENF_END_MOVE:
		return ENF_BIT(ENF_OP_MOUNT) | ENF_BIT(ENF_OP_BIND_MOUNT) |
		       ENF_BIT(ENF_OP_MOVE_MOUNT);
	case ENF_END_RENAME:
		return ENF_BIT(op) | (call->which ? ENF_REPLACED : 0);
	case ENF_END_LINK:
		return ENF_BIT(op) | (call->which ? ENF_BIT(ENF_OP_CREATE) : 0);
	}
	return ENF_BIT(op);
}

/* ---- What it was about --------------------------------------------------------------------- */

#define ENF_AT_FDCWD (-100)
#define ENF_ENOENT 2

/* The object of an attempt without the path: that is left in the access, as where it begins. */
__attribute__((noinline)) int enf_describe_failed(struct enf_scratch *s, struct enf_failed *call)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u32 places, name, dir;
	struct enf_arguments *arguments = NULL;
	struct enf_access *a;
	struct enf_object *o;
	__u64 from;
	long n = 0;

	if (!s || !call)
		return 0;
	a = (struct enf_access *)s->access;
	__builtin_memset(a, 0, sizeof(*a));
	o = enf_begin(s);
	o->op[0] = ENF_OP_ATTEMPT;
	o->n_ops = 1;
	o->present = ENF_BIT(ENF_DIM_CODE) | ENF_BIT(ENF_DIM_BITS) | ENF_BIT(ENF_DIM_N0);
	o->num[ENF_DIM_CODE - ENF_DIM_FIRST_NUM] = call->told & 0xffff & ~ENF_SYS_AT_END;
	o->num[ENF_DIM_N0 - ENF_DIM_FIRST_NUM] = call->error;
	places = call->told >> (ENF_SYS_KINDS_AT + (call->which & 1) * ENF_END_NAME_BITS);
	name = places & 7;
	dir = places >> 3 & 7;
	call->ops = enf_attempted(call, name);
	o->num[ENF_DIM_BITS - ENF_DIM_FIRST_NUM] = call->ops;
	/* Of the 32-bit call that stands for many it may be another. */
	if ((call->told & ENF_SYS_SOCKETCALL) &&
	    (__u32)call->arg[0] != (call->told >> ENF_SYS_CALL_AT & 0xff))
		call->ops = 0;
	if (enf_end_how(call) == ENF_END_SIGNAL)
		name = 0;
	if (!call->ops || !(name || dir))
		return 0;
	if (name) {
		from = enf_arg(call, name);
		if (call->told & ENF_SYS_COMPAT)
			from = (__u32)from;
		o->present |= ENF_BIT(ENF_DIM_PATH);
		arguments = enf_lend_arguments(s);
		n = -1;
		if (arguments)
			n = bpf_probe_read_user_str(&arguments->text[ENF_GIVEN_AT],
						    ENF_PATH_MAX + 1, (const void *)from);
		/* What fills the room may be longer than it. */
		if (!arguments || n < 0 || n > ENF_PATH_MAX) {
			o->unknown |= ENF_BIT(ENF_DIM_PATH);
			enf_count(ENF_STAT_PATH_UNKNOWN);
			return 0;
		}
		if (n) /* some kernels count the NUL of what is empty, others do not */
			n -= 1;
		if (!n && call->error == ENF_ENOENT) { /* no name, and nothing that it is of */
			o->present &= ~ENF_BIT(ENF_DIM_PATH);
			return 0;
		}
		if (n <= ENF_TAIL_NAME) /* whole, or not at all */
			o->argv_len = n;
	}
	a->name_len = n;
	a->bits = n && arguments && arguments->text[ENF_GIVEN_AT] == '/';
	if (a->bits) {
		a->dentry = (__u64)BPF_CORE_READ(t, fs, root.dentry);
		a->mnt = (__u64)BPF_CORE_READ(t, fs, root.mnt);
	} else if (!dir || (name && (__s32)enf_arg(call, dir) == ENF_AT_FDCWD)) {
		a->dentry = (__u64)BPF_CORE_READ(t, fs, pwd.dentry);
		a->mnt = (__u64)BPF_CORE_READ(t, fs, pwd.mnt);
	} else if (enf_take_path(a, ENF_OPERAND_FD, (__u32)enf_arg(call, dir)) != ENF_FOUND) {
		a->dentry = 0; /* a descriptor of nothing: nor is there a name */
		o->present &= ~ENF_BIT(ENF_DIM_PATH);
		return 0;
	}
	o->present |= ENF_BIT(ENF_DIM_PATH);
	return 0;
}

/* ---- The decision -------------------------------------------------------------------------- */

/* Decide with the name in one view, as enf_decide_view() does. */
__attribute__((noinline)) int enf_failed_view(struct enf_scratch *s, struct enf_task *task,
					      __u32 view, __u32 facts)
{
	struct enf_access *a;
	struct enf_object *o;
	int rc;

	if (!s || !task)
		return 0;
	o = &s->object;
	a = (struct enf_access *)s->access;
	rc = enf_resolve(s, a->dentry, a->mnt, view);
	if (rc == ENF_PATH_ABSENT)
		return rc;
	o->unknown &= ~ENF_BIT(ENF_DIM_PATH);
	/* What was cut off of where it begins is not a beginning. */
	if (o->flags & ENF_OF_CUT)
		rc = ENF_PATH_UNKNOWN;
	o->flags = facts;
	if (rc == ENF_PATH_UNKNOWN || enf_put_behind(s, a->name_len, a->bits)) {
		o->unknown |= ENF_BIT(ENF_DIM_PATH);
		o->path_len = 0;
		enf_count(ENF_STAT_PATH_UNKNOWN);
	}
	enf_nameless(o, a->dentry);
	return enf_decide_now(s, task) ? -1 : 0;
}

/* By the host's name, and by that which the caller's mount namespace has for it. Returns: 0, or -1 to ask again. */
static __always_inline int enf_decide_failed(struct enf_scratch *s, struct enf_task *task)
{
	struct enf_access *a = (struct enf_access *)s->access;
	int rc;

	if (!a->dentry)
		return enf_decide_now(s, task) ? -1 : 0;
	s->place = 0;
	s->verdict = (struct enf_verdict){ .row = ENF_NONE, .audit_row = ENF_NONE };
	s->first = s->verdict;
	if (enf_foreign(a->mnt) && enf_is_shown(s, a->dentry)) {
		rc = enf_failed_view(s, task, ENF_VIEW_NAMESPACE, ENF_OF_NSVIEW);
		if (rc)
			return rc;
		s->first = s->verdict;
	}
	rc = enf_failed_view(s, task, ENF_VIEW_HOST, 0);
	if (rc == ENF_PATH_ABSENT)
		rc = enf_failed_view(s, task, ENF_VIEW_NAMESPACE, ENF_OF_NSVIEW | ENF_OF_OFFHOST);
	if (rc < 0)
		return rc;
	enf_stricter(&s->verdict, &s->first);
	return 0;
}

/* Was it our own refusal that the call ended with? Forgets it. */
static __always_inline int enf_was_ours(struct enf_task *task)
{
	__u64 refused = task->refused;

	if (!refused)
		return 0;
	task->refused = 0;
	return refused == enf_this_call();
}

__attribute__((noinline)) int enf_act_failed(struct enf_failed *call)
{
	struct enf_ctx c = {};
	int error;

	if (!call || !call->told)
		return 0;
	if (!enf_admit(&c, enf_current_image(), ENF_BIT(ENF_OP_ATTEMPT), &error))
		return 0;
	if (enf_was_ours(c.task)) {
		call->told = 0;
		goto out;
	}
	enf_registers(call->arg, call->told,
		      (const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()));
	enf_describe_failed(c.s, call);
	if (!call->ops)
		goto out;
	if (enf_head(&c)->within_ops & ENF_BIT(ENF_OP_ATTEMPT))
		enf_recall(c.s);
	if (enf_decide_failed(c.s, c.task) < 0) {
		error = ENF_AGAIN;
	} else {
		c.s->verdict.error = call->error;
		enf_conclude(c.s, c.task, ENF_AFTER);
	}
out:
	enf_release_arguments(c.s);
	enf_release(c.s);
	return error;
}
