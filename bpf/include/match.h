/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From operands to atoms: strings by hash and automaton, numbers by interval, and the evaluation of
 * one conjunction over the atoms found. Three-valued: an operand may be unknown.
 *
 * Names come from the host's mounts alone. What they do not show has no name: that is a fact, and what
 * others call it is their claim. So a conjunction has two truths, one with the names that are claimed and
 * one without; enf_of_views() says which counts, and nothing else does.
 */
#ifndef ENFORCER_MATCH_H
#define ENFORCER_MATCH_H

#include "arguments.h"
#include "hash.h"

enum enf_truth {
	ENF_FALSE = 0,
	ENF_TRUE = 1,
	ENF_UNKNOWN = 2,
	ENF_CLAIMED = 3, /* of labels and subjects: the two truths differ */
};

/*
 * What holds of two truths, by whom it serves. In favour of who acts only what holds in both views, against
 * it what holds in one: nobody gains by a view that he has built.
 */
ENF_INLINE __u32 enf_of_views(__u32 one, __u32 other, __u32 favours)
{
	if (one == other)
		return one;
	if (one == (favours ? ENF_FALSE : ENF_TRUE) || other == (favours ? ENF_FALSE : ENF_TRUE))
		return favours ? ENF_FALSE : ENF_TRUE;
	return ENF_UNKNOWN;
}

/* ---- Atoms ------------------------------------------------------------------------------- */

#define ENF_MAY_BE 1   /* what is not touched is unknown */
#define ENF_MAY_FOLD 2 /* what is touched is so by another spelling, or by the number of the file */

static long enf_touch_one(__u32 i, void *arg)
{
	struct enf_ctx *c = arg;
	struct enf_scratch *s = c->s;
	const __u32 *entry = enf_at(c, enf_head(c)->off_atom_list + (s->touch_first + i) * 4, 4);
	__u32 atom, word;
	__u64 bit;

	if (!entry)
		return 1;
	atom = *entry & ENF_ATOM_MASK;
	word = (atom >> 6) & (ENF_ATOM_WORDS - 1);
	bit = ENF_BIT(atom & 63);
	if ((*entry >> ENF_ATOM_DIM_SHIFT & ENF_ATOM_DIM_MASK) != s->touch_dim ||
	    (s->bits[word] & bit))
		return 0;
	if (*entry & (ENF_ATOM_MAYBE | ENF_ATOM_FOLDED)) {
		if ((*entry & ENF_ATOM_FOLDED) && !s->folding)
			return 0;
		if (*entry & ENF_ATOM_MAYBE) {
			if (s->cut) {
				s->maybe[word] |= bit;
				s->n_maybe |= ENF_MAY_BE;
			}
			return 0;
		}
	}
	if (s->ranging) {
		s->maybe[word] |= bit;
		s->n_maybe |= ENF_MAY_BE;
		return 0;
	}
	if (enf_touch_atom(s, atom))
		return 1;
	if (s->folding) {
		s->maybe[word] |= bit;
		s->n_maybe |= ENF_MAY_FOLD;
	} else if (s->n_maybe) {
		s->maybe[word] &= ~bit;
	}
	return 0;
}

/* Mark the atoms of dimension *dim* in a range of the atom list. */
ENF_INLINE int enf_touch(struct enf_ctx *c, __u32 first, __u32 count, __u32 dim)
{
	c->s->touch_first = first;
	c->s->touch_dim = dim;
	if (count)
		enf_loop(count, enf_touch_one, c);
	return 0;
}

static long enf_untouch_one(__u32 i, void *arg)
{
	struct enf_ctx *c = arg;
	struct enf_scratch *s = c->s;
	__u32 atom;

	if (i >= ENF_MAX_TOUCHED)
		return 1;
	atom = s->touched[i];
	s->bits[(atom >> 6) & (ENF_ATOM_WORDS - 1)] = 0;
	return 0;
}

static long enf_unmaybe_one(__u32 i, void *arg)
{
	struct enf_ctx *c = arg;

	if (i >= ENF_ATOM_WORDS)
		return 1;
	c->s->maybe[i] = 0;
	return 0;
}

