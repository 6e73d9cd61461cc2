// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the call of a point that rules name to its verdict. The image says which point it is, by the number
 * that the program was given.
 */
#define ENF_RDONLY_CAST bpf_rdonly_cast___point_call
#include "admit.bpf.h"
#include "emit.bpf.h"
#include "marks.bpf.h"
#include "point_call.h"
#include "object.bpf.h"
#include "operand.bpf.h"
#include "view.bpf.h"

struct enf_seek {
	struct enf_ctx *c;
	__u32 number;
	__u32 low, high; /* the answer, if there is one, lies in [low, high) */
};

static long enf_seek_one(__u32 i, void *arg)
{
	struct enf_seek *k = arg;
	__u32 mid = (k->low + k->high) / 2;
	const struct enf_point *p;

	(void)i;
	if (k->high - k->low <= 1)
		return 1;
	p = enf_at(k->c, enf_head(k->c)->off_points + mid * sizeof(*p), sizeof(*p));
	if (!p)
		return 1;
	if (p->number <= k->number)
		k->low = mid;
	else
		k->high = mid;
	return 0;
}

/* Returns: the point's description, or NULL: the image has no row on it. */
static __always_inline const struct enf_point *enf_find_point(struct enf_ctx *c, __u32 number)
{
	struct enf_seek k = { .c = c, .number = number, .high = enf_head(c)->n_points };
	const struct enf_point *p;

	if (!k.high)
		return NULL;
	bpf_loop(10, enf_seek_one, &k, 0); /* ENF_MAX_POINTS is 2^8 */
	p = enf_at(c, enf_head(c)->off_points + k.low * sizeof(*p), sizeof(*p));
	return p && p->number == number ? p : NULL;
}

#define ENF_DESCRIBED 0
#define ENF_NO_POINT 1
#define ENF_STALE 2

/* Fill the object with what rows on the point compare. Returns: ENF_DESCRIBED, ENF_NO_POINT or ENF_STALE. */
__attribute__((noinline)) int enf_describe_point(struct enf_scratch *s, struct enf_task *task,
						 struct enf_point_call *call, struct enf_access *a)
{
	struct enf_ctx c = { .image = (const void *)enf_current_image() };
	const struct enf_point *p;
	struct enf_object *o;
	__u32 texts = 0;

	if (!s || !task || !call || !a || !c.image || enf_head(&c)->generation != task->generation)
		return ENF_STALE;
	c.s = s;
	p = enf_find_point(&c, call->number);
	if (!p)
		return ENF_NO_POINT;
	enf_describe(s, a);
	o = &s->object;
	for (__u32 i = 0; i < ENF_POINT_OPERANDS && i < p->n_operands; i++)
		texts += p->operand[i].type == ENF_OPERAND_TEXT;
	if (texts) /* without memory for them they are unreadable */
		enf_lend_arguments(s);
	s->pos = 0;
	s->comp = 0;
	for (__u32 i = 0; i < ENF_POINT_OPERANDS && i < p->n_operands; i++)
		enf_take(s, call, &p->operand[i], a);
	o->argc = s->comp;
	if (s->comp)
		o->argv_len = s->pos;
	if (a->dentry)
		enf_describe_inode(o, a->dentry);
	return ENF_DESCRIBED;
}

/* The access of one passing lies in the working memory: stacks are small. */
_Static_assert(sizeof(struct enf_access) <= sizeof(((struct enf_scratch *)0)->access), "access");

__attribute__((noinline)) int enf_point_once(struct enf_point_call *call, int how)
{
	struct enf_ctx c = {};
	struct enf_access *a;
	int error, described;

	if (!call)
		return 0;
	if (!enf_admit(&c, enf_current_image(), ENF_BIT(ENF_OP_POINT), &error))
		return error;
	a = (struct enf_access *)c.s->access;
	__builtin_memset(a, 0, sizeof(*a));
	a->op[0] = ENF_OP_POINT;
	a->n_ops = 1;
	a->present = ENF_BIT(ENF_DIM_CODE);
	a->code = call->number;
	described = enf_describe_point(c.s, c.task, call, a);
	if (described == ENF_DESCRIBED && (enf_head(&c)->within_ops & ENF_BIT(ENF_OP_POINT)))
		enf_recall(c.s);
	if (described == ENF_NO_POINT) {
		error = 0; /* the rules on it went with an earlier policy */
	} else if (described != ENF_DESCRIBED || enf_decide_access(c.s, c.task, a) < 0) {
		error = ENF_AGAIN;
	} else {
		error = enf_conclude(c.s, c.task, how);
		if (c.s->verdict.marks && enf_mark(c.s, c.task->generation))
			error = error ? error : -ENF_EPERM;
	}
	enf_release_arguments(c.s);
	enf_release(c.s);
	return error;
}
