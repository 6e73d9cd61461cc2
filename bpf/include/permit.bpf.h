/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Permits: verdicts that are the same each time, and remembered. Some row allows, or none says anything, and nothing
 * follows from it but a count. Such a verdict depends on the image (by its generation), on the sets of subjects that
 * the task is in (by their number) and on operands of the access; what these stand for says who remembers
 * (seen.bpf.h, peer.bpf.h).
 */
#ifndef ENFORCER_PERMIT_BPF_H
#define ENFORCER_PERMIT_BPF_H

#include "image.h"
#include "kernel.h"

/*
 * The number of the set that the label's subjects are. 0: there is no room for it, and every access of such a task
 * is decided anew; so is one that meets a writer.
 */
int enf_set_of(struct enf_task *task);

/* Does nothing follow from the verdict, but that the row is counted? */
static __always_inline int enf_is_silent(const struct enf_scratch *s)
{
	const struct enf_verdict *v = &s->verdict;

	if (v->audit_row != ENF_NONE || v->marks || (v->flags & ENF_VF_ON_ERROR) ||
	    (v->row_flags & ENF_RF_RECORD) || s->matches.n > ENF_MATCHES || s->matches.n_also)
		return 0;
	if (v->row != ENF_NONE && v->action != ENF_ACT_ALLOW)
		return 0;
	for (__u32 i = 0; i < ENF_MATCHES; i++)
		if (i < s->matches.n && (s->matches.at[i] & ENF_MATCH_RECORD))
			return 0;
	return 1;
}

#endif
