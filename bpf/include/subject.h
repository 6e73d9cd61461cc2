/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who acts: which labels and subjects of the image a task satisfies. Works on struct enf_task alone;
 * finding the identity is the caller's work. What fork and exec do to that is in lineage.h.
 */
#ifndef ENFORCER_SUBJECT_H
#define ENFORCER_SUBJECT_H

#include "match.h"

#define ENF_SUBJECT_DIMS                                                                           \
	(ENF_BIT(ENF_DIM_EXE) | ENF_BIT(ENF_DIM_CGROUP) | ENF_BIT(ENF_DIM_CONTAINER) |             \
	 ENF_BIT(ENF_DIM_UID) | ENF_BIT(ENF_DIM_EUID) | ENF_BIT(ENF_DIM_GID) |                     \
	 ENF_BIT(ENF_DIM_EGID) | ENF_BIT(ENF_DIM_CAPS))

static long enf_label_one(__u32 i, void *arg)
{
	struct enf_ctx *c = arg;
	struct enf_task *task = c->task;
	const struct enf_label *label = enf_at(c, enf_head(c)->off_labels + i * 16, 16);
	__u32 word = (i >> 6) & (ENF_LABEL_WORDS - 1);
	struct enf_truths both;
	__u32 truth, doubt = 0;

	if (!label) { /* cannot tell: unknown, which each rule's onError decides */
		task->self_unknown[word] |= ENF_BIT(i & 63);
		return 0;
	}
	/* Whether the code is trusted may be unknown; all other flags are known. */
	if (task->flags & ENF_SF_CODE_UNKNOWN)
		doubt = (label->flags_set | label->flags_clear) & ENF_SF_TRUSTED_CODE;
	if (((task->flags | doubt) & label->flags_set) != label->flags_set ||
	    (task->flags & label->flags_clear))
		return 0;
	both = enf_conjunction(c, label->terms.first, label->terms.count);
	truth = both.truth == both.bare				     ? both.truth
		: both.truth + both.bare == ENF_TRUE /* and false */ ? ENF_CLAIMED
								     : ENF_UNKNOWN;
	if (truth != ENF_FALSE && doubt)
		truth = ENF_UNKNOWN;
	if (truth == ENF_TRUE || truth == ENF_CLAIMED)
		task->self[word] |= ENF_BIT(i & 63);
	if (truth == ENF_UNKNOWN || truth == ENF_CLAIMED)
		task->self_unknown[word] |= ENF_BIT(i & 63);
	return 0;
}

/* The truth that a bit in two sets stands for. */
ENF_INLINE __u32 enf_truth_of(__u64 known, __u64 unknown)
{
	return known ? (unknown ? ENF_CLAIMED : ENF_TRUE) : unknown ? ENF_UNKNOWN : ENF_FALSE;
}

ENF_INLINE __u32 enf_subject_term_truth(const struct enf_task *task, struct enf_subject_term t)
{
	__u32 word = (t.label >> 6) & (ENF_LABEL_WORDS - 1);
	__u64 bit = ENF_BIT(t.label & 63);
	__u32 truth;

	if (t.who == ENF_WHO_PROCESS)
		truth = enf_truth_of(task->self[word] & bit, task->self_unknown[word] & bit);
	else if (t.who == ENF_WHO_PARENT)
		truth = enf_truth_of(task->parent[word] & bit, task->parent_unknown[word] & bit);
	else
		truth = task->ancestor[word] & bit	     ? ENF_TRUE
			: task->ancestor_claimed[word] & bit ? ENF_CLAIMED
			: task->ancestor_unknown[word] & bit ? ENF_UNKNOWN
							     : ENF_FALSE;
	if (truth == ENF_FALSE && t.who != ENF_WHO_PROCESS &&
	    (task->flags & ENF_SF_LINEAGE_UNKNOWN))
		truth = ENF_UNKNOWN;
	if (truth == ENF_UNKNOWN || truth == ENF_CLAIMED)
		return truth;
	return truth != t.negate;
}

static long enf_subject_one(__u32 i, void *arg)
{
	struct enf_ctx *c = arg;
	struct enf_task *task = c->task;
	const struct enf_subject *subject = enf_at(c, enf_head(c)->off_subjects + i * 40, 40);
	__u32 word = (i >> 6) & (ENF_SUBJECT_WORDS - 1);
	__u32 truth = ENF_TRUE;

	if (!subject) {
		task->subject_unknown[word] |= ENF_BIT(i & 63);
		task->ops = ~0ULL;
		return 0;
	}
	for (int k = 0; k < ENF_SUBJECT_TERMS; k++) {
		__u32 one;

		if (subject->term[k].who == ENF_WHO_NONE)
			break;
		if (subject->term[k].who != ENF_WHO_PROCESS)
			task->flags |= ENF_SF_KIN;
		one = enf_unfollowed(c->s, enf_subject_term_truth(task, subject->term[k]));
		if (one == ENF_FALSE)
			return 0;
		/* Claimed before unknown: what is claimed must not be in anybody's favour. */
		if (one == ENF_CLAIMED || (one == ENF_UNKNOWN && truth == ENF_TRUE))
			truth = enf_unfollowed(c->s, one);
	}
	if (truth != ENF_UNKNOWN)
		task->subject[word] |= ENF_BIT(i & 63);
	if (truth != ENF_TRUE)
		task->subject_unknown[word] |= ENF_BIT(i & 63);
	task->ops |= subject->ops;
	return 0;
}

