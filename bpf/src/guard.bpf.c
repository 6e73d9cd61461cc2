// SPDX-License-Identifier: GPL-2.0-only
/*
 * Self-protection: nobody but the owner touches the engine and its daemon.
 *
 * The owner is the thread group that armed the guard. While it lives, others are refused, with two
 * exceptions: the first process of the machine may do what a service manager does (signals, limits,
 * cgroups, mounts, loading). When the owner has died, the host's root is let in, to take over or to
 * clean up; see enf_is_root.
 *
 * Objects are known in two ways. Those that exist before the guard is armed by their id, which user
 * space tells. Those that the owner makes later by their address, noted before the kernel gives them
 * an id that others could open them by.
 *
 * Fail directions: without state of the guard (the map is an array, so never) nothing is refused;
 * an object of the owner's that finds no room in the table of objects is not made; what cannot be
 * read of a program that others load is refused.
 */
#include "act.h"
#include "maps.bpf.h"

#define ENF_NAME_SHOWN 64 /* bytes of a target's name in a record */
#define ENF_CLIMB_MAX 64  /* directories and mounts from the pins to the root of the host */
#define ENF_CGROUPS_MAX 64
#define ENF_PINS_DEEP 4 /* directory, session, pin */

/* ---- Who ---------------------------------------------------------------------------------- */

static __always_inline struct enf_guard *enf_guard_state(void)
{
	__u32 zero = 0;
	struct enf_guard *g = bpf_map_lookup_elem(&guard, &zero);

	return g && g->armed_ns ? g : NULL;
}

/* A process of the host itself that may administer it. */
static __noinline int enf_is_root(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 caps = 0;

	bpf_probe_read_kernel(&caps, sizeof(caps), &t->real_cred->cap_effective);
	return (caps & ENF_BIT64(ENF_CAP_SYS_ADMIN)) &&
	       !BPF_CORE_READ(t, real_cred, user_ns, level) &&
	       !BPF_CORE_READ(t, thread_pid, level) &&
	       BPF_CORE_READ(t, nsproxy, mnt_ns, ns.inum) == enf_host_mnt_ns;
}

static __always_inline int enf_is_owner(const struct enf_guard *g)
{
	struct task_struct *t = bpf_get_current_task_btf();

	return bpf_get_current_pid_tgid() >> 32 == g->owner_tgid &&
	       t->group_leader->start_boottime == g->owner_start;
}

/* Must the caller be kept from the engine? */
static __always_inline int enf_is_stranger(const struct enf_guard *g)
{
	if (!g->owner_tgid)
		return !enf_is_root();
	return !enf_is_owner(g);
}

/* The same, where the service manager is none. */
static __always_inline int enf_is_meddler(const struct enf_guard *g)
{
	return bpf_get_current_pid_tgid() >> 32 != 1 && enf_is_stranger(g);
}

static __always_inline int enf_is_owners(const struct enf_guard *g, const struct task_struct *t)
{
	return t->tgid == g->owner_tgid && t->group_leader->start_boottime == g->owner_start;
}

/* ---- The record --------------------------------------------------------------------------- */

struct enf_attempt {
	__u64 target;
	__u64 name; /* kernel address of a string; 0: none */
	__u32 act;
	__u32 signal;
	__u32 quiet; /* record only the first of this process: lists walk over every id */
	__u32 _pad;
};

struct enf_guard_record {
	struct enf_event event;
	char tail[ENF_EXE_MAX + ENF_NAME_SHOWN];
};

static __always_inline void enf_guard_count(__u32 stat)
{
	__u64 *n = bpf_map_lookup_elem(&stats, &stat);

	if (n)
		*n += 1;
}

static __always_inline void enf_guard_fill(struct enf_event *e, struct task_struct *t)
{
	struct task_struct *parent = BPF_CORE_READ(t, real_parent, group_leader);
	__u64 id = bpf_get_current_pid_tgid();

	__builtin_memset(e, 0, sizeof(*e));
	e->kind = ENF_EVENT_GUARD;
	e->action = ENF_ACT_DENY;
	e->flags = ENF_EF_ENFORCED | ENF_EF_PREVENTED;
	e->error = ENF_EPERM;
	e->row = ENF_NONE;
	e->time_ns = bpf_ktime_get_boot_ns();
	e->cgroup = bpf_get_current_cgroup_id();
	e->start_ns = BPF_CORE_READ(t, group_leader, start_boottime);
	e->parent_start_ns = BPF_CORE_READ(parent, start_boottime);
	e->pid = id >> 32;
	e->tid = (__u32)id;
	e->ppid = BPF_CORE_READ(parent, tgid);
	e->uid = BPF_CORE_READ(t, real_cred, uid.val);
	e->euid = BPF_CORE_READ(t, real_cred, euid.val);
	e->gid = BPF_CORE_READ(t, real_cred, gid.val);
	e->egid = BPF_CORE_READ(t, real_cred, egid.val);
	bpf_probe_read_kernel(&e->caps, sizeof(e->caps), &t->real_cred->cap_effective);
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	BPF_CORE_READ_STR_INTO(&e->parent_comm, parent, comm);
}

