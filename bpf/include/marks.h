/* SPDX-License-Identifier: GPL-2.0-only */
/* The times of marks in a decision: from where they are kept, and for records. */
#ifndef ENFORCER_MARKS_H
#define ENFORCER_MARKS_H

#include "image.h"

struct enf_taking {
	struct enf_scratch *s;
	const struct enf_image *image;
	const struct enf_marks *from;
	__u64 which;
};

static long enf_take_one(__u32 i, void *arg)
{
	const struct enf_taking *taking = arg;
	__u64 at;

	if (i >= ENF_MAX_MARKS)
		return 1;
	at = taking->from->at[i];
	if ((taking->which & ENF_BIT(i)) && at >= taking->image->mark_born[i] &&
	    at > taking->s->mark_at[i])
		taking->s->mark_at[i] = at;
	return 0;
}

/*
 * Take the marks of *which* into the decision; of two times the later. What was set before a number
 * got its meaning is not this mark.
 */
ENF_INLINE void enf_take_marks(struct enf_scratch *s, const struct enf_image *image,
			       const struct enf_marks *from, __u64 which)
{
	struct enf_taking taking = { .s = s, .image = image, .from = from, .which = which };

	enf_loop(ENF_MAX_MARKS, enf_take_one, &taking);
}

ENF_INLINE void enf_begin_marks(struct enf_scratch *s, const struct enf_image *image, __u64 now)
{
	s->now = now;
	s->recalled = image->generation;
	for (__u32 i = 0; i < ENF_MAX_MARKS; i++)
		s->mark_at[i] = 0;
}

/* When the marks were set that the row *id* asks about, which are its first terms, as just decided. */
ENF_INLINE void enf_marks_asked(struct enf_ctx *c, __u32 id, __u64 *at)
{
	const struct enf_row *row = enf_at(c, enf_head(c)->off_rows + id * 40, 40);

	if (!row || !(row->flags & ENF_RF_WITHIN))
		return;
	for (__u32 i = 0; i < ENF_ROW_MARKS; i++) {
		const struct enf_term *t;
		__u32 mark;

		if (i >= row->terms.count)
			break;
		t = enf_at(c, enf_head(c)->off_terms + (row->terms.first + i) * 24, 24);
		if (!t || t->kind != ENF_TERM_WITHIN)
			break;
		mark = t->atom;
		enf_barrier(mark);
		if (mark < ENF_MAX_MARKS)
			at[i] = c->s->mark_at[mark];
	}
}

#endif
