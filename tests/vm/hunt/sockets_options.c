// SPDX-License-Identifier: MIT
/* Steps of the searcher of sockets that set options: port ranges, devices, routes and switches. */
#define _GNU_SOURCE
#include "sockets.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>

unsigned int some_range(uint32_t die)
{
	static const unsigned short ranges[][2] = {
		{ PORT, PORT }, { PORT, PORT + 1 }, { PORT - 3, PORT + 3 },
		{ 0, PORT },	{ PORT + 1, 0 },    { PORT + 2, PORT + 90 },
		{ 0, 0 },	{ 1000, PORT }
	};

	return (unsigned int)HUNT_PICK(ranges, die)[1] << 16 | HUNT_PICK(ranges, die)[0];
}

static long range(const uint32_t *dice)
{
	unsigned int both = some_range(dice[1]);

	if (at(dice[0]) < 0)
		return HUNT_IDLE;
	return done(setsockopt(at(dice[0]), IPPROTO_IP, IP_LOCAL_PORT_RANGE, &both, sizeof(both)));
}

static long option(const uint32_t *dice)
{
	static const struct {
		int level, name;
	} options[] = {
		{ SOL_SOCKET, SO_BROADCAST },
		{ SOL_SOCKET, SO_BROADCAST },
		{ SOL_SOCKET, SO_REUSEADDR },
		{ SOL_SOCKET, SO_REUSEPORT },
		{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT },
		{ IPPROTO_IP, IP_FREEBIND },
		{ IPPROTO_IPV6, IPV6_V6ONLY },
		{ IPPROTO_IP, IP_MULTICAST_LOOP },
		{ SOL_SOCKET, SO_DONTROUTE },
		{ IPPROTO_UDP, 1 /* UDP_CORK */ },
		{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS },
		{ IPPROTO_IP, IP_TRANSPARENT },
	};
	int on = dice[2] % 4 > 0;

	if (at(dice[0]) < 0)
		return HUNT_IDLE;
	return done(setsockopt(at(dice[0]), HUNT_PICK(options, dice[1]).level,
			       HUNT_PICK(options, dice[1]).name, &on, sizeof(on)));
}

static long device(const uint32_t *dice)
{
	int fd = at(dice[0]), index = if_nametoindex(DEVICE), big = htonl(index);
	struct ip_mreqn group = { .imr_ifindex = index };

	if (fd < 0)
		return HUNT_IDLE;
	switch (dice[1] % 5) {
	case 0:
		return done(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, DEVICE, sizeof(DEVICE)));
	case 1:
		return done(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)));
	case 2:
		return done(setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)));
	case 3:
		return done(setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &big, sizeof(big)));
	default:
		inet_pton(AF_INET, "239.9.9.9", &group.imr_multiaddr);
		return done(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)));
	}
}

/* To a forbidden address first, or to a free one. */
static long route(const uint32_t *dice)
{
	unsigned char bytes[24] = { IPOPT_NOP, IPOPT_LSRR, 7, 4, 10, 9, 0, dice[1] % 2 ? 2 : 3 };
	int fd = at(dice[0]);

	if (fd < 0)
		return HUNT_IDLE;
	if (dice[2] % 2)
		return done(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, bytes, dice[3] % 4 ? 8 : 0));
	memset(bytes, 0, sizeof(bytes));
	bytes[1] = 2;
	bytes[2] = 2;
	bytes[3] = 1;
	inet_pton(AF_INET6, dice[1] % 2 ? "fd00:9::2" : "fd00:9::3", bytes + 8);
	return done(setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, bytes, dice[3] % 4 ? 24 : 0));
}

const struct hunt_step option_steps[] = {
	{ "range", range, 4 },
	{ "option", option, 4 },
	{ "device", device, 2 },
	{ "route", route, 2 },
};
