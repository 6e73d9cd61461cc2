// SPDX-License-Identifier: GPL-2.0-only
/* What an access says of its object, put where the decision reads it. */
#define ENF_RDONLY_CAST bpf_rdonly_cast___object
#include "maps.bpf.h"
#include "object.bpf.h"

__attribute__((noinline)) int enf_describe(struct enf_scratch *s, struct enf_access *a)
{
	struct enf_object *o;
	__u32 len;

	if (!s || !a)
		return 0;
	o = enf_begin(s);
	len = a->name_len;
	o->present = a->present;
	o->unknown = a->unknown;
	o->flags = a->flags;
	*(__u32 *)o->op = *(__u32 *)a->op;
	o->n_ops = a->n_ops;
	if (a->present & ENF_BIT(ENF_DIM_ADDR)) { /* else there are addresses of the kernel's */
		o->addr_hi = a->addr_hi;
		o->addr_lo = a->addr_lo;
	}
	o->num[ENF_DIM_FAMILY - ENF_DIM_FIRST_NUM] = a->family;
	o->num[ENF_DIM_TYPE - ENF_DIM_FIRST_NUM] = a->type;
	o->num[ENF_DIM_PROTOCOL - ENF_DIM_FIRST_NUM] = a->protocol;
	o->num[ENF_DIM_PORT - ENF_DIM_FIRST_NUM] = a->port;
	o->num[ENF_DIM_MODE - ENF_DIM_FIRST_NUM] = a->mode;
	if (a->unknown & ENF_BIT(ENF_DIM_PORT)) {
		o->port_low = a->port_low;
		o->port_high = a->port_high;
	}
	if (a->present & ENF_BIT(ENF_DIM_CODE))
		o->num[ENF_DIM_CODE - ENF_DIM_FIRST_NUM] = a->code;
	if (a->present & ENF_BIT(ENF_DIM_BITS))
		o->num[ENF_DIM_BITS - ENF_DIM_FIRST_NUM] = a->bits;
	if (a->present & ENF_BIT(ENF_DIM_TO_UID))
		o->num[ENF_DIM_TO_UID - ENF_DIM_FIRST_NUM] = a->to_uid;
	if (a->present & ENF_BIT(ENF_DIM_TO_GID))
		o->num[ENF_DIM_TO_GID - ENF_DIM_FIRST_NUM] = a->to_gid;
	if (a->name) {
		long n;

		o->present |= ENF_BIT(ENF_DIM_NAME);
		if (len) {
			enf_barrier(len);
			n = len > ENF_NAME_MAX ? -1
					       : bpf_probe_read_kernel(&s->text[ENF_TEXT_NAME], len,
								       (const void *)a->name);
			n = n ? -1 : (long)len;
		} else {
			/* A byte more than the longest and its NUL: what fills that may go on, and is unknown. */
			n = bpf_probe_read_kernel_str(&s->text[ENF_TEXT_NAME], ENF_NAME_MAX + 2,
						      (const void *)a->name);
			n = n > 0 && n <= ENF_NAME_MAX + 1 ? n - 1 : -1;
		}
		if (n < 0) {
			o->unknown |= ENF_BIT(ENF_DIM_NAME);
			enf_count(ENF_STAT_NAME_UNKNOWN);
		} else {
			o->name_len = n;
		}
	}
	if (a->dentry)
		enf_describe_inode(o, a->dentry);
	return 0;
}

__attribute__((noinline)) int enf_describe_fstype(struct enf_scratch *s, __u64 name)
{
	long n;

	if (!s)
		return 0;
	n = bpf_probe_read_kernel_str(&s->text[ENF_TEXT_FSTYPE], ENF_FSTYPE_MAX + 1,
				      (const void *)name);
	/* get_fs_type() looks in front of a dot only: what mount(2) calls fuse.sshfs is of the type fuse. */
	for (int i = 0; i < ENF_FSTYPE_MAX && i < n; i++) {
		if (s->text[ENF_TEXT_FSTYPE + i] != '.')
			continue;
		s->text[ENF_TEXT_FSTYPE + i] = 0;
		n = i + 1;
		break;
	}
	/* What fills the room may be longer than it: unknown, so that onError decides. */
	if (n <= 0 || n > ENF_FSTYPE_MAX) {
		s->object.unknown |= ENF_BIT(ENF_DIM_FSTYPE);
		enf_count(ENF_STAT_NAME_UNKNOWN);
		return 0;
	}
	s->object.fstype_len = n - 1;
	return 0;
}

__attribute__((noinline)) int enf_describe_exe(struct enf_scratch *s, __u64 exe, __u32 len)
{
	__u32 at = ENF_PATH_MAX - len;

	if (!s)
		return 0;
	enf_barrier(at);
	enf_barrier(len);
	if (!len || len > ENF_EXE_MAX || at > ENF_PATH_MAX ||
	    bpf_probe_read_kernel(&s->text[at], len, (const void *)exe)) {
		s->object.unknown |= ENF_BIT(ENF_DIM_PATH);
		enf_count(ENF_STAT_EXE_UNKNOWN);
		return 0;
	}
	s->object.path_at = at;
	s->object.path_len = len;
	return 0;
}
