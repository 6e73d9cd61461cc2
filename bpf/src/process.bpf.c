// SPDX-License-Identifier: GPL-2.0-only
/* What processes do to each other, and to what they may do themselves. */
#include "act.h"
#include "maps.bpf.h"

/* The other process: what it runs as, and by its label what it runs. */
static __always_inline void enf_target(struct enf_access *a, struct task_struct *t)
{
	struct enf_task *label = bpf_task_storage_get(&tasks, t, NULL, 0);

	a->present |= ENF_BIT64(ENF_DIM_TO_UID);
	a->to_uid = BPF_CORE_READ(t, real_cred, uid.val);
	if (label && label->exe_len) {
		a->present |= ENF_BIT64(ENF_DIM_PATH);
		a->exe = (__u64)label->exe;
		a->exe_len = label->exe_len;
		if (label->flags & ENF_SF_OFFHOST)
			a->flags |= ENF_OF_OFFHOST;
		a->flags |= (label->flags >> ENF_FOLD_AT << ENF_FOLD_AT) |
			    (label->flags >> ENF_FOLD_EXE_AT & ENF_FOLD_EXE_MASK)
				    << ENF_FOLD_FROM_AT;
		return;
	}
	if (label && (label->flags & ENF_SF_KTHREAD)) /* runs nothing */
		return;
	a->present |= ENF_BIT64(ENF_DIM_PATH); /* not known, or just being read: onError decides */
	a->unknown |= ENF_BIT64(ENF_DIM_PATH);
}

/* A signal to another process. What a process does to itself it could do without one. */
SEC("lsm/task_kill")
int BPF_PROG(enf_task_kill, struct task_struct *target, void *info, int sig,
	     const struct cred *cred, int ret)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_CODE),
		.code = sig,
		.op = { ENF_OP_SIGNAL },
		.n_ops = 1,
	};

	if (ret)
		return ret;
	if (!sig || target->tgid == t->tgid)
		return 0;
	/* Of a device, in the name of whoever runs now. A number: of a pointer some verifiers believe
	 * that it is never NULL, as this one mostly is.
	 */
	if (enf_address(cred))
		return 0;
	enf_target(&a, target);
	return enf_act(&a);
}

/* The signal by which the kernel ends a process at a limit, in the end or at its next step; 0: it fails a call. */
static __always_inline __u32 enf_limit_signal(unsigned int resource)
{
	switch (resource) {
	case ENF_RLIMIT_CPU:
	case ENF_RLIMIT_RTTIME:
		return ENF_SIGKILL;
	case ENF_RLIMIT_FSIZE:
		return ENF_SIGXFSZ;
	case ENF_RLIMIT_STACK: /* a stack that may not grow: acct_stack_growth() */
	case ENF_RLIMIT_AS:
		return ENF_SIGSEGV;
	default:
		return 0;
	}
}

/* A limit that is given to another process and at which the kernel ends it. */
SEC("lsm/task_setrlimit")
int BPF_PROG(enf_task_setrlimit, struct task_struct *target, unsigned int resource,
	     struct rlimit *limit, int ret)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_CODE),
		.code = enf_limit_signal(resource),
		.op = { ENF_OP_SIGNAL },
		.n_ops = 1,
	};

	if (ret)
		return ret;
	if (target->tgid == t->tgid || !a.code)
		return 0;
	enf_target(&a, target);
	return enf_act(&a);
}

static __always_inline int enf_trace(struct task_struct *target, __u8 op)
{
	struct enf_access a = {
		.op = { op },
		.n_ops = 1,
	};

	enf_target(&a, target);
	return enf_act(&a);
}

/* ptrace, /proc/PID/mem, process_vm_readv and _writev, pidfd_getfd. Not what only looks. */
SEC("lsm/ptrace_access_check")
int BPF_PROG(enf_ptrace_access_check, struct task_struct *target, unsigned int mode, int ret)
{
	if (ret)
		return ret;
	if (!(mode & ENF_PTRACE_MODE_ATTACH))
		return 0;
	return enf_trace(target, ENF_OP_PTRACE);
}

SEC("lsm/ptrace_traceme")
int BPF_PROG(enf_ptrace_traceme, struct task_struct *tracer, int ret)
{
	return ret ? ret : enf_trace(tracer, ENF_OP_TRACEME);
}

/* ---- Identity ------------------------------------------------------------------------------ */

