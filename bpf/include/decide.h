/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * verdict = f(image, subject, object). The one decision function: compiled into the BPF programs,
 * into the cffi extension and into the in-kernel test program. Holds no hook.
 *
 * Within a policy the first matching row wins; over policies the strictest. A row is looked at only
 * if its pivot (its rarest object term) was satisfied, or if it has no object term; when an operand
 * is unknown, pivots say nothing, and every row is looked at.
 */
#ifndef ENFORCER_DECIDE_H
#define ENFORCER_DECIDE_H

#include "marks.h"
#include "subject.h"

/* ---- One row ------------------------------------------------------------------------------ */

ENF_INLINE __u32 enf_row_subject(const struct enf_task *task, __u32 subject)
{
	__u32 word = (subject >> 6) & (ENF_SUBJECT_WORDS - 1);

	return enf_truth_of(task->subject[word] & ENF_BIT(subject & 63),
			    task->subject_unknown[word] & ENF_BIT(subject & 63));
}

/* Evaluate row *id*; remember it if it is the first of its policy that matches. */
ENF_FN int enf_row(struct enf_ctx *c, __u32 id)
{
	struct enf_scratch *s = c->s;
	const struct enf_row *row = enf_at(c, enf_head(c)->off_rows + id * 40, 40);
	__u32 policy, truth, terms, best, favours, n;
	struct enf_truths both;

	if (!row || !(row->ops & ENF_BIT(s->op & 63)))
		return 0;
	policy = row->policy;
	enf_barrier(policy);
	if (policy >= ENF_MAX_POLICIES)
		return 0;
	best = s->best[policy];
	if (best && (best & ~ENF_BEST_UNKNOWN) <= id + 1)
		return 0;
	if ((s->object.flags & row->flags_set) != row->flags_set ||
	    (s->object.flags & row->flags_clear))
		return 0;
	favours = row->flags & ENF_RF_FAVOURS;
	truth = enf_row_subject(c->task, row->subject);
	if (truth == ENF_CLAIMED)
		truth = favours ? ENF_FALSE : ENF_TRUE;
	if (truth == ENF_FALSE)
		return 0;
	both = enf_conjunction(c, row->terms.first, row->terms.count);
	terms = enf_of_views(both.truth, both.bare, favours);
	if (terms == ENF_FALSE)
		return 0;
	if (terms == ENF_UNKNOWN)
		truth = ENF_UNKNOWN;
	if (truth == ENF_UNKNOWN && row->on_error == ENF_ERR_SKIP)
		return 0;
	if (row->action == ENF_ACT_NONE) { /* marks only; whether one above decides is seen later */
		n = row->mark - 1;
		enf_barrier(n);
		if (n >= ENF_MAX_MARKS)
			return 0;
		if (!(s->marked & ENF_BIT(n)) || id < s->marked_by[n])
			s->marked_by[n] = id;
		s->marked |= ENF_BIT(n);
		return 0;
	}
	if (!best) {
		n = s->n_policies;
		enf_barrier(n);
		if (n >= ENF_MAX_POLICIES)
			return 0;
		s->policies[n] = policy;
		s->n_policies = n + 1;
	}
	s->best[policy] = (id + 1) | (truth == ENF_UNKNOWN ? ENF_BEST_UNKNOWN : 0);
	return 0;
}

/* ---- Candidates --------------------------------------------------------------------------- */
/*
 * One flat loop over the row lists of all touched atoms and then of the op: the verifier allows
 * eight frames, and nested callbacks would take them. low/high: position in and end of the current
 * list; argn: the next touched atom.
 */
