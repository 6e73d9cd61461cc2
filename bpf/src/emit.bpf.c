// SPDX-License-Identifier: GPL-2.0-only
/* What follows from a verdict: its counts, its record within limits, its error and its signal. */
#include "act.h"
#include "actor.bpf.h"
#include "emit.bpf.h"
#include "images.bpf.h"
#include "marks.h"
#include "refused.bpf.h"
#include "repeats.bpf.h"

struct enf_record_long {
	struct enf_event event;
	char tail[ENF_TAIL_LONG];
};

static __always_inline void enf_fill_matches(struct enf_event *e, const struct enf_matches *m)
{
	__u32 n = m->n;

	e->n_matches = n < 2 ? 0 : n;
	for (__u32 i = 0; i < ENF_MATCHES; i++)
		e->match[i] = n > 1 && i < n ? m->at[i] : 0;
}

/* Global, so that it is proven once and not on each way to a record. */
__attribute__((noinline)) int enf_fill(struct enf_event *e, struct enf_scratch *s,
				       struct enf_task *task)
{
	struct enf_object *o;

	if (!e || !s || !task)
		return 0;
	o = &s->object;
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
	/* Behind the last one ENF_NO_OP. */
	*(__u32 *)e->ops = *(__u32 *)o->op | (__u32)(~0ULL << (8 * (o->n_ops & 7)));
	e->present = o->present;
	e->drift = o->num[ENF_DIM_DRIFT - ENF_DIM_FIRST_NUM];
	e->line = task->line;
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
	e->suppressed = 0;
	e->repeats = 0;
	e->last_ns = 0;
	enf_fill_matches(e, &s->matches);
	return 0;
}

/* ---- Limits ------------------------------------------------------------------------------- */

struct enf_limit_key {
	__u64 generation;
	__u32 which; /* ENF_MATCH_WHICH: many reads leave out no write that the same rule records */
	__u32 tgid;  /* 0: of all processes */
};

struct enf_limit_state {
	__u64 since; /* when the time in which records are counted has begun */
	__u64 asked; /* records since, made or not */
	__u64 suppressed;
};

/* What is pushed out by others begins anew: more records, never fewer than were allowed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct enf_limit_key);
	__type(value, struct enf_limit_state);
} limits __weak SEC(".maps");

static const volatile struct enf_limit_state enf_no_records = {};

/*
 * The state of the limit *number* of *which*. NULL if the record is to be made whatever was made before: no
 * limit, no room, or the policy was replaced meanwhile. *full*: the record is one too many.
 */
static __noinline struct enf_limit_state *enf_limit_of(struct enf_task *task, __u32 which,
						       __u32 number, __u32 *full)
{
	struct enf_limit_key key = { .generation = task->generation, .which = which };
	const struct enf_image *image = enf_current_image();
	struct enf_limit_state *state;
	const struct enf_limit *limit;
	__u64 now, since;
	__u32 at;

	if (!image || image->generation != task->generation)
		return NULL;
	at = image->off_limits + (number - 1) * sizeof(*limit);
	enf_barrier(at);
	if (at > enf_image_bytes - sizeof(*limit))
		return NULL;
	limit = (const void *)image + at;
	if (limit->by_process)
		key.tgid = bpf_get_current_pid_tgid() >> 32;
	state = bpf_map_lookup_elem(&limits, &key);
	if (!state) {
		bpf_map_update_elem(&limits, &key, (const void *)&enf_no_records, BPF_NOEXIST);
		state = bpf_map_lookup_elem(&limits, &key);
		if (!state)
			return NULL;
	}
	now = bpf_ktime_get_boot_ns();
	since = state->since;
	if (now - since >= limit->per_ns &&
	    __sync_val_compare_and_swap(&state->since, since, now) == since)
		__sync_lock_test_and_set(&state->asked, 0);
	*full = __sync_fetch_and_add(&state->asked, 1) >= limit->records;
	return state;
}

static __always_inline __u32 enf_which(__u32 row, __u32 op)
{
	return row | op << ENF_MATCH_OP_AT;
}

