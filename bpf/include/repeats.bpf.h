/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fair shares of the rings. As long as a ring has room, each record goes into it. From three quarters on it is
 * crowded, as when somebody tries again and again what is refused, and nobody reads. Then a record goes into a table,
 * as the first of its kind; of more of that kind is kept how many they are, and when the last one came. User space
 * lets a program move what is in the table into the rings, where each kind is one record.
 *
 * The rest of a ring is for what finds no room in the table, and for what comes out of it.
 *
 * Shares. Who makes many kinds, by many processes, takes no room from others. A kind gets a place only while those of
 * its cgroup are fewer than the places that are free, and likewise those of its user, if that is not root; and those
 * of its process fewer than its cgroup could still get. So one cgroup gets half of the table, two get a third each,
 * and there is a place for the first kind of the next. Beyond that share, what processes of one cgroup do is one kind
 * whichever of them does it, and there are a quarter of the free places for these. What finds none there goes into the
 * rest of the ring, and where that is full, too, it is lost: both are counted.
 *
 * An entry's state says with its turn whose it is, so that what counts in it by one compare-and-swap counts in no
 * other: who moves it takes it first, and who gets it next begins another turn.
 */
#ifndef ENFORCER_REPEATS_BPF_H
#define ENFORCER_REPEATS_BPF_H

#include "kernel.h"
#include "maps.bpf.h"
#include "scratch.bpf.h"

/* What makes two records alike, and the search for the entry of one that comes now. */
struct enf_kind {
	/* of the record */
	__u64 exec_ns;
	__u64 generation;
	__u32 row;
	__u8 kind; /* ENF_EVENT_* */
	__u8 op;
	__u8 action;
	__u8 flags; /* ENF_EF_* */
	/* of the current process, by enf_repeat() */
	__u64 start_ns;
	__u64 cgroup;
	__u32 pid;
	__u32 account;
	/* of the search */
	__u16 first; /* entry of the part */
	__u16 mask;  /* entries of the part, less one */
	__u16 at;    /* where the search begins */
	__u16 found; /* the entry of the kind, and 1 */
	__u16 place; /* the first that is free, and 1 */
	__u16 n_free;
	__u16 of_cgroup;
	__u16 of_account;
	__u16 of_process; /* or of any of the cgroup's */
	__u16 is_counted;
	__u32 _pad;
};

#define ENF_REPEATED (-1)
#define ENF_OVERTAKEN (-2)

/*
 * Look for the entry of *kind* once. Returns: ENF_REPEATED if the record was counted there; n > 0 if it is the first
 * of its kind, which now has the entry n - 1; 0 if there is no place for it; ENF_OVERTAKEN if others were faster.
 */
int enf_repeat_try(struct enf_kind *kind);

static __always_inline int enf_is_crowded(int is_decision)
{
	return is_decision
		       ? bpf_ringbuf_query(&decisions, BPF_RB_AVAIL_DATA) >= enf_crowded_decisions
		       : bpf_ringbuf_query(&activity, BPF_RB_AVAIL_DATA) >= enf_crowded_activity;
}

/*
 * A record of *kind* by the current process comes while its ring is crowded. Returns: ENF_REPEATED if it was counted;
 * n > 0 if it is the first of its kind: entry n - 1 waits for it, and for enf_keep(). 0 if there is no place, which is
 * counted: it tries the ring, and what finds no room there is counted as lost.
 */
static __always_inline int enf_repeat(struct enf_kind *kind, int is_decision)
{
	struct task_struct *t = bpf_get_current_task_btf();
	int entry;

	kind->start_ns = BPF_CORE_READ(t, group_leader, start_boottime);
	kind->pid = bpf_get_current_pid_tgid() >> 32;
	kind->cgroup = bpf_get_current_cgroup_id();
	kind->account = enf_account();
	kind->first = is_decision ? 0 : ENF_REPEATS_DECISIONS;
	kind->mask = (is_decision ? ENF_REPEATS_DECISIONS : ENF_REPEATS_ACTIVITY) - 1;
	kind->at = kind->pid * 31 + kind->row * 7 + kind->op;
	entry = enf_repeat_try(kind);
	if (entry == ENF_OVERTAKEN)
		entry = enf_repeat_try(kind);
	if (!entry || entry == ENF_OVERTAKEN) { /* as anybody's of the cgroup */
		kind->exec_ns = 0;
		kind->start_ns = 0;
		kind->pid = 0;
		entry = enf_repeat_try(kind);
	}
	if (entry == ENF_REPEATED)
		enf_count(ENF_STAT_REPEATED);
	if (entry > 0 || entry == ENF_REPEATED)
		return entry;
	enf_count(ENF_STAT_NO_KIND);
	return 0;
}

/* The record of an entry that enf_repeat() gave is whole. */
static __always_inline void enf_keep(struct enf_repeats *entry)
{
	if (!entry->pid)
		entry->event.flags |= ENF_EF_OTHERS;
	__sync_fetch_and_or(&entry->state, ENF_REPEATS_WHOLE);
}

#endif
