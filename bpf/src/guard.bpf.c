// SPDX-License-Identifier: GPL-2.0-only
/*
 * Self-protection: nobody but the owner touches the engine and its daemon.
 *
 * The owner is the thread group that armed the guard. While it lives, others are refused, with two
 * exceptions: the first process of the machine may do what a service manager does (signals, limits,
 * cgroups; mounts and loading, too, unless there is a key), and who has shown the key may do everything,
 * see enf_answer_knock. When the owner has died, that one is let in, to take over or to clean up; where no
 * key was chosen its heirs are, see enf_is_heir.
 *
 * Objects are known in two ways. Those that exist before the guard is armed by their id, which user
 * space tells. Those that the owner makes later by their address, noted before the kernel gives them
 * an id that others could open them by.
 *
 * Fail directions: without state of the guard (the map is an array, so never) nothing is refused;
 * an object of the owner's that finds no room in the table of objects is not made; what cannot be
 * read of a program that others load is refused.
 */
#include "actor.bpf.h"
#include "guard.bpf.h"
#include "repeats.bpf.h"

/* ---- Heirs -------------------------------------------------------------------------------- */

/* Where the cgroup of a task lies, by what stays when it is made anew. */
struct enf_unit {
	__u64 slice;
	__u64 name[ENF_UNIT_WORDS];
};

static __always_inline void enf_unit_of(struct enf_unit *unit)
{
	__u64 kn = (__u64)BPF_CORE_READ(bpf_get_current_task_btf(), cgroups, dfl_cgrp, kn);
	__u64 above = enf_kernfs_parent(kn), name = 0;

	__builtin_memset(unit, 0, sizeof(*unit));
	if (above)
		enf_read(unit->slice, above + enf_offset(struct kernfs_node, id));
	enf_read(name, kn + enf_offset(struct kernfs_node, name));
	bpf_probe_read_kernel_str(unit->name, sizeof(unit->name), (const void *)name);
}

/* Is the caller's cgroup the owner's, or what has taken its place? */
__attribute__((noinline)) int enf_in_unit(const struct enf_guard *g)
{
	struct enf_unit unit;
	__u64 differs;

	if (!g || !g->slice)
		return 0;
	enf_unit_of(&unit);
	differs = unit.slice ^ g->slice;
	for (int i = 0; i < ENF_UNIT_WORDS; i++)
		differs |= unit.name[i] ^ g->unit[i];
	return !differs;
}

/*
 * Without a key: who may take over or clean up when the owner has died. That is what the service manager
 * has started in the place of the owner, with the right to BPF. Root that it did not start is nobody here;
 * nor is who was only adopted by it, or who has moved itself into that cgroup: what the manager starts for
 * another unit runs its first program there.
 */
__attribute__((noinline)) int enf_is_heir(const struct enf_guard *g)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_offspring *own;
	__u64 caps = 0;

	if (!g || g->keyed)
		return 0;
	bpf_probe_read_kernel(&caps, sizeof(caps), &t->real_cred->cap_effective);
	if (BPF_CORE_READ(t, real_cred, user_ns, level) || BPF_CORE_READ(t, thread_pid, level))
		return 0;
	if (!(caps & ENF_BIT64(ENF_CAP_BPF)))
		return 0;
	/* Its first thread, which is the one that the daemon has. */
	own = bpf_task_storage_get(&offspring, t, NULL, 0);
	return own && own->first == ENF_FIRST_OWN && enf_in_unit(g);
}

#define ENF_NAME_SHOWN 64 /* bytes of a target's name in a record */

/* ---- The record --------------------------------------------------------------------------- */

struct enf_guard_record {
	struct enf_event event;
	char tail[ENF_EXE_MAX + ENF_NAME_SHOWN];
};

static __always_inline void enf_guard_fill(struct enf_event *e, struct task_struct *t)
{
	__builtin_memset(e, 0, sizeof(*e));
	enf_fill_actor(e);
	e->kind = ENF_EVENT_GUARD;
	e->action = ENF_ACT_DENY;
	e->flags = ENF_EF_ENFORCED | ENF_EF_PREVENTED;
	e->error = ENF_EPERM;
	e->row = ENF_NONE;
	bpf_probe_read_kernel(&e->caps, sizeof(e->caps), &t->real_cred->cap_effective);
}

_Static_assert(ENF_TAIL_KEPT >= ENF_EXE_MAX + ENF_NAME_SHOWN, "room outside of the ring");

