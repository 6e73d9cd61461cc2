// SPDX-License-Identifier: GPL-2.0-only
/* Who gets which piece of working memory. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___scratch
#include "maps.bpf.h"
#include "read.bpf.h"
#include "scratch.bpf.h"

#define ENF_SLOT_TRIES 32
#define ENF_SLOT_QUOTA (ENF_SLOT_TRIES / 2)
#define ENF_SLOT_ROOTS 8
#define ENF_USERNS_DEPTH                                                                           \
	33 /* create_user_ns() in kernel/user_namespace.c: level > 32 is too deep */

struct enf_slot_search {
	__u32 at;
	__u32 account;
	__u32 mine;  /* held by the same account */
	__u32 found; /* a free slot and 1, or 0 */
};

static long enf_look_one(__u32 i, struct enf_slot_search *search)
{
	__u32 slot = (search->at + i) % (enf_scratch_slots ? enf_scratch_slots : 1);
	struct enf_scratch *s = bpf_map_lookup_elem(&scratches, &slot);

	if (!s)
		return 1;
	if (s->busy)
		search->mine += s->account == search->account;
	else if (!search->found && (!search->account || slot % ENF_SLOT_ROOTS))
		search->found = slot + 1;
	return 0;
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
	const struct cred *cred = bpf_get_current_task_btf()->real_cred;
	struct enf_userns_climb climb = { .ns = (__u64)cred->user_ns };
	__u32 uid = cred->uid.val, owner = 0;

	if (!cred->user_ns->level)
		return uid;
	bpf_loop(ENF_USERNS_DEPTH, enf_userns_one, &climb, 0);
	enf_read(owner, climb.ns + enf_offset(struct user_namespace, owner));
	return owner ? owner : uid;
}

ENF_FN struct enf_scratch *enf_acquire(void)
{
	/* our own CPU's first, then the next one's */
	struct enf_slot_search search = { .at = bpf_get_smp_processor_id() * enf_slots_per_cpu };
	struct enf_scratch *s = bpf_map_lookup_elem(&scratches, &search.at);
	__u32 first = search.at;

	search.account = enf_account();
	for (__u32 i = 0; i < 4; i++) {
		if (s && !__sync_lock_test_and_set(&s->busy, 1)) {
			s->account = search.account;
			return s;
		}
		search.at = first;
		search.mine = enf_nothing;
		search.found = 0;
		bpf_loop(ENF_SLOT_TRIES, enf_look_one, &search, 0);
		if (!search.found || (search.account && search.mine >= ENF_SLOT_QUOTA))
			return NULL;
		search.found -= 1;
		s = bpf_map_lookup_elem(&scratches, &search.found);
	}
	return NULL; /* others were faster */
}
