// SPDX-License-Identifier: GPL-2.0-only
/* Memory that is executable and did not come as it is from a file. */
#include "act.h"

static __always_inline int enf_memory(__u8 op)
{
	struct enf_access a = {
		.op = { op },
		.n_ops = 1,
	};

	return enf_act(&a);
}

/* Private memory by the name of a device: what is mapped of it is anonymous. */
static __always_inline int enf_is_zero_device(const struct file *file)
{
	return (file->f_inode->i_mode & ENF_S_IFMT) == ENF_S_IFCHR &&
	       file->f_inode->i_rdev == ENF_ZERO_DEVICE;
}

/* Executable from the start: anonymous, or writable as well. */
SEC("lsm/mmap_file")
int BPF_PROG(enf_mmap_memory, struct file *file, unsigned long reqprot, unsigned long prot,
	     unsigned long flags, int ret)
{
	if (ret)
		return ret;
	if (!(prot & ENF_PROT_EXEC))
		return 0;
	if (file && !(prot & ENF_PROT_WRITE) && !enf_is_zero_device(file))
		return 0;
	return enf_memory(ENF_OP_MAP_EXEC);
}

/*
 * Made executable: anonymous memory, a page of a file that was written to, or what was, or is to be,
 * writable. What is executable already is no news, unless it becomes writable.
 */
SEC("lsm/file_mprotect")
int BPF_PROG(enf_mprotect_memory, struct vm_area_struct *vma, unsigned long reqprot,
	     unsigned long prot, int ret)
{
	unsigned long had = vma->vm_flags;

	if (ret)
		return ret;
	if (!(prot & ENF_PROT_EXEC))
		return 0;
	if ((had & ENF_VM_EXEC) && ((had & ENF_VM_WRITE) || !(prot & ENF_PROT_WRITE)))
		return 0;
	if (vma->vm_file && !vma->anon_vma && !(had & ENF_VM_WRITE) && !(prot & ENF_PROT_WRITE))
		return 0;
	return enf_memory(ENF_OP_PROTECT_EXEC);
}
