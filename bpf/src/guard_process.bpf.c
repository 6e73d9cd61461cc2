// SPDX-License-Identifier: GPL-2.0-only
/* Self-protection: the daemon's process, and the files that act on processes. */
#include "guard.bpf.h"

#define ENF_CGROUPS_MAX 64 /* levels above the daemon's */

/* ---- The daemon's process ----------------------------------------------------------------- */

/*
 * Does a process that the owner has forked act on itself, or on another such process? It sets limits to itself, forks
 * what has limits of its own, and kills that. The owner and the keeper of the key are closed to it as to anybody.
 */
static __always_inline int enf_is_among_offspring(const struct enf_guard *g, struct task_struct *p)
{
	struct enf_offspring *own =
		bpf_task_storage_get(&offspring, bpf_get_current_task_btf(), NULL, 0);

	if (!own || !own->owners || enf_is_the_owner(g, p))
		return 0;
	own = bpf_task_storage_get(&offspring, p, NULL, 0);
	return own && own->owners && p->tgid != g->keeper_tgid;
}

/* Only signals of processes come here; the kernel's own are not asked about. */
SEC("lsm/task_kill")
int BPF_PROG(enf_guard_kill, struct task_struct *p, struct kernel_siginfo *info, int sig,
	     const struct cred *cred, int ret)
{
	struct enf_guard *g = enf_guard_state();

	if (ret || !g)
		return ret;
	if (!enf_is_owners(g, p) || !sig || sig == ENF_SIGCHLD || sig == ENF_SIGCONT ||
	    sig == ENF_SIGWINCH || !enf_is_meddler(g) || enf_is_among_offspring(g, p))
		return 0;
	return enf_refuse(ENF_GUARD_SIGNAL, p->tgid, sig);
}

/* F_SETOWN and F_SETSIG on somebody's file: any signal, when the file is ready. The owner uses none. */
SEC("lsm/file_send_sigiotask")
int BPF_PROG(enf_guard_sigio, struct task_struct *p, struct fown_struct *fown, int sig, int ret)
{
	struct enf_guard *g = enf_guard_state();

	if (ret || !g || !enf_is_owners(g, p))
		return ret;
	return enf_refuse(ENF_GUARD_SIGNAL, p->tgid, sig ? sig : ENF_SIGIO);
}

/* Where the caller has the attributes of perf_event_open: its first argument, which a 32-bit call has elsewhere. */
static __always_inline const void *enf_event_attributes(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(t);

	if (t->thread_info.status & ENF_TS_COMPAT)
		return (const void *)(__u64)(__u32)BPF_CORE_READ(regs, bx);
	return (const void *)BPF_CORE_READ(regs, di);
}

/*
 * The type of the event that the caller asks for. Kernels that copy the attributes before they ask (v6.2, 0a041ebca4956,
 * "perf/core: Call LSM hook after copying perf_event_attr") told them here until v6.15 (9ec84f79c5a7a, "perf: Remove
 * unnecessary parameter of security check"). Else they are where the caller has them, and may still change. What cannot
 * be read there, as a page that is not there yet, passes here: it is looked at again below, as what changes.
 */
static __always_inline __u32 enf_asked_event(__u64 attr)
{
	__u32 type = 0;

	if (attr > 0xffff)
		enf_read(type, attr + enf_offset(struct perf_event_attr, type));
	else
		bpf_probe_read_user(&type, sizeof(type), enf_event_attributes());
	return type;
}

/*
 * A probe in user space writes a breakpoint where it is told, be that inside of an instruction, and adds to a number
 * where it is told. It is put by a path that the kernel reads after every hook from the caller's memory: so no probe
 * of others is put while the guard is armed. What is not seen here is taken away again below, where the event is
 * complete.
 */
SEC("lsm/perf_event_open")
int enf_guard_perf_open(unsigned long long *ctx)
{
	struct enf_guard *g = enf_guard_state();
	__u64 attr = enf_address((void *)ctx[0]);
	__u32 asked = attr > 0xffff ? ctx[1] : attr;

	/* The verdict of an earlier program is left unread: one that refuses is the last that is called. */
	if (!g || !g->probes || asked != ENF_PERF_SECURITY_OPEN ||
	    enf_asked_event(attr) != g->probes || !enf_is_outsider(g))
		return 0;
	return enf_refuse(ENF_GUARD_PROBE, 0, 0);
}

