/* SPDX-License-Identifier: GPL-2.0-only */
/* Records of verdicts. A full ring loses records, never counts. */
#ifndef ENFORCER_EMIT_BPF_H
#define ENFORCER_EMIT_BPF_H

#include "kernel.h"
#include "arguments.h"
#include "hits.bpf.h"
#include "image.h"
#include "maps.bpf.h"

/* ---- Records ------------------------------------------------------------------------------ */

/* Two sizes of room: most records are short, and a reservation must have a constant size. */
#define ENF_TAIL_SHORT 512
#define ENF_TAIL_LONG 5120 /* path 4096, executable 256, name or the first arguments 768 */
#define ENF_TAIL_NAME 768

struct enf_record_short {
	struct enf_event event;
	char tail[ENF_TAIL_SHORT];
};

/* The head of a record. */
int enf_fill(struct enf_event *e, struct enf_scratch *s, struct enf_task *task);

/*
 * The name by which the caller asked, where the kernel still walks it: when a file is opened, made or
 * emptied by open. It stands in the place of the name, which these operations have not.
 * Returns its length; 0 if there is none or no room: a part of a name would be another one.
 */
static __always_inline __u32 enf_fill_asked(char *to, __u32 room)
{
	struct task_struct *t = bpf_get_current_task_btf();
	const char *asked;
	long length;

	if (!bpf_core_field_exists(((struct nameidata *)0)->name))
		return 0;
	asked = BPF_CORE_READ(t, nameidata, name, name);
	if (!asked)
		return 0;
	length = bpf_probe_read_kernel_str(to, room, asked);
	return length > 1 && length < room ? length - 1 : 0;
}

/* Copy path, executable and name (or arguments, *most* bytes of it) behind the head. Returns the length of the tail. */
static __always_inline __u32 enf_fill_tail(struct enf_event *e, char *tail, __u32 room, __u32 most,
					   struct enf_scratch *s, struct enf_task *task, __u32 path,
					   __u32 exe, __u32 name)
{
	const struct enf_arguments *arguments;
	const char *from = s->text + ENF_TEXT_NAME;
	__u32 at = s->object.path_at, n = 0;

	e->path_len = path;
	e->exe_len = exe;
	e->name_len = name;
	if (path) {
		enf_barrier(at);
		enf_barrier(path);
		if (path <= ENF_PATH_MAX && path <= room && at <= ENF_PATH_MAX)
			bpf_probe_read_kernel(tail, path, &s->text[at]);
	}
	n = path;
	if (exe) {
		enf_barrier(n);
		enf_barrier(exe);
		if (exe <= ENF_EXE_MAX && n <= room - ENF_EXE_MAX)
			bpf_probe_read_kernel(tail + n, exe, task->exe);
	}
	n += exe;
	if (s->object.argv_len) {
		arguments = enf_arguments_of(s);
		from = arguments ? arguments->text : NULL;
	}
	if (name) {
		enf_barrier(n);
		enf_barrier(name);
		if (name <= most && n <= room - most)
			bpf_probe_read_kernel(tail + n, name, from);
		else
			e->name_len = 0;
	} else if (e->kind == ENF_EVENT_VERDICT && s->object.op[0] >= ENF_OP_READ &&
		   s->object.op[0] <= ENF_OP_TRUNCATE) {
		enf_barrier(n);
		if (n <= room - most)
			e->name_len = enf_fill_asked(tail + n, most);
	}
	return n + e->name_len;
}

/* ---- What follows from a verdict ---------------------------------------------------------- */

/*
 * Count the verdict in *s*, record it and send its signal. Returns: 0 or -errno.
 *
 * *how*: when the error and the signal come, ENF_AFTER to ENF_BY_KILL. By kill, only a SIGKILL that was
 * delivered prevents anything; other signals the program may have inherited as ignored.
 */
ENF_FN int enf_conclude(struct enf_scratch *s, struct enf_task *task, int how);

#endif
