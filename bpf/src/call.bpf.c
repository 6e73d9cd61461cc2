// SPDX-License-Identifier: GPL-2.0-only
/* From a system call at its entry to its verdict. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___call
#include "admit.bpf.h"
#include "decide.bpf.h"
#include "emit.bpf.h"
#include "marks.bpf.h"
#include "object.bpf.h"

/* Only as much of a register as the kernel looks at: the rest is whatever the caller put there. */
static __always_inline __u64 enf_narrow(__u64 value, __u32 kind)
{
	switch (kind) {
	case ENF_SYS_S32:
		return (__s64)(__s32)value;
	case ENF_SYS_U32:
		return (__u32)value;
	case ENF_SYS_U16:
		return (__u16)value;
	default:
		return value;
	}
}

/*
 * Which of its arguments the call casts to int for this command, a bit each. Seldom asked, and a function of
 * its own: the verifier goes through it once, and takes what it returns as any number.
 */
__attribute__((noinline)) int enf_cast_arguments(const struct enf_call *call)
{
	if (!call)
		return 0;
	for (int i = 0; i < ENF_CASTS; i++) {
		const volatile struct enf_cast *cast = &enf_casts[i];
		__u64 command = cast->at ? call->arg[1] : call->arg[0];

		if (cast->call == (call->told & 0xffff) && cast->command == (__u32)command)
			return cast->arguments;
	}
	return 0;
}

/*
 * The number of the call, its arguments as numbers, and its strings as the arguments of a program
 * would be: argument i is the string i, which is empty where it is none. The caller can change what
 * lies in its memory after we have looked.
 */
__attribute__((noinline)) int enf_describe_call(struct enf_scratch *s, struct enf_call *call)
{
	struct enf_arguments *arguments = NULL;
	__u32 kinds, casts = 0, at = 0, texts = 0;
	struct enf_object *o;

	if (!s || !call)
		return 0;
	o = enf_begin(s);
	o->op[0] = ENF_OP_SYSCALL;
	o->n_ops = 1;
	o->present = ENF_BIT(ENF_DIM_CODE);
	o->num[ENF_DIM_CODE - ENF_DIM_FIRST_NUM] = call->told & 0xffff;
	kinds = call->told >> ENF_SYS_KINDS_AT;
	if (call->told & ENF_SYS_CASTS)
		casts = enf_cast_arguments(call);
	for (__u32 i = 0; i < ENF_SYS_ARGS; i++) {
		__u64 unknown = call->told >> (ENF_SYS_UNKNOWN_AT + i) & 1;
		__u32 kind = kinds >> (4 * i) & 15;
		__u64 value = call->arg[i];
		long n = 0;

		if (!kind)
			break;
		o->argc = i + 1;
		if (call->told & ENF_SYS_COMPAT)
			value = (__u32)value;
		value = enf_narrow(value, casts >> i & 1 ? ENF_SYS_S32 : kind);
		o->num[ENF_DIM_N0 - ENF_DIM_FIRST_NUM + i] = value;
		o->present |= ENF_BIT(ENF_DIM_N0 + i);
		o->unknown |= unknown << (ENF_DIM_N0 + i);
		/* Without an address there is no string. */
		if (kind == ENF_SYS_TEXT && (value | unknown)) {
			o->present |= ENF_BIT(ENF_DIM_ARG_ANY) | ENF_BIT(ENF_DIM_ARG0 + i);
			if (!arguments) {
				arguments = enf_lend_arguments(s);
				if (arguments) /* those before are empty */
					*(__u64 *)arguments->text = 0;
			}
			enf_barrier(at);
			if (arguments && texts < ENF_SYS_TEXTS &&
			    at <= ENF_ARGUMENTS_SIZE - ENF_PATH_MAX && !unknown)
				n = bpf_probe_read_user_str(&arguments->text[at], ENF_PATH_MAX,
							    (const void *)value);
			/* What fills the room may be longer than it. */
			if (n <= 0 || n >= ENF_PATH_MAX) {
				o->unknown |= ENF_BIT(ENF_DIM_ARG_ANY) | ENF_BIT(ENF_DIM_ARG0 + i);
				n = 0;
			} else {
				texts += 1;
				at += n;
			}
		}
		if (!n) {
			enf_barrier(at);
			if (arguments && at < ENF_ARGUMENTS_SIZE)
				arguments->text[at] = 0;
			at += 1;
		}
	}
	if (texts)
		o->argv_len = at;
	if (o->unknown)
		enf_count(ENF_STAT_ARGV_UNKNOWN);
	return 0;
}

int enf_act_call(struct enf_call *call, int how)
{
	struct enf_ctx c = {};
	int error;

	if (!call)
		return 0;
	if (!enf_admit(&c, enf_current_image(), ENF_BIT(ENF_OP_SYSCALL), &error))
		return error;
	enf_describe_call(c.s, call);
	if (enf_head(&c)->within_ops & ENF_BIT(ENF_OP_SYSCALL))
		enf_recall(c.s);
	if (enf_decide_now(c.s, c.task)) {
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
