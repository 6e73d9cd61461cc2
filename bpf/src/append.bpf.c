// SPDX-License-Identifier: GPL-2.0-only
/*
 * What else can be done with a descriptor that was opened to append (O_APPEND) than to append. Attached only
 * where some rule tells appending from writing, but for ioctl(2); it is decided as ENF_OP_OVERWRITE, which stands
 * for the writing that the open did not ask for. Of the layers of an overlay it is asked at the open: file.bpf.c.
 *
 * Fail direction: whatever is not known to append only, by the system call that goes on, may overwrite.
 */
#define ENF_RDONLY_CAST bpf_rdonly_cast___append
#include "act.h"
#include "around.bpf.h"

/* ---- The system call ---------------------------------------------------------------------- */

/* By its number and the kernel's own copy of its arguments, which no other thread can change. */
static __always_inline int enf_appends(__u32 number, __u32 flags, __u32 mode)
{
	switch (number) {
	case 1:	  /* write */
	case 18:  /* pwrite64: Linux appends, whatever the offset */
	case 20:  /* writev */
	case 296: /* pwritev */
		return 1;
	case 328: /* pwritev2 */
		return !(flags & ENF_RWF_NOAPPEND);
	case 285: /* fallocate, as the kernel itself lets it be done to files with the append-only flag */
		return !(mode & ~ENF_FALLOC_KEEP_SIZE);
	}
	return 0;
}

/* The same for 32-bit calls. */
static __always_inline int enf_appends_compat(__u32 number, __u32 flags, __u32 mode)
{
	switch (number) {
	case 4:
	case 146:
	case 181:
	case 334:
		return 1;
	case 379:
		return !(flags & ENF_RWF_NOAPPEND);
	case 324:
		return !(mode & ~ENF_FALLOC_KEEP_SIZE);
	}
	return 0;
}

/*
 * Is what the current task writes certain to be an append? Not with io_uring, whose requests have flags that
 * are not seen here and run in workers, or in a thread of the process at the end of whatever call it makes;
 * nor with io_submit(2).
 */
static __always_inline int enf_only_appends(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	const struct pt_regs *regs = (const void *)bpf_task_pt_regs(t);
	__u64 ring = 0;

	if (t->flags & (ENF_PF_KTHREAD | ENF_PF_IO_WORKER | ENF_PF_USER_WORKER))
		return 0;
	if (bpf_core_field_exists(t->io_uring)) {
		/* a number: of the pointer some verifiers believe that it is never NULL */
		bpf_core_read(&ring, sizeof(ring), &t->io_uring);
		if (ring)
			return 0;
	}
	if (t->thread_info.status & ENF_TS_COMPAT)
		return enf_appends_compat(regs->orig_ax, regs->bp, regs->cx);
	return enf_appends(regs->orig_ax, regs->r9, regs->si);
}

/* ---- Hooks -------------------------------------------------------------------------------- */

SEC("lsm/file_permission")
int BPF_PROG(enf_append_permission, struct file *file, int mask, int ret)
{
	if (ret)
		return ret;
	if (!(mask & ENF_MAY_WRITE) || !(file->f_flags & ENF_O_APPEND) || enf_only_appends())
		return 0;
	return enf_act_file(file, ENF_OP_OVERWRITE);
}

/* Through a shared mapping that is writable any byte can be changed. */
SEC("lsm/mmap_file")
int enf_append_mmap(unsigned long long *ctx)
{
	struct enf_mapping m = enf_mapping_of(ctx);
	struct file *file = (struct file *)ctx[0];

	if (m.ret)
		return m.ret;
	if (!(m.prot & ENF_PROT_WRITE) || !m.is_shared)
		return 0;
	/* Both: verifiers that take the pointer for never NULL leave the second out, others ask for it. */
	if (!enf_mapped_file(ctx) || !file)
		return 0;
	if (!(file->f_flags & ENF_O_APPEND))
		return 0;
	return enf_act_file(file, ENF_OP_OVERWRITE);
}

SEC("lsm/file_mprotect")
int BPF_PROG(enf_append_mprotect, struct vm_area_struct *vma, unsigned long reqprot,
	     unsigned long prot, int ret)
{
	__u32 flags = 0;
	__u64 file;

	if (ret)
		return ret;
	file = enf_pointer(vma, vm_file);
	if (!file || !(prot & ENF_PROT_WRITE) || !(vma->vm_flags & ENF_VM_SHARED))
		return 0;
	enf_read(flags, file + enf_offset(struct file, f_flags));
	if (!(flags & ENF_O_APPEND))
		return 0;
	return enf_act_mapped(file, ENF_OP_OVERWRITE, ENF_NO_OP);
}

/* ---- Content that is exchanged ------------------------------------------------------------ */

/*
 * ext4 exchanges blocks of two files, f2fs moves them, and both ask of the second only that its descriptor can write.
 * Which one that is lies in the caller's memory, where another thread can change it: unknown, so that onError decides.
 */
static __always_inline int enf_exchange_blocks(void)
{
	struct enf_access a = {
		.present = ENF_BIT64(ENF_DIM_PATH),
		.unknown = ENF_BIT64(ENF_DIM_PATH),
		.op = { ENF_OP_OVERWRITE },
		.n_ops = 1,
	};

	return enf_act(&a);
}

/*
 * ext4 also exchanges content and size of a file with those of its inode for boot loaders, and f2fs begins a
 * transaction with an empty file: truncations. f2fs erases blocks, and SMB copies another file over this one, from its
 * beginning, by any descriptor that can write. Also attached where nobody tells appending from writing: then no row is
 * about the second operation.
 */
static __always_inline int enf_exchange(struct file *file, unsigned int cmd)
{
	struct enf_access a = {
		.dentry = enf_pointer(file, f_path.dentry),
		.mnt = enf_pointer(file, f_path.mnt),
		.op = { ENF_OP_TRUNCATE, ENF_OP_OVERWRITE },
		.n_ops = 1,
	};

	switch (cmd) {
	case ENF_EXT4_IOC_MOVE_EXT:
	case ENF_F2FS_IOC_MOVE_RANGE:
	case ENF_F2FS_IOC32_MOVE_RANGE:
		return enf_exchange_blocks();
	case ENF_EXT4_IOC_SWAP_BOOT:
	case ENF_F2FS_IOC_START_ATOMIC_REPLACE:
		if (file->f_flags & ENF_O_APPEND)
			a.n_ops = 2;
		return enf_act(&a);
	case ENF_F2FS_IOC_SEC_TRIM_FILE:
	case ENF_CIFS_IOC_COPYCHUNK_FILE:
		if (!(file->f_flags & ENF_O_APPEND))
			return 0;
		a.op[0] = ENF_OP_OVERWRITE;
		return enf_act(&a);
	}
	return 0;
}

SEC("lsm/file_ioctl")
int BPF_PROG(enf_append_ioctl, struct file *file, unsigned int cmd, unsigned long arg, int ret)
{
	return ret ? ret : enf_exchange(file, cmd);
}

/* Of 32-bit programs: see attributes.bpf.c. */
SEC("lsm/file_ioctl_compat")
int BPF_PROG(enf_append_ioctl_compat, struct file *file, unsigned int cmd, unsigned long arg,
	     int ret)
{
	return ret ? ret : enf_exchange(file, cmd);
}
