// SPDX-License-Identifier: GPL-2.0-only
/* Containers that were met after the image was made: met.bpf.h. */
#include "fast.bpf.h"
#include "met.bpf.h"
#include "task.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ENF_MET_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct enf_met);
} met SEC(".maps");

struct enf_meeting {
	struct enf_scratch *s;
	__u64 kn;
	__u64 generation;
};

static long enf_met_atom(__u32 i, void *arg)
{
	struct enf_scratch *s = ((struct enf_meeting *)arg)->s;
	__u32 atom;

	enf_barrier(i);
	if (i >= ENF_MET_ATOMS)
		return 1;
	atom = s->met_there.atoms[i];
	if (s->bits[(atom >> 6) & (ENF_ATOM_WORDS - 1)] & ENF_BIT(atom & 63))
		return 0;
	return enf_touch_atom(s, atom);
}

static long enf_met_one(__u32 i, void *arg)
{
	struct enf_meeting *m = arg;
	struct enf_scratch *s = m->s;
	const volatile struct enf_met *entry;
	__u64 id = 0;

	(void)i;
	enf_read(id, m->kn + enf_offset(struct kernfs_node, id));
	entry = bpf_map_lookup_elem(&met, &id);
	if (entry && entry->generation == m->generation) {
		bpf_probe_read_kernel(&s->met_there, sizeof(s->met_there), (const void *)entry);
		/* Removed meanwhile, its memory is another's. */
		if (entry->cgroup == id && entry->generation == m->generation)
			bpf_loop(s->met_there.n_atoms, enf_met_atom, m, 0);
	}
	m->kn = enf_kernfs_parent(m->kn);
	return !m->kn;
}

__attribute__((noinline)) int enf_touch_met(struct enf_scratch *s, __u64 kn, __u64 generation)
{
	struct enf_meeting m = { .s = s, .kn = kn, .generation = generation };

	if (!s || !kn)
		return 0;
	bpf_loop(256, enf_met_one, &m, 0);
	return 0;
}

/* ---- Labels that were made before an entry ---------------------------------------------------- */

volatile __u64 enf_begun SEC(".data.begun") = 0; /* the id of its cgroup, as user space says */
__u64 enf_labels_met = 0;

struct enf_place_of {
	__u64 kn;
	__u64 id;
	__u32 is_there;
};

static long enf_is_there(__u32 i, void *arg)
{
	struct enf_place_of *c = arg;
	__u64 id = 0;

	(void)i;
	enf_read(id, c->kn + enf_offset(struct kernfs_node, id));
	c->is_there = id == c->id;
	c->kn = enf_kernfs_parent(c->kn);
	return c->is_there || !c->kn;
}

/*
 * Have the labels in that cgroup, and below it, computed again. Prints how many it has marked: run until there are none,
 * since the label of a child that was not there yet may be a copy of one from before.
 */
SEC("iter/task")
int enf_meet_tasks(struct bpf_iter__task *ctx)
{
	struct enf_place_of c = { .id = enf_begun };
	struct task_struct *t = ctx->task;
	struct enf_task *task;

	if (!t) {
		/* What was remembered when nobody knew what is mounted there counts no longer. */
		__sync_fetch_and_add(&enf_dirs_gone, 1);
		BPF_SEQ_PRINTF(ctx->meta->seq, "%llu\n", enf_labels_met);
		enf_labels_met = 0;
		return 0;
	}
	task = bpf_task_storage_get(&tasks, t, NULL, 0);
	/* What is in no container by its label is in this one only if it has moved there, which it notices. */
	if (!task || !(task->flags & ENF_SF_CONTAINED) || (task->watches & ENF_WATCH_NEWS))
		return 0;
	enf_read(c.kn, enf_address(t) + enf_offset(struct task_struct, cgroups));
	enf_read(c.kn, c.kn + enf_offset(struct css_set, dfl_cgrp));
	enf_read(c.kn, c.kn + enf_offset(struct cgroup, kn));
	if (c.kn)
		bpf_loop(256, enf_is_there, &c, 0);
	if (!c.is_there)
		return 0;
	__sync_fetch_and_or(&task->watches, ENF_WATCH_NEWS);
	enf_labels_met += 1;
	return 0;
}
