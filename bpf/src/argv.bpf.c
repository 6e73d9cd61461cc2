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

/*
 * The sets of *task* are of another image: a reload in the middle of the exec, or no working memory as it began. They
 * cannot be computed any more, since the credentials and the executable are the new program's already. So rules are
 * about everybody or nobody knows whom, which is their onError; who is not met by their arguments goes on.
 * The end of the exec voids the label.
 */
static __always_inline void enf_know_nobody(const struct enf_image *image, struct enf_task *task)
{
	for (int i = 0; i < ENF_SUBJECT_WORDS; i++) {
		task->subject[i] = !i; /* the first is everybody */
		task->subject_unknown[i] = ~(__u64)!i;
	}
	task->ops = ~0ULL;
	task->set = 0;
	task->generation = image->generation;
	enf_count(ENF_STAT_NO_TASK);
}

/* Nothing can be decided, for want of what *missing* counts: too late to refuse, and early enough to kill. */
__attribute__((noinline)) int enf_argv_undecided(__u32 missing)
{
	const struct enf_image *image = enf_current_image();

	enf_count(missing);
	if (image && (image->refuse_ops & ENF_BIT(ENF_OP_EXEC_ARGV)))
		bpf_send_signal(ENF_SIGKILL);
	return 0;
}

/* By the image that is current now: copying the arguments may have slept. Returns: 0, or ENF_AGAIN. */
static __always_inline int enf_decide_argv(struct enf_scratch *s, struct enf_task *task,
					   struct enf_access *a, long len, __u32 argc)
{
	const struct enf_image *image = enf_current_image();

	if (!image)
		return 0;
	if (task->generation != image->generation)
		enf_know_nobody(image, task);
	enf_count(ENF_STAT_DECISIONS);
	enf_describe(s, a);
	enf_describe_argv(s, len, argc);
	if ((image->drift_ops & ENF_BIT(ENF_OP_EXEC_ARGV)) || enf_records)
		enf_describe_drift(s, task, a);
	if (image->within_ops & ENF_BIT(ENF_OP_EXEC_ARGV))
		enf_recall_alone(s);
	if (enf_decide_access(s, task, a)) /* a reload in this very moment */
		return ENF_AGAIN;
	/* Too late to refuse, early enough: no instruction of the program has run. */
	if (s->verdict.action == ENF_ACT_DENY) {
		s->verdict.action = ENF_ACT_KILL;
		s->verdict.signal = 9;
	}
	enf_conclude(s, task, ENF_BY_KILL);
	if (s->verdict.marks)
		enf_mark_alone(s, task->generation);
	return 0;
}

int enf_act_argv_once(struct enf_access *a, __u64 start, __u64 len, __u32 argc)
{
	const struct enf_image *image = enf_current_image();
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_task *task;
	struct enf_scratch *s;
	__u32 number;
	int error;
	long n;

	if (!a || !image)
		return 0;
	/* The subject is who called exec: its sets were brought up to date when the exec began. */
	task = bpf_task_storage_get(&tasks, t, NULL, 0);
	if (!task) /* cannot tell who it is: killed if some row would refuse that */
		return enf_argv_undecided(ENF_STAT_NO_TASK);
	if (task->generation == image->generation && !(task->ops & ENF_BIT(ENF_OP_EXEC_ARGV)))
		return 0;
	number = enf_acquire_arguments();
	n = enf_read_argv(number, start, len);
	if (!number) /* what they are is unknown: onError */
		enf_count(ENF_STAT_NO_SCRATCH);
	s = enf_acquire();
	if (!s) {
		enf_give_back(number);
		return enf_argv_undecided(ENF_STAT_NO_SCRATCH); /* as above */
	}
	s->arguments = number;
	error = enf_decide_argv(s, task, a, n, argc);
	enf_release_arguments(s);
	enf_release(s);
	return error;
}
