/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the kernel: fields at addresses, and the counters that tell whether names have moved. */
#ifndef ENFORCER_READ_BPF_H
#define ENFORCER_READ_BPF_H

#include "kernel.h"

#define enf_read(dst, src) bpf_probe_read_kernel(&(dst), sizeof(dst), (const void *)(src))
#define enf_offset(type, field) __builtin_preserve_field_info(((type *)0)->field, 0)

/* A pointer as the number it is, for global functions, which take no kernel pointers. */
static __always_inline __u64 enf_address(const void *p)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &p);
	return address;
}

/* The sequence of a seqlock; odd while a writer is in. 0 where the kernel hides the symbol: then
 * races go unseen, and doctor says so.
 */
static __always_inline __u32 enf_seq(const void *lock)
{
	__u32 seq = 0;

	if (lock)
		bpf_probe_read_kernel(&seq, sizeof(seq), lock);
	return seq;
}

#endif