static long enf_candidate_one(__u32 i, void *arg)
{
	struct enf_ctx *c = arg;
	struct enf_scratch *s = c->s;
	const struct enf_image *image = enf_head(c);
	const struct enf_range *range;
	const __u32 *id;
	__u32 n = s->argn;

	(void)i;
	if (s->low < s->high) {
		id = enf_at(c, image->off_row_list + s->low * 4, 4);
		if (!id)
			return 1;
		s->low += 1;
		enf_row(c, *id);
		return 0;
	}
	if (n > s->n_touched)
		return 1;
	s->argn = n + 1;
	enf_barrier(n);
	if (n < s->n_touched && n < ENF_MAX_TOUCHED)
		range = enf_at(c, image->off_atom_rows + s->touched[n] * 8, 8);
	else
		range = enf_at(c, image->off_op_rows + s->op * 8, 8);
	if (!range)
		return 1;
	s->low = range->first;
	s->high = range->first + range->count;
	return 0;
}

/* Touched atoms, the op, and every row at most once for each atom it is listed under: once. */
#define ENF_MAX_CANDIDATES (ENF_MAX_ROWS + ENF_MAX_TOUCHED + 2)

static long enf_every_one(__u32 i, void *arg)
{
	enf_row(arg, i);
	return 0;
}

/* ---- Marks -------------------------------------------------------------------------------- */

/* The mark *n* is set if the first row that only marks with it stands above the one that decides. */
static long enf_marked_one(__u32 n, void *arg)
{
	struct enf_ctx *c = arg;
	struct enf_scratch *s = c->s;
	const struct enf_row *row;
	__u32 id, policy, best;

	if (n >= ENF_MAX_MARKS)
		return 1;
	if (!(s->marked & ENF_BIT(n)))
		return 0;
	id = s->marked_by[n];
	row = enf_at(c, enf_head(c)->off_rows + id * 40, 40);
	if (!row)
		return 0;
	policy = row->policy;
	enf_barrier(policy);
	if (policy >= ENF_MAX_POLICIES)
		return 0;
	best = s->best[policy] & ~ENF_BEST_UNKNOWN;
	if (!best || id < best - 1)
		s->verdict.marks |= ENF_BIT(n);
	return 0;
}

/* ---- Matches ------------------------------------------------------------------------------ */

ENF_INLINE __u32 enf_match_of(const struct enf_row *row, __u32 id, __u32 op, __u32 action,
			      __u32 flags)
{
	__u32 match = id & ENF_MATCH_ROW;

	match |= (op & 63) << ENF_MATCH_OP_AT | action << ENF_MATCH_ACTION_AT;
	if (action >= ENF_ACT_LOG || (row->flags & ENF_RF_RECORD))
		match |= ENF_MATCH_RECORD;
	if (row->flags & ENF_RF_AUDIT)
		match |= ENF_MATCH_AUDIT;
	if (row->flags & ENF_RF_DEFAULT)
		match |= ENF_MATCH_DEFAULT;
	if (row->flags & ENF_RF_GUARD)
		match |= ENF_MATCH_GUARD;
	return flags & ENF_VF_ON_ERROR ? match | ENF_MATCH_ON_ERROR : match;
}

ENF_INLINE __u32 enf_match_action(__u32 match)
{
	return match >> ENF_MATCH_ACTION_AT & 7;
}

ENF_INLINE __u32 enf_wanted(__u32 match)
{
	if (!(match & ENF_MATCH_RECORD))
		return 0;
	return match & ENF_MATCH_AUDIT ? ENF_WANTED_AUDIT : ENF_WANTED_ENFORCED;
}

/* Keep what a policy said beside its strictest, if it wants a record: the limit of the strictest is not its own. */
ENF_FN int enf_note_also(struct enf_matches *m, __u32 match)
{
	__u32 n = m->n_also;

	if (!enf_wanted(match))
		return 0;
	for (__u32 i = 0; i < ENF_ALSO && i < n; i++)
		if (m->also[i] == match)
			return 0;
	enf_barrier(n);
	if (n < ENF_ALSO)
		m->also[n] = match;
	else
		m->wanted |= enf_wanted(match);
	m->n_also = n + 1;
	return 0;
}