#define ENF_SUBJECT_NAMES                                                                          \
	4 /* cgroup, the same as a container's, executable, and its other spellings */

/* One of the names of a process. The cgroup's path may lie where the executable's goes: it comes first. */
static long enf_subject_name_one(__u32 i, void *arg)
{
	static const __u8 dims[] = { ENF_DIM_CGROUP, ENF_DIM_CONTAINER, ENF_DIM_EXE, ENF_DIM_EXE };
	struct enf_spelled *p = arg;
	struct enf_scratch *s = p->c->s;
	struct enf_task *task = p->c->task;

	if (i >= ENF_SUBJECT_NAMES)
		return 1;
	p->dim = dims[i];
	if (p->dim == ENF_DIM_EXE) {
		__builtin_memcpy(s->text, task->exe, ENF_EXE_MAX);
		p->at = ENF_TEXT_PATH;
		p->len = task->exe_len;
		p->fold = task->flags >> ENF_FOLD_AT;
		p->from = task->flags >> ENF_FOLD_EXE_AT & ENF_FOLD_EXE_MASK;
		if (p->len > ENF_EXE_MAX || (i + 1 == ENF_SUBJECT_NAMES && !p->fold))
			return 0;
	}
	if (s->present & ~s->unknown & ENF_BIT(p->dim & 63))
		enf_match_spelled(p, i + 1 == ENF_SUBJECT_NAMES);
	return 0;
}

/*
 * Compute the sets of c->task from its identity. In: task identity fields, and the cgroup path at
 * text[cgroup_at, + cgroup_len). *cgroup_len* 0 means it could not be read.
 */
ENF_INLINE int enf_subject_eval(struct enf_ctx *c, __u32 cgroup_at, __u32 cgroup_len)
{
	struct enf_spelled names = { .c = c, .at = cgroup_at, .len = cgroup_len };
	const struct enf_image *image = enf_head(c);
	struct enf_scratch *s = c->s;
	struct enf_task *task = c->task;

	s->present = ENF_SUBJECT_DIMS;
	s->unknown = 0;
	s->offhost = (task->flags & ENF_SF_OFFHOST ? ENF_BIT(ENF_DIM_EXE) : 0) |
		     (task->flags & ENF_SF_USERNS ? ENF_BIT(ENF_DIM_CAPS) : 0);
	for (int i = 0; i < ENF_LABEL_WORDS; i++) {
		task->self[i] = 0;
		task->self_unknown[i] = 0;
	}
	for (int i = 0; i < ENF_SUBJECT_WORDS; i++) {
		task->subject[i] = 0;
		task->subject_unknown[i] = 0;
	}
	task->ops = 0;
	task->set = 0;
	task->flags &= ~(ENF_SF_KIN | ENF_SF_CONTAINED);

	if (!cgroup_len)
		s->unknown |= ENF_BIT(ENF_DIM_CGROUP) | ENF_BIT(ENF_DIM_CONTAINER);
	if (task->flags & ENF_SF_EXE_UNKNOWN)
		s->unknown |= ENF_BIT(ENF_DIM_EXE);
	else if (!task->exe_len || task->exe_len > ENF_EXE_MAX)
		/* kernel threads have no executable: conditions on it cannot hold */
		s->present &= ~ENF_BIT(ENF_DIM_EXE);
	/* Without an image there is nothing to have drifted from. */
	if (task->flags & (ENF_SF_IMAGE | ENF_SF_IMAGE_UNKNOWN))
		s->present |= ENF_BIT(ENF_DIM_EXE_DRIFT);
	if (task->flags & ENF_SF_IMAGE_UNKNOWN)
		s->unknown |= ENF_BIT(ENF_DIM_EXE_DRIFT);
	enf_loop(ENF_SUBJECT_NAMES, enf_subject_name_one, &names);
	if (!cgroup_len || s->overflow || enf_touched(s, image->container_atom))
		task->flags |= ENF_SF_CONTAINED;
	/* Outside of containers conditions on them cannot hold, nor can their negation. */
	if (cgroup_len && !s->overflow &&
	    (!(task->flags & ENF_SF_CONTAINED) || (task->flags & ENF_SF_RUNTIME)))
		s->present &= ~ENF_BIT(ENF_DIM_CONTAINER);
	enf_match_number(c, ENF_DIM_UID, 0, task->uid);
	enf_match_number(c, ENF_DIM_EUID, 0, task->euid);
	enf_match_number(c, ENF_DIM_GID, 0, task->gid);
	enf_match_number(c, ENF_DIM_EGID, 0, task->egid);
	s->num[ENF_DIM_CAPS - ENF_DIM_FIRST_NUM] = task->caps;
	s->num[ENF_DIM_EXE_DRIFT - ENF_DIM_FIRST_NUM] =
		task->flags >> ENF_SF_DRIFT_AT & ENF_DRIFT_ANY;

	if (image->n_labels)
		enf_loop(image->n_labels, enf_label_one, c);
	if (image->n_subjects)
		enf_loop(image->n_subjects, enf_subject_one, c);
	enf_untouch(c);
	task->generation = image->generation;
	return 0;
}

#endif
