// SPDX-License-Identifier: GPL-2.0-only
/* Programs that are run: each file of the chain, the privileges it gives, the arguments it gets. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___exec
#include "act.h"
#include "seen.bpf.h"

static __always_inline void enf_bprm_access(struct enf_access *a, struct linux_binprm *bprm,
					    __u64 file, __u8 op)
{
	__u64 inode = enf_word_at(file + enf_offset(struct file, f_inode));
	__u32 mnt_flags = 0;
	__u16 mode = 0;
	int nosuid;

	a->dentry = enf_word_at(file + enf_offset(struct file, f_path.dentry));
	a->mnt = enf_word_at(file + enf_offset(struct file, f_path.mnt));
	enf_read(mode, inode + enf_offset(struct inode, i_mode));
	enf_read(mnt_flags, a->mnt + enf_offset(struct vfsmount, mnt_flags));
	nosuid = mnt_flags & ENF_MNT_NOSUID;
	a->op[0] = op;
	a->n_ops = 1;
	if (bprm->interp != bprm->filename)
		a->flags |= ENF_OF_INTERPRETER;
	if (!nosuid && (mode & ENF_S_ISUID))
		a->flags |= ENF_OF_SETUID;
	/* without group execution the bit means mandatory locking, not set-group-ID */
	if (!nosuid && (mode & ENF_S_ISGID) && (mode & ENF_S_IXGRP))
		a->flags |= ENF_OF_SETGID;
}

/* The last point where each file of the chain can still be refused, script first. */
SEC("lsm/bprm_check_security")
int BPF_PROG(enf_exec, struct linux_binprm *bprm, int ret)
{
	union {
		struct enf_key key;
		struct enf_access a;
	} room;
	const struct enf_task *task;

	if (ret)
		return ret;
	task = enf_settled_task();
	if (task && !(task->ops & ENF_BIT(ENF_OP_EXEC)))
		return 0;
	/* What a permit depends on is not known yet: whether it is a script, and more. */
	if (task && enf_is_unmatched(&room.key, bprm->file, ENF_PAIR(ENF_OP_EXEC, ENF_NO_OP),
				     ENF_BIT(ENF_OP_EXEC), 0, 0))
		return 0;
	room.a = (struct enf_access){ .is_file = 1 };
	enf_bprm_access(&room.a, bprm, enf_pointer(bprm, file), ENF_OP_EXEC);
	if (bprm->buf[0] == '#' && bprm->buf[1] == '!')
		room.a.flags |= ENF_OF_SCRIPT;
	return enf_act(&room.a);
}

/*
 * Who only asks whether a file may be run (AT_EXECVE_CHECK, v6.14), as interpreters do about scripts, comes no further
 * than this. Nothing of the file has been read yet, so nobody knows whether it is a script.
 */
SEC("lsm/bprm_creds_for_exec")
int BPF_PROG(enf_exec_check, struct linux_binprm *bprm, int ret)
{
	struct enf_access a = { .is_file = 1 };

	if (ret)
		return ret;
	if (!bpf_core_field_exists(((struct linux_binprm___check *)0)->is_check) ||
	    !BPF_CORE_READ_BITFIELD_PROBED((struct linux_binprm___check *)bprm, is_check))
		return 0;
	enf_bprm_access(&a, bprm, enf_pointer(bprm, file), ENF_OP_EXEC);
	return enf_act(&a);
}

static __always_inline void enf_creds_access(struct enf_access *a, struct linux_binprm *bprm,
					     struct file *file)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 before, after;

	enf_bprm_access(a, bprm, (__u64)file, ENF_OP_EXEC_CREDS);
	before = enf_word_at(enf_pointer(t, cred) + enf_offset(struct cred, cap_permitted));
	after = enf_word_at(enf_pointer(bprm, cred) + enf_offset(struct cred, cap_permitted));
	if (after & ~before)
		a->flags |= ENF_OF_FILECAPS;
}

/* Before the point of no return; the capability module has computed the new credentials. */
SEC("lsm/bprm_creds_from_file")
int BPF_PROG(enf_exec_creds, struct linux_binprm *bprm, struct file *file, int ret)
{
	struct enf_access a = {};

	if (ret)
		return ret;
	enf_creds_access(&a, bprm, file);
	return enf_act(&a);
}

/*
 * The same where the kernel calls no program at the hook, at the end of the function around it: nobody asks
 * what it returns, but nothing of the new program has run yet, so it kills.
 */
SEC("?lsm/bprm_creds_from_file")
int BPF_PROG(enf_exec_creds_end, struct linux_binprm *bprm, struct file *file, int ret)
{
	struct enf_access a = {};

	if (ret)
		return 0;
	enf_creds_access(&a, bprm, file);
	if (enf_act_inside(
		    &a)) /* also where it could not be decided, and no signal has been sent */
		bpf_send_signal(9);
	return 0;
}

/* The strings lie in the new address space, and no other thread exists to change them. */
SEC("lsm.s/bprm_committed_creds")
int BPF_PROG(enf_exec_argv, struct linux_binprm *bprm)
{
	struct enf_access a = {};

	if (!enf_concerned(ENF_BIT64(ENF_OP_EXEC_ARGV)))
		return 0;
	enf_bprm_access(&a, bprm, enf_pointer(bprm, file), ENF_OP_EXEC_ARGV);
	enf_act_argv(&a, bprm->p, bprm->exec - bprm->p, bprm->argc);
	return 0;
}
