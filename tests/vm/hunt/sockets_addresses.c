// SPDX-License-Identifier: MIT
/* Addresses and ports of the searcher of sockets, and its steps that bind, connect and listen. */
#define _GNU_SOURCE
#include "sockets.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

static const char *const addresses[] = {
	"10.9.0.3",	    "10.9.0.2",	 "10.9.0.255", "255.255.255.255",
	"224.0.0.1",	    "239.9.9.9", "127.0.0.1",  "0.0.0.0",
	"fd00:9::3",	    "fd00:9::2", "ff02::1",    "::ffff:10.9.0.2",
	"::ffff:10.9.0.3",  "::1",	 "::",	       "10.9.0.0",
	"::ffff:224.0.0.1", "ff05::9",	 "0.0.0.0",    "::",
};
static const char *const own[] = { "0.0.0.0",  "::",	    "127.0.0.1",     "::1",
				   "10.9.0.1", "fd00:9::1", "::ffff:0.0.0.0" };
static const unsigned int ports[] = { 0, 0, PORT, PORT + 1, PORT + 2, 9, 53 };

socklen_t name(union name *out, const char *text, unsigned int port)
{
	memset(out, 0, sizeof(*out));
	if (!strchr(text, ':')) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons(port);
		inet_pton(AF_INET, text, &out->in.sin_addr);
		return sizeof(out->in);
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(port);
	inet_pton(AF_INET6, text, &out->in6.sin6_addr);
	if (out->in6.sin6_addr.s6_addr[0] == 0xff)
		out->in6.sin6_scope_id = if_nametoindex(DEVICE);
	return sizeof(out->in6);
}

socklen_t destination(union name *out, const uint32_t *dice)
{
	socklen_t length = name(out, HUNT_PICK(addresses, dice[1]), HUNT_PICK(ports, dice[2]));

	if (dice[3] % 32 == 0)
		out->any.sa_family = AF_UNSPEC;
	return dice[3] % 32 == 1 ? 4 : length;
}

socklen_t own_name(union name *out, const uint32_t *dice)
{
	return name(out, own_address(dice[1]), HUNT_PICK(ports, dice[2]));
}

const char *own_address(uint32_t die)
{
	return HUNT_PICK(own, die);
}

long bound(uint32_t die, const union name *to, long result)
{
	if (result >= 0)
		asked[die % PLACES] = ntohs(to->in.sin_port);
	return result;
}

static long take(const uint32_t *dice)
{
	union name to;
	socklen_t length = own_name(&to, dice);

	if (at(dice[0]) < 0)
		return HUNT_IDLE;
	if (dice[3] % 16 == 0)
		to.any.sa_family = AF_UNSPEC;
	return bound(dice[0], &to, done(bind(at(dice[0]), &to.any, length)));
}

static long reach(const uint32_t *dice)
{
	union name to;
	socklen_t length = destination(&to, dice);

	return at(dice[0]) < 0 ? HUNT_IDLE : done(connect(at(dice[0]), &to.any, length));
}

static long dissolve(const uint32_t *dice)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	return at(dice[0]) < 0 ? HUNT_IDLE : done(connect(at(dice[0]), &nowhere, sizeof(nowhere)));
}

static long wait(const uint32_t *dice)
{
	return at(dice[0]) < 0 ? HUNT_IDLE : done(listen(at(dice[0]), 1));
}

const struct hunt_step address_steps[] = {
	{ "bind", take, 5 },
	{ "connect", reach, 4 },
	{ "dissolve", dissolve, 1 },
	{ "listen", wait, 2 },
};
