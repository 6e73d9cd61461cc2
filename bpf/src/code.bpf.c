// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes executable in a process whose code is trusted so far, and what its children have of that. Decides
 * nothing: whoever is not trusted any more is another subject. Attached where some policy asks for trusted code,
 * before its image is active.
 */
#include "around.bpf.h"
#include "code.bpf.h"
#include "images.bpf.h"

/* The state of the current process, or of the parent whose memory it runs in, if there is something to lose. */
static __always_inline struct enf_code *enf_trusted_code(void)
{
	int foreign;
	struct enf_code *known = enf_known_code(bpf_get_current_task_btf()->group_leader, &foreign);

	return known && !foreign ? known : NULL;
}

/*
 * A child that only waits for its exec in the memory of its parent, as programs begin others (vfork, posix_spawn), has
 * what that has. Who shares memory in any other way is not trusted, on both sides: nothing leads from one to the other.
 * Nor from a thread of such a child, when the first one has ended: it has no memory any more, and the parent goes on
 * beside the thread (mm_release()).
 * 0: unknown, or there is nothing to say of it. Not inline, since it is asked twice.
 */
__attribute__((noinline)) int enf_child_code(unsigned long clone_flags)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_code *own = bpf_task_storage_get(&code, t->group_leader, NULL, 0), *known;
	int foreign;

	if (!own || ((clone_flags & ENF_CLONE_THREAD) && own->state != ENF_CODE_LENT))
		return 0; /* a thread has what the first one has */
	known = enf_known_code(t->group_leader, &foreign);
	if (!known)
		return 0;
	if (foreign)
		goto lost;
	if (!(clone_flags & ENF_CLONE_VM))
		return ENF_CODE_TRUSTED;
	if (own->state != ENF_CODE_LENT && (clone_flags & ENF_CLONE_VFORK) &&
	    !(clone_flags & ENF_CLONE_PARENT))
		return ENF_CODE_LENT;
lost:
	own->state = ENF_CODE_FOREIGN;
	known->state = ENF_CODE_FOREIGN;
	return ENF_CODE_FOREIGN;
}

/*
 * A child has the mappings of its parent. Without memory for that it is unknown; and its parent is not trusted any more
 * if they share theirs, since nobody would see what the child maps there. Whose memory it shares depends on no label.
 */
SEC("lsm/task_alloc")
int BPF_PROG(enf_fork_code, struct task_struct *child, unsigned long clone_flags, int ret)
{
	const struct enf_image *image = enf_current_image();
	struct enf_code *fresh;
	int state;

	if (ret)
		return ret;
	if (!image || !(image->asked_flags & ENF_SF_TRUSTED_CODE))
		return 0;
	state = enf_child_code(clone_flags);
	if (!state || (clone_flags & ENF_CLONE_THREAD))
		return 0;
	fresh = bpf_task_storage_get(&code, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (fresh) {
		fresh->state = state;
		return 0;
	}
	enf_count(ENF_STAT_NO_TASK);
	if (state == ENF_CODE_LENT) /* as if nobody waited for it: fails closed */
		enf_child_code(ENF_CLONE_VM);
	return 0;
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
		known->state = ENF_CODE_FOREIGN;
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
		known->state = ENF_CODE_FOREIGN;
	return 0;
}

/* Also where it is never used: what it will fill is not seen (enf_is_userfault()). Fails closed. */
SEC("lsm/inode_init_security_anon")
int BPF_PROG(enf_userfault_code, struct inode *inode, const struct qstr *name,
	     const struct inode *context, int ret)
{
	struct enf_code *known;

	if (ret)
		return ret;
	if (!enf_is_userfault(name))
		return 0;
	known = enf_trusted_code();
	if (known)
		known->state = ENF_CODE_FOREIGN;
	return 0;
}
