// SPDX-License-Identifier: GPL-2.0-only
/* The arguments of a new program, which are decided when it is too late to refuse the exec, by a kill. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___argv
#include "drift.bpf.h"
#include "emit.bpf.h"
#include "images.bpf.h"
#include "marks.bpf.h"
#include "object.bpf.h"
#include "scratch.bpf.h"
#include "view.bpf.h"

struct enf_argscan {
	const struct enf_arguments *arguments;
	__u32 len, count, last, argc;
};

static long enf_argscan_one(__u32 i, void *arg)
{
	struct enf_argscan *a = arg;
	__u32 at = i;

	enf_barrier(at);
	/* Behind the last argument lies the environment: no operand, and nobody's to record. */
	if (!a->arguments || at >= a->len || at >= ENF_ARGUMENTS_SIZE || a->count >= ENF_MAX_ARGS ||
	    a->count >= a->argc)
		return 1;
	if (!a->arguments->text[at]) {
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

/*
 * Copy the arguments into the piece with this *number*, before there is working memory: the copy may sleep, and who
 * sleeps holds what only other such copies want. Returns: how many bytes there are, or -1.
 */
__attribute__((noinline)) long enf_read_argv(__u32 number, __u64 start, __u64 len)
{
	struct enf_arguments *a = enf_arguments_at(number);
	__u32 n = len > ENF_ARGV_MAX ? ENF_ARGV_MAX : len;

	enf_barrier(n);
	if (!a || n > ENF_ARGV_MAX || enf_copy_argv(a->text, n, start))
		return -1;
	return n;
}

/* The dimensions of the first *n* arguments. */
static __always_inline __u64 enf_first_arguments(__u32 n)
{
	if (n > ENF_MAX_ARG_INDEX)
		n = ENF_MAX_ARG_INDEX;
	return (ENF_BIT(n) - 1) << ENF_DIM_ARG0;
}

/* Describe what is known of the arguments, of which there are *len* bytes; less than 0: nothing. */
__attribute__((noinline)) int enf_describe_argv(struct enf_scratch *s, long len, __u32 argc)
{
	struct enf_argscan scan = {};
	struct enf_object *o;

	if (!s)
		return 0;
	o = &s->object;
	o->present |= ENF_BIT(ENF_DIM_ARG_ANY);
	if (len < 0)
		o->unknown |= ENF_BIT(ENF_DIM_ARG_ANY);
	scan.arguments = enf_arguments_of(s);
	scan.len = len < 0 ? 0 : len;
	scan.argc = argc;
	scan.count = enf_nothing;
	bpf_loop(ENF_ARGV_MAX, enf_argscan_one, &scan, 0);
	o->argv_len = scan.last; /* whole arguments only */
	o->argc = scan.count;
	o->present |= enf_first_arguments(argc);
	o->unknown |= enf_first_arguments(argc) & ~enf_first_arguments(scan.count);
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
	__u32 number;
	long n;

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
	number = enf_acquire_arguments();
	if (!number) /* what they are is unknown: onError */
		enf_count(ENF_STAT_NO_SCRATCH);
	n = enf_read_argv(number, start, len);
	s = enf_acquire();
	if (!s) {
		enf_give_back(number);
		enf_count(ENF_STAT_NO_SCRATCH);
		return 0; /* as above */
	}
	s->arguments = number;
	enf_count(ENF_STAT_DECISIONS);
	enf_describe(s, a);
	enf_describe_argv(s, n, argc);
	if ((image->drift_ops & ENF_BIT(ENF_OP_EXEC_ARGV)) || enf_records)
		enf_describe_drift(s, task, a);
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
	enf_release_arguments(s);
	enf_release(s);
	return 0;
}
