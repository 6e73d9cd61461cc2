/* SPDX-License-Identifier: MIT */
/*
 * libbpf looks through all types of the kernel, some 150,000, once for each type that programs read (CO-RE), and again
 * for each object that is loaded. With the few that can be meant, it finds the same ones in a fraction of the time.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "_types.h"

/* Places for names of an object: a power of two, more than twice of what there are. */
#define TYPES_NAMES 8192

/*
 * What is written of a type. By a name, libbpf goes from a structure into those that lie in it, as far as they go, and
 * never through a pointer: so behind one, a structure's name is enough.
 */
enum {
	TYPE_NOTHING,
	TYPE_NAME,  /* of a structure */
	TYPE_LINK,  /* "const" and such, on the way from a pointer to what it points to */
	TYPE_WHOLE, /* with all that it consists of */
};

struct types {
	const struct btf *kernel;
	__u32 n;     /* numbers, from 1 on */
	__u32 last;  /* the highest that is written */
	__u8 *kept;  /* by number */
	__u32 *open; /* types whose parts are still to be looked at */
	__u32 n_open;
	const char *names[TYPES_NAMES];
	__u32 lengths[TYPES_NAMES];
	__u32 n_names;
	char *out; /* records, then strings */
	size_t at, size;
	char *strings;
	size_t used, room;
};

/* Without "___" and what follows it, as libbpf does: a flavour is another description of the same type. */
static __u32 types_length(const char *name)
{
	long length = strlen(name);

	for (long i = length - 5; i >= 0; i--)
		if (name[i] != '_' && !memcmp(name + i + 1, "___", 3) && name[i + 4] != '_')
			return i + 1;
	return length;
}

static int types_is_named(const struct btf_type *t)
{
	switch (btf_kind(t)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_FWD:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
	case BTF_KIND_TYPEDEF:
		return 1;
	default:
		return 0;
	}
}

/* Returns: the place of the name, or of where it would be. */
static __u32 types_place(const struct types *s, const char *name, __u32 length)
{
	__u32 at = 5381;

	for (__u32 i = 0; i < length; i++)
		at = at * 33 + (unsigned char)name[i];
	for (at &= TYPES_NAMES - 1; s->names[at]; at = (at + 1) & (TYPES_NAMES - 1))
		if (s->lengths[at] == length && !memcmp(s->names[at], name, length))
			break;
	return at;
}

static int types_ask(struct types *s, const struct btf *own)
{
	for (__u32 id = 1; id < btf__type_cnt(own); id++) {
		const struct btf_type *t = btf__type_by_id(own, id);
		const char *name = btf__name_by_offset(own, t->name_off);
		__u32 length, at;

		if (!types_is_named(t) || !name || !*name)
			continue;
		length = types_length(name);
		at = types_place(s, name, length);
		if (s->names[at])
			continue;
		if (++s->n_names > TYPES_NAMES / 2)
			return -E2BIG;
		s->names[at] = name;
		s->lengths[at] = length;
	}
	return 0;
}

static void types_mark(struct types *s, __u32 id, __u8 how)
{
	if (s->kept[id] >= how)
		return;
	s->kept[id] = how;
	if (how == TYPE_WHOLE)
		s->open[s->n_open++] = id;
	if (id > s->last)
		s->last = id;
}

static void types_keep(struct types *s, __u32 id)
{
	if (id && id < s->n)
		types_mark(s, id, TYPE_WHOLE);
}

/* What a pointer points to. */
static void types_keep_behind(struct types *s, __u32 id)
{
	const struct btf_type *t;

	for (; id && id < s->n; id = t->type) {
		t = btf__type_by_id(s->kernel, id);
		if (btf_is_composite(t)) {
			types_mark(s, id, TYPE_NAME);
			return;
		}
		if (!btf_is_mod(t) && !btf_is_typedef(t)) {
			types_mark(s, id, TYPE_WHOLE);
			return;
		}
		types_mark(s, id, TYPE_LINK);
	}
}

static void types_follow(struct types *s, const struct btf_type *t)
{
	switch (btf_kind(t)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		for (int i = 0; i < btf_vlen(t); i++)
			types_keep(s, btf_members(t)[i].type);
		break;
	case BTF_KIND_FUNC_PROTO:
		for (int i = 0; i < btf_vlen(t); i++)
			types_keep(s, btf_params(t)[i].type);
		types_keep(s, t->type);
		break;
	case BTF_KIND_ARRAY:
		types_keep(s, btf_array(t)->type);
		types_keep(s, btf_array(t)->index_type);
		break;
	case BTF_KIND_PTR:
		types_keep_behind(s, t->type);
		break;
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		types_keep(s, t->type);
		break;
	default: /* a number, or what no type consists of */
		break;
	}
}

/* Returns: bytes of each of the parts that follow the head of the record; 0 where it has none. All begin with a name. */
static size_t types_part(const struct btf_type *t)
{
	switch (btf_kind(t)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return sizeof(struct btf_param);
	default:
		return 0;
	}
}

_Static_assert(!offsetof(struct btf_member, name_off) && !offsetof(struct btf_enum, name_off) &&
		       !offsetof(struct btf_enum64, name_off) &&
		       !offsetof(struct btf_param, name_off),
	       "a part begins with its name");

/* Returns: bytes of the record behind its head, or a negative error for a kind that no member has. */
static int types_tail(const struct btf_type *t)
{
	switch (btf_kind(t)) {
	case BTF_KIND_INT:
		return sizeof(__u32);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
	case BTF_KIND_FUNC_PROTO:
		return btf_vlen(t) * types_part(t);
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	default:
		return -EINVAL;
	}
}

