/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operands at a point of the kernel, as the image describes them: from an argument, over members, to a
 * number, a string, a file or a socket. Includes no point and no policy.
 *
 * What cannot be read is unknown, so that the row's onError decides. What a null pointer leads to is not
 * there: no condition on it holds.
 */
#ifndef ENFORCER_OPERAND_BPF_H
#define ENFORCER_OPERAND_BPF_H

#include "image.h"
#include "point_call.h"

#define ENF_FOUND 0
#define ENF_ABSENT 1
#define ENF_UNREADABLE 2

/*
 * The dentry and the mount that an operand of *type* with this *value* leads to, into *a*. Returns: ENF_FOUND,
 * ENF_ABSENT or ENF_UNREADABLE.
 */
static __always_inline int enf_take_path(struct enf_access *a, __u32 type, __u64 value)
{
	__u64 file = value, path = value;

	if (type == ENF_OPERAND_DENTRY) {
		a->dentry = value;
		return ENF_FOUND;
	}
	if (type == ENF_OPERAND_FD) {
		struct task_struct *t = bpf_get_current_task_btf();
		__u64 fdt = (__u64)BPF_CORE_READ(t, files, fdt), table = 0;
		__u32 max = 0;

		enf_read(max, fdt + enf_offset(struct fdtable, max_fds));
		if ((__u32)value >= max)
			return ENF_ABSENT;
		enf_read(table, fdt + enf_offset(struct fdtable, fd));
		enf_read(file, table + (__u32)value * sizeof(file));
	} else if (type == ENF_OPERAND_BINPRM) {
		enf_read(file, value + enf_offset(struct linux_binprm, file));
	}
	if (type != ENF_OPERAND_PATH) {
		if (!file)
			return ENF_ABSENT;
		path = file + enf_offset(struct file, f_path);
	}
	if (bpf_probe_read_kernel(&a->dentry, 8,
				  (const void *)(path + enf_offset(struct path, dentry))) ||
	    bpf_probe_read_kernel(&a->mnt, 8, (const void *)(path + enf_offset(struct path, mnt))))
		return ENF_UNREADABLE;
	return a->dentry ? ENF_FOUND : ENF_ABSENT;
}

/* Read one operand into the object; a path is left in *a*, to be resolved. */
int enf_take(struct enf_scratch *s, const struct enf_point_call *call,
	     const struct enf_operand *operand, struct enf_access *a);

#endif