/* Asks about one id that becomes another, unless the same has been asked. Returns: 0 or -errno. */
#define enf_becomes(a, new, old, field, to, dim, asked)                                            \
	({                                                                                         \
		int _error = 0;                                                                    \
		if ((new)->field.val != (old)->field.val && (new)->field.val != (asked)) {         \
			(asked) = (new)->field.val;                                                \
			(a)->to = (asked);                                                         \
			_error = enf_act(a);                                                       \
		}                                                                                  \
		_error;                                                                            \
	})

SEC("lsm/task_fix_setuid")
int BPF_PROG(enf_task_fix_setuid, struct cred *new, const struct cred *old, int flags, int ret)
{
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_TO_UID),
		.op = { ENF_OP_SETUID },
		.n_ops = 1,
	};
	__u32 asked = ENF_NONE;
	int error;

	if (ret)
		return ret;
	error = enf_becomes(&a, new, old, euid, to_uid, ENF_DIM_TO_UID, asked);
	if (!error)
		error = enf_becomes(&a, new, old, uid, to_uid, ENF_DIM_TO_UID, asked);
	if (!error)
		error = enf_becomes(&a, new, old, suid, to_uid, ENF_DIM_TO_UID, asked);
	if (!error)
		error = enf_becomes(&a, new, old, fsuid, to_uid, ENF_DIM_TO_UID, asked);
	return error;
}

SEC("lsm/task_fix_setgid")
int BPF_PROG(enf_task_fix_setgid, struct cred *new, const struct cred *old, int flags, int ret)
{
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_TO_GID),
		.op = { ENF_OP_SETGID },
		.n_ops = 1,
	};
	__u32 asked = ENF_NONE;
	int error;

	if (ret)
		return ret;
	error = enf_becomes(&a, new, old, egid, to_gid, ENF_DIM_TO_GID, asked);
	if (!error)
		error = enf_becomes(&a, new, old, gid, to_gid, ENF_DIM_TO_GID, asked);
	if (!error)
		error = enf_becomes(&a, new, old, sgid, to_gid, ENF_DIM_TO_GID, asked);
	if (!error)
		error = enf_becomes(&a, new, old, fsgid, to_gid, ENF_DIM_TO_GID, asked);
	return error;
}

/* ---- Supplementary groups ------------------------------------------------------------------ */

#define ENF_GROUPS 64	     /* that are gained, and looked at one by one */
#define ENF_GROUPS_MAX 65536 /* NGROUPS_MAX */
#define ENF_GROUPS_STEPS 17  /* halvings of that */

struct enf_groups {
	__u64 new, old; /* the kernel's sorted arrays of group ids */
	__u32 n_new, n_old;
	__u32 gid, egid; /* of the process already */
	__u32 asked;	 /* how many were asked about */
	int error;
};

/* Is *gid* among the groups that it has had? */
static __always_inline int enf_had_group(const struct enf_groups *g, __u32 gid)
{
	__u32 low = 0, high = g->n_old;

	if (gid == g->gid || gid == g->egid)
		return 1;
	for (int i = 0; i < ENF_GROUPS_STEPS && low < high; i++) {
		__u32 middle = low + (high - low) / 2, found = 0;

		enf_read(found, g->old + middle * sizeof(found));
		if (found == gid)
			return 1;
		if (found < gid)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

static long enf_group_one(__u32 i, void *arg)
{
	struct enf_groups *g = arg;
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_TO_GID),
		.op = { ENF_OP_SETGID },
		.n_ops = 1,
	};
	__u32 gid = 0;

	if (i >= g->n_new)
		return 1;
	enf_read(gid, g->new + i * sizeof(gid));
	if (enf_had_group(g, gid))
		return 0;
	a.to_gid = gid;
	/* More than are looked at: what the next one is counts as unknown, and onError decides for all. */
	if (g->asked++ >= ENF_GROUPS)
		a.unknown = ENF_BIT64(ENF_DIM_TO_GID);
	g->error = enf_act(&a);
	return g->error || a.unknown;
}

SEC("lsm/task_fix_setgroups")
int BPF_PROG(enf_task_fix_setgroups, struct cred *new, const struct cred *old, int ret)
{
	struct enf_groups g = {
		.gid = old->gid.val,
		.egid = old->egid.val,
		.asked = enf_nothing,
	};
	__u64 now = 0, before = 0;

	if (ret)
		return ret;
	enf_read(now, &new->group_info);
	enf_read(before, &old->group_info);
	enf_read(g.n_new, now + enf_offset(struct group_info, ngroups));
	enf_read(g.n_old, before + enf_offset(struct group_info, ngroups));
	g.new = now + enf_offset(struct group_info, gid);
	g.old = before + enf_offset(struct group_info, gid);
	bpf_loop(ENF_GROUPS_MAX, enf_group_one, &g, 0);
	return enf_result(g.error);
}