/* Would the limit of the row leave out its record of this operation (ENF_MATCH_WHICH)? Counts it then. */
__attribute__((noinline)) int enf_is_limited(struct enf_task *task, __u32 which)
{
	struct enf_ctx c = { .image = (const void *)enf_current_image() };
	struct enf_limit_state *state;
	__u32 at, limit, full = 0;

	if (!task || !c.image || enf_head(&c)->generation != task->generation)
		return 0; /* the policy was replaced meanwhile: its record is made */
	at = enf_head(&c)->off_rows + (which & ENF_MATCH_ROW) * sizeof(struct enf_row);
	enf_barrier(at);
	if (at > enf_image_bytes - sizeof(struct enf_row))
		return 0;
	limit = ((const struct enf_row *)(c.image + at))->limit;
	if (!limit)
		return 0;
	state = enf_limit_of(task, which, limit, &full);
	if (!state || !full)
		return 0;
	__sync_fetch_and_add(&state->suppressed, 1);
	return 1;
}

/*
 * Does another policy than that of *which*, or the same for another operation, want a record which *which* (the
 * row and the operation, ENF_MATCH_WHICH) would not make: it is silent, or its limit leaves it out? *audit*:
 * ENF_MATCH_AUDIT or 0, of those that are audited or those that are enforced. Global, so that it is proven once.
 */
__attribute__((noinline)) int enf_wants_record(struct enf_scratch *s, struct enf_task *task,
					       __u32 which, __u32 audit)
{
	__u32 n, n_also;

	if (!s || !task)
		return 0;
	n = s->matches.n;
	n_also = s->matches.n_also;
	for (__u32 i = 0; i < ENF_MATCHES + ENF_ALSO; i++) {
		__u32 also = i - ENF_MATCHES, match;

		if (i < ENF_MATCHES ? i >= n : also >= n_also)
			continue;
		match = i < ENF_MATCHES ? s->matches.at[i] : s->matches.also[also];
		if (!(match & ENF_MATCH_RECORD) || (match & ENF_MATCH_AUDIT) != audit ||
		    (match & ENF_MATCH_WHICH) == which)
			continue;
		if (!enf_is_limited(task, match & ENF_MATCH_WHICH))
			return 1;
	}
	/* Whether limits leave it out of those that found no room is not known: rather one too many. */
	return (n > ENF_MATCHES || n_also > ENF_ALSO) &&
	       (s->matches.wanted & (audit ? ENF_WANTED_AUDIT : ENF_WANTED_ENFORCED));
}

/* ---- Records ------------------------------------------------------------------------------ */

static __noinline int enf_fill_marks(struct enf_event *e, struct enf_scratch *s,
				     struct enf_task *task, __u32 id)
{
	struct enf_ctx c = { .image = (const void *)enf_current_image(), .s = s };

	if (c.image && enf_head(&c)->generation == task->generation)
		enf_marks_asked(&c, id, e->mark_at);
	return 0;
}

/* What a record says of the verdict itself. */
struct enf_decided {
	__u64 suppressed;
	__u32 row;
	__u32 action;
	__u32 flags; /* ENF_EF_* */
	__u16 tail;  /* bytes */
	__u16 is_decision;
};

/* Global, so that it is proven once and not for each room that a record may have. */
__attribute__((noinline)) int enf_fill_verdict(struct enf_event *e, struct enf_scratch *s,
					       struct enf_task *task, struct enf_decided *d)
{
	struct enf_verdict *v;
	__u32 enforced;

	if (!e || !s || !task || !d)
		return 0;
	v = &s->verdict;
	enforced = d->flags & ENF_EF_ENFORCED;
	e->size = sizeof(*e) + d->tail;
	e->row = d->row;
	e->action = d->action;
	e->flags = d->flags;
	e->op = enforced ? v->op : v->audit_op;
	e->row_flags = enforced ? v->row_flags : v->audit_row_flags;
	e->error = enforced ? v->error : 0;
	e->signal = enforced && d->action == ENF_ACT_KILL ? v->signal : 0;
	e->suppressed = d->suppressed;
	if ((enforced ? v->flags : v->audit_flags) & ENF_VF_NO_NAME)
		e->unknown |= ENF_BIT(ENF_DIM_PATH);
	for (int i = 0; i < ENF_ROW_MARKS; i++)
		e->mark_at[i] = 0;
	if ((enforced ? v->row_flags : v->audit_row_flags) & ENF_RF_WITHIN)
		enf_fill_marks(e, s, task, d->row);
	return 0;
}