/* Whoever decides, records tell what every policy said. Of a policy the strictest counts. */
ENF_FN int enf_note_match(struct enf_matches *m, __u32 policy, __u32 match)
{
	__u32 n = m->n;

	if (!n)
		m->wanted = 0;
	for (__u32 i = 0; i < ENF_MATCHES && i < n; i++) {
		__u32 kept = m->at[i];

		if (m->policy[i] != policy)
			continue;
		if (enf_match_action(match) > enf_match_action(kept)) {
			m->at[i] = match;
			match = kept;
			kept = m->at[i];
		}
		return (match ^ kept) & ENF_MATCH_WHICH ? enf_note_also(m, match) : 0;
	}
	enf_barrier(n);
	if (n < ENF_MATCHES) {
		m->at[n] = match;
		m->policy[n] = policy;
		m->n = n + 1;
		return 0;
	}
	if (n == ENF_MATCHES)
		for (int i = 0; i < ENF_MAX_POLICIES / 64; i++)
			m->more[i] = 0;
	m->wanted |= enf_wanted(match);
	if (!(m->more[policy >> 6 & 7] & ENF_BIT(policy & 63)))
		m->n = n + 1;
	m->more[policy >> 6 & 7] |= ENF_BIT(policy & 63);
	return 0;
}

/* ---- Strictest ---------------------------------------------------------------------------- */

static long enf_strictest_one(__u32 i, void *arg)
{
	struct enf_ctx *c = arg;
	struct enf_scratch *s = c->s;
	struct enf_verdict *v = &s->verdict;
	const struct enf_row *row;
	__u32 policy, best, id, action, flags = 0;

	if (i >= ENF_MAX_POLICIES)
		return 1;
	policy = s->policies[i] & (ENF_MAX_POLICIES - 1);
	best = s->best[policy];
	s->best[policy] = 0;
	id = (best & ~ENF_BEST_UNKNOWN) - 1;
	row = enf_at(c, enf_head(c)->off_rows + id * 40, 40);
	if (!row)
		return 0;
	action = row->action;
	if (row->mark)
		v->marks |= ENF_BIT((row->mark - 1) & 63);
	if (best & ENF_BEST_UNKNOWN) {
		action = row->on_error == ENF_ERR_LOG ? ENF_ACT_LOG : ENF_ACT_DENY;
		flags = ENF_VF_ON_ERROR;
		if (s->unknown & ENF_BIT(ENF_DIM_PATH))
			flags |= ENF_VF_NO_NAME;
	}
	enf_note_match(&s->matches, policy, enf_match_of(row, id, s->op, action, flags));
	if (row->flags & ENF_RF_AUDIT) {
		if (action > v->audit_action || (action == v->audit_action && id < v->audit_row)) {
			v->audit_action = action;
			v->audit_row = id;
			v->audit_flags = flags;
			v->audit_row_flags = row->flags;
			v->audit_op = s->op;
			v->audit_limit = row->limit;
		}
	} else if (action > v->action || (action == v->action && id < v->row)) {
		v->action = action;
		v->row = id;
		v->flags = flags;
		v->row_flags = row->flags;
		v->op = s->op;
		v->limit = row->limit;
		v->error = row->error;
		v->signal = row->signal;
	}
	return 0;
}

/* Are there rows on *op* that hang on no atom? */
ENF_INLINE int enf_has_op_rows(const struct enf_ctx *c, __u32 op)
{
	const struct enf_range *range = enf_at(c, enf_head(c)->off_op_rows + op * 8, 8);

	return range && range->count;
}

