// SPDX-License-Identifier: GPL-2.0-only
/* The arguments of a new program, which are decided when it is too late to refuse the exec, by a kill. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___argv
#include "emit.bpf.h"
#include "images.bpf.h"
#include "marks.bpf.h"
#include "object.bpf.h"
#include "scratch.bpf.h"
#include "view.bpf.h"

struct enf_argscan {
	struct enf_scratch *s;
	__u32 len, count, last, argc;
};

static long enf_argscan_one(__u32 i, void *arg)
{
	struct enf_argscan *a = arg;
	__u32 at = ENF_TEXT_ARGV + i;

	enf_barrier(at);
	/* Behind the last argument lies the environment: no operand, and nobody's to record. */
	if (i >= a->len || at >= ENF_TEXT_SIZE || a->count >= ENF_MAX_ARGS || a->count >= a->argc)
		return 1;
	if (!a->s->text[at]) {
		a->count += 1;
		a->last = i + 1;
	}
	return 0;
}

/*
 * No program around a function of the kernel may sleep. That is not a loss as a rule: the exec has just
 * written the strings there, and what has been swapped out since is unknown.
 */
static __always_inline long enf_copy_argv(void *to, __u32 n, __u64 start)
{
	if (enf_around)
		return bpf_probe_read_user(to, n, (const void *)start);
	return bpf_copy_from_user(to, n, (const void *)start);
}

/* Copy the arguments and describe what is known of them. */
__attribute__((noinline)) int enf_describe_argv(struct enf_scratch *s, __u64 start, __u64 len,
						__u32 argc)
{
	struct enf_argscan scan = {};
	__u32 n = len > ENF_ARGV_MAX ? ENF_ARGV_MAX : len;
	struct enf_object *o;

	if (!s)
		return 0;
	o = &s->object;
	o->present |= ENF_BIT(ENF_DIM_ARG_ANY);
	enf_barrier(n);
	if (n > ENF_ARGV_MAX || enf_copy_argv(&s->text[ENF_TEXT_ARGV], n, start)) {
		o->unknown |= ENF_BIT(ENF_DIM_ARG_ANY);
		n = 0;
	}
	scan.s = s;
	scan.len = n;
	scan.argc = argc;
	scan.count = enf_nothing;
	bpf_loop(ENF_ARGV_MAX, enf_argscan_one, &scan, 0);
	o->argv_len = scan.last; /* whole arguments only */
	o->argc = scan.count;
	for (__u32 i = 0; i < ENF_MAX_ARG_INDEX; i++) {
		if (i < argc)
			o->present |= ENF_BIT(ENF_DIM_ARG0 + i);
		if (i < argc && i >= scan.count)
			o->unknown |= ENF_BIT(ENF_DIM_ARG0 + i);
	}
	if (scan.count < argc)
		o->unknown |= ENF_BIT(ENF_DIM_ARG_ANY);
	if (o->unknown)
		enf_count(ENF_STAT_ARGV_UNKNOWN);
	return 0;
}

int enf_act_argv(struct enf_access *a, __u64 start, __u64 len, __u32 argc)
{
	const struct enf_image *image = enf_current_image();
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_task *task;
	struct enf_scratch *s;

	if (!a || !image)
		return 0;
	/* The subject is who called exec: its sets were brought up to date when the exec began. */
	task = bpf_task_storage_get(&tasks, t, NULL, 0);
	if (!task) {
		enf_count(ENF_STAT_NO_TASK);
		return 0; /* cannot tell whom to kill: the exec stands; bprm_check has had its say */
	}
	if (!(task->ops & ENF_BIT(ENF_OP_EXEC_ARGV)))
		return 0;
	s = enf_acquire();
	if (!s) {
		enf_count(ENF_STAT_NO_SCRATCH);
		return 0; /* as above */
	}
	enf_count(ENF_STAT_DECISIONS);
	enf_describe(s, a);
	enf_describe_argv(s, start, len, argc);
	if (image->within_ops & ENF_BIT(ENF_OP_EXEC_ARGV))
		enf_recall_alone(s);
	/* A reload in the middle of an exec: the label is of the old policy, and so is the image
	 * that had its say at bprm_check. Counted; the next exec meets the new one.
	 */
	if (!enf_decide_access(s, task, a)) {
		/* Too late to refuse, early enough: no instruction of the program has run. */
		if (s->verdict.action == ENF_ACT_DENY) {
			s->verdict.action = ENF_ACT_KILL;
			s->verdict.signal = 9;
		}
		enf_conclude(s, task, ENF_BY_KILL);
		if (s->verdict.marks)
			enf_mark_alone(s, task->generation);
	} else {
		enf_count(ENF_STAT_ARGV_UNKNOWN);
	}
	enf_release(s);
	return 0;
}