/* ---- Records outside of the rings ---------------------------------------------------------- */

struct enf_cut {
	struct enf_scratch *s;
	__u32 at;  /* of the path in the text */
	__u32 len; /* what is left of it */
};

static long enf_cut_one(__u32 i, struct enf_cut *cut)
{
	__u32 at = cut->at + cut->len;

	(void)i;
	enf_barrier(at);
	if (cut->len <= 1 || at >= ENF_TEXT_SIZE || cut->s->text[at] == '/')
		return 1;
	cut->len -= 1;
	return 0;
}

/* Put a record into the entry *at* of the table, with the head of a path that has no room there. */
__attribute__((noinline)) int enf_emit_kept(__u32 at, struct enf_scratch *s, struct enf_task *task,
					    struct enf_decided *d)
{
	struct enf_repeats *r = bpf_map_lookup_elem(&repeats, &at);
	struct enf_cut cut = { .s = s };
	__u32 name, is_cut = 0;

	if (!r || !s || !task || !d)
		return 0;
	cut.at = s->object.path_at;
	cut.len = s->object.path_len;
	name = s->object.name_len;
	if (!(s->present & ENF_BIT(ENF_DIM_PATH)) || cut.len > ENF_PATH_MAX)
		cut.len = 0;
	if (cut.len > ENF_TAIL_KEPT / 3) {
		is_cut = ENF_OF_CUT;
		cut.len = ENF_TAIL_KEPT / 3;
		bpf_loop(ENF_TAIL_KEPT / 3, enf_cut_one, &cut, 0);
	}
	if (s->object.argv_len)
		name = s->object.argv_len < ENF_TAIL_KEPT / 3 ? s->object.argv_len
							      : ENF_TAIL_KEPT / 3;
	else if (name > ENF_TAIL_KEPT / 3)
		name = 0; /* a part of it would be another name */
	enf_fill(&r->event, s, task);
	r->event.obj_flags |= is_cut;
	d->tail = enf_fill_tail(&r->event, r->tail, ENF_TAIL_KEPT, ENF_TAIL_KEPT / 3, s, task,
				cut.len, task->exe_len, name);
	enf_fill_verdict(&r->event, s, task, d);
	enf_keep(r);
	return 0;
}

/* What was decided is to be recorded while the ring is crowded. Returns: as enf_repeat(). */
static __noinline int enf_emit_crowded(struct enf_scratch *s, struct enf_task *task,
				       struct enf_decided *d)
{
	struct enf_kind kind = {
		.exec_ns = task->exec_ns,
		.generation = task->generation,
		.row = d->row,
		.kind = ENF_EVENT_VERDICT,
		.op = d->flags & ENF_EF_ENFORCED ? s->verdict.op : s->verdict.audit_op,
		.action = d->action,
		.flags = d->flags,
	};

	return enf_repeat(&kind, d->is_decision);
}

/* ---- Records in the rings ------------------------------------------------------------------ */

/* Returns: 0 if there is no room. Global, for its stack: the table is looked through without it. */
__attribute__((noinline)) int enf_emit_now(struct enf_scratch *s, struct enf_task *task,
					   struct enf_decided *d)
{
	struct enf_event *e;
	__u32 path, exe, name;
	void *ring;

	if (!s || !task || !d)
		return 0;
	ring = d->is_decision ? (void *)&decisions : (void *)&activity;
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
			return 0;
		e = &r->event;
		enf_fill(e, s, task);
		d->tail = enf_fill_tail(e, r->tail, ENF_TAIL_SHORT, ENF_TAIL_SHORT / 2, s, task,
					path, exe, name);
	} else {
		struct enf_record_long *r = bpf_ringbuf_reserve(ring, sizeof(*r), 0);

		if (!r)
			return 0;
		e = &r->event;
		enf_fill(e, s, task);
		d->tail = enf_fill_tail(e, r->tail, ENF_TAIL_LONG, ENF_TAIL_NAME, s, task, path,
					exe, name);
	}
	enf_fill_verdict(e, s, task, d);
	bpf_ringbuf_submit(e, 0);
	return 1;
}