ENF_FN int enf_untouch(struct enf_ctx *c)
{
	if (c->s->n_touched)
		enf_loop(c->s->n_touched, enf_untouch_one, c);
	if (c->s->n_maybe)
		enf_loop(ENF_ATOM_WORDS, enf_unmaybe_one, c);
	c->s->folded = 0;
	c->s->n_maybe = 0;
	c->s->cut = 0;
	c->s->n_touched = 0;
	if (c->s->overflow)
		c->s->lapses |= ENF_LAPSE_OVERFLOW;
	if (c->s->bad_image)
		c->s->lapses |= ENF_LAPSE_IMAGE;
	c->s->overflow = 0;
	c->s->bad_image = 0;
	return 0;
}

/* The same value, of which the verifier knows nothing: what follows is proven once, not for each value. */
ENF_INLINE __u32 enf_unfollowed(struct enf_scratch *s, __u32 value)
{
	volatile __u32 *kept = &s->kept;

	*kept = value;
	return *kept;
}

/* ---- Strings by hash --------------------------------------------------------------------- */

ENF_INLINE __u64 enf_text8(const struct enf_scratch *s, __u32 off)
{
	enf_barrier(off);
	if (off > ENF_TEXT_SIZE - 8)
		return 0;
	return enf_load8(s->text + off);
}

/*
 * What reads a string is there twice, for the text and for arguments, which lie elsewhere: a function for both would
 * be verified with each for either. *in_arguments* is a constant.
 */
ENF_INLINE __u64 enf_string8(const struct enf_scratch *s, __u32 off, int in_arguments)
{
	return in_arguments ? enf_argument8(s, off) : enf_text8(s, off);
}

ENF_INLINE long enf_compare_step(__u32 i, void *arg, int in_arguments)
{
	struct enf_ctx *c = arg;
	struct enf_scratch *s = c->s;
	const __u64 *want = enf_at(c, s->text_at + i * 8, 8);
	__u32 left = s->text_len - i * 8;

	if (!want || enf_first(enf_string8(s, s->at + i * 8, in_arguments), left) != *want) {
		s->differs = 1;
		return 1;
	}
	return 0;
}

static long enf_compare_one(__u32 i, void *arg)
{
	return enf_compare_step(i, arg, 0);
}

static long enf_compare_argument(__u32 i, void *arg)
{
	return enf_compare_step(i, arg, 1);
}

/* A path has met a string: what is remembered of it goes by that, see directory.bpf.h. */
ENF_INLINE void enf_note_string(struct enf_scratch *s, const struct enf_slot *slot, int is_whole)
{
	if (is_whole && (slot->paths & ENF_PATHS_AT))
		s->met_string = slot->text + 1;
	else if (!is_whole && (slot->paths & ENF_PATHS_BELOW))
		s->met_above = slot->text | ENF_IS_BELOW;
	if (!is_whole)
		s->met_globs |= slot->paths & ENF_PATHS_GLOB;
}

/*
 * Look a string up that starts at s->at; touch its exact or under atoms. No two strings of an image have
 * hash, kind and length in common, so the comparison stands behind the search, where the verifier meets
 * it once and not at every probe.
 */
ENF_INLINE int enf_lookup(struct enf_ctx *c, __u64 hash, __u32 len, __u32 kind, int in_arguments)
{
	const struct enf_image *image = enf_head(c);
	const struct enf_slot *slot = NULL;
	struct enf_scratch *s = c->s;
	__u32 mask = image->n_slots - 1;
	int found = 0;

	if (!image->n_slots)
		return 0;
	for (__u32 i = 0; i < ENF_MAX_PROBES && !found; i++) {
		__u32 n = ((__u32)hash + i) & mask;

		slot = enf_at(c, image->off_slots + n * 32, 32);
		if (!slot || slot->kind == ENF_SLOT_EMPTY)
			return 0;
		found = slot->hash == hash && slot->kind == kind && slot->len == len;
	}
	if (!found || !slot)
		return 0;
	s->text_at = image->off_text + slot->text;
	s->text_len = len;
	s->differs = 0;
	if (in_arguments)
		enf_loop((len + 7) / 8, enf_compare_argument, c);
	else
		enf_loop((len + 7) / 8, enf_compare_one, c);
	if (s->differs)
		return 0;
	if (kind == ENF_SLOT_PATH)
		enf_note_string(s, slot, s->at + len == s->end);
	if ((s->at + len == s->end && !s->cut) || kind == ENF_SLOT_HEAD)
		enf_touch(c, slot->exact.first, slot->exact.count, s->dim);
	else
		enf_touch(c, slot->under.first, slot->under.count, s->dim);
	return 0;
}

