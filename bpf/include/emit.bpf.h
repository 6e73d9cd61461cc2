/* SPDX-License-Identifier: GPL-2.0-only */
/* Records of verdicts, and their exact counts. A full ring loses records, never counts. */
#ifndef ENFORCER_EMIT_BPF_H
#define ENFORCER_EMIT_BPF_H

#include "actor.bpf.h"
#include "task.bpf.h"

/* Two sizes of room: most records are short, and a reservation must have a constant size. */
#define ENF_TAIL_SHORT 512
#define ENF_TAIL_LONG 5120 /* path 4096, executable 256, name or the first arguments 768 */
#define ENF_TAIL_NAME 768

struct enf_record_short {
	struct enf_event event;
	char tail[ENF_TAIL_SHORT];
};

struct enf_record_long {
	struct enf_event event;
	char tail[ENF_TAIL_LONG];
};

static __always_inline void enf_fill(struct enf_event *e, struct enf_scratch *s,
				     struct enf_task *task)
{
	struct enf_object *o = &s->object;

	e->kind = ENF_EVENT_VERDICT;
	enf_fill_actor(e);
	e->generation = task->generation;
	e->exec_ns = task->exec_ns;
	e->dev = o->dev;
	e->ino = o->ino;
	e->addr_hi = o->addr_hi;
	e->addr_lo = o->addr_lo;
	e->caps = task->caps;
	e->unknown = o->unknown;
	e->obj_flags = o->flags;
	e->subj_flags = task->flags;
	e->mode = o->num[ENF_DIM_MODE - ENF_DIM_FIRST_NUM];
	e->code = o->num[ENF_DIM_CODE - ENF_DIM_FIRST_NUM];
	e->bits = o->num[ENF_DIM_BITS - ENF_DIM_FIRST_NUM];
	e->to_uid = o->num[ENF_DIM_TO_UID - ENF_DIM_FIRST_NUM];
	e->to_gid = o->num[ENF_DIM_TO_GID - ENF_DIM_FIRST_NUM];
	e->_pad = 0;
	for (int i = 0; i < ENF_SYS_ARGS; i++)
		e->arg[i] = o->num[ENF_DIM_N0 - ENF_DIM_FIRST_NUM + i];
	__builtin_memset(e->fstype, 0, sizeof(e->fstype));
	if (o->fstype_len)
		bpf_probe_read_kernel_str(e->fstype, sizeof(e->fstype), &s->text[ENF_TEXT_FSTYPE]);
	e->family = o->num[ENF_DIM_FAMILY - ENF_DIM_FIRST_NUM];
	e->type = o->num[ENF_DIM_TYPE - ENF_DIM_FIRST_NUM];
	e->protocol = o->num[ENF_DIM_PROTOCOL - ENF_DIM_FIRST_NUM];
	e->port = o->num[ENF_DIM_PORT - ENF_DIM_FIRST_NUM];
	e->argc = o->argc > 0xffff ? 0xffff : o->argc;
}

/*
 * The name by which the caller asked, where the kernel still walks it: when a file is opened, made or
 * emptied by open. It stands in the place of the name, which these operations have not.
 * Returns its length; 0 if there is none or no room: a part of a name would be another one.
 */
static __always_inline __u32 enf_fill_asked(char *to, __u32 room)
{
	struct task_struct *t = bpf_get_current_task_btf();
	const char *asked;
	long length;

	if (!bpf_core_field_exists(((struct nameidata *)0)->name))
		return 0;
	asked = BPF_CORE_READ(t, nameidata, name, name);
	if (!asked)
		return 0;
	length = bpf_probe_read_kernel_str(to, room, asked);
	return length > 1 && length < room ? length - 1 : 0;
}