/* Find the first matching row of each policy for one operation, and the strictest of them. */
ENF_INLINE void enf_decide_op(struct enf_ctx *c, __u32 op)
{
	const struct enf_image *image = enf_head(c);
	struct enf_scratch *s = c->s;

	if (op >= _ENF_OP_MAX || !(image->ops & ENF_BIT(op & 63)))
		return;
	s->op = op;
	s->n_policies = 0;
	if (s->everything) {
		if (image->n_rows)
			enf_loop(image->n_rows, enf_every_one, c);
	} else if (s->n_touched || enf_has_op_rows(c, op)) {
		s->argn = 0;
		s->low = 0;
		s->high = 0;
		enf_loop(ENF_MAX_CANDIDATES, enf_candidate_one, c);
	}
	if (s->marked)
		enf_loop(ENF_MAX_MARKS, enf_marked_one, c);
	s->marked = 0;
	if (s->n_policies)
		enf_loop(s->n_policies, enf_strictest_one, c);
}

static long enf_decide_next(__u32 i, void *arg)
{
	struct enf_ctx *c = arg;
	__u32 n = i + 1;

	if (n >= 4 || n >= c->s->object.n_ops)
		return 1;
	enf_decide_op(c, c->s->object.op[n]);
	return 0;
}

/* ---- The decision ------------------------------------------------------------------------- */

static long enf_arg_one(__u32 i, void *arg)
{
	struct enf_ctx *c = arg;
	struct enf_scratch *s = c->s;
	/* Looked up for each byte: in the stack of who decides it would be another state for all that follows. */
	const struct enf_arguments *arguments = enf_arguments_of(s);
	__u32 start = s->argn, len = 0, at = s->low;

	/* s->low is the scan position; strings are NUL-terminated */
	(void)i;
	enf_barrier(at);
	if (!arguments || at >= s->object.argv_len || at >= ENF_ARGUMENTS_SIZE)
		return 1;
	s->low = at + 1;
	if (arguments->text[at])
		return 0;
	len = at - s->high;
	at = ENF_TEXT_ARGV + s->high;
	enf_match_argument(c, at, len, ENF_DIM_ARG_ANY);
	if (start < ENF_MAX_ARG_INDEX)
		enf_match_argument(c, at, len, ENF_DIM_ARG0 + start);
	s->argn = start + 1;
	s->high = s->low;
	return 0;
}

static long enf_path_one(__u32 i, void *arg)
{
	enf_match_spelled(arg, i);
	return 0;
}

/* Mark the atoms that the object's numbers of the dimensions *dim* to *last* satisfy. */
ENF_FN int enf_match_numbers(struct enf_ctx *c, __u64 known, __u32 dim, __u32 last)
{
	for (; dim <= last && dim < _ENF_DIM_MAX; dim++) {
		__u32 n = dim - ENF_DIM_FIRST_NUM;

		enf_barrier(n);
		if (n >= ENF_NUM_DIMS)
			break;
		c->s->num[n] = c->s->object.num[n];
		if (known & ENF_BIT(dim))
			enf_match_number(c, dim, 0, c->s->num[n]);
	}
	return 0;
}

/*
 * Mark what is met by the number of the file, after its own name. A device is its number. That of a file was the file's
 * when the policies were compiled, and may be another's by now, which anybody can arrange who may make files there: so
 * it is a claim, as is a spelling.
 */
ENF_INLINE void enf_match_inode(struct enf_ctx *c)
{
	struct enf_scratch *s = c->s;
	const struct enf_object *o = &s->object;
	__u64 node = o->num[ENF_DIM_N0 - ENF_DIM_FIRST_NUM];

	if (o->present & ENF_BIT(ENF_DIM_N0))
		node = 0;
	s->folding = !node;
	enf_match_number(c, ENF_DIM_INODE, node ? ENF_NODE : o->dev, node ? node : o->ino);
	s->folding = 0;
	if (s->n_maybe & ENF_MAY_FOLD)
		s->folded |= ENF_BIT(ENF_DIM_PATH);
}

/*
 * Decide s->object for c->task, whose sets are current; the answer is s->verdict.
 * Leaves the working memory as clean as it found it.
 */
