// SPDX-License-Identifier: MIT
/* A step of the searcher of sockets that binds or sends while a thread sets the port range of the same socket. */
#define _GNU_SOURCE
#include "sockets.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

struct race {
	int fd;
	unsigned int both;
};

static void *set_range(void *argument)
{
	struct race *race = argument;

	for (int i = 0; i < 3; i++)
		setsockopt(race->fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &race->both,
			   sizeof(race->both));
	return NULL;
}

static long hurry(const uint32_t *dice)
{
	struct race race = { at(dice[0]), some_range(dice[1]) };
	union name to;
	socklen_t length;
	pthread_t thread;
	long result;

	if (race.fd < 0)
		return HUNT_IDLE;
	if (pthread_create(&thread, NULL, set_range, &race))
		return -EAGAIN;
	if (dice[2] % 2) {
		length = name(&to, own_address(dice[3]), 0);
		result = bound(dice[0], &to, done(bind(race.fd, &to.any, length)));
	} else {
		length = name(&to, dice[3] % 2 ? "::1" : "127.0.0.1", 9);
		result = done(sendto(race.fd, "x", 1, MSG_DONTWAIT, &to.any, length));
	}
	pthread_join(thread, NULL);
	return result;
}

const struct hunt_step race_steps[] = { { "race", hurry, 1 } };
