// SPDX-License-Identifier: MIT
/*
 * The fast lane: see _lane.h.
 *
 * A record is matched by everything in it that is not a varying field: the head under a mask, the
 * executable, a list in the place of the name, and of each varying field what decides how it is shown
 * (whether it is 0, negative, an IPv4 address, empty). All of that is hashed, found and compared in
 * full, so a line can only be written by the template of a record that Python would have shown with the
 * same words. A record that makes no sense has no template and goes to Python, which says why.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "enforcer_abi.h"
#include "_lane.h"

#define LANE_WORDS ((sizeof(struct enf_event) + 7) / 8)
#define LANE_BUCKETS (2 * ENF_LANE_TEMPLATES)
#define LANE_WAYS 8 /* shapes that are remembered beside each other in one row of those seen */
#define LANE_NOBODY 0xffffffffU
#define LANE_NUMBER 48		      /* longest text of a field that is not a string */
#define LANE_ESCAPED 6		      /* most characters that a byte becomes in JSON: \u0000 */
#define LANE_READABLE 4		      /* characters that a byte becomes before: \xff */
#define LANE_LAST_SECOND 253402300799 /* 9999-12-31T23:59:59Z */
#define LANE_SECONDS 16		      /* moments whose date is remembered */

struct lane_plan {
	uint64_t mask[LANE_WORDS]; /* what of the head belongs to the shape */
	struct enf_lane_field field[ENF_LANE_FIELDS];
	unsigned int n_fields;
};

/* A record, taken apart. */
struct lane_view {
	struct enf_event event;
	const struct lane_plan *plan;
	const char *path, *exe, *name;
	int name_is_fixed;
};

struct lane_shape {
	uint64_t hash;
	uint64_t classes;
	uint64_t head[LANE_WORDS];
};

struct lane_template {
	struct lane_shape shape;
	uint64_t until;
	unsigned int next; /* in its bucket */
	unsigned int n_pieces;
	unsigned int exe_len, name_len; /* of the shape */
	unsigned int texts;		/* pieces that are path or name: how long a line may get */
	size_t text_length;
	char *text; /* executable, name, constant text; behind them the pieces */
	const char *constant;
	const struct enf_lane_piece *piece;
};

struct lane_second {
	int64_t second;
	char text[20]; /* 2025-11-24T20:48:01. */
};

struct enf_lane {
	struct lane_plan *plan[_ENF_EVENT_MAX][256];
	struct lane_template *template[ENF_LANE_TEMPLATES];
	unsigned int bucket[LANE_BUCKETS];
	unsigned int oldest;		    /* gives way to the next that is learnt */
	uint64_t count[ENF_LANE_TEMPLATES]; /* lines since these were taken */
	unsigned int touched[ENF_LANE_TEMPLATES];
	unsigned int n_touched;
	uint64_t seen[ENF_LANE_SEEN];
	uint64_t seed;
	struct lane_second second[LANE_SECONDS];
	size_t room;
	char *lines;
};

/* ---- Text ---------------------------------------------------------------------------------- */

static const char lane_digits[] = "0123456789abcdef";

static char *lane_dec(char *to, uint64_t number)
{
	char text[20];
	unsigned int n = 0;

	do {
		text[n++] = '0' + number % 10;
		number /= 10;
	} while (number);
	while (n)
		*to++ = text[--n];
	return to;
}

static char *lane_hex(char *to, uint64_t number)
{
	int shift = number ? (63 - __builtin_clzll(number)) & ~3 : 0;

	for (; shift >= 0; shift -= 4)
		*to++ = lane_digits[number >> shift & 15];
	return to;
}

static char *lane_padded(char *to, unsigned int number, unsigned int width)
{
	for (unsigned int i = width; i--; number /= 10)
		to[i] = '0' + number % 10;
	return to + width;
}

/* The date of *days* since 1970, by the rules of the calendar of Gregory, in years from March on. */
static char *lane_date(char *to, int64_t days)
{
	int64_t shifted = days + 719468; /* since 0000-03-01 */
	int64_t era = shifted / 146097;
	unsigned int day = shifted - era * 146097;
	unsigned int year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned int of_year = day - (365 * year + year / 4 - year / 100);
	unsigned int march = (5 * of_year + 2) / 153;
	unsigned int month = march < 10 ? march + 3 : march - 9;

	to = lane_padded(to, year + era * 400 + (month <= 2), 4);
	*to++ = '-';
	to = lane_padded(to, month, 2);
	*to++ = '-';
	return lane_padded(to, of_year - (153 * march + 2) / 5 + 1, 2);
}

