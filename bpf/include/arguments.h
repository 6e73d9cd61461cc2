/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The strings of arguments, apart from the working memory: few decisions have any, and they would be most of it.
 * The working memory of a decision that has some says which piece they lie in. To the core they are its text from
 * ENF_TEXT_ARGV on, and only what reads behind the text looks for the piece.
 */
#ifndef ENFORCER_ARGUMENTS_H
#define ENFORCER_ARGUMENTS_H

#ifdef __bpf__
#include "kernel.h"
#endif
#include "image.h"

struct enf_arguments {
	struct enf_claim claim;
	char text[ENF_ARGUMENTS_SIZE];
};

#define ENF_NO_ARGUMENTS 0xffffffffu /* instead of a number: there was no piece */
#define ENF_ARGUMENT_DIMS (ENF_BIT(ENF_DIM_ARG_ANY) | 0xffffULL << ENF_DIM_ARG0)

_Static_assert(ENF_MAX_ARG_INDEX == 16, "ENF_ARGUMENT_DIMS");

#ifdef __bpf__
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENF_ARGUMENTS);
	__type(key, __u32);
	__type(value, struct enf_arguments);
} arguments __weak SEC(".maps");

/* Returns: the piece with this number, which begins at 1, or NULL. */
ENF_INLINE struct enf_arguments *enf_arguments_at(__u32 number)
{
	number -= 1;
	return bpf_map_lookup_elem(&arguments, &number);
}
#else
static struct enf_arguments enf_one_piece;

ENF_INLINE struct enf_arguments *enf_arguments_at(__u32 number)
{
	return number == 1 ? &enf_one_piece : NULL;
}
#endif

/* Returns: the piece of who has the working memory *s*, or NULL. */
ENF_INLINE struct enf_arguments *enf_arguments_of(const struct enf_scratch *s)
{
	return enf_arguments_at(s->arguments);
}

/* Returns: the eight bytes at *off*, which is behind the text, or 0. */
ENF_INLINE __u64 enf_argument8(const struct enf_scratch *s, __u32 off)
{
	const struct enf_arguments *a = enf_arguments_of(s);

	off -= ENF_TEXT_ARGV;
	enf_barrier(off);
	if (!a || off > ENF_ARGUMENTS_SIZE - 8)
		return 0;
	return enf_load8(a->text + off);
}

/* Returns: the byte at *off*, which is behind the text, or -1. */
ENF_INLINE int enf_argument(const struct enf_scratch *s, __u32 off)
{
	const struct enf_arguments *a = enf_arguments_of(s);

	off -= ENF_TEXT_ARGV;
	enf_barrier(off);
	if (!a || off >= ENF_ARGUMENTS_SIZE)
		return -1;
	return (unsigned char)a->text[off];
}

#endif
