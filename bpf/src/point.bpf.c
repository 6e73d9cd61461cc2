// SPDX-License-Identifier: GPL-2.0-only
/*
 * Points of the kernel that rules name: LSM hooks, functions at their entry and at their end,
 * tracepoints. Not one program for each, but one by mechanism; where the kernel binds a program to one
 * function when it loads it, one of several alike, which user space gives its place before the load.
 */
#include "point_call.h"
#include "around.bpf.h"

/*
 * Of the program in place N: the number of its point, how many arguments the function has, and whether
 * it returns nothing.
 */
#define ENF_PLACE(kind, n)                                                                         \
	const volatile __u32 enf_##kind##_number_##n = 0;                                          \
	const volatile __u32 enf_##kind##_args_##n = 0;                                            \
	const volatile __u32 enf_##kind##_void_##n = 0

/* What an earlier LSM said lies behind the arguments. */
static __always_inline int enf_earlier(void *ctx, __u32 args)
{
	__u64 value = 0;

	if (args == 0)
		ENF_LOAD(value, ctx, 0);
	if (args == 1)
		ENF_LOAD(value, ctx, 8);
	if (args == 2)
		ENF_LOAD(value, ctx, 16);
	if (args == 3)
		ENF_LOAD(value, ctx, 24);
	if (args == 4)
		ENF_LOAD(value, ctx, 32);
	if (args == 5)
		ENF_LOAD(value, ctx, 40);
	if (args == 6)
		ENF_LOAD(value, ctx, 48);
	if (args == 7)
		ENF_LOAD(value, ctx, 56);
	if (args == 8)
		ENF_LOAD(value, ctx, 64);
	return value;
}

/* The kernel says itself how many there are; further ones stay 0. */
static __always_inline void enf_arguments(struct enf_point_call *call, void *ctx)
{
	for (int i = 0; i < ENF_POINT_ARGS; i++)
		bpf_get_func_arg(ctx, i, &call->arg[i]);
}

/* ---- LSM hooks ------------------------------------------------------------------------------ */

static __always_inline int enf_at_hook(void *ctx, __u32 number, __u32 args, __u32 is_void)
{
	struct enf_point_call call = { .number = number };
	int ret;

	if (is_void) {
		enf_arguments(&call, ctx);
		enf_act_point(&call, ENF_AFTER); /* nobody asks: too late to refuse */
		return 0;
	}
	ret = enf_earlier(ctx, args);
	if (ret)
		return ret;
	enf_arguments(&call, ctx);
	return enf_act_point(&call, ENF_BEFORE);
}

/* Around a function that returns nothing, which is a program that the kernel lets nobody extend. */
static __always_inline int enf_at_void(void *ctx, __u32 number)
{
	struct enf_point_call call = { .number = number };

	enf_arguments(&call, ctx);
	enf_act_point_inside(&call, ENF_AFTER);
	return 0;
}