/* Also an event that sends SIGTRAP to the process it watches. */
SEC("lsm/perf_event_alloc")
int BPF_PROG(enf_guard_perf, struct perf_event *event, int ret)
{
	struct enf_guard *g = enf_guard_state();
	struct task_struct *p;

	if (ret || !g)
		return ret;
	if (g->probes && event->attr.type == g->probes && enf_is_outsider(g))
		return enf_refuse(ENF_GUARD_PROBE, 0, 0);
	p = event->hw.target;
	if (!p || !BPF_CORE_READ_BITFIELD_PROBED(event, attr.sigtrap) || !enf_is_owners(g, p) ||
	    !enf_is_stranger(g))
		return 0;
	return enf_refuse(ENF_GUARD_SIGNAL, p->tgid, ENF_SIGTRAP);
}

/* Also the way to its memory and to its descriptors; reading about it stays free. */
SEC("lsm/ptrace_access_check")
int BPF_PROG(enf_guard_ptrace, struct task_struct *p, unsigned int mode, int ret)
{
	struct enf_guard *g = enf_guard_state();

	if (ret || !g)
		return ret;
	if (!(mode & ENF_PTRACE_MODE_ATTACH) || !enf_is_owners(g, p) || !enf_is_stranger(g))
		return 0;
	return enf_refuse(ENF_GUARD_PTRACE, p->tgid, 0);
}

static __always_inline int enf_guard_limit(struct task_struct *p)
{
	struct enf_guard *g = enf_guard_state();

	if (!g || !enf_is_owners(g, p) || !enf_is_meddler(g) || enf_is_among_offspring(g, p))
		return 0;
	return enf_refuse(ENF_GUARD_LIMIT, p->tgid, 0);
}

SEC("lsm/task_setrlimit")
int BPF_PROG(enf_guard_rlimit, struct task_struct *p, unsigned int resource, struct rlimit *limit,
	     int ret)
{
	return ret ? ret : enf_guard_limit(p);
}

SEC("lsm/task_setscheduler")
int BPF_PROG(enf_guard_scheduler, struct task_struct *p, int ret)
{
	return ret ? ret : enf_guard_limit(p);
}

SEC("lsm/task_setnice")
int BPF_PROG(enf_guard_nice, struct task_struct *p, int nice, int ret)
{
	return ret ? ret : enf_guard_limit(p);
}

SEC("lsm/task_setioprio")
int BPF_PROG(enf_guard_ioprio, struct task_struct *p, int ioprio, int ret)
{
	return ret ? ret : enf_guard_limit(p);
}

SEC("lsm/task_movememory")
int BPF_PROG(enf_guard_movememory, struct task_struct *p, int ret)
{
	return ret ? ret : enf_guard_limit(p);
}

/* ---- Files that act on processes ---------------------------------------------------------- */

struct enf_lineage {
	__u64 kn, wanted;
	__u32 found;
	__u32 _pad;
};

static long enf_lineage_one(__u32 i, void *arg)
{
	struct enf_lineage *l = arg;

	(void)i;
	if (!l->kn)
		return 1;
	if (l->kn == l->wanted) {
		l->found = 1;
		return 1;
	}
	l->kn = enf_kernfs_parent(l->kn);
	return 0;
}

/* Names as two numbers: the verifier follows a comparison of bytes along every way through it. */
struct enf_short_name {
	__u64 word[2];
};

static __always_inline struct enf_short_name enf_short_name_of(__u64 name)
{
	struct enf_short_name text = {};

	bpf_probe_read_kernel_str(&text, sizeof(text), (const void *)name);
	return text;
}

#define enf_named(name, text)                                                                      \
	({                                                                                         \
		const char wanted[16] = text;                                                      \
		struct enf_short_name other;                                                       \
		__builtin_memcpy(&other, wanted, sizeof(other));                                   \
		(name).word[0] == other.word[0] && (name).word[1] == other.word[1];                \
	})

/*
 * Any file of the cgroup that the owner is in now; above it what stops, kills or starves all below. Two
 * words of a name are compared, which is all of these names.
 */
