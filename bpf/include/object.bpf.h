/* SPDX-License-Identifier: GPL-2.0-only */
/* The object of a decision: s->object, and the texts in s->text that belong to it. */
#ifndef ENFORCER_OBJECT_BPF_H
#define ENFORCER_OBJECT_BPF_H

#include "act.h"
#include "image.h"
#include "maps.bpf.h"
#include "read.bpf.h"

/* By which a device is used, whatever node leads to it. */
#define ENF_NODE_OPS                                                                               \
	(ENF_BIT(ENF_OP_READ) | ENF_BIT(ENF_OP_WRITE) | ENF_BIT(ENF_OP_APPEND) |                   \
	 ENF_BIT(ENF_OP_MMAP_EXEC) | ENF_BIT(ENF_OP_FD_READ) | ENF_BIT(ENF_OP_FD_WRITE))

/* What is known of the object at a dentry besides its path. */
static __always_inline void enf_describe_inode(struct enf_object *o, __u64 dentry)
{
	__u64 inode = 0, sb = 0;
	__u32 nlink = 0, dev = 0, type, rdev = 0;
	__u16 mode = 0;

	enf_read(inode, dentry + enf_offset(struct dentry, d_inode));
	enf_read(sb, dentry + enf_offset(struct dentry, d_sb));
	enf_read(dev, sb + enf_offset(struct super_block, s_dev));
	o->dev = dev;
	if (inode) {
		enf_read(o->ino, inode + enf_offset(struct inode, i_ino));
		enf_read(nlink, inode + enf_offset(struct inode, i_nlink));
		enf_read(mode, inode + enf_offset(struct inode, i_mode));
		type = mode & ENF_S_IFMT;
		if (type == ENF_S_IFDIR) {
			o->flags |= ENF_OF_DIR;
		} else if ((type == ENF_S_IFCHR || type == ENF_S_IFBLK) &&
			   (ENF_BIT(o->op[0] & 63) & ENF_NODE_OPS)) {
			enf_read(rdev, inode + enf_offset(struct inode, i_rdev));
			o->num[ENF_DIM_N0 - ENF_DIM_FIRST_NUM] = (__u64)type << 32 | rdev;
			o->present |= ENF_BIT(ENF_DIM_INODE);
		} else if (nlink > 1) { /* other names may exist: the inode counts too */
			o->present |= ENF_BIT(ENF_DIM_INODE);
		}
		if (!nlink)
			o->flags |= ENF_OF_FILELESS;
	}
	o->present |= ENF_BIT(ENF_DIM_PATH);
}

/* Nothing is known yet of what is to be decided. */
static __always_inline struct enf_object *enf_begin(struct enf_scratch *s)
{
	struct enf_object *o = &s->object;

	if (enf_records)
		s->since = bpf_ktime_get_boot_ns();
	s->met = 0;
	s->resolved = 0;
	s->in_directory = 0;
	s->recalled = 0;
	enf_begin_matches(&s->matches);
	__builtin_memset(o, 0, sizeof(*o));
	return o;
}

/*
 * A pipe, a socket, an event counter: what is written where a path would be is for people. Memory that can be run has
 * only that name, and it counts: a memfd's, and of shared and huge memory, which root reaches through /proc/PID/map_files.
 */
static __always_inline void enf_nameless(struct enf_object *o, __u64 dentry)
{
	__u64 sb = 0;

	enf_read(sb, dentry + enf_offset(struct dentry, d_sb));
	if (enf_kernels_own(sb) && !(o->flags & ENF_OF_FILELESS))
		o->present &= ~ENF_BIT(ENF_DIM_PATH);
}

/* Begin with what the access says, but for its path. */
int enf_describe(struct enf_scratch *s, struct enf_access *a);

/* The type of a file system, whose name lies at the kernel's address *name*. */
int enf_describe_fstype(struct enf_scratch *s, __u64 name);

/* The executable of another process, as its label has it, where an object's path would be. */
int enf_describe_exe(struct enf_scratch *s, __u64 exe, __u32 len);

#endif