ENF_INLINE int enf_decide(struct enf_ctx *c)
{
	const struct enf_image *image = enf_head(c);
	struct enf_scratch *s = c->s;
	struct enf_object *o = &s->object;
	__u64 known;

	s->verdict = (struct enf_verdict){ .row = ENF_NONE, .audit_row = ENF_NONE };
	s->present = o->present;
	s->unknown = o->unknown & o->present;
	s->offhost = o->flags & ENF_OF_OFFHOST ? ENF_BIT(ENF_DIM_PATH) : 0;
	s->everything = 0;
	known = o->present & ~o->unknown & image->dims;

	/* A string that is longer than the head could be more of the path: nothing is known. */
	if ((known & ENF_BIT(ENF_DIM_PATH)) && (o->flags & ENF_OF_CUT) &&
	    image->max_path_slot > o->path_len) {
		s->unknown |= ENF_BIT(ENF_DIM_PATH);
		known &= ~ENF_BIT(ENF_DIM_PATH);
	}
	if (known & ENF_BIT(ENF_DIM_PATH)) {
		struct enf_spelled path = {
			.c = c,
			.at = o->path_at,
			.len = o->path_len,
			.dim = ENF_DIM_PATH,
			.fold = o->flags >> ENF_FOLD_AT,
			.from = o->flags >> ENF_FOLD_FROM_AT & ENF_FOLD_FROM_MASK,
			.cut = !!(o->flags & ENF_OF_CUT),
		};

		enf_loop(1 + !!path.fold, enf_path_one, &path);
		if (known & ENF_BIT(ENF_DIM_INODE))
			enf_match_inode(c);
	}
	if (known & ENF_BIT(ENF_DIM_NAME))
		enf_match_text(c, ENF_TEXT_NAME, o->name_len, ENF_DIM_NAME);
	if (known & ENF_BIT(ENF_DIM_FSTYPE))
		enf_match_text(c, ENF_TEXT_FSTYPE, o->fstype_len, ENF_DIM_FSTYPE);
	if (known & ENF_BIT(ENF_DIM_ADDR))
		enf_match_number(c, ENF_DIM_ADDR, o->addr_hi, o->addr_lo);
	enf_match_numbers(c, known, ENF_DIM_PORT, ENF_DIM_MODE);
	if (o->port_high && (s->unknown & ENF_BIT(ENF_DIM_PORT)))
		enf_match_choice(c);
	enf_match_numbers(c, known, ENF_DIM_CODE, ENF_DIM_N5); /* between: the subject's */
	s->num[ENF_DIM_DRIFT - ENF_DIM_FIRST_NUM] = o->num[ENF_DIM_DRIFT - ENF_DIM_FIRST_NUM];
	/* What was read of a long argv counts even when the rest is unknown. */
	if ((o->present & image->dims & ENF_BIT(ENF_DIM_ARG_ANY)) && o->argv_len) {
		s->argn = 0;
		s->low = 0;
		s->high = 0;
		enf_loop(ENF_ARGV_MAX, enf_arg_one, c);
		/* Whoever describes some has a piece; else nobody can say what they are. */
		if (!s->low)
			s->unknown |= o->present & ENF_ARGUMENT_DIMS;
	}
	/* No row hangs on drift alone: those that ask are found without. */
	if ((s->unknown & image->dims & ~ENF_BIT(ENF_DIM_DRIFT)) || s->overflow || s->bad_image ||
	    (s->n_maybe & ENF_MAY_BE))
		s->everything = 1;
	if (s->n_touched)
		s->met |= ENF_MET_ATOM;
	if (s->everything)
		s->met |= ENF_MET_DOUBT;
	if (o->n_ops)
		enf_decide_op(c, o->op[0]);
	if (o->n_ops > 1) /* seldom, and a loop that is not unrolled is proven once */
		enf_loop(3, enf_decide_next, c);
	/* The host has a name for it: what only the caller's own view says gives no mark that serves the caller. */
	if ((o->flags & (ENF_OF_NSVIEW | ENF_OF_OFFHOST)) == ENF_OF_NSVIEW)
		s->verdict.marks &= ~image->favour_marks;
	enf_untouch(c);
	return 0;
}

#endif
