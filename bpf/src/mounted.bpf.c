// SPDX-License-Identifier: GPL-2.0-only
/* What runtimes have mounted for containers, and the names that follow: see mounted.bpf.h. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___mounted
#include "mounted.bpf.h"
#include "decide.bpf.h"
#include "read.bpf.h"
#include "view.bpf.h"

/* Of one file, by as many mounts of what holds it; with more its path is unknown. */
#define ENF_MOUNTED_NAMES 16
#define ENF_CGROUPS_DEEP 256

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ENF_MOUNTED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct enf_mounted_key);
	__type(value, struct enf_mounted);
} mounted SEC(".maps");

volatile __u64 enf_has_mounted SEC(".data.mounted") = 0;

/* Does the host's path lie at what the entry has mounted, or below? */
static __always_inline int enf_lies_there(const struct enf_named *named,
					  const volatile struct enf_mounted *entry)
{
	const volatile __u64 *from = (const volatile __u64 *)entry->from;
	__u32 len = entry->from_len, words, at;

	if (len >= ENF_MOUNTED_PATH || len > named->len)
		return 0;
	/* Whole words first, with one way through each: of two the verifier would go all combinations. */
	words = len / 8;
	/* Else the loop has one bound, which the verifier of Linux 6.1 does not see. */
	enf_barrier(words);
	for (__u32 i = 0; i < ENF_MOUNTED_PATH / 8 && i < words; i++)
		if (named->begins[i] != from[i])
			return 0;
	if (len % 8) { /* the first byte is the lowest one */
		enf_barrier(len);
		at = len / 8 & (ENF_MOUNTED_PATH / 8 - 1);
		if ((named->begins[at] ^ from[at]) << (64 - 8 * (len % 8)))
			return 0;
	}
	if (len == named->len)
		return 1;
	enf_barrier(len);
	return ((const char *)named->begins)[len & (ENF_MOUNTED_PATH - 1)] == '/';
}

static long enf_mounted_one(__u32 i, void *arg)
{
	struct enf_scratch *s = *(struct enf_scratch **)arg;
	struct enf_named *named = &s->named;
	struct enf_mounted_key key = { .n = named->n };
	const volatile struct enf_mounted *entry;

	(void)i;
	enf_read(key.cgroup, named->kn + enf_offset(struct kernfs_node, id));
	entry = bpf_map_lookup_elem(&mounted, &key);
	if (!entry) {
		named->kn = enf_kernfs_parent(named->kn);
		named->n = 0;
		return !named->kn;
	}
	named->n += 1;
	if (!enf_lies_there(named, entry))
		return 0;
	named->from_len = entry->from_len;
	named->to_len = entry->to_len;
	bpf_probe_read_kernel(named->to, sizeof(named->to), (const void *)entry->to);
	/* Removed meanwhile, its memory is another's. */
	named->found = entry->key.cgroup == key.cgroup && entry->key.n == key.n;
	return named->found;
}

/* Put the host's path back, of which another name has been written over. */
static __always_inline void enf_put_back(struct enf_scratch *s)
{
	struct enf_named *named = &s->named;
	__u32 at = named->at, len = named->len;

	if (len > sizeof(named->begins))
		len = sizeof(named->begins);
	enf_barrier(at);
	enf_barrier(len);
	if (at <= ENF_PATH_MAX && len <= sizeof(named->begins))
		bpf_probe_read_kernel(&s->text[at], len, named->begins);
	s->object.path_at = named->at;
	s->object.path_len = ENF_PATH_MAX - named->at;
	s->object.flags = named->flags;
}