static const char *lane_second(struct enf_lane *lane, int64_t second)
{
	struct lane_second *known = &lane->second[second % LANE_SECONDS];
	unsigned int rest = second % 86400;
	char *to = known->text;

	if (known->second == second)
		return known->text;
	known->second = second;
	to = lane_date(to, second / 86400);
	*to++ = 'T';
	to = lane_padded(to, rest / 3600, 2);
	*to++ = ':';
	to = lane_padded(to, rest / 60 % 60, 2);
	*to++ = ':';
	to = lane_padded(to, rest % 60, 2);
	*to = '.';
	return known->text;
}

/* NULL: no moment that has four digits of a year. */
static char *lane_time(struct enf_lane *lane, char *to, uint64_t boot, int64_t offset)
{
	int64_t wall;

	if (boot > INT64_MAX || __builtin_add_overflow((int64_t)boot, offset, &wall) || wall < 0 ||
	    wall / 1000000000 > LANE_LAST_SECOND)
		return NULL;
	memcpy(to, lane_second(lane, wall / 1000000000), 20);
	to = lane_padded(to + 20, wall % 1000000000 / 1000, 6);
	*to++ = 'Z';
	return to;
}

static int lane_is_mapped(const uint64_t *address)
{
	return !address[0] && address[1] >> 32 == 0xffff;
}

/* The longest run of two or more zero groups, the first of equals, is written "::". */
static char *lane_address(char *to, const uint64_t *address)
{
	unsigned int first = 8, most = 1, run = 0, group[8];

	if (lane_is_mapped(address)) {
		for (int shift = 24; shift >= 0; shift -= 8) {
			to = lane_dec(to, address[1] >> shift & 255);
			*to++ = '.';
		}
		return to - 1;
	}
	for (unsigned int i = 0; i < 8; i++) {
		group[i] = address[i / 4] >> (48 - i % 4 * 16) & 0xffff;
		run = group[i] ? 0 : run + 1;
		if (run > most) {
			most = run;
			first = i + 1 - run;
		}
	}
	for (unsigned int i = 0; i < 8; i++) {
		if (i == first) {
			*to++ = ':';
			*to++ = ':';
			i += most - 1;
			continue;
		}
		if (i && i != first + most)
			*to++ = ':';
		to = lane_hex(to, group[i]);
	}
	return to;
}

/* Returns the length of the UTF-8 sequence at *s* and its character, or 0 if there is none. */
static unsigned int lane_utf8(const unsigned char *s, size_t left, unsigned int *character)
{
	unsigned int n, low = 0x80, high = 0xbf;

	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
		*character = s[0] & 0x1f;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		*character = s[0] & 0x0f;
		if (s[0] == 0xe0)
			low = 0xa0; /* shorter would do */
		if (s[0] == 0xed)
			high = 0x9f; /* halves of pairs are no characters */
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		*character = s[0] & 0x07;
		if (s[0] == 0xf0)
			low = 0x90;
		if (s[0] == 0xf4)
			high = 0x8f; /* Unicode ends at 10ffff */
	} else {
		return 0;
	}
	if (n > left)
		return 0;
	for (unsigned int i = 1; i < n; i++, low = 0x80, high = 0xbf) {
		if (s[i] < low || s[i] > high)
			return 0;
		*character = *character << 6 | (s[i] & 0x3f);
	}
	return n;
}

static char *lane_u(char *to, unsigned int unit)
{
	*to++ = '\\';
	*to++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*to++ = lane_digits[unit >> shift & 15];
	return to;
}

static char *lane_character(char *to, unsigned int character)
{
	if (character < 0x10000)
		return lane_u(to, character);
	character -= 0x10000;
	to = lane_u(to, 0xd800 | character >> 10);
	return lane_u(to, 0xdc00 | (character & 0x3ff));
}

static char *lane_ascii(char *to, unsigned char c)
{
	static const char named[] = "\b\t\n\f\r\"\\", letter[] = "btnfr\"\\";
	const char *found = c ? strchr(named, c) : NULL;

	if (!found)
		return lane_u(to, c);
	*to++ = '\\';
	*to++ = letter[found - named];
	return to;
}