/*
 * One step: the root at first, then up to eight bytes of a component, or its end. Behind the last of a head, what could
 * lie below. One place to look up, whatever it is, so that the verifier goes there once.
 */
static long enf_walk_one(__u32 i, void *arg)
{
	struct enf_ctx *c = arg;
	struct enf_scratch *s = c->s;
	__u32 left = s->end - s->pos;
	__u32 n = left < 8 ? left : 8, len = 1, kind = ENF_SLOT_PATH;
	__u64 w, x, slash;
	__u32 k = n;

	if (!i) {
		x = enf_mix(s->hash, 0x2f);
		if (s->end > s->at + 1)
			goto found;
		s->hash = x;
		goto last;
	}
	if (s->heads) {
		kind = ENF_SLOT_HEAD;
		len = s->end - s->at > 1 ? s->end - s->at - 1 : 1;
		x = s->hash;
		s->heads = 0;
		goto found;
	}
	w = enf_first(enf_text8(s, s->pos), n);
	x = w ^ 0x2f2f2f2f2f2f2f2fULL;
	/* exact for the lowest zero byte, which is the one wanted */
	slash = (x - 0x0101010101010101ULL) & ~x & 0x8080808080808080ULL;
	if (slash) {
		/* index of the lowest set byte: isolate the bit, spread, multiply */
		__u64 low = slash & -slash;

		k = (__u32)((((low >> 7) - 1) & 0x0101010101010101ULL) * 0x0101010101010101ULL >>
			    56);
		if (k > n)
			k = n;
	}
	if (k)
		s->hash = enf_mix(s->hash, enf_first(w, k));
	s->comp += k;
	s->pos += k;
	if (!slash && k == 8 && s->pos < s->end)
		return 0;
	x = s->hash = enf_mix(s->hash, ((__u64)s->comp << 8) | 0x2f);
	s->comp = 0;
	len = s->pos - s->at;
	if (s->pos < s->end) {
		s->way_hash = x;
		s->way_len = len;
	}
	if (len > enf_head(c)->max_path_slot)
		return 1;
	s->pos += 1; /* over the slash; what is cut ends behind one */
	if (s->pos <= s->end - s->cut)
		goto found;
last:
	s->pos = s->end + 1;
	s->heads = s->cut &&
		   s->folding; /* it may be longer than the head; a longer path is not looked at */
found:
	enf_lookup(c, x, enf_unfollowed(s, len), enf_unfollowed(s, kind), 0);
	return s->pos > s->end && !s->heads;
}

ENF_INLINE long enf_hash_step(__u32 i, void *arg, int in_arguments)
{
	struct enf_ctx *c = arg;
	struct enf_scratch *s = c->s;
	__u32 left = s->end - s->pos;

	(void)i;
	s->hash = enf_mix(s->hash,
			  enf_first(enf_string8(s, s->pos, in_arguments), left < 8 ? left : 8));
	s->pos += 8;
	return 0;
}

static long enf_hash_one(__u32 i, void *arg)
{
	return enf_hash_step(i, arg, 0);
}

static long enf_hash_argument(__u32 i, void *arg)
{
	return enf_hash_step(i, arg, 1);
}

/* ---- Strings by automaton ---------------------------------------------------------------- */

struct enf_run {
	struct enf_ctx *c;
	__u32 classes, trans, n_classes;
	__u32 state;
};

ENF_INLINE long enf_run_step(__u32 i, void *arg, int in_arguments)
{
	struct enf_run *r = arg;
	struct enf_scratch *s = r->c->s;
	__u32 off = s->at + i;
	const unsigned char *class;
	unsigned char byte;
	const __u16 *next;
	int argument;

	enf_barrier(off);
	if (in_arguments) {
		argument = enf_argument(s, off);
		if (argument < 0)
			return 1;
		byte = argument;
	} else {
		if (off >= ENF_TEXT_SIZE)
			return 1;
		byte = s->text[off];
	}
	class = enf_at(r->c, r->classes + byte, 1);
	if (!class)
		return 1;
	next = enf_at(r->c, r->trans + (r->state * r->n_classes + *class) * 2, 2);
	if (!next)
		return 1;
	r->state = *next;
	return r->state == 0;
}

static long enf_run_one(__u32 i, void *arg)
{
	return enf_run_step(i, arg, 0);
}

static long enf_run_argument(__u32 i, void *arg)
{
	return enf_run_step(i, arg, 1);
}

