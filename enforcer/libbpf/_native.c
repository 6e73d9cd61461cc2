/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The native build of the decision core. Not thread safe: one working memory, as the engine has one
 * thread. What the programs do around the core (object.bpf.c, task.bpf.c) is done here with memory copies.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "_native.h"
#include "decide.h"
#include "lineage.h"

static struct enf_scratch native_scratch;

static int native_open(struct enf_ctx *c, const void *image, unsigned int size)
{
	const struct enf_image *head = image;

	if (size < sizeof(*head) || head->magic != ENF_IMAGE_MAGIC ||
	    head->version != ENF_IMAGE_VERSION)
		return -EINVAL;
	*c = (struct enf_ctx){ .image = image, .s = &native_scratch, .limit = size };
	native_scratch.lapses = 0;
	return 0;
}

static int enf_native_decide(const void *image, unsigned int size, struct enf_test_input *in)
{
	struct enf_scratch *s = &native_scratch;
	struct enf_object *o = &in->object;
	struct enf_ctx c;
	int err;

	err = native_open(&c, image, size);
	if (err)
		return err;
	if (in->cgroup_len > sizeof(in->cgroup) || o->path_len > sizeof(in->path) ||
	    o->name_len > sizeof(in->name) || o->argv_len > sizeof(in->argv) ||
	    o->fstype_len > sizeof(in->fstype))
		return -EINVAL;
	c.task = &in->task;
	if (in->reval) {
		memcpy(s->text, in->cgroup, in->cgroup_len);
		enf_subject_eval(&c, 0, in->cgroup_len);
	}
	s->object = *o;
	s->object.path_at = ENF_TEXT_PATH;
	memcpy(s->text + ENF_TEXT_PATH, in->path, o->path_len);
	memcpy(s->text + ENF_TEXT_NAME, in->name, o->name_len);
	memcpy(s->text + ENF_TEXT_FSTYPE, in->fstype, o->fstype_len);
	s->arguments = 1;
	memcpy(enf_arguments_of(s)->text, in->argv, o->argv_len);
	enf_begin_marks(s, enf_head(&c), in->now);
	enf_take_marks(s, enf_head(&c), &in->marks, ~0ULL);
	enf_begin_matches(&s->matches);
	enf_decide(&c);
	in->verdict = s->verdict;
	in->matches = s->matches;
	memcpy(in->path, s->text + ENF_TEXT_PATH, o->path_len); /* which records show */
	in->lapses = s->lapses;
	return s->lapses & ENF_LAPSE_IMAGE ? -EBADMSG : 0;
}

static unsigned long long native_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int enf_native_decide_time(const void *image, unsigned int size, struct enf_test_input *in,
				  unsigned int times, unsigned long long *ns)
{
	struct enf_ctx c;
	int err = enf_native_decide(image, size, in); /* leaves the operands in place */

	if (err)
		return err;
	native_open(&c, image, size);
	c.task = &in->task;
	*ns = native_now();
	for (unsigned int i = 0; i < times; i++)
		enf_decide(&c);
	*ns = native_now() - *ns;
	in->verdict = native_scratch.verdict;
	return native_scratch.lapses & ENF_LAPSE_IMAGE ? -EBADMSG : 0;
}

static int enf_native_fork(const void *image, unsigned int size, struct enf_task *child,
			   struct enf_task *parent, int same_parent)
{
	struct enf_ctx c;
	int err;

	err = native_open(&c, image, size);
	if (err)
		return err;
	if (parent->generation != enf_head(&c)->generation)
		return -EINVAL; /* its sets are of another image: decide something with reval first */
	enf_task_fork(child, parent, same_parent);
	return 0;
}

static int enf_native_exec(const void *image, unsigned int size, struct enf_task *task,
			   unsigned int flags, unsigned long long now)
{
	struct enf_ctx c;
	int err;

	err = native_open(&c, image, size);
	if (err)
		return err;
	if (task->generation != enf_head(&c)->generation)
		return -EINVAL;
	enf_task_exec(task, flags, now);
	return 0;
}

static int enf_native_evaluate(const void *image, unsigned int size, struct enf_task *task,
			       const char *cgroup, unsigned int cgroup_len)
{
	struct enf_ctx c;
	int err;

	err = native_open(&c, image, size);
	if (err)
		return err;
	if (cgroup_len > ENF_PATH_MAX)
		return -EINVAL;
	c.task = task;
	memcpy(native_scratch.text, cgroup, cgroup_len);
	enf_subject_eval(&c, 0, cgroup_len);
	return native_scratch.lapses & ENF_LAPSE_IMAGE ? -EBADMSG : 0;
}