/* Count and record a refusal. Global: the verifier proves it once for each program. */
__attribute__((noinline)) int enf_guard_refuse(struct enf_attempt *a)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_guard *g = enf_guard_state();
	struct enf_guard_record *r;
	struct enf_task *task;
	__u32 exe = 0;
	long len;

	if (!a)
		return 0;
	enf_guard_count(ENF_STAT_GUARD_REFUSED);
	if (a->quiet && g) {
		__u64 who = t->group_leader->start_boottime;

		if (g->reported == who)
			return 0;
		g->reported = who;
	}
	r = bpf_ringbuf_reserve(&decisions, sizeof(*r), 0);
	if (!r) {
		enf_guard_count(ENF_STAT_LOST_DECISIONS);
		return 0;
	}
	enf_guard_fill(&r->event, t);
	r->event.op = a->act;
	r->event.signal = a->signal;
	r->event.ino = a->target;
	task = bpf_task_storage_get(&tasks, t, NULL, 0);
	if (task) {
		exe = task->exe_len;
		r->event.generation = task->generation;
		r->event.exec_ns = task->exec_ns;
		r->event.subj_flags = task->flags;
	}
	enf_barrier(exe);
	if (exe > ENF_EXE_MAX)
		exe = 0;
	if (exe)
		bpf_probe_read_kernel(r->tail, exe, task->exe);
	r->event.exe_len = exe;
	if (a->name) {
		enf_barrier(exe);
		if (exe <= ENF_EXE_MAX) {
			len = bpf_probe_read_kernel_str(r->tail + exe, ENF_NAME_SHOWN,
							(const void *)a->name);
			if (len > 1)
				r->event.name_len = len - 1;
		}
	}
	r->event.size = sizeof(r->event) + r->event.exe_len + r->event.name_len;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

static __always_inline int enf_refuse(__u32 act, __u64 target, __u32 signal)
{
	struct enf_attempt a = { .act = act, .target = target, .signal = signal };

	enf_guard_refuse(&a);
	return -ENF_EPERM;
}

static __always_inline int enf_refuse_named(__u32 act, __u64 target, __u64 name)
{
	struct enf_attempt a = { .act = act, .target = target, .name = name };

	enf_guard_refuse(&a);
	return -ENF_EPERM;
}

/* ---- Objects ------------------------------------------------------------------------------ */

static __always_inline __u64 enf_guard_key(__u32 kind, __u32 id)
{
	return (__u64)(kind + 1) << 32 | id;
}

static __always_inline int enf_is_guarded(__u64 key)
{
	return bpf_map_lookup_elem(&guarded, &key) != NULL;
}

static __always_inline int enf_guard_id(__u32 kind, __u32 id, __u32 quiet)
{
	struct enf_attempt a = { .act = kind, .target = id, .quiet = quiet };

	if (!enf_is_guarded(enf_guard_key(kind, id)))
		return 0;
	enf_guard_refuse(&a);
	return 1;
}

/* Is the program at this address, or the object that it belongs to, the engine's? */
static __always_inline int enf_is_our_program(__u64 prog)
{
	__u64 aux = 0;
	__u32 id = 0;

	enf_read(aux, prog + enf_offset(struct bpf_prog, aux));
	enf_read(id, aux + enf_offset(struct bpf_prog_aux, id));
	return aux && (enf_is_guarded(aux) || enf_is_guarded(enf_guard_key(ENF_GUARD_PROGRAM, id)));
}

/* The struct file of a descriptor of the caller's, as a number; 0: none. */
static __noinline __u64 enf_file_of(__u32 fd)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 fdt = (__u64)BPF_CORE_READ(t, files, fdt), table = 0, file = 0;
	__u32 max = 0;

	enf_read(max, fdt + enf_offset(struct fdtable, max_fds));
	if (fd >= max)
		return 0;
	enf_read(table, fdt + enf_offset(struct fdtable, fd));
	enf_read(file, table + fd * sizeof(file));
	return file;
}

