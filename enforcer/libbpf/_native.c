/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The native build of the decision core. Not thread safe: one working memory, as the engine has one
 * thread. What the programs do around the core (core.bpf.c) is done here with memory copies.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "_native.h"
#include "decide.h"

static struct enf_scratch native_scratch;

static int native_open(struct enf_ctx *c, const void *image, unsigned int size)
{
	const struct enf_image *head = image;

	if (size < sizeof(*head) || head->magic != ENF_IMAGE_MAGIC ||
	    head->version != ENF_IMAGE_VERSION)
		return -EINVAL;
	*c = (struct enf_ctx){ .image = image, .s = &native_scratch, .limit = size };
	native_scratch.bad_image = 0;
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
	memcpy(s->text + ENF_TEXT_ARGV, in->argv, o->argv_len);
	enf_begin_marks(s, enf_head(&c), in->now);
	enf_take_marks(s, enf_head(&c), &in->marks, ~0ULL);
	enf_decide(&c);
	in->verdict = s->verdict;
	return s->bad_image ? -EBADMSG : 0;
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
	return native_scratch.bad_image ? -EBADMSG : 0;
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