static __noinline int enf_acts_on_cgroup(const struct enf_guard *g, __u64 inode, __u64 name)
{
	struct enf_lineage l = {};
	__u64 kn = 0, cgroups = 0, cgroup = 0;
	struct enf_short_name text;

	if (!g || !g->cgroup || !g->owner_tgid)
		return 0;
	enf_read(kn, inode + enf_offset(struct inode, i_private));
	enf_read(cgroups, g->owner_task + enf_offset(struct task_struct, cgroups));
	enf_read(cgroup, cgroups + enf_offset(struct css_set, dfl_cgrp));
	enf_read(l.kn, cgroup + enf_offset(struct cgroup, kn));
	l.wanted = enf_kernfs_parent(kn);
	if (!l.wanted)
		return 0;
	text = enf_short_name_of(name);
	/* Whoever joins stops nobody, and what a service manager starts for the unit joins by itself. */
	if (l.wanted == l.kn)
		return !enf_named(text, "cgroup.procs");
	if (!enf_named(text, "cgroup.kill") && !enf_named(text, "cgroup.freeze") &&
	    !enf_named(text, "memory.max") && !enf_named(text, "memory.high") &&
	    !enf_named(text, "memory.swap.max") && !enf_named(text, "cpu.max") &&
	    !enf_named(text, "cpu.idle") && !enf_named(text, "cpuset.cpus") &&
	    !enf_named(text, "io.max") && !enf_named(text, "pids.max"))
		return 0;
	bpf_loop(ENF_CGROUPS_MAX, enf_lineage_one, &l, 0);
	return l.found;
}

/* The process that a file of /proc/PID speaks of; 0: of none that lives. */
static __always_inline __u32 enf_proc_tgid(__u64 inode)
{
	__u64 pid = 0, node = 0;
	__u32 tgid = 0;

	enf_read(pid, inode - enf_offset(struct proc_inode, vfs_inode) +
			      enf_offset(struct proc_inode, pid));
	if (pid)
		enf_read(node, pid + enf_offset(struct pid, tasks));
	if (node)
		enf_read(tgid, node - enf_offset(struct task_struct, pid_links) +
				       enf_offset(struct task_struct, tgid));
	return tgid;
}

/* Is it a file of the owner's in /proc? */
static __noinline int enf_acts_on_owner(const struct enf_guard *g, __u64 inode)
{
	return g && g->owner_tgid && enf_proc_tgid(inode) == g->owner_tgid;
}

/*
 * sysrq ends every process, by its file or, where it is allowed to, by keys that anything may press;
 * without ftrace some kernels (6.1) call no BPF program at any hook.
 */
static __noinline int enf_acts_on_system(__u64 name)
{
	struct enf_short_name text = enf_short_name_of(name);

	return enf_named(text, "sysrq-trigger") || enf_named(text, "ftrace_enabled") ||
	       enf_named(text, "sysrq");
}

/*
 * Is it a switch of debugfs: that which takes away every kprobe, and so rules on system calls and functions, or
 * that which lets tasks be preempted where programs run, so that some operations pass undecided?
 */
static __noinline int enf_acts_on_kernel(__u64 dentry)
{
	struct enf_short_name text, folder;
	__u64 name = 0, parent = 0;

	enf_read(name, dentry + enf_offset(struct dentry, d_name.name));
	text = enf_short_name_of(name);
	if (!enf_named(text, "enabled") && !enf_named(text, "preempt"))
		return 0;
	enf_read(parent, dentry + enf_offset(struct dentry, d_parent));
	enf_read(name, parent + enf_offset(struct dentry, d_name.name));
	folder = enf_short_name_of(name);
	return enf_named(text, "preempt") ? enf_named(folder, "sched")
					  : enf_named(folder, "kprobes");
}

/* Is it a file of tracefs by which probes are put into programs? Both take the same words. */
static __noinline int enf_places_probes(__u64 name)
{
	struct enf_short_name text = enf_short_name_of(name);

	return enf_named(text, "uprobe_events") || enf_named(text, "dynamic_events");
}

/* Each write, not each open: a descriptor may be older than the guard, or than what it now acts on. */
SEC("lsm/file_permission")
int BPF_PROG(enf_guard_write, struct file *file, int mask, int ret)
{
	struct enf_guard *g;
	unsigned long magic;
	__u64 inode, name = 0;
	__u32 act;

	if (ret || !(mask & (ENF_MAY_WRITE | ENF_MAY_APPEND)))
		return ret;
	magic = file->f_inode->i_sb->s_magic;
	if (magic != ENF_CGROUP2_MAGIC && magic != ENF_PROC_MAGIC && magic != ENF_DEBUGFS_MAGIC &&
	    magic != ENF_TRACEFS_MAGIC)
		return 0;
	g = enf_guard_state();
	if (!g || !enf_is_outsider(g))
		return 0;
	inode = (__u64)file->f_inode;
	enf_read(name, &file->f_path.dentry->d_name.name);
	if (magic == ENF_CGROUP2_MAGIC) {
		if (!enf_is_meddler(g) || !enf_acts_on_cgroup(g, inode, name))
			return 0;
		act = ENF_GUARD_CGROUP;
	} else if (magic == ENF_DEBUGFS_MAGIC) {
		if (!enf_acts_on_kernel((__u64)file->f_path.dentry))
			return 0;
		act = ENF_GUARD_SYSTEM;
	} else if (magic == ENF_TRACEFS_MAGIC) {
		if (!enf_places_probes(name))
			return 0;
		act = ENF_GUARD_PROBE;
	} else {
		if (!enf_acts_on_system(name) &&
		    !(enf_is_meddler(g) && enf_acts_on_owner(g, inode)))
			return 0;
		act = ENF_GUARD_SYSTEM;
	}
	return enf_refuse_named(act, 0, name);
}