static __always_inline int enf_guard_link(__u32 fd)
{
	__u64 file = enf_file_of(fd), link = 0, prog = 0;
	struct enf_attempt a = { .act = ENF_GUARD_LINK };
	__u32 id = 0;

	/* No link: then this is not the address of one of our programs either. */
	enf_read(link, file + enf_offset(struct file, private_data));
	enf_read(prog, link + enf_offset(struct bpf_link, prog));
	if (!file || !link || !enf_is_our_program(prog))
		return 0;
	enf_read(id, link + enf_offset(struct bpf_link, id));
	a.target = id;
	enf_guard_refuse(&a);
	return 1;
}

/* No *ret*: its place differs (v6.15 added an argument), and a hook that an earlier program refused is
 * not called. By id the answer is that there is none: tools that list everything then go on.
 */
SEC("lsm/bpf")
int BPF_PROG(enf_guard_bpf, int cmd, union bpf_attr *attr, unsigned int size)
{
	struct enf_guard *g = enf_guard_state();
	__u32 first = 0;

	if (!g)
		return 0;
	if (cmd != BPF_PROG_GET_FD_BY_ID && cmd != BPF_MAP_GET_FD_BY_ID &&
	    cmd != BPF_LINK_GET_FD_BY_ID && cmd != BPF_LINK_DETACH && cmd != BPF_LINK_UPDATE)
		return 0;
	if (!enf_is_stranger(g))
		return 0;
	/* the id, or the descriptor of the link: both begin their member of the union */
	bpf_probe_read_kernel(&first, sizeof(first), attr);
	if (cmd == BPF_MAP_GET_FD_BY_ID)
		return enf_guard_id(ENF_GUARD_MAP, first, 1) ? -ENF_ENOENT : 0;
	if (cmd == BPF_PROG_GET_FD_BY_ID)
		return enf_guard_id(ENF_GUARD_PROGRAM, first, 1) ? -ENF_ENOENT : 0;
	if (cmd == BPF_LINK_GET_FD_BY_ID)
		return enf_guard_id(ENF_GUARD_LINK, first, 1) ? -ENF_ENOENT : 0;
	return enf_guard_link(first) ? -ENF_EPERM : 0;
}

/* Reading, too: a program loaded with a descriptor for reading may write all the same. */
SEC("lsm/bpf_map")
int BPF_PROG(enf_guard_map, struct bpf_map *map, unsigned int mode, int ret)
{
	struct enf_guard *g = enf_guard_state();
	__u64 address = enf_address(map), id;

	if (ret || !g)
		return ret;
	id = map->id;
	if (!enf_is_stranger(g)) {
		__u64 key = enf_guard_key(ENF_GUARD_MAP, id);
		__u64 *known = bpf_map_lookup_elem(&guarded, &address), none = 0;

		/* The owner has just made it, and now it has an id. Lists shall not stumble over it. */
		if (known && !*known && id) {
			*known = id;
			bpf_map_update_elem(&guarded, &key, &none, BPF_ANY);
		}
		return 0;
	}
	if (enf_is_guarded(address) || enf_is_guarded(enf_guard_key(ENF_GUARD_MAP, id)))
		return enf_refuse(ENF_GUARD_MAP, id, 0);
	return 0;
}

/* Note what the owner makes, before it can be found by anyone. */
static __always_inline int enf_guard_made(__u64 address)
{
	struct enf_guard *g = enf_guard_state();
	__u64 unknown = 0;

	if (!g || !g->owner_tgid || !enf_is_owner(g))
		return 0;
	/* one that cannot be protected is not made */
	return bpf_map_update_elem(&guarded, &address, &unknown, BPF_ANY) ? -ENF_ENOMEM : 0;
}

static __always_inline int enf_guard_freed(__u64 address, __u32 kind)
{
	__u64 *known = bpf_map_lookup_elem(&guarded, &address), key;

	if (!known)
		return 0;
	key = enf_guard_key(kind, *known);
	bpf_map_delete_elem(&guarded, &key);
	bpf_map_delete_elem(&guarded, &address);
	return 0;
}

/* Before v6.9 (a2431c7eabcf7, "bpf,lsm: Refactor bpf_map_alloc/bpf_map_free LSM hooks"). */
SEC("lsm/bpf_map_alloc_security")
int BPF_PROG(enf_guard_map_alloc, struct bpf_map *map, int ret)
{
	return ret ? ret : enf_guard_made(enf_address(map));
}

SEC("lsm/bpf_map_create")
int BPF_PROG(enf_guard_map_create, struct bpf_map *map)
{
	return enf_guard_made(enf_address(map));
}

