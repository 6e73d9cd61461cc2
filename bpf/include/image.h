/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the policy image, and the two languages' worth of glue that lets one source serve the BPF
 * programs and the native build. Holds no policy and no hook.
 */
#ifndef ENFORCER_IMAGE_H
#define ENFORCER_IMAGE_H

#include "enforcer_abi.h"

#ifdef __bpf__
#include <bpf/bpf_helpers.h>

/*
 * Real functions, verified in the context of their callers. Hidden, not static: of a static function
 * whose result nobody uses clang drops the result, and the verifier then meets whatever R0 held. Each
 * has its body in one translation unit: in enforcer.bpf.o, decide.bpf.c alone includes match.h and what
 * includes that.
 */
#define ENF_FN __hidden __attribute__((noinline))
#define ENF_INLINE static __always_inline
/* The compiler must not compute the pointer from another copy than the one that was checked. */
#define enf_barrier(x) asm volatile("" : "+r"(x))
#define enf_loop(n, fn, ctx) bpf_loop(n, fn, ctx, 0)
/* Map values may be read unaligned wherever the architecture can (x86, arm64). */
#define enf_load8(p) (*(const __u64 *)(p))
#define enf_store8(p, v) (*(__u64 *)(p) = (v))

/* Set by the loader to the value size of the image map, so that the verifier knows it. */
extern const volatile __u32 enf_image_bytes;
#else
#include <stddef.h>
#include <string.h>

#define ENF_FN static
#define ENF_INLINE static inline
#define enf_barrier(x)
#define enf_loop(n, fn, ctx)                                                                       \
	do {                                                                                       \
		for (__u32 _i = 0, _n = (n); _i < _n; _i++)                                        \
			if (fn(_i, ctx))                                                           \
				break;                                                             \
	} while (0)

ENF_INLINE __u64 enf_load8(const void *p)
{
	__u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}
ENF_INLINE void enf_store8(void *p, __u64 v)
{
	memcpy(p, &v, sizeof(v));
}
#endif

#define ENF_BIT(n) (1ULL << (n))

/* Who has a piece of memory: each begins with it. */
struct enf_claim {
	__u32 busy;
	__u32 account; /* whose task has it */
};

/* While the names of an object by what is mounted are looked for: see mounted.bpf.h. */
struct enf_named {
	__u64 begins[ENF_MOUNTED_PATH / 8]; /* the host's path */
	__u32 at;			    /* where that lies in the text */
	__u32 len;
	__u32 flags; /* of the object, with it */
	__u32 n;     /* of the next entry */
	__u64 kn;    /* of the cgroup that it is for */
	__u32 from_len;
	__u32 to_len;
	char to[ENF_MOUNTED_PATH]; /* of the entry that was found */
	__u32 found;
	__u32 _pad;
};