ENF_INLINE long enf_dfa_step(__u32 i, void *arg, int in_arguments)
{
	struct enf_ctx *c = arg;
	struct enf_scratch *s = c->s;
	const struct enf_dfa *dfa = enf_at(c, enf_head(c)->off_dfas + i * 32, 32);
	struct enf_run r = { .c = c, .state = 1 };
	const struct enf_range *accept;
	__u64 dims = ENF_BIT(s->dim & 63);

	if (!dfa)
		return 1;
	if (s->folding)
		dims |= dims << ENF_DFA_FOLDED_AT;
	if (!(dfa->dims & dims))
		return 0;
	r.classes = dfa->classes;
	r.trans = dfa->trans;
	r.n_classes = dfa->n_classes;
	if (s->end > s->at) {
		if (in_arguments)
			enf_loop(s->end - s->at, enf_run_argument, &r);
		else
			enf_loop(s->end - s->at, enf_run_one, &r);
	}
	if (!r.state)
		return 0;
	accept = enf_at(c, (s->cut && dfa->may ? dfa->may : dfa->accept) + r.state * 8, 8);
	if (accept)
		enf_touch(c, accept->first, accept->count, s->dim);
	return 0;
}

static long enf_dfa_one(__u32 i, void *arg)
{
	return enf_dfa_step(i, arg, 0);
}

static long enf_dfa_argument(__u32 i, void *arg)
{
	return enf_dfa_step(i, arg, 1);
}

ENF_INLINE void enf_begin_string(struct enf_scratch *s, const struct enf_image *image, __u32 at,
				 __u32 len, __u32 dim)
{
	s->dim = dim;
	s->at = at;
	s->end = at + len;
	s->hash = image->seed;
	s->comp = 0;
}

/*
 * Mark the atoms of *dim* that the absolute path text[at, at + len) satisfies: itself, what lies under
 * directories above it, and globs. A path that is *cut* goes on behind a further slash: it is none of the
 * strings, and lies below each of them that it begins with. Two functions, not one with a switch: the verifier
 * bounds the depth of the call graph as it is written.
 */
ENF_FN int enf_match_path(struct enf_ctx *c, __u32 at, __u32 len, __u32 dim)
{
	const struct enf_image *image = enf_head(c);
	struct enf_scratch *s = c->s;

	if (!(image->dims & ENF_BIT(dim & 63)))
		return 0;
	enf_begin_string(s, image, at, len, dim);
	if (s->cut) {
		__u32 behind = at + len;

		enf_barrier(behind);
		if (behind < ENF_TEXT_SIZE)
			s->text[behind] = '/';
		s->end += 1;
	}
	s->pos = at + 1;
	s->heads = 0;
	s->way_hash = s->hash;
	s->way_len = 0;
	s->met_string = 0;
	s->met_above = 0;
	s->met_globs = 0;
	enf_loop(len + 2, enf_walk_one, c); /* each step takes a byte at least */
	if (image->n_dfas)
		enf_loop(image->n_dfas, enf_dfa_one, c);
	return 0;
}

/* ---- Spellings --------------------------------------------------------------------------- */

#define ENF_ENDS_SHORT                                                                             \
	2 /* of a component: a tilde and digits; it ends so, or goes on with a dot: unsettled */
#define ENF_ENDS_STRIPPED 3 /* what a file system may take off */

/* One more byte of the names that are folded: s->low comes behind the last component that is settled. */
static long enf_settle_one(__u32 i, void *arg)
{
	struct enf_scratch *s = ((struct enf_ctx *)arg)->s;
	__u32 off = s->fold_from + i;
	unsigned char byte = '/';

	enf_barrier(off);
	if (off > s->high || off >= ENF_TEXT_SIZE)
		return 1;
	if (off < s->high)
		byte = s->text[off];
	if (byte == '/') {
		if (s->state >= ENF_ENDS_SHORT)
			return 1;
		s->low = off;
		s->state = 0;
		return 0;
	}
	if (byte >= 0x80) /* cases of other scripts, and what a code page makes of it */
		return 1;
	if (s->comp == ENF_FOLD_CASE)
		return 0;
	if (byte == ':' || (byte == '.' && s->state == ENF_ENDS_SHORT))
		return 1; /* a colon begins a code (uni_xlate) */
	if (byte == '~')
		s->state = 1;
	else if (byte == '.' || byte == ' ')
		s->state = ENF_ENDS_STRIPPED;
	else if (byte < '0' || byte > '9' || !s->state || s->state == ENF_ENDS_STRIPPED)
		s->state = 0;
	else
		s->state = ENF_ENDS_SHORT;
	return 0;
}