/* Returns: not 0 without memory. */
static int types_grow(char **buffer, size_t *room, size_t wanted)
{
	size_t larger = *room ? *room : 1 << 16;
	char *fresh;

	if (wanted <= *room)
		return 0;
	while (larger < wanted)
		larger *= 2;
	fresh = realloc(*buffer, larger);
	if (!fresh)
		return -ENOMEM;
	*buffer = fresh;
	*room = larger;
	return 0;
}

/* Put the name at *offset* of the kernel's strings among those that are written. */
static int types_name(struct types *s, __u32 *offset)
{
	const char *name = btf__name_by_offset(s->kernel, *offset);
	size_t length;

	if (!name)
		return -EINVAL;
	if (!*name) {
		*offset = 0;
		return 0;
	}
	length = strlen(name) + 1;
	if (types_grow(&s->strings, &s->room, s->used + length))
		return -ENOMEM;
	memcpy(s->strings + s->used, name, length);
	*offset = s->used;
	s->used += length;
	return 0;
}

/* The names in what follows the head of the record at *t*, which is a copy. */
static int types_names(struct types *s, struct btf_type *t)
{
	size_t part = types_part(t);
	char *at = (char *)(t + 1);
	int err = 0;

	for (int i = 0; part && !err && i < btf_vlen(t); i++)
		err = types_name(s, (__u32 *)(at + i * part));
	return err;
}

static int types_copy(struct types *s, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(s->kernel, id);
	int tail = s->kept[id] >= TYPE_LINK ? types_tail(t) : 0, err;
	struct btf_type *copy;

	if (tail < 0)
		return tail;
	if (types_grow(&s->out, &s->size, s->at + sizeof(*t) + tail))
		return -ENOMEM;
	copy = (void *)(s->out + s->at);
	s->at += sizeof(*t) + tail;
	if (s->kept[id] == TYPE_NOTHING) {
		/* Holds the place of a number, and is found by no name. */
		*copy = (struct btf_type){ .info = BTF_KIND_FLOAT << 24, .size = 4 };
		return 0;
	}
	memcpy(copy, t, sizeof(*t) + tail);
	err = types_name(s, &copy->name_off);
	if (err)
		return err;
	if (s->kept[id] >= TYPE_LINK)
		return types_names(s, copy);
	copy->info = btf_kind(t) << 24;
	return 0;
}

static int types_select(struct types *s)
{
	for (__u32 id = 1; id < s->n; id++) {
		const struct btf_type *t = btf__type_by_id(s->kernel, id);
		const char *name;
		__u32 length;

		if (!types_is_named(t))
			continue;
		name = btf__name_by_offset(s->kernel, t->name_off);
		if (!name || !*name)
			continue;
		length = types_length(name);
		if (s->names[types_place(s, name, length)])
			types_keep(s, id);
	}
	while (s->n_open)
		types_follow(s, btf__type_by_id(s->kernel, s->open[--s->n_open]));
	return s->last ? 0 : -ENOENT;
}

static int types_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0)
			return -errno;
		bytes += n;
		size -= n;
	}
	return 0;
}

static int types_write(struct types *s, int fd)
{
	struct btf_header head = { .magic = BTF_MAGIC, .version = 1, .hdr_len = sizeof(head) };
	int err = types_grow(&s->strings, &s->room, 1);

	if (err)
		return err;
	s->strings[s->used++] = 0; /* the empty name is at 0 */
	for (__u32 id = 1; !err && id <= s->last; id++)
		err = types_copy(s, id);
	if (err)
		return err;
	head.type_len = head.str_off = s->at;
	head.str_len = s->used;
	err = types_all(fd, (const void *)&head, sizeof(head));
	if (!err)
		err = types_all(fd, s->out, s->at);
	if (!err)
		err = types_all(fd, s->strings, s->used);
	return err;
}

static int enf_types_write(const struct bpf_object *obj, int fd)
{
	const struct btf *own = bpf_object__btf(obj);
	struct btf *kernel;
	struct types *s;
	int err = -ENOMEM;

	if (!own)
		return -ENOENT;
	kernel = btf__load_vmlinux_btf();
	if (!kernel)
		return -errno;
	s = calloc(1, sizeof(*s));
	if (s) {
		s->kernel = kernel;
		s->n = btf__type_cnt(kernel);
		s->kept = calloc(s->n, sizeof(*s->kept));
		s->open = calloc(s->n, sizeof(*s->open));
		if (s->kept && s->open)
			err = types_ask(s, own);
		if (!err)
			err = types_select(s);
		if (!err)
			err = types_write(s, fd);
		free(s->kept);
		free(s->open);
		free(s->out);
		free(s->strings);
		free(s);
	}
	btf__free(kernel);
	return err;
}

/* The functions that LSM programs can be put on: what the kernel calls them, or their hooks. */
static int types_is_lsm(const char *name)
{
	return !strncmp(name, "bpf_lsm_", 8) || !strncmp(name, "security_", 9);
}

static long enf_types_lsm(char *text, size_t room)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	size_t used = 0;

	if (!kernel)
		return -errno;
	for (__u32 id = 1; id < btf__type_cnt(kernel); id++) {
		const struct btf_type *t = btf__type_by_id(kernel, id);
		const char *name;
		size_t length;

		if (!btf_is_func(t))
			continue;
		name = btf__name_by_offset(kernel, t->name_off);
		if (!name || !types_is_lsm(name))
			continue;
		length = strlen(name) + 1;
		if (room - used < length) {
			btf__free(kernel);
			return -E2BIG;
		}
		memcpy(text + used, name, length);
		used += length;
	}
	btf__free(kernel);
	return used;
}
