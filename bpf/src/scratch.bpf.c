// SPDX-License-Identifier: GPL-2.0-only
/* Who gets which piece of working memory, and of memory for arguments. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___scratch
#include "arguments.h"
#include "maps.bpf.h"
#include "read.bpf.h"
#include "scratch.bpf.h"

#define ENF_ROOTS 8 /* of as many pieces one is root's */
#define ENF_SHARES                                                                                 \
	8 /* such a part of all is what one user may hold of those that are no first choice */
#define ENF_USERNS_DEPTH                                                                           \
	33 /* create_user_ns() in kernel/user_namespace.c: level > 32 is too deep */

/* How long to look for a piece, and how often: until it is found, or either is over. */
#define ENF_WAIT_NS 2000000
#define ENF_LOOKS (1 << 20)

_Static_assert(!(ENF_SCRATCHES & (ENF_SCRATCHES - 1)) && !(ENF_ARGUMENTS & (ENF_ARGUMENTS - 1)) &&
		       ENF_LOOKS % ENF_SCRATCHES == 0 && ENF_LOOKS % ENF_ARGUMENTS == 0,
	       "whole rounds");

/* A search for a piece of memory, round by round. */
struct enf_search_piece {
	__u64 until;	   /* 0: this round is the last */
	__u32 is_argument; /* of which kind */
	__u32 pieces;	   /* of that, a power of two */
	__u32 first;
	__u32 account;
	__u32 mine;   /* of those that are no first choice, held by the same account */
	__u32 shared; /* a free one of these, by number from 1 on; or 0 */
	__u32 found;  /* any that is to be had, likewise; after the search that which was taken */
};

static __always_inline struct enf_claim *enf_claim_at(const struct enf_search_piece *k, __u32 n)
{
	if (k->is_argument)
		return bpf_map_lookup_elem(&arguments, &n);
	return bpf_map_lookup_elem(&scratches, &n);
}

/* Is it the caller's now? */
static __always_inline int enf_claim(struct enf_claim *claim, __u32 account)
{
	if (!claim || __sync_lock_test_and_set(&claim->busy, 1))
		return 0;
	claim->account = account;
	return 1;
}

/* Every second piece is the first choice of some processors, see enf_first_choice(). */
static __always_inline __u32 enf_is_first_choice(__u32 n)
{
	return n & 1;
}

static long enf_look_one(__u32 i, struct enf_search_piece *k)
{
	__u32 n = (k->first + i) & (k->pieces - 1), found;
	struct enf_claim *claim = enf_claim_at(k, n);

	if (!claim)
		return 1;
	if (claim->busy)
		k->mine += !enf_is_first_choice(n) && claim->account == k->account;
	else if (enf_is_first_choice(n) || !k->account)
		k->found = n + 1;
	else if (n % ENF_ROOTS)
		k->shared = n + 1;
	if ((i & (k->pieces - 1)) != k->pieces - 1)
		return 0;
	found = k->found;
	if (!found && k->mine < k->pieces / ENF_SHARES)
		found = k->shared;
	k->found = found;
	if (found && enf_claim(enf_claim_at(k, found - 1), k->account))
		return 1;
	k->found = 0;
	k->shared = 0;
	k->mine = enf_nothing;
	/* Who lost its processor until now looks once more: those who held them did not. */
	if (!k->until)
		return 1;
	if (bpf_ktime_get_ns() > k->until)
		k->until = 0;
	return 0;
}

/*
 * Look at all pieces of a kind until one can be had. Who holds them gives them back in microseconds, unless it lost its
 * processor. Returns: the number of the piece that is the caller's now, from 1 on, or 0.
 */
__attribute__((noinline)) __u32 enf_look_for(__u32 is_argument, __u32 first, __u32 account)
{
	struct enf_search_piece search = {
		.until = bpf_ktime_get_ns() + ENF_WAIT_NS,
		.is_argument = is_argument,
		.pieces = is_argument ? ENF_ARGUMENTS : ENF_SCRATCHES,
		.first = first,
		.account = account,
		.mine = enf_nothing,
		.shared = enf_nothing,
		.found = enf_nothing,
	};

	bpf_loop(ENF_LOOKS, enf_look_one, &search, 0);
	return search.found;
}

struct enf_userns_climb {
	__u64 ns;
};

static long enf_userns_one(__u32 i, struct enf_userns_climb *climb)
{
	__u32 level = 0;

	(void)i;
	enf_read(level, climb->ns + enf_offset(struct user_namespace, level));
	if (level <= 1)
		return 1;
	enf_read(climb->ns, climb->ns + enf_offset(struct user_namespace, parent));
	return 0;
}

/* Whose the task is: its user; in user namespaces whoever made the outermost, if that was not root. */
__attribute__((noinline)) __u32 enf_account(void)
{
	__u64 cred = enf_pointer(bpf_get_current_task_btf(), real_cred);
	struct enf_userns_climb climb = {
		.ns = enf_word_at(cred + enf_offset(struct cred, user_ns)),
	};
	__u32 uid = 0, owner = 0;
	int level = 0;

	enf_read(uid, cred + enf_offset(struct cred, uid));
	enf_read(level, climb.ns + enf_offset(struct user_namespace, level));
	if (!level)
		return uid;
	bpf_loop(ENF_USERNS_DEPTH, enf_userns_one, &climb, 0);
	enf_read(owner, climb.ns + enf_offset(struct user_namespace, owner));
	return owner ? owner : uid;
}

static __always_inline __u32 enf_first_choice(__u32 pieces)
{
	return (bpf_get_smp_processor_id() * 2 + 1) & (pieces - 1);
}

ENF_FN struct enf_scratch *enf_acquire(void)
{
	__u32 n = enf_first_choice(ENF_SCRATCHES), account = enf_account();
	struct enf_scratch *s = bpf_map_lookup_elem(&scratches, &n);

	if (s && enf_claim(&s->claim, account))
		return s;
	n = enf_look_for(0, n, account) - 1;
	return bpf_map_lookup_elem(&scratches, &n);
}

__attribute__((noinline)) __u32 enf_acquire_arguments(void)
{
	__u32 n = enf_first_choice(ENF_ARGUMENTS), account = enf_account();
	struct enf_arguments *a = bpf_map_lookup_elem(&arguments, &n);

	if (a && enf_claim(&a->claim, account))
		return n + 1;
	return enf_look_for(1, n, account);
}

ENF_FN struct enf_arguments *enf_lend_arguments(struct enf_scratch *s)
{
	if (!s->arguments) {
		s->arguments = enf_acquire_arguments();
		if (!s->arguments) {
			s->arguments = ENF_NO_ARGUMENTS; /* not to be looked for again */
			enf_count(ENF_STAT_NO_SCRATCH);
		}
	}
	return enf_arguments_of(s);
}
