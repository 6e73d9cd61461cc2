/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of self-protection. Addresses are numbers here: they are compared, and read only through
 * reads that may fail.
 */
#ifndef ENFORCER_GUARD_BPF_H
#define ENFORCER_GUARD_BPF_H

#include <linux/types.h>

#define ENF_GUARD_CALLS 4 /* helpers that no other's program may call */

struct enf_guard {
	__u64 armed_ns;	   /* 0: not armed */
	__u64 owner_task;  /* the daemon's first thread */
	__u64 owner_start; /* its start_boottime: a number may be used again, the pair is not */
	__u64 sb;	   /* of the pins; 0: nothing is pinned */
	__u64 base;	   /* dentry of the directory that holds every pin */
	__u64 mount;	   /* the host's struct mount of it */
	__u64 reported;	   /* who was last reported for opening by id */
	__u32 owner_tgid;  /* 0: the owner has died */
	__u32 cgroup;	   /* the owner's cgroup is its own */
	__u32 calls[ENF_GUARD_CALLS]; /* immediates of those calls */
	__u32 kfunc;	  /* of bpf_send_signal_task: its BTF id, 0 where there is none */
	__u32 kfunc_call; /* and its immediate, where the JIT wants an address */
	__u32 blind;	  /* an address is hidden: refuse by type of program */
	__u32 _pad;
};

#endif