/* A path that is looked up: as it is spelled, then by its other spellings. */
struct enf_spelled {
	struct enf_ctx *c;
	__u32 at, len, dim;
	__u32 fold; /* enum enf_fold */
	__u32 from; /* at which byte of the path that begins */
	__u32 cut;  /* it goes on behind its end */
};

/*
 * Eight bytes of a path: in small letters where *fold*, else as they were before. Of A to Z alone, which have one other
 * case in every script and code page.
 */
ENF_INLINE long enf_turn_one(struct enf_ctx *c, __u32 i, int fold)
{
	struct enf_scratch *s = c->s;
	__u32 off = s->fold_from + i * 8;
	__u64 w, seven, capital;

	enf_barrier(off);
	enf_barrier(i);
	if (i >= sizeof(s->capitals) || off > ENF_TEXT_SIZE - 8 || off >= s->high)
		return 1;
	w = enf_load8(s->text + off);
	if (fold) {
		seven = w & 0x7f7f7f7f7f7f7f7fULL;
		/* bit 7 of a byte: it is at least 'A', but not above 'Z', and no part of another letter */
		capital = (seven + 0x3f3f3f3f3f3f3f3fULL) & ~(seven + 0x2525252525252525ULL) & ~w &
			  0x8080808080808080ULL;
		/* one bit for each, the first byte's the lowest */
		s->capitals[i] = ((capital >> 7) * 0x0102040810204080ULL) >> 56;
	} else {
		capital = (s->capitals[i] * 0x0101010101010101ULL) & 0x8040201008040201ULL;
		capital = (capital + 0x7f7f7f7f7f7f7f7fULL) & 0x8080808080808080ULL;
	}
	enf_store8(s->text + off, w ^ capital >> 2);
	return 0;
}

static long enf_fold_one_word(__u32 i, void *arg)
{
	return enf_turn_one(arg, i, 1);
}

static long enf_unfold_one_word(__u32 i, void *arg)
{
	return enf_turn_one(arg, i, 0);
}

/*
 * Add what another spelling of the path would satisfy, in directories that do not tell them apart. It is a claim, as
 * is a name that the host does not show: who acts has chosen how to spell it. What is not settled by small letters is
 * unknown from there on, and decided by the head. Returns: how much is settled.
 */
ENF_INLINE __u32 enf_begin_folded(const struct enf_spelled *p)
{
	struct enf_ctx *c = p->c;
	struct enf_scratch *s = c->s;

	s->fold_from = p->at + p->from;
	s->low = s->fold_from;
	s->high = p->at + p->len;
	s->state = 0;
	s->comp = p->fold;
	if (p->fold != ENF_FOLD_OTHER)
		enf_loop(ENF_PATH_MAX + 1, enf_settle_one, c);
	if (s->low < s->high)
		s->cut = 1;
	s->folding = 1;
	s->folded |= ENF_BIT(p->dim & 63);
	enf_loop(sizeof(s->capitals), enf_fold_one_word, c);
	return s->low - p->at;
}

/* The *i*th way to look at a path. */
ENF_INLINE void enf_match_spelled(const struct enf_spelled *p, __u32 i)
{
	struct enf_scratch *s = p->c->s;
	__u32 len = p->len;

	if (i && p->from >= len)
		return;
	s->cut = p->cut;
	if (i)
		len = enf_begin_folded(p);
	enf_match_path(p->c, p->at, len, p->dim);
	if (s->folding)
		enf_loop(sizeof(s->capitals), enf_unfold_one_word, p->c);
	s->folding = 0;
	s->cut = 0;
}

ENF_INLINE int enf_match_string(struct enf_ctx *c, __u32 at, __u32 len, __u32 dim, int in_arguments)
{
	const struct enf_image *image = enf_head(c);
	struct enf_scratch *s = c->s;

	if (!(image->dims & ENF_BIT(dim & 63)))
		return 0;
	enf_begin_string(s, image, at, len, dim);
	s->pos = at;
	if (len && in_arguments)
		enf_loop((len + 7) / 8, enf_hash_argument, c);
	else if (len)
		enf_loop((len + 7) / 8, enf_hash_one, c);
	enf_lookup(c, enf_mix(s->hash, ((__u64)len << 8) | 1), len, ENF_SLOT_STRING, in_arguments);
	if (image->n_dfas && in_arguments)
		enf_loop(image->n_dfas, enf_dfa_argument, c);
	else if (image->n_dfas)
		enf_loop(image->n_dfas, enf_dfa_one, c);
	return 0;
}

