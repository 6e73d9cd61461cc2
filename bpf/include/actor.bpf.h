/* SPDX-License-Identifier: GPL-2.0-only */
/* Who acts and when, in the head of every record. */
#ifndef ENFORCER_ACTOR_BPF_H
#define ENFORCER_ACTOR_BPF_H

#include "kernel.h"
#include "enforcer_abi.h"

static __always_inline void enf_fill_actor(struct enf_event *e)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct task_struct *parent = BPF_CORE_READ(t, real_parent, group_leader);
	__u64 id = bpf_get_current_pid_tgid();

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
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	BPF_CORE_READ_STR_INTO(&e->parent_comm, parent, comm);
}

#endif
