// SPDX-License-Identifier: GPL-2.0-only
/* What a label says of a task, read from the kernel. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___task
#include "drift.bpf.h"
#include "path.bpf.h"
#include "task.bpf.h"

struct enf_kernfs {
	struct enf_scratch *s;
	__u64 kn;
	__u32 at;
	__u32 state;
};

static long enf_kernfs_one(__u32 i, void *arg)
{
	struct enf_kernfs *k = arg;
	__u64 parent = enf_kernfs_parent(k->kn), name = 0;
	__u32 at = k->at;
	long len;

	(void)i;
	if (!parent) {
		k->state = ENF_WALKED;
		return 1;
	}
	enf_read(name, k->kn + enf_offset(struct kernfs_node, name));
	/* the name goes behind the path's place first, to learn its length */
	len = bpf_probe_read_kernel_str(&k->s->text[ENF_TEXT_NAME], ENF_NAME_MAX + 1,
					(const void *)name);
	if (len <= 1 || len > at) {
		k->state = ENF_LOST;
		return 1;
	}
	len -= 1;
	at -= (__u32)len + 1;
	enf_barrier(at);
	enf_barrier(len);
	if (at > ENF_PATH_MAX - 1 || len < 0 || len > ENF_NAME_MAX) {
		k->state = ENF_LOST;
		return 1;
	}
	bpf_probe_read_kernel(&k->s->text[at + 1], len, (const void *)name);
	k->s->text[at] = '/';
	k->at = at;
	k->kn = parent;
	return 0;
}

__attribute__((noinline)) int enf_cgroup_path(struct enf_scratch *s, __u64 kn)
{
	struct enf_kernfs k = { .s = s, .kn = kn, .at = ENF_PATH_MAX };

	if (!s || !kn)
		return 0;
	bpf_loop(256, enf_kernfs_one, &k, 0);
	if (k.state != ENF_WALKED)
		return 0;
	if (k.at == ENF_PATH_MAX) {
		k.at -= 1;
		s->text[ENF_PATH_MAX - 1] = '/';
	}
	s->low = k.at;
	return ENF_PATH_MAX - k.at;
}

__attribute__((noinline)) int enf_read_cred(struct enf_task *task, __u64 t)
{
	__u64 cred;

	if (!task)
		return 0;
	cred = enf_cred_of(t);
	enf_read(task->uid, cred + enf_offset(struct cred, uid));
	enf_read(task->euid, cred + enf_offset(struct cred, euid));
	enf_read(task->gid, cred + enf_offset(struct cred, gid));
	enf_read(task->egid, cred + enf_offset(struct cred, egid));
	enf_read(task->caps, cred + enf_offset(struct cred, cap_effective));
	task->flags &= ~ENF_SF_USERNS;
	if (enf_is_of_other_users(cred))
		task->flags |= ENF_SF_USERNS;
	return 0;
}

/* Has no directory a name for it? Its variables share the stack with later ones: 512 bytes are for eight frames. */
static __always_inline int enf_is_nameless(__u64 file)
{
	__u64 inode = 0;
	__u32 nlink = 1;

	enf_read(inode, file + enf_offset(struct file, f_inode));
	enf_read(nlink, inode + enf_offset(struct inode, i_nlink));
	return !nlink;
}

__attribute__((noinline)) int enf_read_exe(struct enf_scratch *s, struct enf_task *task, __u64 file)
{
	__u64 dentry = 0, mnt = 0;
	__u32 at, len;
	int rc;

	if (!s || !task)
		return 0;

	task->exe_len = 0;
	if (enf_is_nameless(file))
		task->flags |= ENF_SF_FILELESS;
	enf_read(dentry, file + enf_offset(struct file, f_path.dentry));
	enf_read(mnt, file + enf_offset(struct file, f_path.mnt));
	rc = enf_resolve(s, dentry, mnt, ENF_VIEW_HOST);
	if (rc == ENF_PATH_ABSENT) {
		task->flags |= ENF_SF_OFFHOST;
		rc = enf_resolve(s, dentry, mnt, ENF_VIEW_NAMESPACE);
	}
	at = s->object.path_at;
	len = s->object.path_len;
	if (!len)
		rc = ENF_PATH_UNKNOWN;
	enf_barrier(at);
	enf_barrier(
		len); /* or the test for 0 and the bound become one that the verifier cannot read */
	if (rc != ENF_PATH_OK || len > ENF_EXE_MAX || at > ENF_PATH_MAX) {
		task->flags |= ENF_SF_EXE_UNKNOWN;
		enf_count(ENF_STAT_EXE_UNKNOWN);
		return 0;
	}
	bpf_probe_read_kernel(task->exe, len, &s->text[at]);
	task->exe_len = len;
	if (s->object.flags & ENF_FOLD_BITS)
		task->flags |= (s->object.flags >> ENF_FOLD_AT << ENF_FOLD_AT) |
			       (s->object.flags >> ENF_FOLD_FROM_AT & ENF_FOLD_EXE_MASK)
				       << ENF_FOLD_EXE_AT;
	return 0;
}

__attribute__((noinline)) __u32 enf_own_code(void)
{
	return enf_code_flags(bpf_get_current_task_btf()->group_leader);
}

/* ---- Labels ------------------------------------------------------------------------------- */

__u64 enf_lines = 0;

__attribute__((noinline)) int enf_label(struct enf_scratch *s, struct enf_task *task, __u64 t)
{
	const struct enf_image *image = enf_current_image();
	struct task_struct *ts = (struct task_struct *)t;
	__u64 exe;

	if (!s || !task)
		return 0;
	exe = enf_exe_file(t);
	task->flags = 0;
	task->line = enf_new_line();
	if (!exe)
		task->flags |= ENF_SF_KTHREAD;
	else if (enf_is_executed(exe))
		enf_read_exe(s, task, exe);
	else
		task->flags |= ENF_SF_EXE_UNKNOWN;
	if (image && enf_asks_drift(image))
		enf_take_root(task, t);
	task->exec_ns = BPF_CORE_READ(ts, start_boottime);
	if (!task->exec_ns)
		task->exec_ns = 1; /* the idle task, and a label that says "seen" */
	task->generation = 0;
	return 0;
}