/*
 * Bytes as json.dumps() writes what enforcer.safe_text.readable() makes of them.
 * NULL: they may be more than *most* characters.
 */
static char *lane_text(char *to, const char *text, size_t length, size_t most)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + length;

	if (most && length > most)
		return NULL;
	while (s < end) {
		unsigned int n, character = 0;

		if (*s >= ' ' && *s <= '~' && *s != '"' && *s != '\\') {
			*to++ = *s++;
			continue;
		}
		if (*s < 0x80) {
			to = lane_ascii(to, *s++);
			continue;
		}
		n = lane_utf8(s, end - s, &character);
		if (n) {
			to = lane_character(to, character);
			s += n;
			continue;
		}
		if (most && length > most / LANE_READABLE)
			return NULL;
		memcpy(to, "\\\\x", 3);
		to[3] = lane_digits[*s >> 4];
		to[4] = lane_digits[*s++ & 15];
		to += 5;
	}
	return to;
}

/* ---- Shapes -------------------------------------------------------------------------------- */

static uint64_t lane_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

static uint64_t lane_mix_bytes(uint64_t hash, const char *bytes, size_t length)
{
	uint64_t word;

	for (; length >= 8; length -= 8, bytes += 8) {
		memcpy(&word, bytes, 8);
		hash = lane_mix(hash, word);
	}
	word = 0;
	memcpy(&word, bytes, length);
	return lane_mix(hash, word);
}

static uint64_t lane_number(const struct enf_event *event, const struct enf_lane_field *field)
{
	const char *at = (const char *)event + field->offset;
	uint16_t two;
	uint32_t four;
	uint64_t eight;

	switch (field->width) {
	case 2:
		memcpy(&two, at, 2);
		return two;
	case 4:
		memcpy(&four, at, 4);
		return four;
	}
	memcpy(&eight, at, 8);
	return eight;
}

static void lane_number128(const struct enf_event *event, const struct enf_lane_field *field,
			   uint64_t *address)
{
	memcpy(address, (const char *)event + field->offset, 16);
}

/* Two bits of each field, by which readers are shown something else than its value. */
static uint64_t lane_classes(const struct lane_view *view)
{
	uint64_t classes = (view->event.path_len > 0) | (view->event.name_len > 0) << 1;

	for (unsigned int i = 0; i < view->plan->n_fields; i++) {
		const struct enf_lane_field *field = &view->plan->field[i];
		uint64_t value[2];

		if (field->width == 16) {
			lane_number128(&view->event, field, value);
			classes |= (uint64_t)lane_is_mapped(value) << (2 + 2 * i);
			continue;
		}
		value[0] = lane_number(&view->event, field);
		classes |= ((uint64_t)(value[0] == 0) | value[0] >> 63 << 1) << (2 + 2 * i);
	}
	return classes;
}

/* Whether *bytes* are a record of which some fields may vary. */
static int lane_open(const struct enf_lane *lane, struct lane_view *view, const void *bytes,
		     size_t length)
{
	const char *tail = (const char *)bytes + sizeof(view->event);
	struct enf_event *e = &view->event;

	if (length < sizeof(*e))
		return 0;
	memcpy(e, bytes, sizeof(*e));
	if (e->size > length || e->size < sizeof(*e) + e->path_len + e->exe_len + e->name_len)
		return 0;
	if (e->kind >= _ENF_EVENT_MAX || !lane->plan[e->kind][e->op])
		return 0;
	view->plan = lane->plan[e->kind][e->op];
	view->path = tail;
	view->exe = tail + e->path_len;
	view->name = view->exe + e->exe_len;
	view->name_is_fixed = e->argc != 0;
	return 1;
}

static void lane_shape(const struct enf_lane *lane, const struct lane_view *view,
		       struct lane_shape *shape)
{
	uint64_t hash = lane->seed;

	shape->head[LANE_WORDS - 1] = 0;
	memcpy(shape->head, &view->event, sizeof(view->event));
	for (unsigned int i = 0; i < LANE_WORDS; i++) {
		shape->head[i] &= view->plan->mask[i];
		hash = lane_mix(hash, shape->head[i]);
	}
	shape->classes = lane_classes(view);
	hash = lane_mix(hash, shape->classes);
	hash = lane_mix_bytes(hash, view->exe, view->event.exe_len);
	if (view->name_is_fixed)
		hash = lane_mix_bytes(hash, view->name, view->event.name_len);
	shape->hash = hash;
}

