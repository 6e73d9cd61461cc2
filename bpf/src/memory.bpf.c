// SPDX-License-Identifier: GPL-2.0-only
/* Memory that is executable and did not come as it is from a file. */
#include "act.h"
#include "around.bpf.h"

static __always_inline int enf_memory(__u8 op)
{
	struct enf_access a = {
		.op = { op },
		.n_ops = 1,
	};

	return enf_act(&a);
}

/*
 * Is what a file maps anonymous by another name? Shared memory, of the kernel's own file systems (also
 * that of memfd, SysV and huge pages), and private memory of /dev/zero.
 */
static __always_inline int enf_is_anonymous(__u64 file)
{
	unsigned long flags = 0;
	__u64 inode = 0, sb = 0;
	__u32 device = 0;
	__u16 mode = 0;

	enf_read(inode, file + enf_offset(struct file, f_inode));
	enf_read(sb, inode + enf_offset(struct inode, i_sb));
	enf_read(flags, sb + enf_offset(struct super_block, s_flags));
	if (flags & (ENF_SB_NOUSER | ENF_SB_KERNMOUNT))
		return 1;
	enf_read(mode, inode + enf_offset(struct inode, i_mode));
	enf_read(device, inode + enf_offset(struct inode, i_rdev));
	return (mode & ENF_S_IFMT) == ENF_S_IFCHR && device == ENF_ZERO_DEVICE;
}

/* Executable from the start: anonymous, or writable as well. */
SEC("lsm/mmap_file")
int enf_mmap_memory(unsigned long long *ctx)
{
	struct enf_mapping m = enf_mapping_of(ctx);
	__u64 file;

	if (m.ret)
		return m.ret;
	if (!(m.prot & ENF_PROT_EXEC))
		return 0;
	file = enf_mapped_file(ctx);
	if (file && !(m.prot & ENF_PROT_WRITE) && !enf_is_anonymous(file))
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
	__u64 file = 0, copies = 0;

	if (ret)
		return ret;
	if (!(prot & ENF_PROT_EXEC))
		return 0;
	if ((had & ENF_VM_EXEC) && ((had & ENF_VM_WRITE) || !(prot & ENF_PROT_WRITE)))
		return 0;
	bpf_core_read(&file, sizeof(file), &vma->vm_file);
	bpf_core_read(&copies, sizeof(copies), &vma->anon_vma);
	if (file && !copies && !((had & ENF_VM_WRITE) || (prot & ENF_PROT_WRITE)) &&
	    !enf_is_anonymous(file))
		return 0;
	return enf_memory(ENF_OP_PROTECT_EXEC);
}

/* What it will fill may be executable already, or become so: both, and refused before (enf_is_userfault()). */
SEC("lsm/inode_init_security_anon")
int BPF_PROG(enf_userfault_memory, struct inode *inode, const struct qstr *name,
	     const struct inode *context, int ret)
{
	struct enf_access a = {
		.op = { ENF_OP_MAP_EXEC, ENF_OP_PROTECT_EXEC },
		.n_ops = 2,
	};

	if (ret)
		return ret;
	return enf_is_userfault(name) ? enf_act(&a) : 0;
}
