/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A name as a caller gave it, made absolute: behind the path of where it begins, without ".", ".." and "//".
 * Symbolic links are not followed: the kernel had ended before it did.
 */
#ifndef ENFORCER_GIVEN_BPF_H
#define ENFORCER_GIVEN_BPF_H

#include "path.bpf.h"
#include "scratch.bpf.h"

/* All three lie in the memory for arguments. */
#define ENF_GIVEN_AT 0			  /* the name as it was given */
#define ENF_BEGIN_AT (ENF_PATH_MAX + 256) /* that of where it begins */
#define ENF_WHOLE_AT (2 * ENF_BEGIN_AT)	  /* and behind that the one that was given */

_Static_assert(ENF_WHOLE_AT + 2 * ENF_PATH_MAX <= ENF_ARGUMENTS_SIZE, "room for all three");

/* A name is put together from its end. */
struct enf_given {
	__u32 from; /* of the text at hand */
	__u32 pos;  /* what is before is not seen yet */
	__u32 end;  /* of the component at hand */
	__u32 at;   /* where the name begins so far */
	__u32 skip; /* components that ".." took away */
	__u32 lost; /* there was no room */
};

static __always_inline struct enf_given *enf_given_of(struct enf_scratch *s)
{
	return (struct enf_given *)s->work;
}

struct enf_given_hold {
	struct enf_scratch *s;
	struct enf_arguments *arguments;
};

/* The component from *start* on goes in front, if it is one. */
static __always_inline void enf_given_in(char *text, struct enf_given *f, __u32 start)
{
	__u32 len = f->end - start, at = f->at;

	enf_barrier(start);
	enf_barrier(len);
	enf_barrier(at);
	if (!len)
		return;
	if (start > ENF_ARGUMENTS_SIZE - ENF_PATH_MAX || len >= at || at > ENF_PATH_MAX) {
		f->lost = 1;
		return;
	}
	if (text[start] == '.' && (len == 1 || (len == 2 && text[start + 1] == '.'))) {
		f->skip += len - 1;
		return;
	}
	if (f->skip) {
		f->skip -= 1;
		return;
	}
	at -= len + 1;
	enf_barrier(at);
	enf_barrier(len);
	if (at > ENF_PATH_MAX - 1 || len > ENF_PATH_MAX ||
	    bpf_probe_read_kernel(&text[ENF_WHOLE_AT + at + 1], len, &text[start])) {
		f->lost = 1;
		return;
	}
	text[ENF_WHOLE_AT + at] = '/';
	f->at = at;
}

static long enf_given_one(__u32 i, void *arg)
{
	struct enf_given_hold *hold = arg;
	struct enf_given *f = enf_given_of(hold->s);
	char *text = hold->arguments->text;
	__u32 pos = f->pos, is_first = pos == f->from;

	(void)i;
	if (!is_first) {
		pos -= 1;
		enf_barrier(pos);
		if (pos >= ENF_ARGUMENTS_SIZE)
			return 1;
		f->pos = pos;
		if (text[pos] != '/')
			return 0;
		pos += 1;
	}
	enf_given_in(text, f, pos);
	f->end = pos - 1;
	return is_first || f->lost;
}

static __always_inline void enf_take_given(struct enf_given_hold *hold, __u32 from, __u32 len)
{
	struct enf_given *f = enf_given_of(hold->s);

	f->from = from;
	f->pos = from + len;
	f->end = from + len;
	bpf_loop(ENF_PATH_MAX + 2, enf_given_one, hold, 0);
}

/* Behind the path that was just resolved, what the caller gave. Returns: not 0 if that finds no room. */
static __always_inline int enf_put_behind(struct enf_scratch *s, __u32 given, __u32 from_root)
{
	struct enf_given_hold hold = { .s = s, .arguments = enf_lend_arguments(s) };
	struct enf_given *f = enf_given_of(s);
	__u32 at = s->object.path_at, len = s->object.path_len;

	enf_barrier(at);
	enf_barrier(len);
	if (!hold.arguments || at > ENF_PATH_MAX || len > ENF_PATH_MAX ||
	    bpf_probe_read_kernel(&hold.arguments->text[ENF_BEGIN_AT], len, &s->text[at]))
		return 1;
	f->at = ENF_PATH_MAX;
	f->skip = 0;
	f->lost = 0;
	enf_take_given(&hold, ENF_GIVEN_AT, given);
	if (from_root) /* nothing is above it, though it may be a directory of the host's */
		f->skip = 0;
	enf_take_given(&hold, ENF_BEGIN_AT, len);
	if (f->lost)
		return 1;
	at = f->at;
	if (bpf_probe_read_kernel(s->text, ENF_PATH_MAX, &hold.arguments->text[ENF_WHOLE_AT]))
		return 1;
	if (at == ENF_PATH_MAX) {
		at -= 1;
		s->text[ENF_PATH_MAX - 1] = '/';
	}
	s->object.path_at = at;
	s->object.path_len = ENF_PATH_MAX - at;
	return 0;
}

#endif