static int lane_is_same(const struct lane_template *t, const struct lane_shape *shape,
			const struct lane_view *view)
{
	unsigned int name_len = view->name_is_fixed ? view->event.name_len : 0;

	return t->shape.hash == shape->hash && t->shape.classes == shape->classes &&
	       !memcmp(t->shape.head, shape->head, sizeof(shape->head)) &&
	       t->exe_len == view->event.exe_len && !memcmp(t->text, view->exe, t->exe_len) &&
	       t->name_len == name_len && !memcmp(t->text + t->exe_len, view->name, name_len);
}

static unsigned int lane_find(const struct enf_lane *lane, const struct lane_shape *shape,
			      const struct lane_view *view)
{
	unsigned int id = lane->bucket[shape->hash % LANE_BUCKETS];

	while (id != LANE_NOBODY && !lane_is_same(lane->template[id], shape, view))
		id = lane->template[id]->next;
	return id;
}

static void lane_drop(struct enf_lane *lane, unsigned int id)
{
	struct lane_template *t = lane->template[id];
	unsigned int *link;

	if (!t)
		return;
	link = &lane->bucket[t->shape.hash % LANE_BUCKETS];
	while (*link != id)
		link = &lane->template[*link]->next;
	*link = t->next;
	lane->template[id] = NULL;
	free(t->text);
	free(t);
}

/* ---- Lines --------------------------------------------------------------------------------- */

static size_t lane_most(const struct lane_template *t, const struct lane_view *view)
{
	size_t text = view->event.path_len > view->event.name_len ? view->event.path_len
								  : view->event.name_len;

	return t->text_length + (size_t)t->n_pieces * LANE_NUMBER + t->texts * text * LANE_ESCAPED;
}

static char *lane_piece(struct enf_lane *lane, char *to, const struct enf_lane_piece *piece,
			const struct lane_view *view, int64_t offset)
{
	const struct enf_lane_field *field = &view->plan->field[piece->field];
	uint64_t value[2];

	switch (piece->form) {
	case ENF_FORM_PATH:
		return lane_text(to, view->path, view->event.path_len, piece->most);
	case ENF_FORM_NAME:
		return lane_text(to, view->name, view->event.name_len, piece->most);
	case ENF_FORM_ADDRESS:
		lane_number128(&view->event, field, value);
		return lane_address(to, value);
	}
	value[0] = lane_number(&view->event, field);
	switch (piece->form) {
	case ENF_FORM_HEX:
		return lane_hex(to, value[0]);
	case ENF_FORM_TIME:
		return lane_time(lane, to, value[0], offset);
	case ENF_FORM_SIGNED:
		if (value[0] >> 63) {
			*to++ = '-';
			value[0] = -value[0];
		}
	}
	return lane_dec(to, value[0]);
}

/* NULL if some field cannot be written. The caller made room for lane_most() bytes. */
static char *lane_line(struct enf_lane *lane, char *to, const struct lane_template *t,
		       const struct lane_view *view, int64_t offset)
{
	unsigned int from = 0;

	for (unsigned int i = 0; i < t->n_pieces; i++) {
		const struct enf_lane_piece *piece = &t->piece[i];

		memcpy(to, t->constant + from, piece->until - from);
		to += piece->until - from;
		from = piece->until;
		if (piece->form == ENF_FORM_END)
			break;
		to = lane_piece(lane, to, piece, view, offset);
		if (!to)
			return NULL;
	}
	return to;
}

/* ---- What the extension offers ------------------------------------------------------------- */

static void enf_lane_forget(struct enf_lane *lane)
{
	for (unsigned int id = 0; id < ENF_LANE_TEMPLATES; id++)
		lane_drop(lane, id);
	memset(lane->seen, 0, sizeof(lane->seen));
}

static void enf_lane_free(struct enf_lane *lane)
{
	if (!lane)
		return;
	enf_lane_forget(lane);
	for (unsigned int kind = 0; kind < _ENF_EVENT_MAX; kind++)
		for (unsigned int op = 0; op < 256; op++)
			free(lane->plan[kind][op]);
	free(lane->lines);
	free(lane);
}