/* The operands of *e*, whose tail is at *tail*. Returns: 0, or -EINVAL if it does not fit together. */
static int native_take(struct enf_scratch *s, const struct enf_event *e, const char *tail)
{
	struct enf_object *o = &s->object;
	__u32 name = e->path_len + e->exe_len;

	memset(o, 0, sizeof(*o));
	for (int i = 0; i < 4 && e->ops[i] != ENF_NO_OP; i++)
		o->op[o->n_ops++] = e->ops[i];
	o->flags = e->obj_flags;
	o->present = e->present;
	o->unknown = e->unknown;
	o->dev = e->dev;
	o->ino = e->ino;
	o->addr_hi = e->addr_hi;
	o->addr_lo = e->addr_lo;
	o->num[ENF_DIM_FAMILY - ENF_DIM_FIRST_NUM] = e->family;
	o->num[ENF_DIM_TYPE - ENF_DIM_FIRST_NUM] = e->type;
	o->num[ENF_DIM_PROTOCOL - ENF_DIM_FIRST_NUM] = e->protocol;
	o->num[ENF_DIM_PORT - ENF_DIM_FIRST_NUM] = e->port;
	o->num[ENF_DIM_MODE - ENF_DIM_FIRST_NUM] = e->mode;
	o->num[ENF_DIM_CODE - ENF_DIM_FIRST_NUM] = e->code;
	o->num[ENF_DIM_BITS - ENF_DIM_FIRST_NUM] = e->bits;
	o->num[ENF_DIM_TO_UID - ENF_DIM_FIRST_NUM] = e->to_uid;
	o->num[ENF_DIM_TO_GID - ENF_DIM_FIRST_NUM] = e->to_gid;
	o->num[ENF_DIM_DRIFT - ENF_DIM_FIRST_NUM] = e->drift;
	for (int i = 0; i < ENF_SYS_ARGS; i++)
		o->num[ENF_DIM_N0 - ENF_DIM_FIRST_NUM + i] = e->arg[i];
	if (e->path_len > ENF_PATH_MAX)
		return -EINVAL;
	o->path_at = ENF_TEXT_PATH;
	o->path_len = e->path_len;
	memcpy(s->text + ENF_TEXT_PATH, tail, e->path_len);
	if (o->present & ENF_BIT(ENF_DIM_ARG_ANY)) {
		if (e->name_len > ENF_ARGV_MAX)
			return -EINVAL;
		o->argv_len = e->name_len;
		o->argc = e->argc;
		s->arguments = 1;
		memcpy(enf_arguments_of(s)->text, tail + name, e->name_len);
	} else if (o->present & ENF_BIT(ENF_DIM_NAME)) {
		if (e->name_len > ENF_NAME_MAX)
			return -EINVAL;
		o->name_len = e->name_len;
		memcpy(s->text + ENF_TEXT_NAME, tail + name, e->name_len);
	}
	o->fstype_len = strnlen(e->fstype, sizeof(e->fstype) - 1);
	memcpy(s->text + ENF_TEXT_FSTYPE, e->fstype, o->fstype_len);
	return 0;
}

/* Would the programs ask? See enf_names_capability(). */
static int native_asks(const struct enf_image *image, const struct enf_event *e)
{
	return e->op != ENF_OP_CAPABLE ||
	       (e->code < 64 && (image->capabilities & ENF_BIT(e->code)));
}

static int enf_native_replay(const void *image, unsigned int size, struct enf_task *task,
			     const void *record, unsigned int record_size,
			     const struct enf_marks *marks, unsigned long long *asked,
			     struct enf_verdict *verdict)
{
	const char *tail = (const char *)record + sizeof(struct enf_event);
	struct enf_event e;
	struct enf_ctx c;
	int err;

	err = native_open(&c, image, size);
	if (err)
		return err;
	if (record_size < sizeof(e))
		return -EINVAL;
	memcpy(&e, record, sizeof(e));
	if (e.kind != ENF_EVENT_ACCESS || e.size > record_size ||
	    e.size < sizeof(e) + e.path_len + e.exe_len + e.name_len)
		return -EINVAL;
	*verdict = (struct enf_verdict){ .row = ENF_NONE, .audit_row = ENF_NONE };
	if (!native_asks(enf_head(&c), &e))
		return 0;
	if (task->generation != enf_head(&c)->generation)
		return -EINVAL; /* its sets are of another image */
	err = native_take(c.s, &e, tail);
	if (err)
		return err;
	c.task = task;
	enf_begin_marks(c.s, enf_head(&c), e.time_ns);
	if (marks)
		enf_take_marks(c.s, enf_head(&c), marks, ~0ULL);
	enf_begin_matches(&c.s->matches);
	enf_decide(&c);
	*verdict = native_scratch.verdict;
	memset(asked, 0, ENF_ROW_MARKS * sizeof(*asked));
	if (verdict->audit_row != ENF_NONE)
		enf_marks_asked(&c, verdict->audit_row, (__u64 *)asked);
	return native_scratch.lapses & ENF_LAPSE_IMAGE ? -EBADMSG : 0;
}