/* Mark the atoms of *dim* that the string text[at, at + len) satisfies, as a whole. */
ENF_FN int enf_match_text(struct enf_ctx *c, __u32 at, __u32 len, __u32 dim)
{
	return enf_match_string(c, at, len, dim, 0);
}

/* The same of an argument. */
ENF_FN int enf_match_argument(struct enf_ctx *c, __u32 at, __u32 len, __u32 dim)
{
	return enf_match_string(c, at, len, dim, 1);
}

/* ---- Numbers ----------------------------------------------------------------------------- */

struct enf_search {
	struct enf_ctx *c;
	__u64 hi, lo;
	__u32 first;
	__u32 low, high; /* the answer lies in [low, high) */
};

static long enf_search_one(__u32 i, void *arg)
{
	struct enf_search *b = arg;
	__u32 mid = (b->low + b->high) / 2;
	const struct enf_interval *v;

	(void)i;
	if (b->high - b->low <= 1)
		return 1;
	v = enf_at(b->c, enf_head(b->c)->off_intervals + (b->first + mid) * 24, 24);
	if (!v)
		return 1;
	if (v->hi < b->hi || (v->hi == b->hi && v->lo <= b->lo))
		b->low = mid;
	else
		b->high = mid;
	return 0;
}

/* Mark the atoms of *dim* that the number satisfies. The first interval starts at 0. */
ENF_FN int enf_match_number(struct enf_ctx *c, __u32 dim, __u64 hi, __u64 lo)
{
	const struct enf_image *image = enf_head(c);
	struct enf_search b = { .c = c, .hi = hi, .lo = lo };
	const struct enf_interval *v;
	__u32 n = dim - ENF_DIM_FIRST_NUM;

	enf_barrier(n);
	if (n >= ENF_NUM_DIMS || !image->intervals[n].count)
		return 0;
	b.first = image->intervals[n].first;
	b.high = image->intervals[n].count;
	enf_loop(32, enf_search_one, &b);
	v = enf_at(c, image->off_intervals + (b.first + b.low) * 24, 24);
	if (v)
		enf_touch(c, v->atoms.first, v->atoms.count,
			  dim == ENF_DIM_INODE ? ENF_DIM_PATH : dim);
	return 0;
}

static long enf_choice_one(__u32 i, void *arg)
{
	struct enf_search *b = arg;
	const struct enf_interval *v;

	v = enf_at(b->c, enf_head(b->c)->off_intervals + (b->first + b->low + i) * 24, 24);
	if (!v || v->lo > b->hi)
		return 1;
	enf_touch(b->c, v->atoms.first, v->atoms.count, ENF_DIM_PORT);
	return 0;
}

/* The kernel will choose the port from a range: what some port of it satisfies is unknown, and nothing else. */
ENF_FN int enf_match_choice(struct enf_ctx *c)
{
	const struct enf_image *image = enf_head(c);
	struct enf_search b = { .c = c, .lo = c->s->object.port_low };
	__u32 count = image->intervals[ENF_DIM_PORT - ENF_DIM_FIRST_NUM].count;

	c->s->unknown &= ~ENF_BIT(ENF_DIM_PORT);
	if (!count)
		return 0;
	b.first = image->intervals[ENF_DIM_PORT - ENF_DIM_FIRST_NUM].first;
	b.high = count;
	enf_loop(32, enf_search_one, &b);
	b.hi = c->s->object.port_high;
	c->s->ranging = 1;
	enf_loop(count - b.low, enf_choice_one, &b);
	c->s->ranging = 0;
	return 0;
}

/* ---- Conjunctions ------------------------------------------------------------------------ */

ENF_INLINE __u32 enf_touched(const struct enf_scratch *s, __u32 atom)
{
	return !!(s->bits[(atom >> 6) & (ENF_ATOM_WORDS - 1)] & ENF_BIT(atom & 63));
}