SEC("lsm/bpf_map_free_security")
int BPF_PROG(enf_guard_map_freed, struct bpf_map *map)
{
	return enf_guard_freed(enf_address(map), ENF_GUARD_MAP);
}

SEC("lsm/bpf_map_free")
int BPF_PROG(enf_guard_map_free, struct bpf_map *map)
{
	return enf_guard_freed(enf_address(map), ENF_GUARD_MAP);
}

SEC("lsm/bpf_prog_alloc_security")
int BPF_PROG(enf_guard_prog_alloc, struct bpf_prog_aux *aux, int ret)
{
	return ret ? ret : enf_guard_made(enf_address(aux));
}

SEC("lsm/bpf_prog_load")
int BPF_PROG(enf_guard_prog_load, struct bpf_prog *prog)
{
	return enf_guard_made(enf_address(prog->aux));
}

SEC("lsm/bpf_prog_free_security")
int BPF_PROG(enf_guard_prog_freed, struct bpf_prog_aux *aux)
{
	return enf_guard_freed(enf_address(aux), ENF_GUARD_PROGRAM);
}

SEC("lsm/bpf_prog_free")
int BPF_PROG(enf_guard_prog_free, struct bpf_prog *prog)
{
	return enf_guard_freed(enf_address(prog->aux), ENF_GUARD_PROGRAM);
}

/* ---- Programs of others ------------------------------------------------------------------- */

#define ENF_INSNS 8 /* read at once */
#define ENF_INSNS_MAX 1000000

struct enf_scan {
	const struct enf_guard *guard;
	__u64 insns;
	__u32 len;
	__u32 found;
};

static long enf_scan_one(__u32 i, void *arg)
{
	struct enf_scan *scan = arg;
	const struct enf_guard *g = scan->guard;
	__u64 insns[ENF_INSNS];
	__u32 at = i * ENF_INSNS, found = 0;

	if (at >= scan->len)
		return 1;
	if (bpf_probe_read_kernel(insns, sizeof(insns), (const void *)(scan->insns + at * 8))) {
		/* the end of a program lies at the end of mapped memory: the last ones singly */
		for (int k = 0; k < ENF_INSNS; k++) {
			insns[k] = 0;
			if (at + k < scan->len &&
			    bpf_probe_read_kernel(&insns[k], 8,
						  (const void *)(scan->insns + (at + k) * 8)))
				found = 1; /* what cannot be read is refused */
		}
	}
	for (int k = 0; k < ENF_INSNS; k++) {
		__u8 code = insns[k], source = insns[k] >> 12 & 0xf;
		__u32 imm = insns[k] >> 32;

		if (code != (BPF_JMP | BPF_CALL) || at + k >= scan->len)
			continue;
		if (!source && (imm == g->calls[0] || imm == g->calls[1] || imm == g->calls[2] ||
				imm == g->calls[3]))
			found = 1;
		if (source == BPF_PSEUDO_KFUNC_CALL && g->kfunc &&
		    (imm == g->kfunc || imm == g->kfunc_call))
			found = 1;
	}
	if (!found)
		return 0;
	scan->found = 1;
	return 1;
}

/* Does this program call what could end the daemon, or is it of a kind that comes before ours? */
static __always_inline int enf_is_dangerous(const struct enf_guard *g, struct bpf_prog *prog)
{
	struct enf_scan scan = { .guard = g, .len = prog->len };
	__u32 type = prog->type, attach = prog->expected_attach_type;
	const struct bpf_prog_aux___write *write = (const void *)prog->aux;

	/* Of two programs on a hook the later one runs first and may end it, also by a positive
	 * number that some callers take for a yes. The same for programs that modify return values.
	 */
	if (type == BPF_PROG_TYPE_LSM ||
	    (type == BPF_PROG_TYPE_TRACING && attach == BPF_MODIFY_RETURN))
		return 1;
	if (bpf_core_field_exists(((struct bpf_prog_aux___write *)0)->kprobe_write_ctx)) {
		_Bool writes = 0;

		bpf_core_read(&writes, sizeof(writes), &write->kprobe_write_ctx);
		if (writes)
			return 1;
	}
	if (g->blind)
		return type == BPF_PROG_TYPE_KPROBE || type == BPF_PROG_TYPE_TRACEPOINT ||
		       type == BPF_PROG_TYPE_PERF_EVENT || type == BPF_PROG_TYPE_RAW_TRACEPOINT ||
		       type == BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE ||
		       type == BPF_PROG_TYPE_TRACING;
	if (scan.len > ENF_INSNS_MAX)
		return 1;
	scan.insns = enf_address(prog) + enf_offset(struct bpf_prog, insnsi);
	bpf_loop(ENF_INSNS_MAX / ENF_INSNS + 1, enf_scan_one, &scan, 0);
	return scan.found;
}