/* Working memory of one decision. All zero between uses, but for text, capitals, matches and other. */
struct enf_scratch {
	struct enf_claim claim;
	__u32 n_touched;
	__u32 n_policies;
	__u32 overflow;	 /* more atoms than room: every string and number counts as unknown */
	__u32 bad_image; /* an offset led outside */
	__u32 lapses; /* ENF_LAPSE_*, of decisions that are over: whoever asked for one takes them */
	__u32 everything; /* look at every row, not at pivots */
	__u32 met;	  /* ENF_MET_* */
	__u32 renames;	  /* the kernel's counters when the path was resolved */
	__u32 mounts;
	__u32 resolved; /* under these counters, in another view */
	__u32 place; /* the object has another name, at the usual place: number in enf_places, and 1 */
	__u32 folds; /* a directory on the way of a view may fold names */
	__u64 print; /* of the walk, see enf_resolve() */
	__u32 in_directory; /* the path is the host's, of the directory and of the name in it, and the only one */
	__u32 cut;	 /* the string at hand goes on behind its end */
	__u32 folding;	 /* from fold_from on, the letters of the path at hand are small ones */
	__u32 fold_from; /* place in the text */
	__u32 ranging;	 /* what is met may be so: the number is one of several */
	__u32 heads;	 /* what could lie below is still to be looked up */
	__u32 n_maybe;	 /* ENF_MAY_*: what the bits of maybe stand for */
	__u32 arguments; /* number of the piece with the strings of arguments, see arguments.h; or 0 */
	__u64 since;	 /* when the access began, where it is recorded */
	__u64 present;
	__u64 unknown;
	__u32 truth; /* of a conjunction, by the names that are claimed where there are no others */
	__u32 bare;  /* and without them */
	__u32 kept;  /* see enf_unfollowed() */
	__u64 offhost; /* of the strings: what stands there is not the host's name */
	__u64 folded;  /* of the strings: what else met them is other spellings, or a number */
	__u64 num[ENF_NUM_DIMS];
	/* of the path that was looked up last: its directory, and the strings that it met */
	__u64 way_hash;
	__u32 way_len;
	__u32 met_string; /* place, and 1, of that which it is; 0: it is none */
	__u32 met_above;  /* the deepest with something below it, see struct enf_answer */
	__u32 met_globs;  /* not 0: it lies below one under which a glob begins */
	/* walk */
	__u64 hash;
	__u32 at, pos, end, comp;
	__u32 dim;
	__u32 touch_first, touch_dim;
	__u32 text_at, text_len, differs; /* comparison with a string of the image */
	__u32 low, high;
	__u32 state, argn;
	/* row or label under evaluation */
	__u32 outcome;
	__u32 op;
	__u64 work[24];	  /* of the path walk: more than a BPF stack has room for */
	__u64 access[16]; /* a struct enf_access, of who has no room for it */
	struct enf_verdict verdict;
	struct enf_verdict first; /* of the first of two views */
	struct enf_matches matches;
	struct enf_object object;
	union {
		struct enf_task other; /* a label that is not active */
		struct enf_named named;
	};
	struct enf_met met_there; /* of a container that has begun since the image was made */
	__u64 now;		  /* of the decision, and the marks of its task */
	__u64 mark_at[ENF_MAX_MARKS];
	__u64 recalled; /* the generation that they were taken by */
	__u64 marked;	/* rows that only mark: what they would mark, and the first of each */
	__u16 marked_by[ENF_MAX_MARKS]; /* below ENF_MAX_ROWS */
	__u64 bits[ENF_ATOM_WORDS];
	/* Atoms that the rest of a path which was cut could satisfy; with a bit in both: only another spelling does. */
	__u64 maybe[ENF_ATOM_WORDS];
	__u32 touched[ENF_MAX_TOUCHED];
	__u32 best[ENF_MAX_POLICIES]; /* first matching row + 1; ENF_BEST_UNKNOWN */
	__u16 policies[ENF_MAX_POLICIES];
	/* Of a folded path: a bit for each byte that was a capital letter. */
	__u8 capitals[ENF_PATH_MAX / 8];
	char text[ENF_TEXT_SIZE];
};

ENF_INLINE void enf_begin_matches(struct enf_matches *m)
{
	m->n = 0;
	m->n_also = 0;
}

/* Mark *atom*, which is not marked yet; 1 if there is no room. */
ENF_INLINE long enf_touch_atom(struct enf_scratch *s, __u32 atom)
{
	__u32 n = s->n_touched;

	enf_barrier(n);
	if (n >= ENF_MAX_TOUCHED) {
		s->overflow = 1;
		return 1;
	}
	s->touched[n] = atom;
	s->n_touched = n + 1;
	s->bits[(atom >> 6) & (ENF_ATOM_WORDS - 1)] |= ENF_BIT(atom & 63);
	return 0;
}

#define ENF_BEST_UNKNOWN 0x80000000u

/* What a path meets, as one number: the place of a string in the text, and how. */
#define ENF_IS_STRING 1 /* it is that string */
#define ENF_IS_BELOW 2	/* it is none, and lies below that one */

#define ENF_MET_ATOM 1 /* a value met an atom: rows depend on the object */
#define ENF_MET_DOUBT                                                                              \
	2 /* some value was unknown, or not all were of one moment: found of this access only */

struct enf_ctx {
	const unsigned char *image;
	struct enf_scratch *s;
	struct enf_task *task;
#ifndef __bpf__
	__u32 limit;
#endif
};

/* Returns: size bytes of the image at off, or NULL. An image that leads outside itself was never
 * committed by our loader (compiler/verify.py refuses it). What lies there is left out, and that is counted.
 */
ENF_INLINE const void *enf_at(const struct enf_ctx *c, __u32 off, __u32 size)
{
#ifdef __bpf__
	const __u32 limit = enf_image_bytes;
#else
	const __u32 limit = c->limit;
#endif
	enf_barrier(off);
	if (off > limit - size) {
		c->s->bad_image = 1;
		return NULL;
	}
	return c->image + off;
}

ENF_INLINE const struct enf_image *enf_head(const struct enf_ctx *c)
{
	return (const struct enf_image *)c->image;
}

#endif