static struct enf_lane *enf_lane_new(size_t room, unsigned long long seed)
{
	struct enf_lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return NULL;
	lane->seed = seed;
	lane->room = room;
	lane->lines = malloc(room);
	memset(lane->bucket, 0xff, sizeof(lane->bucket));
	for (unsigned int i = 0; i < LANE_SECONDS; i++)
		lane->second[i].second = -1;
	if (!lane->lines) {
		enf_lane_free(lane);
		errno = ENOMEM;
		return NULL;
	}
	return lane;
}

static int enf_lane_vary(struct enf_lane *lane, unsigned int kind, unsigned int op,
			 const struct enf_lane_field *fields, unsigned int n)
{
	struct lane_plan *plan;
	unsigned char *mask;

	if (kind >= _ENF_EVENT_MAX || op > 255 || n > ENF_LANE_FIELDS)
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++) {
		unsigned int width = fields[i].width;

		if ((width != 2 && width != 4 && width != 8 && width != 16) ||
		    fields[i].offset + width > sizeof(struct enf_event))
			return -EINVAL;
	}
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return -ENOMEM;
	mask = (unsigned char *)plan->mask;
	memset(mask, 0xff, sizeof(struct enf_event));
	memset(mask + offsetof(struct enf_event, size), 0, sizeof(__u16));
	memset(mask + offsetof(struct enf_event, path_len), 0, sizeof(__u16));
	memset(mask + offsetof(struct enf_event, name_len), 0, sizeof(__u16));
	for (unsigned int i = 0; i < n; i++) {
		plan->field[i] = fields[i];
		if (!fields[i].fixed)
			memset(mask + fields[i].offset, 0, fields[i].width);
	}
	plan->n_fields = n;
	enf_lane_forget(lane); /* templates speak of fields by their place in the old plan */
	free(lane->plan[kind][op]);
	lane->plan[kind][op] = plan;
	return 0;
}

/* Whether the pieces lie in the text one after another and speak of fields that there are. */
static int lane_fits(const struct lane_plan *plan, size_t text_length,
		     const struct enf_lane_piece *pieces, unsigned int n)
{
	unsigned int from = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct enf_lane_piece *p = &pieces[i];
		unsigned int width = p->field < plan->n_fields ? plan->field[p->field].width : 0;

		if (p->until < from || p->until > text_length || p->form >= _ENF_FORM_MAX)
			return 0;
		if (p->form >= ENF_FORM_DEC && p->form <= ENF_FORM_TIME && (!width || width == 16))
			return 0;
		if (p->form == ENF_FORM_ADDRESS && width != 16)
			return 0;
		if ((p->form == ENF_FORM_END) != (i == n - 1))
			return 0;
		from = p->until;
	}
	return 1;
}

static long enf_lane_learn(struct enf_lane *lane, const void *record, size_t length,
			   const char *text, size_t text_length,
			   const struct enf_lane_piece *pieces, unsigned int n,
			   unsigned long long until)
{
	struct lane_template *t;
	struct lane_view view;
	unsigned int id, at;
	char *to;

	if (!lane_open(lane, &view, record, length) ||
	    !lane_fits(view.plan, text_length, pieces, n))
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	lane_shape(lane, &view, &t->shape);
	t->until = until;
	t->n_pieces = n;
	t->exe_len = view.event.exe_len;
	t->name_len = view.name_is_fixed ? view.event.name_len : 0;
	t->text_length = text_length;
	at = (t->exe_len + t->name_len + text_length + 7) & ~7UL;
	t->text = malloc(at + n * sizeof(*pieces) + 1);
	if (!t->text) {
		free(t);
		return -ENOMEM;
	}
	to = mempcpy(t->text, view.exe, t->exe_len);
	to = mempcpy(to, view.name, t->name_len);
	t->constant = to;
	memcpy(to, text, text_length);
	memcpy(t->text + at, pieces, n * sizeof(*pieces));
	t->piece = (const struct enf_lane_piece *)(t->text + at);
	for (unsigned int i = 0; i < n; i++)
		t->texts += pieces[i].form >= ENF_FORM_PATH;
	id = lane_find(lane, &t->shape, &view);
	if (id == LANE_NOBODY) {
		id = lane->oldest;
		lane->oldest = (id + 1) % ENF_LANE_TEMPLATES;
	}
	if (lane->count[id]) { /* they would become another shape's */
		free(t->text);
		free(t);
		return -EBUSY;
	}
	lane_drop(lane, id);
	lane->template[id] = t;
	t->next = lane->bucket[t->shape.hash % LANE_BUCKETS];
	lane->bucket[t->shape.hash % LANE_BUCKETS] = id;
	return id;
}