struct enf_used {
	__u64 maps;
	__u32 count;
	__u32 found;
};

static long enf_used_one(__u32 i, void *arg)
{
	struct enf_used *used = arg;
	__u64 map = 0;
	__u32 id = 0;

	if (i >= used->count)
		return 1;
	enf_read(map, used->maps + i * sizeof(map));
	enf_read(id, map + enf_offset(struct bpf_map, id));
	if (!enf_is_guarded(map) && !enf_is_guarded(enf_guard_key(ENF_GUARD_MAP, id)))
		return 0;
	used->found = 1;
	return 1;
}

/* Was it made with one of our objects, by a descriptor from before these were protected? */
static __always_inline int enf_uses_ours(struct bpf_prog *prog)
{
	struct enf_used used = {
		.maps = (__u64)prog->aux->used_maps,
		.count = prog->aux->used_map_cnt,
	};
	__u64 target = 0;

	bpf_core_read(&target, sizeof(target), &prog->aux->dst_prog);
	if (target && enf_is_our_program(target))
		return 1;
	bpf_loop(1024, enf_used_one, &used, 0);
	return used.found;
}

/*
 * Called whenever a descriptor of a program is made: after verification for a new one, so that its
 * instructions are final. Programs that were loaded before the guard was armed are not judged.
 */
SEC("lsm/bpf_prog")
int BPF_PROG(enf_guard_prog, struct bpf_prog *prog, int ret)
{
	struct enf_guard *g = enf_guard_state();
	__u64 aux = enf_address(prog->aux), key, *known, none = 0;
	__u32 id = prog->aux->id;

	if (ret || !g)
		return ret;
	key = enf_guard_key(ENF_GUARD_PROGRAM, id);
	if (!enf_is_stranger(g)) {
		known = bpf_map_lookup_elem(&guarded, &aux);
		if (known && !*known && id) {
			*known = id;
			bpf_map_update_elem(&guarded, &key, &none, BPF_ANY);
		}
		return 0;
	}
	if (enf_is_guarded(aux) || enf_is_guarded(key))
		return enf_refuse(ENF_GUARD_PROGRAM, id, 0);
	if (!enf_is_meddler(g) || prog->aux->load_time < g->armed_ns)
		return 0;
	if (enf_is_dangerous(g, prog) || enf_uses_ours(prog))
		return enf_refuse(ENF_GUARD_LOAD, id, 0);
	return 0;
}

/* ---- The daemon's process ----------------------------------------------------------------- */

/* The last thread of the owner is gone: from now on the host's root may take over. */
SEC("?tp_btf/sched_process_exit")
int BPF_PROG(enf_guard_exit, struct task_struct *p)
{
	struct enf_guard *g = enf_guard_state();

	if (!g || p->tgid != g->owner_tgid || p->group_leader->start_boottime != g->owner_start)
		return 0;
	if (!p->signal->live.counter)
		g->owner_tgid = 0;
	return 0;
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
	    sig == ENF_SIGHUP || sig == ENF_SIGWINCH || !enf_is_meddler(g))
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