/* Could what was cut off satisfy it? */
ENF_INLINE __u32 enf_may_touch(const struct enf_scratch *s, __u32 atom)
{
	return !!(s->maybe[(atom >> 6) & (ENF_ATOM_WORDS - 1)] & ENF_BIT(atom & 63));
}

/*
 * Was the mark set in the last *ns*? A mark that is set on another CPU while this is decided may have a
 * later time than the decision: then it has no age.
 */
ENF_INLINE __u32 enf_within(const struct enf_scratch *s, __u32 mark, __u64 ns)
{
	__u64 at, now = s->now;

	enf_barrier(mark);
	if (mark >= ENF_MAX_MARKS)
		return ENF_FALSE; /* the image was checked: there is none */
	at = s->mark_at[mark];
	return at && (at >= now || now - at <= ns);
}

/* Its two truths lie in the working memory, where the verifier does not follow them. */
struct enf_conj {
	struct enf_ctx *c;
	__u32 first;
};

/* One more term. */
ENF_INLINE __u32 enf_and(__u32 so_far, __u32 truth, __u32 negate)
{
	if (so_far == ENF_FALSE || truth == negate)
		return ENF_FALSE;
	return truth == ENF_UNKNOWN ? ENF_UNKNOWN : so_far;
}

static long enf_term_one(__u32 i, void *arg)
{
	struct enf_conj *j = arg;
	struct enf_scratch *s = j->c->s;
	const struct enf_term *t;
	__u64 dim, claimed = 0;
	__u32 truth, n;

	t = enf_at(j->c, enf_head(j->c)->off_terms + (j->first + i) * 24, 24);
	if (!t) {
		s->truth = ENF_UNKNOWN;
		s->bare = ENF_UNKNOWN;
		return 1;
	}
	if (t->kind == ENF_TERM_WITHIN) {
		truth = enf_within(s, t->atom, t->a);
		goto known;
	}
	dim = ENF_BIT(t->dim & 63);
	if (!(s->present &
	      dim)) { /* about something that is not there: cannot hold, nor its negation */
		s->truth = ENF_FALSE;
		s->bare = ENF_FALSE;
		return 1;
	}
	claimed = s->offhost & dim;
	if (t->kind == ENF_TERM_ATOM) {
		truth = enf_touched(s, t->atom);
		if (!truth && ((s->unknown & dim) || s->overflow))
			truth = ENF_UNKNOWN;
		if (s->n_maybe && enf_may_touch(s, t->atom)) {
			claimed |= s->folded & dim; /* by its own name, so spelled, it is not met */
			truth = truth ? truth : ENF_UNKNOWN;
		}
	} else if (t->kind == ENF_TERM_INSIDE) {
		/*
		 * A container that nobody has identified yet: unknown, each rule's onError decides. But a
		 * policy of one namespace (b) is never about what may be another's: there it is false.
		 */
		truth = enf_touched(s, t->atom);
		if (!truth && !t->b && (s->overflow || !enf_touched(s, (__u32)t->a)))
			truth = ENF_UNKNOWN;
	} else {
		n = t->dim - ENF_DIM_FIRST_NUM;
		enf_barrier(n);
		if ((s->unknown & dim) || n >= ENF_NUM_DIMS)
			truth = ENF_UNKNOWN;
		else if (t->kind == ENF_TERM_MASK_ANY)
			truth = (s->num[n] & t->a) != 0;
		else
			truth = (s->num[n] & t->a) == t->b;
	}
known:
	truth = enf_unfollowed(s, truth);
	s->truth =
		enf_and(s->truth, truth, t->negate); /* unknown: a later term may still be false */
	/* A name that is claimed is none. Who claims capabilities has none, which "none of these" asks for. */
	if (claimed)
		truth = t->kind == ENF_TERM_MASK_EQ && !t->b;
	s->bare = enf_and(s->bare, truth, t->negate);
	return s->truth == ENF_FALSE && s->bare == ENF_FALSE;
}

/* Both truths of all terms of a range together, of enum enf_truth each. */
struct enf_truths {
	__u32 truth, bare;
};

ENF_INLINE struct enf_truths enf_conjunction(struct enf_ctx *c, __u32 first, __u32 count)
{
	struct enf_conj j = { .c = c, .first = first };

	c->s->truth = ENF_TRUE;
	c->s->bare = ENF_TRUE;
	if (count)
		enf_loop(count, enf_term_one, &j);
	return (struct enf_truths){ c->s->truth, c->s->bare };
}

#endif
