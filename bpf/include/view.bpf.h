/* SPDX-License-Identifier: GPL-2.0-only */
/* The views in which an object is decided: the host's name, the name by which it was reached, its usual place. */
#ifndef ENFORCER_VIEW_BPF_H
#define ENFORCER_VIEW_BPF_H

#include "act.h"
#include "decide.bpf.h"
#include "mounted.bpf.h"
#include "object.bpf.h"
#include "path.bpf.h"

/* Decide with the object's path in one view; *facts* are flags of the object there. Returns
 * ENF_PATH_ABSENT if it has none there, -1 to ask again.
 */
int enf_decide_view(struct enf_scratch *s, struct enf_task *task, struct enf_access *a, __u32 view,
		    __u32 facts);

/* Keep the stricter of two verdicts, in enforcement and in audit each. */
static __always_inline void enf_stricter(struct enf_verdict *v, const struct enf_verdict *other)
{
	v->marks |= other->marks;
	if (other->action > v->action) {
		v->action = other->action;
		v->row = other->row;
		v->flags = other->flags;
		v->row_flags = other->row_flags;
		v->op = other->op;
		v->limit = other->limit;
		v->error = other->error;
		v->signal = other->signal;
	}
	if (other->audit_action > v->audit_action) {
		v->audit_action = other->audit_action;
		v->audit_row = other->audit_row;
		v->audit_flags = other->audit_flags;
		v->audit_row_flags = other->audit_row_flags;
		v->audit_op = other->audit_op;
		v->audit_limit = other->audit_limit;
	}
}

/*
 * Decide in every view that counts; the strictest verdict does.
 *
 * The host's name is the object's. Where its file system shows what the kernel has once, it has the name of
 * the usual place, too. What the host does not show has no name: then what the mount namespace calls it,
 * through which it was reached, counts as a claim (enf_of_views() in match.h). If it has a name and was reached
 * through another namespace, a rule holds by either.
 *
 * The layer of an overlay is decided by the host's name alone: the overlay's own name has had its verdict, and
 * what was asked for was not this name. The host's must still not be walked around.
 *
 * What a runtime has mounted for the caller's container has the names by that, too, whatever the container mounts.
 *
 * Returns: 0, or -1 to ask again.
 */
static __always_inline int enf_decide_access(struct enf_scratch *s, struct enf_task *task,
					     struct enf_access *a)
{
	int rc, layer, foreign;

	if (!s || !task || !a)
		return 0;
	if (!a->dentry)
		return enf_decide_now(s, task) ? -1 : 0;
	s->verdict = (struct enf_verdict){ .row = ENF_NONE, .audit_row = ENF_NONE };
	s->first = s->verdict;
	layer = a->is_layer || enf_is_layer(a->mnt);
	foreign = !layer && enf_foreign(a->mnt);
	s->place = 0;
	if (foreign && enf_is_shown(s, a->dentry)) {
		rc = enf_decide_view(s, task, a, ENF_VIEW_NAMESPACE, ENF_OF_NSVIEW);
		if (rc)
			return rc;
		s->first = s->verdict;
	}
	rc = enf_decide_view(s, task, a, ENF_VIEW_HOST, 0);
	if (rc == ENF_PATH_ABSENT && !layer)
		rc = enf_decide_view(s, task, a, ENF_VIEW_NAMESPACE,
				     ENF_OF_NSVIEW | ENF_OF_OFFHOST);
	if (rc < 0)
		return rc;
	if (foreign || layer)
		s->in_directory =
			0; /* another name of it has been decided, or none by which it was reached */
	enf_stricter(&s->verdict, &s->first);
	if (enf_has_mounted && !rc && (task->flags & ENF_SF_CONTAINED)) {
		s->in_directory = 0; /* others of the same set are in containers with other names */
		if (enf_decide_mounted(s, task))
			return -1;
	}
	if (s->place) {
		s->first = s->verdict;
		rc = enf_decide_view(s, task, a, ENF_VIEW_PLACE, 0);
		if (rc < 0)
			return rc;
		enf_stricter(&s->verdict, &s->first);
	}
	return 0;
}

#endif