#define ENF_AT_HOOK(n)                                                                             \
	ENF_PLACE(hook, n);                                                                        \
	SEC("?lsm/file_open")                                                                      \
	int enf_point_hook_##n(void *ctx)                                                          \
	{                                                                                          \
		return enf_at_hook(ctx, enf_hook_number_##n, enf_hook_args_##n,                    \
				   enf_hook_void_##n);                                             \
	}                                                                                          \
	SEC("?lsm/file_open")                                                                      \
	int enf_point_void_##n(void *ctx)                                                          \
	{                                                                                          \
		return enf_at_void(ctx, enf_hook_number_##n);                                      \
	}

ENF_AT_HOOK(0)
ENF_AT_HOOK(1)
ENF_AT_HOOK(2)
ENF_AT_HOOK(3)
ENF_AT_HOOK(4)
ENF_AT_HOOK(5)
ENF_AT_HOOK(6)
ENF_AT_HOOK(7)
ENF_AT_HOOK(8)
ENF_AT_HOOK(9)
ENF_AT_HOOK(10)
ENF_AT_HOOK(11)
ENF_AT_HOOK(12)
ENF_AT_HOOK(13)
ENF_AT_HOOK(14)
ENF_AT_HOOK(15)

/* ---- Functions at their entry --------------------------------------------------------------- */

/* x86-64: the first six arguments are in registers. */
static __always_inline int enf_at_entry(struct pt_regs *ctx, int how)
{
	struct enf_point_call call = {
		.arg = { ctx->di, ctx->si, ctx->dx, ctx->cx, ctx->r8, ctx->r9 },
		.number = bpf_get_attach_cookie(ctx),
	};

	return enf_act_point_inside(&call, how);
}

SEC("?kprobe.multi/enf_point")
int enf_point_override(struct pt_regs *ctx)
{
	int error = enf_at_entry(ctx, ENF_BEFORE);

	if (error)
		bpf_override_return(ctx, error);
	return 0;
}

SEC("?kprobe.multi/enf_point")
int enf_point_entry(struct pt_regs *ctx)
{
	enf_at_entry(ctx, ENF_AFTER);
	return 0;
}

/* ---- Functions at their end ----------------------------------------------------------------- */

static __always_inline int enf_at_end(void *ctx, __u32 number)
{
	struct enf_point_call call = { .number = number };

	enf_arguments(&call, ctx);
	bpf_get_func_ret(ctx, &call.result);
	enf_act_point_inside(&call, ENF_AFTER);
	return 0;
}

#define ENF_AT_END(n)                                                                              \
	ENF_PLACE(end, n);                                                                         \
	SEC("?fexit/vfs_read")                                                                     \
	int enf_point_end_##n(void *ctx)                                                           \
	{                                                                                          \
		return enf_at_end(ctx, enf_end_number_##n);                                        \
	}

ENF_AT_END(0)
ENF_AT_END(1)
ENF_AT_END(2)
ENF_AT_END(3)
ENF_AT_END(4)
ENF_AT_END(5)
ENF_AT_END(6)
ENF_AT_END(7)

/* ---- Tracepoints ---------------------------------------------------------------------------- */

SEC("?tracepoint")
int enf_point_trace(void *ctx)
{
	struct enf_point_call call = { .number = bpf_get_attach_cookie(ctx) };
	void *record = ctx;

	/* enf_address(), in place: eight bytes more are a frame too large for Linux 6.1. */
	bpf_probe_read_kernel(&call.record, sizeof(call.record), &record);
	enf_act_point_inside(&call, ENF_AFTER);
	return 0;
}

/* Before v6.10 a raw tracepoint has no cookie: one of several, like hooks. */
static __always_inline int enf_at_raw(void *ctx, __u32 number, __u32 args)
{
	struct enf_point_call call = { .number = number };

	if (args > 0)
		ENF_LOAD(call.arg[0], ctx, 0);
	if (args > 1)
		ENF_LOAD(call.arg[1], ctx, 8);
	if (args > 2)
		ENF_LOAD(call.arg[2], ctx, 16);
	if (args > 3)
		ENF_LOAD(call.arg[3], ctx, 24);
	if (args > 4)
		ENF_LOAD(call.arg[4], ctx, 32);
	if (args > 5)
		ENF_LOAD(call.arg[5], ctx, 40);
	if (args > 6)
		ENF_LOAD(call.arg[6], ctx, 48);
	if (args > 7)
		ENF_LOAD(call.arg[7], ctx, 56);
	enf_act_point_inside(&call, ENF_AFTER);
	return 0;
}

#define ENF_AT_RAW(n)                                                                              \
	ENF_PLACE(raw, n);                                                                         \
	SEC("?raw_tp")                                                                             \
	int enf_point_raw_##n(void *ctx)                                                           \
	{                                                                                          \
		return enf_at_raw(ctx, enf_raw_number_##n, enf_raw_args_##n);                      \
	}

ENF_AT_RAW(0)
ENF_AT_RAW(1)
ENF_AT_RAW(2)
ENF_AT_RAW(3)
ENF_AT_RAW(4)
ENF_AT_RAW(5)
ENF_AT_RAW(6)
ENF_AT_RAW(7)
