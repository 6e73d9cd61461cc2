/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marks: where they are kept, how long, and what fork and exec do to them. What they mean for a rule
 * is in decide.h.
 *
 * Those of a process and of a tree lie with its first thread, made when the first one is set: whichever
 * thread set it, all threads have it. Those of containers and of the host lie in one table of fixed size. Outside
 * of all containers and units, that of a container is the process's, and stays with it.
 *
 * A mark that finds no room (no memory, a full table) is counted. Its access is then refused if some
 * rule that refuses asks about the mark: else a deed that nobody remembers would be a way around.
 * Not having a mark is never an unknown: whatever was set can be read.
 */
#ifndef ENFORCER_MARKS_BPF_H
#define ENFORCER_MARKS_BPF_H

#include "images.bpf.h"
#include "read.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct enf_marks);
} marks __weak SEC(".maps");

/* By the id of the cgroup that holds a container; the host's by 0, which is not an id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct enf_marks);
} shared_marks __weak SEC(".maps");

/*
 * What other threads marked while one that is not the first execs: it becomes the first, and what the
 * old one had goes with that. A number may be used again, the pair is not. Entries that are pushed out
 * by 160 others in the moment of an exec are lost.
 */
struct enf_process {
	__u64 tgid;
	__u64 start_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 160);
	__type(key, struct enf_process);
	__type(value, struct enf_marks);
} passed_marks __weak SEC(".maps");

/* The node of the cgroup of the container or unit that the cgroup at *kn* lies in; 0: in none. */
ENF_FN __u64 enf_container_of(__u64 kn);

/* The id of the cgroup whose node is at *kn*; 0: there is none. */
static __always_inline __u64 enf_node_id(__u64 kn)
{
	__u64 id = 0;

	if (kn)
		enf_read(id, kn + enf_offset(struct kernfs_node, id));
	return id;
}

/* ---- For a decision ------------------------------------------------------------------------ */

/* Take the marks of the current task into the decision. */
int enf_recall(struct enf_scratch *s);

/*
 * The same at the end of an exec, when the current task is the only thread of its process, in a program
 * that sleeps: there the way to the first thread is not to be trusted.
 */
int enf_recall_alone(struct enf_scratch *s);

/*
 * Set the marks of the verdict in *s* for the current task, which *generation* decided. A number may mean
 * something else under another generation: then no mark is set, and that is counted. Returns: 0, or -errno
 * if the access must not happen.
 */
int enf_mark(struct enf_scratch *s, __u64 generation);

/* The same at the end of an exec; see enf_recall_alone. */
int enf_mark_alone(struct enf_scratch *s, __u64 generation);

/* ---- Fork and exec ------------------------------------------------------------------------ */

/*
 * A new process *child* has the marks of its tree. Returns: 0, or -errno: as with its label, a child that
 * would have shed them is not a child.
 */
static __always_inline int enf_fork_marks(const struct enf_image *image, struct task_struct *child)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 tree = image->tree_marks, any = 0;
	struct enf_marks *from, *to;

	if (!tree)
		return 0;
	from = bpf_task_storage_get(&marks, t->group_leader, NULL, 0);
	if (!from)
		return 0;
	/* Without branches: the verifier took each of them for each mark, three quarters of its work on a fork. */
	for (__u32 i = 0; i < ENF_MAX_MARKS; i++)
		any |= from->at[i] & -(tree >> i & 1);
	if (!any)
		return 0;
	to = bpf_task_storage_get(&marks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!to) {
		enf_count(ENF_STAT_FORK_REFUSED);
		return -ENF_ENOMEM;
	}
	/* Also what another thread has set since. *newest* is read last: it must not be older than any of them. */
	for (__u32 i = 0; i < ENF_MAX_MARKS; i++)
		to->at[i] = from->at[i] & -(tree >> i & 1);
	to->newest = from->newest;
	return 0;
}

static __always_inline void enf_merge_marks(struct enf_marks *to, const struct enf_marks *from)
{
	for (__u32 i = 0; i < ENF_MAX_MARKS; i++)
		if (from->at[i] > to->at[i])
			to->at[i] = from->at[i];
	if (from->newest > to->newest)
		to->newest = from->newest;
}

/*
 * An exec begins. If not by the first thread, the caller will take its place: the caller gets what it has,
 * and from then on whoever marks also puts it where the end of the exec finds it. The word first, then
 * the copy; enf_mark does it the other way round, so that one of the two sees the other.
 */
static __always_inline int enf_exec_marks(const struct enf_image *image)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_marks *from, *to;

	if (!image->n_marks || t->pid == t->tgid)
		return 0;
	from = bpf_task_storage_get(&marks, t->group_leader, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	to = bpf_task_storage_get(&marks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!from || !to) {
		enf_count(ENF_STAT_MARK_LOST);
		return -ENF_ENOMEM; /* what would shed marks does not happen */
	}
	__sync_lock_test_and_set(&from->aside, 1);
	enf_merge_marks(to, from);
	return 0;
}

static __always_inline struct enf_marks *enf_passed(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_process key = { .tgid = t->tgid, .start_ns = t->start_boottime };

	return bpf_map_lookup_elem(&passed_marks, &key);
}

/* An exec has ended. */
static __always_inline void enf_executed_marks(const struct enf_image *image)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct enf_marks *passed, *m;

	if (!image->n_marks)
		return;
	passed = enf_passed();
	if (!passed)
		return;
	m = bpf_task_storage_get(&marks, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (m)
		enf_merge_marks(m, passed);
	else
		enf_count(ENF_STAT_MARK_LOST);
}

#endif