/* Copy path, executable and name (or arguments) behind the head. Returns the length of the tail. */
static __always_inline __u32 enf_fill_tail(struct enf_event *e, char *tail, __u32 room,
					   struct enf_scratch *s, struct enf_task *task, __u32 path,
					   __u32 exe, __u32 name)
{
	__u32 at = s->object.path_at, from = ENF_TEXT_NAME, n = 0;
	__u32 most = room == ENF_TAIL_SHORT ? ENF_TAIL_SHORT / 2 : ENF_TAIL_NAME;

	e->path_len = path;
	e->exe_len = exe;
	e->name_len = name;
	if (path) {
		enf_barrier(at);
		enf_barrier(path);
		if (path <= ENF_PATH_MAX && path <= room && at <= ENF_PATH_MAX)
			bpf_probe_read_kernel(tail, path, &s->text[at]);
	}
	n = path;
	if (exe) {
		enf_barrier(n);
		enf_barrier(exe);
		if (exe <= ENF_EXE_MAX && n <= room - ENF_EXE_MAX)
			bpf_probe_read_kernel(tail + n, exe, task->exe);
	}
	n += exe;
	if (s->object.argv_len)
		from = ENF_TEXT_ARGV;
	if (name) {
		enf_barrier(n);
		enf_barrier(name);
		if (name <= most && n <= room - most)
			bpf_probe_read_kernel(tail + n, name, &s->text[from]);
		else
			e->name_len = 0;
	} else if (s->object.op[0] >= ENF_OP_READ && s->object.op[0] <= ENF_OP_TRUNCATE) {
		enf_barrier(n);
		if (n <= room - most)
			e->name_len = enf_fill_asked(tail + n, most);
	}
	return n + e->name_len;
}

/* Record one verdict. *row*, *action*: what decided; *flags*: ENF_EF_*. */
__attribute__((noinline)) int enf_emit(struct enf_scratch *s, struct enf_task *task, __u32 row,
				       __u32 action, __u32 flags)
{
	struct enf_verdict *v;
	__u32 path, exe, name, enforced = flags & ENF_EF_ENFORCED;
	void *ring = action >= ENF_ACT_DENY && enforced ? (void *)&decisions : (void *)&activity;
	struct enf_event *e;
	__u32 tail;

	if (!s || !task)
		return 0;
	v = &s->verdict;
	path = s->object.path_len;
	exe = task->exe_len;
	name = s->object.name_len;
	if (!(s->present & ENF_BIT(ENF_DIM_PATH)) || path > ENF_PATH_MAX)
		path = 0;
	if (s->object.argv_len)
		name = s->object.argv_len;
	if (name > ENF_TAIL_NAME)
		name = ENF_TAIL_NAME;
	if (path <= ENF_TAIL_SHORT - ENF_EXE_MAX && path + exe <= ENF_TAIL_SHORT / 2 &&
	    name <= ENF_TAIL_SHORT / 2) {
		struct enf_record_short *r = bpf_ringbuf_reserve(ring, sizeof(*r), 0);

		if (!r)
			goto lost;
		e = &r->event;
		enf_fill(e, s, task);
		tail = enf_fill_tail(e, r->tail, ENF_TAIL_SHORT, s, task, path, exe, name);
	} else {
		struct enf_record_long *r = bpf_ringbuf_reserve(ring, sizeof(*r), 0);

		if (!r)
			goto lost;
		e = &r->event;
		enf_fill(e, s, task);
		tail = enf_fill_tail(e, r->tail, ENF_TAIL_LONG, s, task, path, exe, name);
	}
	e->size = sizeof(*e) + tail;
	e->row = row;
	e->action = action;
	e->flags = flags;
	e->op = enforced ? v->op : v->audit_op;
	e->row_flags = enforced ? v->row_flags : v->audit_row_flags;
	e->error = enforced ? v->error : 0;
	e->signal = enforced && action == ENF_ACT_KILL ? v->signal : 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
lost:
	/* The verdict stands and is counted by rule; only its record is lost, which is counted too. */
	enf_count(action >= ENF_ACT_DENY && enforced ? ENF_STAT_LOST_DECISIONS
						     : ENF_STAT_LOST_ACTIVITY);
	return 0;
}

/* Two halves, by turns: counts of an image stay whole while the next one counts. */
static __always_inline void enf_hit(__u32 row, __u64 generation, __u32 enforced)
{
	__u32 at = row + (generation & 1) * enf_rows;
	struct enf_hits *h = bpf_map_lookup_elem(&hits, &at);

	if (!h)
		return;
	if (enforced)
		h->enforced += 1;
	else
		h->audited += 1;
}

#endif
