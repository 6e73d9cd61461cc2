// SPDX-License-Identifier: GPL-2.0-only
/* What a recording session writes into the rings. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___record
#include "actor.bpf.h"
#include "emit.bpf.h"
#include "marks.bpf.h"
#include "record.bpf.h"
#include "task.bpf.h"

#define ENF_TAIL_FULL (ENF_PATH_MAX + ENF_EXE_MAX + ENF_ARGV_MAX)

struct enf_record_full {
	struct enf_event event;
	char tail[ENF_TAIL_FULL];
};

struct enf_record_cgroup {
	struct enf_event event;
	char tail[ENF_PATH_MAX];
};

__u32 enf_recorder = 0;

/* Is the current task's doing to be written down? */
static __always_inline int enf_is_recorded(void)
{
	return enf_records && bpf_get_current_pid_tgid() >> 32 != enf_recorder;
}

/* Write down the path of the cgroup of the task at *t* and whose marks it counts for, unless that was done. */
static __always_inline int enf_tell_cgroup(__u64 t)
{
	struct enf_record_cgroup *r;
	struct enf_scratch *s;
	__u64 kn = 0, id = 0;
	__u32 at, len;
	__u8 told = 1;

	enf_read(kn, t + enf_offset(struct task_struct, cgroups));
	enf_read(kn, kn + enf_offset(struct css_set, dfl_cgrp));
	enf_read(kn, kn + enf_offset(struct cgroup, kn));
	if (!kn)
		return 0;
	enf_read(id, kn + enf_offset(struct kernfs_node, id));
	if (bpf_map_lookup_elem(&cgroups_told, &id))
		return 0;
	/* A path that cannot be had is unknown when it is replayed, as it would have been here. */
	s = enf_acquire();
	if (!s)
		return 0;
	len = enf_cgroup_path(s, kn);
	at = s->low;
	r = len ? bpf_ringbuf_reserve(&decisions, sizeof(*r), 0) : NULL;
	if (r) {
		__builtin_memset(&r->event, 0, sizeof(r->event));
		r->event.kind = ENF_EVENT_CGROUP;
		r->event.time_ns = bpf_ktime_get_boot_ns();
		r->event.cgroup = id;
		r->event.ino = enf_node_id(enf_container_of(kn));
		enf_barrier(at);
		enf_barrier(len);
		if (len <= ENF_PATH_MAX && at <= ENF_PATH_MAX) {
			r->event.path_len = len;
			bpf_probe_read_kernel(r->tail, len, &s->text[at]);
		}
		r->event.size = sizeof(r->event) + r->event.path_len;
		bpf_ringbuf_submit(r, 0);
		/* Without room in the table it is told again and again, which does no harm. */
		bpf_map_update_elem(&cgroups_told, &id, &told, BPF_ANY);
	} else if (len) {
		enf_count(ENF_STAT_LOST_DECISIONS);
	}
	enf_release(s);
	return 0;
}

static __always_inline void enf_fill_access(struct enf_event *e, struct enf_scratch *s,
					    struct enf_task *task)
{
	enf_fill(e, s, task);
	e->kind = ENF_EVENT_ACCESS;
	e->time_ns = s->since;
	e->uid = task->uid;
	e->euid = task->euid;
	e->gid = task->gid;
	e->egid = task->egid;
	e->op = s->object.op[0];
	e->row = ENF_NONE;
	e->action = ENF_ACT_ALLOW;
	e->flags = 0;
	e->row_flags = 0;
	e->error = 0;
	e->signal = 0;
}

__attribute__((noinline)) int enf_record(struct enf_scratch *s, struct enf_task *task)
{
	__u32 path, exe, name, tail;

	if (!s || !task || !enf_is_recorded())
		return 0;
	/* Ids and capabilities as policies see them; at the arguments those of who called exec. */
	if (s->object.op[0] != ENF_OP_EXEC_ARGV)
		enf_read_cred(task, bpf_get_current_task());
	enf_tell_cgroup(bpf_get_current_task());
	path = s->object.path_len;
	exe = task->exe_len;
	name = s->object.argv_len ? s->object.argv_len : s->object.name_len;
	if (!(s->object.present & ENF_BIT(ENF_DIM_PATH)) || path > ENF_PATH_MAX)
		path = 0;
	if (path <= ENF_TAIL_SHORT - ENF_EXE_MAX && path + exe <= ENF_TAIL_SHORT / 2 &&
	    name <= ENF_TAIL_SHORT / 2) {
		struct enf_record_short *r = bpf_ringbuf_reserve(&activity, sizeof(*r), 0);

		if (!r)
			goto lost;
		enf_fill_access(&r->event, s, task);
		tail = enf_fill_tail(&r->event, r->tail, ENF_TAIL_SHORT, ENF_TAIL_SHORT / 2, s,
				     task, path, exe, name);
		r->event.size = sizeof(r->event) + tail;
		bpf_ringbuf_submit(r, 0);
	} else {
		struct enf_record_full *r = bpf_ringbuf_reserve(&activity, sizeof(*r), 0);

		if (!r)
			goto lost;
		enf_fill_access(&r->event, s, task);
		tail = enf_fill_tail(&r->event, r->tail, ENF_TAIL_FULL, ENF_ARGV_MAX, s, task, path,
				     exe, name);
		r->event.size = sizeof(r->event) + tail;
		bpf_ringbuf_submit(r, 0);
	}
	return 0;
lost:
	enf_count(ENF_STAT_LOST_ACTIVITY);
	return 0;
}

ENF_FN int enf_record_line(struct enf_task *from, __u64 line, __u64 t, __u32 how, __u64 found)
{
	struct enf_record_short *r;
	struct enf_event *e;
	__u32 exe;

	if (!from || !enf_records)
		return 0;
	enf_tell_cgroup(t);
	r = bpf_ringbuf_reserve(&decisions, sizeof(*r), 0);
	if (!r) {
		/* What comes of it later has an unknown lineage when it is replayed. */
		enf_count(ENF_STAT_LOST_DECISIONS);
		return 0;
	}
	e = &r->event;
	__builtin_memset(e, 0, sizeof(*e));
	enf_fill_actor(e);
	e->kind = ENF_EVENT_LINE;
	e->op = how;
	e->row = ENF_NONE;
	e->line = line;
	e->ino = from->line;
	e->uid = from->uid;
	e->euid = from->euid;
	e->gid = from->gid;
	e->egid = from->egid;
	e->caps = from->caps;
	e->subj_flags = from->flags;
	e->exec_ns = from->exec_ns;
	if (found) {
		struct task_struct *task = (struct task_struct *)found;

		e->pid = BPF_CORE_READ(task, tgid);
		e->tid = BPF_CORE_READ(task, pid);
		e->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
		e->ppid = BPF_CORE_READ(task, real_parent, tgid);
		e->parent_start_ns = BPF_CORE_READ(task, real_parent, group_leader, start_boottime);
		e->cgroup = from->cgroup;
	}
	exe = from->exe_len;
	enf_barrier(exe);
	if (exe <= ENF_EXE_MAX) {
		e->exe_len = exe;
		bpf_probe_read_kernel(r->tail, exe, from->exe);
	}
	e->size = sizeof(*e) + e->exe_len;
	bpf_ringbuf_submit(r, 0);
	return 0;
}