/* An event that sends SIGTRAP to the process it watches. */
SEC("lsm/perf_event_alloc")
int BPF_PROG(enf_guard_perf, struct perf_event *event, int ret)
{
	struct enf_guard *g = enf_guard_state();
	struct task_struct *p;

	if (ret || !g)
		return ret;
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

static __always_inline int enf_guard_limit(const struct task_struct *p)
{
	struct enf_guard *g = enf_guard_state();

	if (!g || !enf_is_owners(g, p) || !enf_is_meddler(g))
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

static __always_inline int enf_guard_pin(struct dentry *dentry)
{
	struct enf_guard *g = enf_guard_state();
	__u64 name = 0, inode = 0, ino = 0;

	if (!g || (__u64)dentry->d_sb != g->sb || !enf_is_pin(g, (__u64)dentry) ||
	    !enf_is_meddler(g))
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

SEC("lsm/inode_rmdir")
int BPF_PROG(enf_guard_rmdir, struct inode *dir, struct dentry *dentry, int ret)
{
	return ret ? ret : enf_guard_pin(dentry);
}

SEC("lsm/inode_rename")
int BPF_PROG(enf_guard_rename, struct inode *old_dir, struct dentry *old_dentry,
	     struct inode *new_dir, struct dentry *new_dentry, int ret)
{
	if (!ret)
		ret = enf_guard_pin(old_dentry);
	return ret ? ret : enf_guard_pin(new_dentry);
}

/* What is no pin of the engine's must not look like one. */
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

static __always_inline __u32 enf_group(__u64 mount)
{
	__u32 group = 0;

	enf_read(group, mount + enf_offset(struct mount, mnt_group_id));
	return group;
}

/* The same mount, or one that repeats what happens to it. */
static __always_inline int enf_same_mount(__u64 one, __u64 other, __u32 others_group)
{
	return one == other || (others_group && enf_group(one) == others_group);
}

/* From the directory of pins up to the host's root, over every mount on the way. */
struct enf_ascent {
	__u64 mount, dentry; /* where it is */
	__u64 other, place;  /* looked for: a mount, and a directory in it */
	__u32 group;	     /* of that mount; 0: it shares nothing */
	__u32 found;
};

/* Would a mount on *place* of *other* hide what we climb from? */
static long enf_ascend_names(__u32 i, void *arg)
{
	struct enf_ascent *a = arg;
	__u64 root = 0, parent = 0;

	(void)i;
	if (a->dentry == a->place && enf_same_mount(a->mount, a->other, a->group)) {
		a->found = 1;
		return 1;
	}
	enf_read(root, a->mount + enf_offset(struct mount, mnt.mnt_root));
	if (a->dentry == root) {
		enf_read(parent, a->mount + enf_offset(struct mount, mnt_parent));
		if (!parent || parent == a->mount)
			return 1;
		enf_read(a->dentry, a->mount + enf_offset(struct mount, mnt_mountpoint));
		a->mount = parent;
		return 0;
	}
	enf_read(parent, a->dentry + enf_offset(struct dentry, d_parent));
	if (!parent || parent == a->dentry)
		return 1;
	a->dentry = parent;
	return 0;
}

/* Would taking *other* away take a mount on our way along? *place* is where it is mounted, *group*
 * that of the mount it is mounted on.
 */
static long enf_ascend_mounts(__u32 i, void *arg)
{
	struct enf_ascent *a = arg;
	__u64 parent = 0, point = 0;

	(void)i;
	if (a->mount == a->other) {
		a->found = 1;
		return 1;
	}
	enf_read(parent, a->mount + enf_offset(struct mount, mnt_parent));
	enf_read(point, a->mount + enf_offset(struct mount, mnt_mountpoint));
	if (!parent || parent == a->mount)
		return 1;
	if (a->group && point == a->place && enf_group(parent) == a->group) {
		a->found = 1;
		return 1;
	}
	a->mount = parent;
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
	if (enf_same_mount(g->mount, a.other, a.group) && enf_is_pin(g, dentry))
		return 1; /* below the directory */
	bpf_loop(ENF_CLIMB_MAX, enf_ascend_names, &a, 0);
	return a.found;
}

static __noinline int enf_carries_pins(const struct enf_guard *g, __u64 mnt)
{
	struct enf_ascent a = {};
	__u64 parent = 0;

	if (!g || !g->mount)
		return 0;
	a.mount = g->mount;
	a.other = mnt - enf_offset(struct mount, mnt);
	enf_read(parent, a.other + enf_offset(struct mount, mnt_parent));
	enf_read(a.place, a.other + enf_offset(struct mount, mnt_mountpoint));
	a.group = parent ? enf_group(parent) : 0;
	bpf_loop(ENF_CLIMB_MAX, enf_ascend_mounts, &a, 0);
	return a.found;
}

static __always_inline int enf_on_hosts(__u64 mnt)
{
	__u64 ns = 0;
	__u32 inum = 0;

	enf_read(ns, mnt - enf_offset(struct mount, mnt) + enf_offset(struct mount, mnt_ns));
	if (!ns || ns >= (__u64)-4095)
		return 0;
	enf_read(inum, ns + enf_offset(struct mnt_namespace, ns.inum));
	return inum == enf_host_mnt_ns;
}

static __always_inline int enf_refuse_mount(__u64 dentry)
{
	__u64 name = 0;

	enf_read(name, dentry + enf_offset(struct dentry, d_name.name));
	return enf_refuse_named(ENF_GUARD_MOUNT, 0, name);
}

SEC("lsm/sb_umount")
int BPF_PROG(enf_guard_umount, struct vfsmount *mnt, int flags, int ret)
{
	struct enf_guard *g = enf_guard_state();
	__u64 address = (__u64)mnt, point = 0;

	if (ret || !g)
		return ret;
	if (!enf_carries_pins(g, address) || !enf_is_meddler(g))
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
		refused = g->mount && enf_on_hosts(mnt);
	else
		refused = enf_hides_pins(g, mnt, dentry);
	return refused && enf_is_meddler(g) ? enf_refuse_mount(dentry) : 0;
}

SEC("lsm/move_mount")
int BPF_PROG(enf_guard_move, const struct path *from, const struct path *to, int ret)
{
	struct enf_guard *g = enf_guard_state();
	__u64 dentry;

	if (ret || !g)
		return ret;
	dentry = (__u64)to->dentry;
	if (!enf_hides_pins(g, (__u64)to->mnt, dentry) && !enf_carries_pins(g, (__u64)from->mnt))
		return 0;
	return enf_is_meddler(g) ? enf_refuse_mount(dentry) : 0;
}

SEC("lsm/sb_pivotroot")
int BPF_PROG(enf_guard_pivot, const struct path *old_path, const struct path *new_path, int ret)
{
	struct enf_guard *g = enf_guard_state();

	if (ret || !g)
		return ret;
	if (!g->mount || !enf_on_hosts((__u64)new_path->mnt) || !enf_is_meddler(g))
		return 0;
	return enf_refuse_mount((__u64)new_path->dentry);
}

SEC("lsm/sb_remount")
int BPF_PROG(enf_guard_remount, struct super_block *sb, void *options, int ret)
{
	struct enf_guard *g = enf_guard_state();

	if (ret || !g || (__u64)sb != g->sb || !enf_is_meddler(g))
		return ret;
	return enf_refuse_mount(g->base);
}

/* ---- Files that act on processes ---------------------------------------------------------- */

struct enf_lineage {
	__u64 kn, wanted;
	__u32 found;
	__u32 _pad;
};

static __always_inline __u64 enf_kernfs_parent(__u64 kn)
{
	__u64 parent = 0;

	if (bpf_core_field_exists(((struct kernfs_node___rcu *)0)->__parent))
		enf_read(parent, kn + enf_offset(struct kernfs_node___rcu, __parent));
	else
		enf_read(parent, kn + enf_offset(struct kernfs_node, parent));
	return parent;
}

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

/* Any file of the cgroup that the owner is in now; above it what stops or kills all below. */
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
	if (l.wanted == l.kn)
		return 1;
	text = enf_short_name_of(name);
	if (!enf_named(text, "cgroup.kill") && !enf_named(text, "cgroup.freeze"))
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

/* sysrq ends every process; without ftrace no BPF program is called at a hook of the LSM. */
static __noinline int enf_acts_on_system(const struct enf_guard *g, __u64 inode, __u64 name)
{
	struct enf_short_name text;

	if (!g)
		return 0;
	if (g->owner_tgid && enf_proc_tgid(inode) == g->owner_tgid)
		return 1;
	text = enf_short_name_of(name);
	return enf_named(text, "sysrq-trigger") || enf_named(text, "ftrace_enabled");
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
	if (magic != ENF_CGROUP2_MAGIC && magic != ENF_PROC_MAGIC)
		return 0;
	g = enf_guard_state();
	if (!g || !enf_is_meddler(g))
		return 0;
	inode = (__u64)file->f_inode;
	enf_read(name, &file->f_path.dentry->d_name.name);
	if (magic == ENF_CGROUP2_MAGIC) {
		if (!enf_acts_on_cgroup(g, inode, name))
			return 0;
		act = ENF_GUARD_CGROUP;
	} else {
		if (!enf_acts_on_system(g, inode, name))
			return 0;
		act = ENF_GUARD_SYSTEM;
	}
	return enf_refuse_named(act, 0, name);
}

/* ---- Orders of user space ----------------------------------------------------------------- */

struct enf_search {
	__u64 mount, end; /* cursor */
	__u64 root;	  /* of the superblock */
	__u64 found;
};

static long enf_search_one(__u32 i, void *arg)
{
	struct enf_search *s = arg;
	__u64 mount = s->mount, root = 0, next = 0;

	(void)i;
	if (!mount || mount == s->end)
		return 1;
	if (bpf_core_field_exists(((struct mount___chain *)0)->mnt_next_for_sb)) {
		enf_read(s->mount, mount + enf_offset(struct mount___chain, mnt_next_for_sb));
	} else {
		enf_read(next, mount + enf_offset(struct mount, mnt_instance));
		s->mount = next ? next - enf_offset(struct mount, mnt_instance) : 0;
	}
	enf_read(root, mount + enf_offset(struct mount, mnt.mnt_root));
	if (root == s->root && enf_on_hosts(mount + enf_offset(struct mount, mnt))) {
		s->found = mount;
		return 1;
	}
	return 0;
}

/* The host's mount of a superblock: the daemon may live in a mount namespace of its own. */
static __noinline __u64 enf_hosts_mount(__u64 sb)
{
	struct enf_search s = {};

	enf_read(s.root, sb + enf_offset(struct super_block, s_root));
	if (bpf_core_field_exists(((struct mount___chain *)0)->mnt_next_for_sb)) {
		enf_read(s.mount, sb + enf_offset(struct super_block___chain, s_mounts));
	} else {
		s.end = sb + enf_offset(struct super_block, s_mounts) -
			enf_offset(struct mount, mnt_instance);
		enf_read(s.mount, sb + enf_offset(struct super_block, s_mounts));
		s.mount -= enf_offset(struct mount, mnt_instance);
	}
	bpf_loop(8192, enf_search_one, &s, 0);
	return s.found;
}

static __always_inline void enf_learn_pins(struct enf_guard *g, __u32 fd)
{
	__u64 file = enf_file_of(fd);

	g->sb = 0;
	g->mount = 0;
	g->base = 0;
	if (!file)
		return;
	enf_read(g->base, file + enf_offset(struct file, f_path.dentry));
	enf_read(g->sb, g->base + enf_offset(struct dentry, d_sb));
	g->mount = enf_hosts_mount(g->sb);
}

/* Where the kernel shows addresses to root at all. */
#define enf_address_of(text)                                                                       \
	({                                                                                         \
		char symbol[] = text;                                                              \
		__u64 address = 0;                                                                 \
		bpf_kallsyms_lookup_name(symbol, sizeof(symbol), 0, &address) ? 0 : address;       \
	})

/* The immediate of a call is its distance from this symbol. */
static __noinline int enf_learn_calls(struct enf_guard *g)
{
	__u64 base = enf_address_of("__bpf_call_base");
	char kfunc[] = "bpf_send_signal_task";
	__u64 address[ENF_GUARD_CALLS];
	long id;

	if (!g)
		return 0;
	address[0] = enf_address_of("bpf_send_signal");
	address[1] = enf_address_of("bpf_send_signal_thread");
	address[2] = enf_address_of("bpf_probe_write_user");
	address[3] = enf_address_of("bpf_override_return");
	g->blind = !base || !address[0] || !address[1] || !address[2];
	if (!address[3]) /* a kernel without error injection has no such helper */
		address[3] = address[0];
	for (int i = 0; i < ENF_GUARD_CALLS; i++)
		g->calls[i] = (__u32)(address[i] - base);
	id = bpf_btf_find_by_name_kind(kfunc, sizeof(kfunc), ENF_BTF_KIND_FUNC, 0);
	g->kfunc = id > 0 ? (__u32)id : 0;
	address[0] = enf_address_of("bpf_send_signal_task");
	g->kfunc_call = address[0] ? (__u32)(address[0] - base) : g->kfunc;
	return 0;
}

/* Returns: 0, or an errno. */
SEC("?syscall")
int enf_guard_control(struct enf_guard_call *call)
{
	__u32 zero = 0, order = call->order;
	struct enf_guard *g = bpf_map_lookup_elem(&guard, &zero);
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 key = enf_guard_key(call->kind, call->id), none = 0;

	if (!g)
		return ENF_ENOENT;
	if (g->armed_ns && enf_is_stranger(g)) {
		enf_refuse(ENF_GUARD_PROGRAM, 0, 0);
		return ENF_EPERM;
	}
	if (order == ENF_GUARD_ADD)
		return bpf_map_update_elem(&guarded, &key, &none, BPF_ANY) ? ENF_ENOMEM : 0;
	if (order == ENF_GUARD_DROP) {
		bpf_map_delete_elem(&guarded, &key);
		return 0;
	}
	if (order == ENF_GUARD_DISARM) {
		g->armed_ns = 0;
		return 0;
	}
	if (order != ENF_GUARD_ARM)
		return ENF_EINVAL;
	g->armed_ns = 0;
	enf_learn_calls(g);
	enf_learn_pins(g, call->directory);
	if (call->directory >= 0 && !g->mount)
		return ENF_ENOENT;
	g->owner_task = (__u64)t->group_leader;
	g->owner_start = t->group_leader->start_boottime;
	g->owner_tgid = t->tgid;
	g->cgroup = call->cgroup;
	g->reported = 0;
	call->blind = g->blind;
	g->armed_ns = bpf_ktime_get_boot_ns();
	return 0;
}