/*
 * Around security_capable nobody has said yet whether the process has the capability: as cap_capable()
 * finds it. Once it names no ancestor of the process's own namespace, it has not.
 */
#define ENF_USERNS_DEEP 33 /* the first one and those that the kernel lets be below it */

static __noinline int enf_has_capability(__u64 cred, __u64 ns, int capability)
{
	__u64 own = 0, caps = 0;
	__u32 euid = 0;

	enf_read(own, cred + enf_offset(struct cred, user_ns));
	enf_read(euid, cred + enf_offset(struct cred, euid));
	enf_read(caps, cred + enf_offset(struct cred, cap_effective));
	for (int i = 0; i < ENF_USERNS_DEEP; i++) {
		__u64 parent = 0;
		__u32 owner = 0;

		if (ns == own)
			return caps >> (capability & 63) & 1;
		enf_read(parent, ns + enf_offset(struct user_namespace, parent));
		enf_read(owner, ns + enf_offset(struct user_namespace, owner));
		if (!parent)
			return 0;
		if (parent == own && owner == euid)
			return 1;
		ns = parent;
	}
	return 0;
}

/* What it gains counts; that a process gives up capabilities is also a capset. */
SEC("lsm/capset")
int BPF_PROG(enf_capset, struct cred *new, const struct cred *old, const kernel_cap_t *effective,
	     const kernel_cap_t *inheritable, const kernel_cap_t *permitted, int ret)
{
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_BITS),
		.op = { ENF_OP_CAPSET },
		.n_ops = 1,
	};
	__u64 had = 0;

	if (ret)
		return ret;
	if (bpf_probe_read_kernel(&a.bits, sizeof(a.bits), effective) ||
	    bpf_probe_read_kernel(&had, sizeof(had), &old->cap_effective))
		a.unknown |= ENF_BIT64(ENF_DIM_BITS);
	if (enf_around && !a.unknown) { /* what it may not have at all the kernel itself refuses */
		__u64 may = 0;

		if (!bpf_probe_read_kernel(&may, sizeof(may), &old->cap_permitted) &&
		    (a.bits & ~may))
			return 0;
	}
	a.bits &= ~had;
	return enf_act(&a);
}

/*
 * Does the current task use a capability of others, whose credentials are not its own? That of who opened a file, which
 * some files ask about alone, at each use (file_ns_capable()): pagemap_read(), proc_pid_stack(),
 * proc_pid_seccomp_cache(), r_show(), pci_read_config(), proc_bus_pci_read(), cgroup_release_agent_write(), map_write(),
 * verify_root_map(), proc_timens_set_offset(), and what SafeSetID and IPE are told. What is asked about the opener of a
 * socket is no use: netlink and sk_ns_capable() ask about the caller as well, as new_idmap_permitted() does, and
 * skb_may_tx_timestamp() and do_one_broadcast() ask in whatever process a packet or a message comes to. (The SYS_ADMIN
 * of a socket's opener looks like that of a file's: nbd asks for it, of who wants to connect a device.) All else that
 * is asked about others is what these may do: without audit, or about a tracer (cap_ptrace_traceme()).
 */
static __always_inline int enf_uses_opener(int capability, unsigned int options)
{
	const __u64 of_files = ENF_BIT64(ENF_CAP_SYS_ADMIN) | ENF_BIT64(ENF_CAP_SYS_TIME) |
			       ENF_BIT64(ENF_CAP_SETFCAP) | ENF_BIT64(ENF_CAP_MAC_ADMIN);

	return !(options & ENF_CAP_OPT_NOAUDIT) && (of_files >> (capability & 63) & 1);
}

/*
 * The use of a capability that the process has. Asked very often, so only those that some rule names
 * go further than one look.
 */
SEC("lsm/capable")
int BPF_PROG(enf_capable, const struct cred *cred, void *ns, int capability, unsigned int options,
	     int ret)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_CODE),
		.code = capability,
		.op = { ENF_OP_CAPABLE },
		.n_ops = 1,
	};

	if (ret)
		return ret;
	if (!enf_names_capability(capability))
		return 0;
	if ((__u64)cred != (__u64)t->cred && !enf_uses_opener(capability, options))
		return 0; /* of another process: that one uses nothing */
	if (enf_around && !enf_has_capability((__u64)cred, (__u64)ns, capability))
		return 0;
	return enf_act(&a);
}

SEC("lsm/userns_create")
int BPF_PROG(enf_userns_create, const struct cred *cred, int ret)
{
	struct enf_access a = {
		.op = { ENF_OP_USERNS },
		.n_ops = 1,
	};

	return ret ? ret : enf_act(&a);
}
