/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where bpf is not among the active LSMs, no hook calls a program. Then the programs of hooks are
 * loaded as fmod_ret and fentry programs of the functions that call the hooks, security_NAME; user
 * space sets enf_around before the load and the verifier drops the other way.
 *
 * Most of these functions have the arguments of their hook. Programs of the others take theirs with
 * ENF_ARG, by the place that each has at the hook and around the function.
 */
#ifndef ENFORCER_AROUND_BPF_H
#define ENFORCER_AROUND_BPF_H

#include "kernel.h"
#include "maps.bpf.h"

/* A load at an offset that the verifier sees; those that are not there it must never come to. */
#define ENF_LOAD(value, ctx, at)                                                                   \
	asm volatile("%0 = *(u64 *)(%1 + " #at ")" : "=r"(value) : "r"(ctx))

/* The argument that lies at *hook* bytes of a hook's context, at *function* of the function's. */
#define ENF_ARG(ctx, hook, function)                                                               \
	({                                                                                         \
		__u64 value;                                                                       \
		if (enf_around)                                                                    \
			ENF_LOAD(value, ctx, function);                                            \
		else                                                                               \
			ENF_LOAD(value, ctx, hook);                                                \
		value;                                                                             \
	})

#define ENF_PROT_READ 0x1
#define ENF_READ_IMPLIES_EXEC 0x0400000 /* of task_struct.personality */

/* How something is to be mapped. The start of a program maps dozens of times, and mostly this is all to be known. */
struct enf_mapping {
	__u64 prot;
	int is_shared; /* what is written to it reaches the file */
	int ret;       /* an earlier verdict */
};

/* The address of the file that is to be mapped; 0: none, memory without a file. */
static __always_inline __u64 enf_mapped_file(unsigned long long *ctx)
{
	return enf_address((void *)ctx[0]);
}

/*
 * mmap_file is told what the caller asked for and what it gets; security_mmap_file only the first, and
 * computes the second as this does.
 */
static __always_inline struct enf_mapping enf_mapping_of(unsigned long long *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_mapping m = {};
	__u64 file, mnt = 0;
	__u32 mnt_flags = 0;

	m.ret = ENF_ARG(ctx, 32, 24);
	m.prot = ENF_ARG(ctx, 16, 8);
	m.is_shared = (ENF_ARG(ctx, 24, 16) & ENF_MAP_SHARED) != 0;
	if (!enf_around || (m.prot & (ENF_PROT_READ | ENF_PROT_EXEC)) != ENF_PROT_READ ||
	    !(t->personality & ENF_READ_IMPLIES_EXEC))
		return m;
	file = enf_mapped_file(ctx);
	if (file) {
		enf_read(mnt, file + enf_offset(struct file, f_path.mnt));
		enf_read(mnt_flags, mnt + enf_offset(struct vfsmount, mnt_flags));
	}
	if (!(mnt_flags & ENF_MNT_NOEXEC))
		m.prot |= ENF_PROT_EXEC;
	return m;
}

/* Is that the name of the kind *kind*, which has up to 14 letters, of an anonymous inode? */
static __always_inline int enf_is_kind(const struct qstr *name, const char *kind, __u32 size)
{
	char found[16] = {};
	__u64 text = 0;

	bpf_probe_read_kernel(&text, sizeof(text), &name->name);
	bpf_probe_read_kernel_str(found, sizeof(found), (const void *)text);
	return !__builtin_memcmp(found, kind, size);
}

/*
 * Is an anonymous inode a new userfaultfd? Who has one writes into what its maker maps, executable pages of private
 * mappings of a tmpfs among them, and no hook is asked: not when it is told of a range, nor when it fills a page.
 */
static __always_inline int enf_is_userfault(const struct qstr *name)
{
	return enf_is_kind(name, "[userfaultfd]", sizeof("[userfaultfd]"));
}

/* What is to be changed of an inode. */
struct enf_change {
	__u64 dentry;
	__u64 attr;  /* address of struct iattr */
	__u32 valid; /* ENF_ATTR_*: which of it */
	__u64 ret;   /* an earlier verdict; whole, since the verifier knows its bounds only so */
};

struct mnt_idmap;

/*
 * Since v6.9 (314a8dc728d03, "security: Align inode_setattr hook definition with EVM") the hook has a first
 * argument more; the function that calls it always had it.
 */
union security_list_options___mapped {
	int (*inode_setattr)(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr);
} __attribute__((preserve_access_index));

static __always_inline struct enf_change enf_change_of(unsigned long long *ctx)
{
	struct enf_change c = {};

	if (enf_around || bpf_core_type_matches(union security_list_options___mapped)) {
		ENF_LOAD(c.dentry, ctx, 8);
		ENF_LOAD(c.attr, ctx, 16);
		ENF_LOAD(c.ret, ctx, 24);
	} else {
		ENF_LOAD(c.dentry, ctx, 0);
		ENF_LOAD(c.attr, ctx, 8);
		ENF_LOAD(c.ret, ctx, 16);
	}
	enf_read(c.valid, c.attr + enf_offset(struct iattr, ia_valid));
	return c;
}

#endif
