// SPDX-License-Identifier: GPL-2.0-only
/* Sets of subjects by number: see permit.bpf.h. */
#include "permit.bpf.h"
#include "fast.bpf.h"

#define ENF_SET_TRIES 4 /* places for one set */
#define ENF_SET_HALF ENF_SUBJECT_WORDS

static __always_inline __u64 enf_set_word(const struct enf_task *task, __u32 i)
{
	return i < ENF_SET_HALF ? task->subject[i] : task->subject_unknown[i - ENF_SET_HALF];
}

/* Is the set at *e* that of the label? Returns: 1; 0 if it is another, or is being written. */
static __always_inline int enf_is_set(const struct enf_set *e, const struct enf_task *task)
{
	__u32 version = enf_in_order(&e->version);
	__u64 differs = e->generation ^ task->generation;

	for (__u32 i = 0; i < 2 * ENF_SET_HALF; i++)
		differs |= e->word[i] ^ enf_set_word(task, i);
	return !differs && !(version & 1) && enf_in_order(&e->version) == version;
}

/* Put the label's set at *e*, if what stands there is of an earlier generation. Returns: whether it was. */
static __always_inline int enf_take_set(struct enf_set *e, const struct enf_task *task)
{
	__u32 version;
	int is_free;

	if (e->generation >= task->generation || !enf_begin_write(&e->version, &version))
		return 0;
	is_free = e->generation < task->generation; /* asked again: nobody else writes it now */
	if (is_free) {
		for (__u32 i = 0; i < 2 * ENF_SET_HALF; i++)
			e->word[i] = enf_set_word(task, i);
		e->generation = task->generation;
	}
	enf_end_write(&e->version, version);
	return is_free;
}

__attribute__((noinline)) int enf_set_of(struct enf_task *task)
{
	__u64 hash;
	__u32 at;

	if (!task)
		return 0;
	if (task->set)
		return task->set;
	hash = task->generation;
	for (__u32 i = 0; i < 2 * ENF_SET_HALF; i++)
		hash = (hash ^ enf_set_word(task, i)) * 0x9e3779b97f4a7c15ULL;
	for (__u32 i = 0; i < ENF_SET_TRIES; i++) {
		struct enf_set *e;

		at = ((hash >> 32) + i) & (ENF_SETS - 1);
		e = bpf_map_lookup_elem(&sets, &at);
		if (e && (enf_is_set(e, task) || enf_take_set(e, task))) {
			task->set = at + 1;
			return task->set;
		}
	}
	enf_count(ENF_STAT_NO_SET);
	return 0;
}
