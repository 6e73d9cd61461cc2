// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes executable in a process whose code is trusted so far. Decides nothing: whoever is not trusted any
 * more is another subject. Attached where some policy asks for trusted code, before its image is active.
 */
#include "around.bpf.h"
#include "code.bpf.h"

/* The state of the current process, if there is something to lose. */
static __always_inline struct enf_code *enf_trusted_code(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_code *known = bpf_task_storage_get(&code, t->group_leader, NULL, 0);

	return known && known->state == ENF_CODE_TRUSTED ? known : NULL;
}

/* A child that shares the memory of its parent (vfork, CLONE_VM) has mapped it for both. */
static __always_inline void enf_lose_trust(struct enf_code *known)
{
	struct task_struct *t = bpf_get_current_task_btf(), *parent = t->real_parent;
	struct enf_code *other = NULL;

	known->state = ENF_CODE_FOREIGN;
	if (parent && enf_address(parent->mm) == enf_address(t->mm))
		other = bpf_task_storage_get(&code, parent->group_leader, NULL, 0);
	if (other)
		other->state = ENF_CODE_FOREIGN;
}

/* What is writable as well, or memory of no file, is not what root wrote. */
SEC("lsm/mmap_file")
int enf_mmap_code(unsigned long long *ctx)
{
	struct enf_mapping m = enf_mapping_of(ctx);
	struct enf_code *known;
	__u64 file;

	if (m.ret)
		return m.ret;
	if (!(m.prot & ENF_PROT_EXEC))
		return 0;
	known = enf_trusted_code();
	if (!known)
		return 0;
	file = enf_mapped_file(ctx);
	if (!file || (m.prot & ENF_PROT_WRITE) || !enf_is_trusted_file(file))
		enf_lose_trust(known);
	return 0;
}

/* What is executable already is no news, unless it becomes writable. */
SEC("lsm/file_mprotect")
int BPF_PROG(enf_mprotect_code, struct vm_area_struct *vma, unsigned long reqprot,
	     unsigned long prot, int ret)
{
	unsigned long had = vma->vm_flags;
	__u64 file = 0, copies = 0;
	struct enf_code *known;

	if (ret)
		return ret;
	if (!(prot & ENF_PROT_EXEC))
		return 0;
	if ((had & ENF_VM_EXEC) && !(prot & ENF_PROT_WRITE))
		return 0;
	known = enf_trusted_code();
	if (!known)
		return 0;
	bpf_core_read(&file, sizeof(file), &vma->vm_file);
	bpf_core_read(&copies, sizeof(copies), &vma->anon_vma);
	if (!file || copies || (prot & ENF_PROT_WRITE) || !enf_is_trusted_file(file))
		enf_lose_trust(known);
	return 0;
}
