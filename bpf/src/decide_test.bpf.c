// SPDX-License-Identifier: GPL-2.0-only
/*
 * The in-kernel build of the decision core as a system call program: BPF_PROG_TEST_RUN gives it the
 * operands of one operation and takes the verdict. Attaches to nothing; an object of its own, loaded
 * by tests and measurements only.
 */
#include "decide.h"

const volatile __u32 enf_image_bytes = 4096;
const volatile __u64 enf_abi_hash = ENF_ABI_HASH;

char LICENSE[] SEC("license") = "GPL";

struct enf_image_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct enf_image_map);
} images SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct enf_scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct enf_task);
} actors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct enf_marks);
} actors_marks SEC(".maps");

/* Returns: 0, or not 0 if *len* is above *max*. */
static __always_inline int enf_take(char *to, __u32 len, __u32 max, const void *from)
{
	enf_barrier(len);
	if (len > max)
		return 1;
	return bpf_probe_read_kernel(to, len, from) != 0;
}

/* Returns: 0; 1 without an image or memory; 2 for a length out of bounds; 3 if the image led outside. */
SEC("syscall")
int enf_decide_test(struct enf_test_input *in)
{
	__u32 zero = 0, cgroup_len = in->cgroup_len;
	struct enf_ctx c = {};
	void *inner = bpf_map_lookup_elem(&images, &zero);
	struct enf_marks *marks = bpf_map_lookup_elem(&actors_marks, &zero);
	struct enf_arguments *arguments = enf_arguments_at(1);
	struct enf_scratch *s;

	if (!inner || !marks || !arguments)
		return 1;
	c.image = bpf_map_lookup_elem(inner, &zero);
	c.s = s = bpf_map_lookup_elem(&scratches, &zero);
	c.task = bpf_map_lookup_elem(&actors, &zero);
	if (!c.image || !s || !c.task)
		return 1;
	s->lapses = 0;
	bpf_probe_read_kernel(c.task, sizeof(*c.task), &in->task);
	if (in->reval) {
		if (enf_take(s->text, cgroup_len, ENF_PATH_MAX, in->cgroup))
			return 2;
		enf_subject_eval(&c, ENF_TEXT_PATH, cgroup_len);
		/* in two parts: compilers for BPF copy no more than a kilobyte at once */
		__builtin_memcpy(&in->task, c.task, __builtin_offsetof(struct enf_task, subject));
		__builtin_memcpy(in->task.subject, c.task->subject,
				 sizeof(in->task) - __builtin_offsetof(struct enf_task, subject));
	}
	bpf_probe_read_kernel(&s->object, sizeof(s->object), &in->object);
	s->object.path_at = ENF_TEXT_PATH;
	if (enf_take(s->text + ENF_TEXT_PATH, s->object.path_len, ENF_PATH_MAX, in->path) ||
	    enf_take(s->text + ENF_TEXT_NAME, s->object.name_len, ENF_NAME_MAX, in->name) ||
	    enf_take(s->text + ENF_TEXT_FSTYPE, s->object.fstype_len, ENF_FSTYPE_MAX, in->fstype) ||
	    enf_take(arguments->text, s->object.argv_len, ENF_ARGV_MAX, in->argv))
		return 2;
	s->arguments = 1;
	enf_begin_marks(s, enf_head(&c), in->now);
	bpf_probe_read_kernel(marks, sizeof(*marks), &in->marks);
	enf_take_marks(s, enf_head(&c), marks, ~0ULL);
	enf_begin_matches(&s->matches);
	enf_decide(&c);
	in->verdict = s->verdict;
	in->matches = s->matches;
	in->lapses = s->lapses;
	return s->lapses & ENF_LAPSE_IMAGE ? 3 : 0;
}

/* ---- Time ------------------------------------------------------------------------------------ */

struct enf_decide_times {
	__u64 times; /* in: how often to decide; bpf_loop() goes to 1 << 23 */
	__u64 ns;    /* out: what that took */
};

static long enf_decide_one(__u32 i, void *arg)
{
	(void)i;
	enf_decide(arg);
	return 0;
}

/* Decide again what enf_decide_test was given last. Returns: as that. */
SEC("syscall")
int enf_decide_time(struct enf_decide_times *in)
{
	__u32 zero = 0, times = in->times;
	struct enf_ctx c = {};
	void *inner = bpf_map_lookup_elem(&images, &zero);
	__u64 start;

	if (!inner)
		return 1;
	c.image = bpf_map_lookup_elem(inner, &zero);
	c.s = bpf_map_lookup_elem(&scratches, &zero);
	c.task = bpf_map_lookup_elem(&actors, &zero);
	if (!c.image || !c.s || !c.task)
		return 1;
	start = bpf_ktime_get_ns();
	bpf_loop(times, enf_decide_one, &c, 0);
	in->ns = bpf_ktime_get_ns() - start;
	return c.s->lapses & ENF_LAPSE_IMAGE ? 3 : 0;
}
