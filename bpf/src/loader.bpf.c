// SPDX-License-Identifier: GPL-2.0-only
/* Programs that are run by a loader, or as one. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___loader
#include "act.h"
#include "around.bpf.h"
#include "loader.bpf.h"

/* The arguments are the loader's, with its options in front: what the program's are is unknown. */
#define ENF_ARGS (0x1ffffULL << ENF_DIM_ARG_ANY)

/*
 * Is the current process not set up yet? The kernel writes the auxiliary vector, which begins with no 0, when it
 * has mapped the program and its interpreter. A process that empties it is only asked more.
 */
static __always_inline int enf_is_in_exec(__u64 mm)
{
	return !enf_word_at(mm + enf_offset(struct mm_struct, saved_auxv));
}

/*
 * A loader maps the program that it was told to run; or the kernel maps what a program names as its
 * interpreter, which is run first and may be any program, without having been asked about.
 *
 * Asked is what the caller wanted, not what READ_IMPLIES_EXEC makes of it: the cache of libraries, which
 * is only read, must not pass for the program.
 */
SEC("lsm/mmap_file")
int enf_mmap_loaded(unsigned long long *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf();
	int ret = ENF_ARG(ctx, 32, 24), is_loader, error;
	__u64 file, mm, own = 0, inode = 0;
	struct enf_task *task;

	if (ret)
		return ret;
	if (!(ctx[1] & ENF_PROT_EXEC))
		return 0;
	file = enf_mapped_file(ctx);
	if (!file)
		return 0;
	task = bpf_task_storage_get(&tasks, t, NULL, 0);
	is_loader = task && (task->flags & ENF_SF_LOADER);
	mm = enf_pointer(t, mm);
	if (!is_loader && !enf_is_in_exec(mm))
		return 0;
	enf_read(own, mm + enf_offset(struct mm_struct, exe_file));
	enf_read(own, own + enf_offset(struct file, f_inode));
	enf_read(inode, file + enf_offset(struct file, f_inode));
	if (inode == own)
		return 0;

	struct enf_access a = {
		.present = ENF_ARGS,
		.unknown = ENF_ARGS,
		.op = { ENF_OP_EXEC_LOADED },
		.n_ops = 1,
		.flags = ENF_OF_LOADER,
	};

	enf_read(a.dentry, file + enf_offset(struct file, f_path.dentry));
	enf_read(a.mnt, file + enf_offset(struct file, f_path.mnt));
	if (!is_loader && enf_has_loader_name(a.dentry))
		return 0; /* the usual case: a program with its loader */
	error = enf_act(&a);
	if (!error && is_loader) { /* what follows are libraries */
		task->flags &= ~ENF_SF_LOADER;
		bpf_task_storage_delete(&callers, t);
	}
	return error;
}