/* Global, so that it is proven once and not for each room that a record may have. */
__attribute__((noinline)) int enf_guard_tell(struct enf_guard_record *r, struct enf_attempt *a)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_task *task;
	__u32 exe = 0;
	long len;

	if (!r || !a)
		return 0;
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
	return 0;
}

__attribute__((noinline)) int enf_guard_refuse(struct enf_attempt *a)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_task *task = bpf_task_storage_get(&tasks, t, NULL, 0);
	struct enf_guard *g = enf_guard_state();
	struct enf_guard_record *r;

	if (!a)
		return 0;
	enf_count(ENF_STAT_GUARD_REFUSED);
	if (a->quiet && g) {
		__u64 who = t->group_leader->start_boottime;

		if (g->reported == who)
			return 0;
		g->reported = who;
	}
	if (task)
		enf_note_refusal(task);
	if (enf_is_crowded(1)) {
		struct enf_kind kind = {
			.exec_ns = task ? task->exec_ns : 0,
			.generation = task ? task->generation : 0,
			.row = ENF_NONE,
			.kind = ENF_EVENT_GUARD,
			.op = a->act,
			.action = ENF_ACT_DENY,
		};
		int entry = enf_repeat(&kind, 1);

		if (entry > 0) {
			__u32 at = entry - 1;
			struct enf_repeats *kept = bpf_map_lookup_elem(&repeats, &at);

			if (kept) {
				enf_guard_tell((struct enf_guard_record *)&kept->event, a);
				enf_keep(kept);
			}
		}
		if (entry)
			return 0;
	}
	r = bpf_ringbuf_reserve(&decisions, sizeof(*r), 0);
	if (!r) {
		enf_count(ENF_STAT_LOST_DECISIONS);
		return 0;
	}
	enf_guard_tell(r, a);
	bpf_ringbuf_submit(r, 0);
	return 0;
}

/* ---- The end of the owner ------------------------------------------------------------------- */

/* The last thread of the owner is gone: from now on its heirs may take over. */
SEC("?tp_btf/sched_process_exit")
int BPF_PROG(enf_guard_exit, struct task_struct *p)
{
	struct enf_guard *g = enf_guard_state();

	if (!g || (p->tgid != g->owner_tgid && p->tgid != g->keeper_tgid))
		return 0;
	if (p->signal->live.counter)
		return 0;
	if (p->tgid == g->owner_tgid && p->group_leader->start_boottime == g->owner_start)
		g->owner_tgid = 0;
	if (p->tgid == g->keeper_tgid && p->group_leader->start_boottime == g->keeper_start)
		g->keeper_tgid = 0;
	return 0;
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

struct enf_mapped {
	__u64 file;
};

/* Of an overlay this is the file of the layer, where /proc shows that of the overlay. */
static long enf_mapped_here(struct task_struct *t, struct vm_area_struct *vma, void *arg)
{
	struct enf_mapped *mapped = arg;

	(void)t;
	mapped->file = (__u64)vma->vm_file;
	return 0;
}

static __always_inline int enf_seal(__u64 file)
{
	__u64 inode = 0;
	__u8 one = 1;

	if (file)
		enf_read(inode, file + enf_offset(struct file, f_inode));
	if (!inode)
		return ENF_ENOENT;
	return bpf_map_update_elem(&sealed, &inode, &one, BPF_ANY) ? ENF_ENOMEM : 0;
}

/* Returns: 0, or an errno. */
SEC("?syscall")
int enf_guard_control(struct enf_guard_call *call)
{
	__u32 zero = 0, order = call->order;
	struct enf_guard *g = bpf_map_lookup_elem(&guard, &zero);
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 key = enf_guard_key(call->kind, call->id), none = 0;
	struct enf_unit unit;

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
	if (order == ENF_GUARD_SEAL) {
		struct enf_mapped mapped = {};

		if (!call->address)
			mapped.file = enf_file_of(call->directory);
		else if (bpf_find_vma(t, call->address, enf_mapped_here, &mapped, 0) == -ENF_EBUSY)
			return ENF_EBUSY;
		return enf_seal(mapped.file);
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
	g->last_tgid = t->tgid;
	g->cgroup = call->cgroup;
	enf_unit_of(&unit);
	g->slice = call->cgroup ? unit.slice : 0;
	__builtin_memcpy(g->unit, unit.name, sizeof(unit.name));
	g->reported = 0;
	g->keeper_tgid = 0;
	g->keyed = call->keyed;
	g->probes = call->probes;
	__builtin_memcpy(g->verifier, call->verifier, sizeof(g->verifier));
	call->blind = g->blind;
	g->armed_ns = bpf_ktime_get_boot_ns();
	return 0;
}
