/* SPDX-License-Identifier: MIT */
/* Members of JSON objects, found where they stand: nothing is copied, decoded or allocated. RFC 8259. */
#ifndef ENFORCER_HOOK_JSON_H
#define ENFORCER_HOOK_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define DEPTH_MOST 64 /* objects and arrays in each other */

struct text {
	const char *at, *end;
};

static bool takes(struct text *in, char c)
{
	if (in->at == in->end || *in->at != c)
		return false;
	in->at++;
	return true;
}

static void skip_space(struct text *in)
{
	while (in->at < in->end && memchr(" \t\r\n", *in->at, 4))
		in->at++;
}

static size_t skip_digits(struct text *in)
{
	const char *from = in->at;

	while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
		in->at++;
	return in->at - from;
}

static bool skip_number(struct text *in)
{
	takes(in, '-');
	if (!takes(in, '0') && !skip_digits(in))
		return false;
	if (takes(in, '.') && !skip_digits(in))
		return false;
	if (!takes(in, 'e') && !takes(in, 'E'))
		return true;
	if (!takes(in, '+'))
		takes(in, '-');
	return skip_digits(in);
}

static bool skip_escape(struct text *in)
{
	if (in->at == in->end || !memchr("\"\\/bfnrtu", *in->at, 9))
		return false;
	if (*in->at++ != 'u')
		return true;
	for (int i = 0; i < 4; i++, in->at++)
		if (in->at == in->end || !strchr("0123456789abcdefABCDEF", *in->at) || !*in->at)
			return false;
	return true;
}

static bool skip_string(struct text *in)
{
	if (!takes(in, '"'))
		return false;
	while (in->at < in->end) {
		unsigned char c = *in->at++;

		if (c == '"')
			return true;
		if (c < ' ' || (c == '\\' && !skip_escape(in)))
			return false;
	}
	return false;
}

static bool skip_word(struct text *in, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size))
		return false;
	in->at += size;
	return true;
}

static bool skip_value(struct text *in, int depth);

/* What stands between the brackets of an object or an array. */
static bool skip_members(struct text *in, bool is_object, char last, int depth)
{
	skip_space(in);
	if (takes(in, last))
		return true;
	do {
		skip_space(in);
		if (is_object) {
			if (!skip_string(in))
				return false;
			skip_space(in);
			if (!takes(in, ':'))
				return false;
		}
		if (!skip_value(in, depth))
			return false;
		skip_space(in);
	} while (takes(in, ','));
	return takes(in, last);
}

static bool skip_value(struct text *in, int depth)
{
	skip_space(in);
	if (depth > DEPTH_MOST || in->at == in->end)
		return false;
	switch (*in->at) {
	case '{':
		in->at++;
		return skip_members(in, true, '}', depth + 1);
	case '[':
		in->at++;
		return skip_members(in, false, ']', depth + 1);
	case '"':
		return skip_string(in);
	default:
		return skip_word(in, "true") || skip_word(in, "false") || skip_word(in, "null") ||
		       skip_number(in);
	}
}

/* Whether this is one object, and nothing else. */
static bool is_object(const char *text, size_t size)
{
	struct text in = { text, text + size };

	skip_space(&in);
	if (in.at == in.end || *in.at != '{' || !skip_value(&in, 0))
		return false;
	skip_space(&in);
	return in.at == in.end;
}

/*
 * The bytes of the member *name*, in quotes, of what is_object(); of two the last one, of none none. Names with escapes
 * are others: who writes to us needs none.
 */
static struct text member(const char *text, size_t size, const char *name)
{
	struct text in = { text, text + size }, found = { NULL, NULL };

	skip_space(&in);
	takes(&in, '{');
	do {
		const char *from;
		bool is_named;

		skip_space(&in);
		from = in.at;
		if (!skip_string(&in))
			break; /* it has no members */
		is_named =
			(size_t)(in.at - from) == strlen(name) && !memcmp(from, name, in.at - from);
		skip_space(&in);
		takes(&in, ':');
		skip_space(&in);
		from = in.at;
		skip_value(&in, 1);
		if (is_named)
			found = (struct text){ from, in.at };
		skip_space(&in);
	} while (takes(&in, ','));
	return found;
}

static int size_of(struct text text)
{
	return text.end - text.at;
}

static bool is(struct text text, const char *other)
{
	return text.at && (size_t)size_of(text) == strlen(other) &&
	       !memcmp(text.at, other, size_of(text));
}

#endif
