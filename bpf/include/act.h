/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What hooks say to the core: one access, with the operands they gathered. Implemented in core.bpf.c,
 * argv.bpf.c, call.bpf.c and failed_call.bpf.c; the fields are addresses and numbers so that any hook can
 * fill them.
 */
#ifndef ENFORCER_ACT_H
#define ENFORCER_ACT_H

#include "kernel.h"
#include "enforcer_abi.h"

#define ENF_BIT64(n) (1ULL << (n))

/* Without holes, as the argument of a global function must be. */
struct enf_access {
	__u64 dentry; /* struct dentry: the operation has a path */
	__u64 mnt;    /* struct vfsmount through which it was reached, if the hook knows */
	__u64 name;   /* kernel address of a name */
	/* What no one operation has both of shares its room: stacks are small. */
	union {
		__u64 addr_hi;
		__u64 bits;
	};
	union {
		__u64 addr_lo;
		__u64 fstype; /* kernel address of the name, where FSTYPE is present */
		__u64 exe;    /* kernel address of what a process runs, where PATH is present */
	};
	__u64 present; /* dimensions besides PATH */
	__u64 unknown;
	__u32 flags; /* ENF_OF_* */
	__u8 op[4];
	__u32 n_ops;
	union {
		__u32 name_len; /* 0: NUL-terminated */
		__u32 exe_len;
	};
	union {
		struct {
			__u16 family, type, protocol, port;
		};
		struct {
			__u32 to_uid, to_gid;
		};
	};
	union {
		__u32 mode;
		__u32 code;
		struct {
			__u16 port_low, port_high; /* as in struct enf_object */
		};
	};
	__u16 is_file; /* an open file: what is found of it may be remembered */
	__u16 is_layer; /* what an overlay does to a layer: it counts by the name that the host has */
};

/*
 * One try at deciding an access and acting on it; without operations, only the label of the current task
 * is made current. Returns: 0 or -errno, or ENF_AGAIN.
 *
 * By the core, which is loaded once for all hooks (stub.bpf.c); and by one that the program has inside.
 */
int enf_ask(struct enf_access *access);
int enf_act_once(struct enf_access *access);

#define ENF_AGAIN 1
#define ENF_TRIES 3 /* reloads that one access may meet */

/*
 * One try at deciding by the arguments of the new program, which lie at user address *start*, *len* bytes, *argc*
 * strings. Sleeps. Returns: 0, or ENF_AGAIN.
 */
int enf_act_argv_once(struct enf_access *access, __u64 start, __u64 len, __u32 argc);

/* No try has decided, for want of what *missing* counts: kill if some row would refuse. Returns 0. */
int enf_argv_undecided(__u32 missing);

/* A system call at its entry, as its program found it. */
struct enf_call {
	__u64 arg[6]; /* registers as they are */
	__u64 told;   /* what the attachment says: number, kinds, entry */
};

/* How an error takes effect. */
#define ENF_AFTER 0 /* not at all, and a signal comes after the effect */
#define ENF_BEFORE 1
#define ENF_BY_KILL 2 /* a SIGKILL comes before it, an error is lost */

/* Returns: 0 or -errno, or ENF_AGAIN. */
int enf_act_call(struct enf_call *call, int how);

/* A system call that ended with an error, as the program at its end found it. */
struct enf_failed {
	__u64 arg[6];
	__u64 told; /* what the attachment says; 0: the error was ours */
	__u64 ops;  /* what the call is to the name at hand */
	__u32 error;
	__u32 which; /* of its names is at hand */
};

/* Record what rules want to know of it, of the name at hand. Returns: 0, or ENF_AGAIN. */
int enf_act_failed(struct enf_failed *call);

/*
 * Is this struct vfsmount one that a layered file system has of a layer, for itself? By its namespace:
 * the flag of the files opened through it (FMODE_BACKING) has had several values.
 */
int enf_is_layer(__u64 mnt);

/*
 * What the current task binds to a path: type of the socket, its protocol in the upper half; or -1, as
 * with mknod(2), which makes a name that no socket has.
 */
int enf_binding(void);

/* Is the use of this capability what some rule is about? */
int enf_names_capability(__u32 capability);

/* Is there anybody for whom some row on these operations could apply? A cheap early exit. */
int enf_concerned(__u64 ops);

/*
 * What a hook may return: 0 or -errno. The verifier wants to see that it is one of these; so do we: anything
 * else refuses, as do policies that change faster than one access can be decided.
 */
static __always_inline int enf_result(int error)
{
	asm volatile("" : "+r"(error)); /* two tests: the compiler would make one of them */
	if (error > 0)
		error = -ENF_EPERM;
	asm volatile("" : "+r"(error));
	if (error < -4095)
		error = -ENF_EPERM;
	return error;
}

/* Returns: 0, or -errno when the access must not happen (the kill has then been sent). */
static __always_inline int enf_act(struct enf_access *access)
{
	int error = ENF_AGAIN;

	for (int i = 0; i < ENF_TRIES; i++) {
		error = enf_ask(access);
		if (error != ENF_AGAIN)
			break;
	}
	return enf_result(error);
}

/* The same in a program that has the core inside. */
static __always_inline int enf_act_inside(struct enf_access *access)
{
	int error = ENF_AGAIN;

	for (int i = 0; i < ENF_TRIES; i++) {
		error = enf_act_once(access);
		if (error != ENF_AGAIN)
			break;
	}
	return enf_result(error);
}

/* Policies that change faster than an exec can be decided kill what they would refuse: see enf_result. */
static __always_inline void enf_act_argv(struct enf_access *access, __u64 start, __u64 len,
					 __u32 argc)
{
	for (int i = 0; i < ENF_TRIES; i++)
		if (enf_act_argv_once(access, start, len, argc) != ENF_AGAIN)
			return;
	enf_argv_undecided(ENF_STAT_NO_TASK);
}

/* One operation on one path. */
static __always_inline int enf_act_path(__u64 mnt, __u64 dentry, __u8 op)
{
	struct enf_access a = {
		.dentry = dentry,
		.mnt = mnt,
		.op = { op },
		.n_ops = 1,
	};

	return enf_act(&a);
}

/* One operation on an open file, by the path that it was opened by. */
static __always_inline int enf_act_file(struct file *file, __u8 op)
{
	return enf_act_path(enf_pointer(file, f_path.mnt), enf_pointer(file, f_path.dentry), op);
}

/*
 * One operation on a file that is mapped, or two; *second* may be ENF_NO_OP. What an overlay maps is the file
 * below it, whose own path the host may not have. The name it was opened by is beside it since v6.7; earlier it
 * is the file's path.
 */
static __always_inline int enf_act_mapped(__u64 file, __u8 first, __u8 second)
{
	struct enf_access a = {
		.dentry = enf_word_at(file + enf_offset(struct file, f_path.dentry)),
		.mnt = enf_word_at(file + enf_offset(struct file, f_path.mnt)),
		.op = { first, second },
		.n_ops = 1 + (second != ENF_NO_OP),
	};

	if (bpf_core_field_exists(((struct backing_file *)0)->user_path) && enf_is_layer(a.mnt)) {
		a.dentry = enf_word_at(file + enf_offset(struct backing_file, user_path.dentry));
		a.mnt = enf_word_at(file + enf_offset(struct backing_file, user_path.mnt));
	}
	return enf_act(&a);
}

#endif