/*
 * Whom the service manager starts. Where no storage can be had the child counts as anybody's: then it is
 * kept out, the manager sees that its service does not start, and starts it again.
 */
static __always_inline void enf_note_service(struct task_struct *child)
{
	struct enf_offspring begun = { .born = bpf_get_current_cgroup_id() };

	if (!bpf_task_storage_get(&offspring, child, &begun, BPF_LOCAL_STORAGE_GET_F_CREATE))
		enf_count(ENF_STAT_NO_TASK);
}

/* What the owner forks, and what that forks, has the descriptors of the owner. What cannot be protected is not made. */
SEC("lsm/task_alloc")
int BPF_PROG(enf_guard_fork, struct task_struct *child, unsigned long clone_flags, int ret)
{
	struct enf_offspring begun = { .owners = 1 }, *own;
	struct enf_guard *g;

	if (ret)
		return ret;
	if (bpf_get_current_pid_tgid() >> 32 == 1) {
		enf_note_service(child);
		return 0;
	}
	g = enf_guard_state();
	if (!g)
		return 0;
	if (!g->owner_tgid || !enf_is_owner(g)) {
		own = bpf_task_storage_get(&offspring, bpf_get_current_task_btf(), NULL, 0);
		if (!own || !own->owners)
			return 0;
	}
	if (bpf_task_storage_get(&offspring, child, &begun, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return 0;
	enf_count(ENF_STAT_NO_TASK);
	return -ENF_ENOMEM;
}

/*
 * For which unit. The manager, or its helper that it runs first, joins the unit before the program of the
 * service begins, so that what this one joins comes too late. Programs that begin while nobody is the owner
 * are of another: nobody starts a daemon in the place of one that is not there.
 */
SEC("lsm/bprm_committed_creds")
int BPF_PROG(enf_guard_exec, struct linux_binprm *bprm)
{
	struct enf_offspring *own =
		bpf_task_storage_get(&offspring, bpf_get_current_task_btf(), NULL, 0);
	struct enf_guard *g;

	if (!own || own->owners || own->first != ENF_FIRST_NONE ||
	    own->born == bpf_get_current_cgroup_id())
		return 0;
	g = enf_guard_state();
	own->first = g && enf_in_unit(g) ? ENF_FIRST_OWN : ENF_FIRST_OTHER;
	return 0;
}

/* ---- Files that the daemon runs ------------------------------------------------------------ */

/* What is written into a mapped file is what the process runs, however it was mapped. */
static __always_inline int enf_guard_file(__u64 inode, __u64 dentry)
{
	struct enf_guard *g = enf_guard_state();
	__u64 name = 0, ino = 0;

	if (!g || !g->owner_tgid || !bpf_map_lookup_elem(&sealed, &inode) || !enf_is_outsider(g))
		return 0;
	enf_read(name, dentry + enf_offset(struct dentry, d_name.name));
	enf_read(ino, inode + enf_offset(struct inode, i_ino));
	return enf_refuse_named(ENF_GUARD_FILE, ino, name);
}

/* O_TRUNC cuts a file that is opened for reading, and since v6.2 the hook of path_truncate is not asked about it. */
SEC("lsm/file_open")
int BPF_PROG(enf_guard_open, struct file *file, int ret)
{
	if (ret || !(file->f_mode & ENF_FMODE_WRITE || file->f_flags & ENF_O_TRUNC))
		return ret;
	return enf_guard_file((__u64)file->f_inode, (__u64)file->f_path.dentry);
}

SEC("lsm/path_truncate")
int BPF_PROG(enf_guard_truncate, const struct path *path, int ret)
{
	return ret ? ret : enf_guard_file((__u64)path->dentry->d_inode, (__u64)path->dentry);
}