/* Record one verdict. *row*, *action*: what decided; *flags*: ENF_EF_*. */
__attribute__((noinline)) int enf_emit(struct enf_scratch *s, struct enf_task *task, __u32 row,
				       __u32 action, __u32 flags)
{
	struct enf_decided d = { .row = row, .action = action, .flags = flags };
	__u32 limit, which, full = 0, enforced = flags & ENF_EF_ENFORCED;
	struct enf_limit_state *limited = NULL;
	int entry = 0;

	if (!s || !task)
		return 0;
	d.is_decision = action >= ENF_ACT_DENY && enforced;
	limit = enforced ? s->verdict.limit : s->verdict.audit_limit;
	which = enf_which(row, enforced ? s->verdict.op : s->verdict.audit_op);
	if (limit)
		limited = enf_limit_of(task, which, limit, &full);
	/* It may be left out only if no other row or operation wants it. */
	if (limited && full && enf_wants_record(s, task, which, enforced ? 0 : ENF_MATCH_AUDIT))
		limited = NULL;
	if (limited && full) {
		__sync_fetch_and_add(&limited->suppressed, 1);
		enf_count(ENF_STAT_SUPPRESSED);
		return 0;
	}
	if (limited)
		d.suppressed = __sync_lock_test_and_set(&limited->suppressed, 0);
	if (enf_is_crowded(d.is_decision))
		entry = enf_emit_crowded(s, task, &d);
	if (entry > 0)
		return enf_emit_kept(entry - 1, s, task, &d);
	if (!entry && enf_emit_now(s, task, &d))
		return 0;
	asm volatile("" : "+r"(limited)); /* the pointer itself, which the verifier knows */
	if (limited)
		__sync_fetch_and_add(&limited->suppressed, d.suppressed);
	/* The verdict stands and is counted by rule; only its record is lost, which is counted too. */
	if (!entry)
		enf_count(d.is_decision ? ENF_STAT_LOST_DECISIONS : ENF_STAT_LOST_ACTIVITY);
	return 0;
}

/* ---- What follows from a verdict ---------------------------------------------------------- */

/* Global, so that it is proven once and not on each way to a refusal. */
__attribute__((noinline)) int enf_note_refusal(struct enf_task *task)
{
	if (task)
		task->refused = enf_this_call();
	return 0;
}

ENF_FN int enf_conclude(struct enf_scratch *s, struct enf_task *task, int how)
{
	struct enf_verdict *v = &s->verdict;
	__u32 flags = ENF_EF_ENFORCED;
	int error = 0;

	if (v->audit_row != ENF_NONE) {
		enf_hit(v->audit_row, task->generation, 0);
		if (v->audit_action >= ENF_ACT_LOG || (v->audit_row_flags & ENF_RF_RECORD) ||
		    enf_wants_record(s, task, enf_which(v->audit_row, v->audit_op),
				     ENF_MATCH_AUDIT))
			enf_emit(s, task, v->audit_row, v->audit_action,
				 v->audit_flags & ENF_VF_ON_ERROR ? ENF_EF_ON_ERROR : 0);
	}
	if (v->row == ENF_NONE)
		return 0;
	enf_hit(v->row, task->generation, 1);
	if (v->flags & ENF_VF_ON_ERROR) {
		flags |= ENF_EF_ON_ERROR;
		enf_count(ENF_STAT_ON_ERROR);
	}
	if (v->action >= ENF_ACT_DENY) {
		/* an error of 0 or out of range would let the operation through */
		error = v->error > 0 && v->error < 4096 ? -v->error : -ENF_EPERM;
		if (how == ENF_BEFORE) /* else the call's error is not ours */
			enf_note_refusal(task);
		if (how == ENF_BEFORE || (how == ENF_BY_KILL && v->signal == 9))
			flags |= ENF_EF_PREVENTED;
	}
	if (v->action == ENF_ACT_KILL && bpf_send_signal(v->signal)) {
		flags |= ENF_EF_SIGNAL_FAILED;
		if (how != ENF_BEFORE)
			flags &= ~ENF_EF_PREVENTED;
		enf_count(ENF_STAT_SIGNAL_FAILED);
	}
	if (v->action >= ENF_ACT_LOG || (v->row_flags & ENF_RF_RECORD) ||
	    enf_wants_record(s, task, enf_which(v->row, v->op), 0))
		enf_emit(s, task, v->row, v->action, flags);
	return error;
}
