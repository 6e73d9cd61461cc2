/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Self-protection, what its parts share: who may, what is the engine's, and how a refusal is said.
 * guard.bpf.c describes the whole.
 */
#ifndef ENFORCER_GUARD_BPF_H
#define ENFORCER_GUARD_BPF_H

#include "act.h"
#include "maps.bpf.h"
#include "read.bpf.h"

/* ---- Who ---------------------------------------------------------------------------------- */

static __always_inline struct enf_guard *enf_guard_state(void)
{
	__u32 zero = 0;
	struct enf_guard *g = bpf_map_lookup_elem(&guard, &zero);

	return g && g->armed_ns ? g : NULL;
}

/*
 * Is the caller's cgroup the owner's, or what has taken its place? And: without a key, is it who may take over
 * or clean up when the owner has died? Global, in guard.bpf.c: the verifier proves them once for a program, and
 * not for each path to them.
 */
int enf_in_unit(const struct enf_guard *g);
int enf_is_heir(const struct enf_guard *g);

static __always_inline int enf_is_owner(const struct enf_guard *g)
{
	struct task_struct *t = bpf_get_current_task_btf();

	return bpf_get_current_pid_tgid() >> 32 == g->owner_tgid &&
	       t->group_leader->start_boottime == g->owner_start;
}

/* Has the caller's process shown the key? */
static __always_inline int enf_is_keeper(const struct enf_guard *g)
{
	struct task_struct *t = bpf_get_current_task_btf();

	return g->keeper_tgid && bpf_get_current_pid_tgid() >> 32 == g->keeper_tgid &&
	       t->group_leader->start_boottime == g->keeper_start;
}

/* Must the caller be kept from the engine? */
static __always_inline int enf_is_stranger(const struct enf_guard *g)
{
	if (enf_is_keeper(g))
		return 0;
	if (!g->owner_tgid)
		return !enf_is_heir(g);
	return !enf_is_owner(g);
}

/* The same for what ends the daemon and not enforcement, where the service manager is not a stranger. */
static __always_inline int enf_is_meddler(const struct enf_guard *g)
{
	return bpf_get_current_pid_tgid() >> 32 != 1 && enf_is_stranger(g);
}

/* The same for what ends enforcement: with a key the service manager is one like others. */
static __always_inline int enf_is_outsider(const struct enf_guard *g)
{
	return (g->keyed || bpf_get_current_pid_tgid() >> 32 != 1) && enf_is_stranger(g);
}

/* Also of the owner that has died: the kernel closes its descriptors a little later. */
static __always_inline int enf_is_the_owner(const struct enf_guard *g, const struct task_struct *t)
{
	return t->tgid == g->last_tgid && t->group_leader->start_boottime == g->owner_start;
}

/*
 * Also its children: what compiles policies for it hands it an image that it believes, and has its descriptors, also
 * when the owner has died before it. And who has shown the key, since whoever steers that process has it.
 */
static __always_inline int enf_is_owners(const struct enf_guard *g, struct task_struct *t)
{
	struct enf_offspring *own;
	struct task_struct *parent;

	if (g->keeper_tgid && t->tgid == g->keeper_tgid &&
	    t->group_leader->start_boottime == g->keeper_start)
		return 1;
	if (enf_is_the_owner(g, t))
		return 1;
	own = bpf_task_storage_get(&offspring, t, NULL, 0);
	if (own && own->owners)
		return 1;
	if (!g->owner_tgid)
		return 0;
	/* A child from before it was the owner. */
	parent = BPF_CORE_READ(t, real_parent, group_leader);
	return BPF_CORE_READ(parent, tgid) == g->owner_tgid &&
	       BPF_CORE_READ(parent, start_boottime) == g->owner_start;
}

/* ---- Refusals ------------------------------------------------------------------------------ */

struct enf_attempt {
	__u64 target;
	__u64 name; /* kernel address of a string; 0: none */
	__u32 act;
	__u32 signal;
	__u32 quiet; /* record only the first of this process: lists walk over every id */
	__u32 _pad;
};

/* See refused.bpf.h. */
int enf_note_refusal(struct enf_task *task);

/* Count and record a refusal. Global, in guard.bpf.c: the verifier proves it once for a program. */
int enf_guard_refuse(struct enf_attempt *a);

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

/* The struct file of a descriptor of the caller's, as a number; 0: none. */
static __always_inline __u64 enf_file_of(__u32 fd)
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

static __always_inline int enf_on_hosts(__u64 mnt)
{
	__u64 ns = 0;

	enf_read(ns, mnt - enf_offset(struct mount, mnt) + enf_offset(struct mount, mnt_ns));
	if (!ns || ns >= (__u64)-4095)
		return 0;
	return enf_is_host_ns(ns);
}

#endif