/* From the host's path to the name by the entry that was found. Returns: not 0 if there is no room for it. */
static __always_inline int enf_rename_by_mount(struct enf_scratch *s)
{
	__u32 from = s->named.from_len, to = s->named.to_len, at = s->named.at, begins;
	struct enf_object *o = &s->object;

	if (s->named.len) /* of the root itself nothing is left */
		at += from;
	else
		at = ENF_PATH_MAX;
	if (to >= ENF_MOUNTED_PATH || to > at)
		return 1;
	at -= to;
	enf_barrier(at);
	enf_barrier(to);
	if (at > ENF_PATH_MAX || to >= ENF_MOUNTED_PATH ||
	    bpf_probe_read_kernel(&s->text[at], to, s->named.to))
		return 1;
	if (at == ENF_PATH_MAX) { /* the root of the container */
		at -= 1;
		s->text[ENF_PATH_MAX - 1] = '/';
	}
	o->path_at = at;
	o->path_len = ENF_PATH_MAX - at;
	if (o->flags & ENF_FOLD_BITS) {
		begins = o->flags >> ENF_FOLD_FROM_AT & ENF_FOLD_FROM_MASK;
		begins = begins > from ? begins - from + to : to;
		o->flags &= ~(ENF_FOLD_FROM_MASK << ENF_FOLD_FROM_AT);
		o->flags |= (begins & ENF_FOLD_FROM_MASK) << ENF_FOLD_FROM_AT;
	}
	o->flags |= ENF_OF_NSVIEW;
	return 0;
}

/* The path of the object is not to be known: onError decides. */
static __always_inline void enf_no_name(struct enf_scratch *s)
{
	s->object.unknown |= ENF_BIT(ENF_DIM_PATH);
	enf_count(ENF_STAT_PATH_UNKNOWN);
}

/* Keep what the object is by the host's path. Returns: 0 if it has no further names. */
__attribute__((noinline)) int enf_begin_mounted(struct enf_scratch *s, const struct enf_task *task)
{
	struct enf_named *named;
	__u32 at, len;
	__u64 kn = 0;

	if (!s || !task || (task->flags & ENF_SF_RUNTIME) || !s->object.path_len ||
	    (s->object.flags & ENF_OF_OFFHOST) ||
	    !(s->object.present & ~s->object.unknown & ENF_BIT(ENF_DIM_PATH)))
		return 0;
	named = &s->named;
	at = s->object.path_at;
	len = s->object.path_len;
	named->at = at;
	named->len = len == 1 ? 0 : len; /* the root itself */
	named->flags = s->object.flags;
	named->n = 0;
	if (len > sizeof(named->begins))
		len = sizeof(named->begins);
	enf_barrier(at);
	enf_barrier(len);
	if (at > ENF_PATH_MAX || len > sizeof(named->begins) ||
	    bpf_probe_read_kernel(named->begins, len, &s->text[at]))
		return 0;
	enf_read(kn, bpf_get_current_task() + enf_offset(struct task_struct, cgroups));
	enf_read(kn, kn + enf_offset(struct css_set, dfl_cgrp));
	enf_read(named->kn, kn + enf_offset(struct cgroup, kn));
	return 1;
}

/* Let the path of the object be the next name, the number *i*. Returns: 0 if there is none. */
__attribute__((noinline)) int enf_next_mounted(struct enf_scratch *s, __u32 i)
{
	if (!s)
		return 0;
	s->named.found = 0;
	/* Behind a name that is unknown no other can be stricter. */
	if (s->named.kn && !(s->object.unknown & ENF_BIT(ENF_DIM_PATH)))
		bpf_loop(ENF_CGROUPS_DEEP + ENF_MOUNTED_EACH, enf_mounted_one, &s, 0);
	else
		s->named.kn = 0;
	enf_put_back(s);
	if (!s->named.kn) {
		s->object.unknown &= ~ENF_BIT(ENF_DIM_PATH);
		return 0;
	}
	/*
	 * Of cgroups one below another that are too many nobody finds the container's; that is the container's doing.
	 * What is mounted for it more often has other names that nobody looks up.
	 */
	if (!s->named.found || i >= ENF_MOUNTED_NAMES || enf_rename_by_mount(s))
		enf_no_name(s);
	s->first = s->verdict;
	return 1;
}

__attribute__((noinline)) int enf_decide_mounted(struct enf_scratch *s, struct enf_task *task)
{
	if (!s || !task || !enf_begin_mounted(s, task))
		return 0;
	for (__u32 i = 0; i <= ENF_MOUNTED_NAMES + 1 && enf_next_mounted(s, i); i++) {
		if (enf_decide_now(s, task))
			return 1;
		enf_stricter(&s->verdict, &s->first);
	}
	return 0;
}