static void enf_lane_extend(struct enf_lane *lane, unsigned int id, unsigned long long until)
{
	if (id < ENF_LANE_TEMPLATES && lane->template[id])
		lane->template[id]->until = until;
}

static long enf_lane_write(struct enf_lane *lane, unsigned int id, const void *record,
			   size_t length, long long offset, char *out, size_t room)
{
	struct lane_template *t = id < ENF_LANE_TEMPLATES ? lane->template[id] : NULL;
	struct lane_shape shape;
	struct lane_view view;
	char *end;

	if (!t || !t->n_pieces || !lane_open(lane, &view, record, length))
		return -EINVAL;
	lane_shape(lane, &view, &shape);
	if (!lane_is_same(t, &shape, &view))
		return -ENOENT;
	if (lane_most(t, &view) > room)
		return -ENOSPC;
	end = lane_line(lane, out, t, &view, offset);
	return end ? end - out : -ERANGE;
}

/* Whether a shape has come before, of late. The newest is put first of its row, the last one falls out. */
static int lane_has_seen(struct enf_lane *lane, uint64_t hash)
{
	uint64_t *row = &lane->seen[hash % (ENF_LANE_SEEN / LANE_WAYS) * LANE_WAYS];

	for (unsigned int i = 0; i < LANE_WAYS; i++)
		if (row[i] == hash)
			return 1;
	memmove(row + 1, row, (LANE_WAYS - 1) * sizeof(*row));
	row[0] = hash;
	return 0;
}

/* What becomes of one record. ENF_LANE_DONE: its line was written. */
static int lane_take(struct enf_lane *lane, const void *record, size_t length, uint64_t now,
		     int64_t offset, struct enf_lane_run *run)
{
	struct lane_template *t;
	struct lane_shape shape;
	struct lane_view view;
	unsigned int id;
	char *end;

	if (!lane_open(lane, &view, record, length))
		return ENF_LANE_PLAIN;
	lane_shape(lane, &view, &shape);
	id = lane_find(lane, &shape, &view);
	if (id == LANE_NOBODY)
		return lane_has_seen(lane, shape.hash) ? ENF_LANE_LEARN : ENF_LANE_PLAIN;
	t = lane->template[id];
	if (now >= t->until) {
		run->template_id = id;
		return ENF_LANE_STALE;
	}
	if (!t->n_pieces)
		return ENF_LANE_PLAIN;
	if (lane_most(t, &view) > lane->room - run->used)
		return run->used ? ENF_LANE_FULL : ENF_LANE_PLAIN;
	end = lane_line(lane, lane->lines + run->used, t, &view, offset);
	if (!end)
		return ENF_LANE_PLAIN;
	run->used = end - lane->lines;
	run->lines += 1;
	if (!lane->count[id]++)
		lane->touched[lane->n_touched++] = id;
	return ENF_LANE_DONE;
}

static int enf_lane_run(struct enf_lane *lane, const void *batch, size_t size,
			unsigned long long now, long long offset, struct enf_lane_run *run)
{
	const char *bytes = batch;

	run->used = run->lines = 0;
	while (run->at < size) {
		__u32 head[2];
		size_t padded;
		int end;

		if (size - run->at < sizeof(head))
			return -EINVAL;
		memcpy(head, bytes + run->at, sizeof(head));
		padded = ((size_t)head[0] + 7) & ~(size_t)7;
		if (padded > size - run->at - sizeof(head))
			return -EINVAL;
		end = lane_take(lane, bytes + run->at + sizeof(head), head[0], now, offset, run);
		if (end != ENF_LANE_DONE)
			return end;
		run->at += sizeof(head) + padded;
	}
	return ENF_LANE_DONE;
}

static const char *enf_lane_lines(const struct enf_lane *lane)
{
	return lane->lines;
}

static unsigned int enf_lane_counts(struct enf_lane *lane, unsigned int *ids,
				    unsigned long long *counts, unsigned int n)
{
	unsigned int taken = 0;

	while (taken < n && lane->n_touched) {
		unsigned int id = lane->touched[--lane->n_touched];

		ids[taken] = id;
		counts[taken++] = lane->count[id];
		lane->count[id] = 0;
	}
	return taken;
}
