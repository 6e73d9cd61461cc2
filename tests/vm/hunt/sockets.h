/* SPDX-License-Identifier: MIT */
/* What the steps of the searcher of sockets share: sockets.c has its world and its oracle. */
#ifndef HUNT_SOCKETS_H
#define HUNT_SOCKETS_H

#include "hunt.h"

#include <netinet/in.h>
#include <sys/socket.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#define PORT 40000 /* the first that is forbidden */
#define PORTS 2
#define PLACES 3 /* for sockets that a step leaves to others */
#define DEVICE "hunt0"

/* What a system call returned, or its negative errno. */
long done(long result);

/* ---- Descriptors -------------------------------------------------------------------------------------------- */

extern int sockets[PLACES];
extern unsigned int asked[PLACES]; /* the port of its bind */
extern unsigned int drawn[PLACES]; /* the port that it got of the host's range, by chance */

/* The socket of a place, or -1. */
int at(uint32_t die);

/* Put a socket into a place, which closes the one before it; -1 is the failure that errno tells. */
long put(uint32_t die, int fd);

/* A step that others need, too: make a socket. */
long make_socket(const uint32_t *dice);

/* ---- Addresses ---------------------------------------------------------------------------------------------- */

union name {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* An address and a port: write it, and return its length. */
socklen_t name(union name *out, const char *text, unsigned int port);

/* The same, chosen by dice: of others, which may be malformed, and of this machine. */
socklen_t destination(union name *out, const uint32_t *dice);
socklen_t own_name(union name *out, const uint32_t *dice);

/* An address of this machine. */
const char *own_address(uint32_t die);

/* Returns what bind() is told; the port of one that fails is not the socket's. */
long bound(uint32_t die, const union name *to, long result);

/* ---- Options ------------------------------------------------------------------------------------------------ */

/* A value of IP_LOCAL_PORT_RANGE. */
unsigned int some_range(uint32_t die);

/* ---- Steps -------------------------------------------------------------------------------------------------- */

#define DESCRIPTOR_STEPS 4
#define OPTION_STEPS 4
#define ADDRESS_STEPS 4
#define SEND_STEPS 3
#define RACE_STEPS 1
#define RING_STEPS 1
extern const struct hunt_step descriptor_steps[DESCRIPTOR_STEPS], option_steps[OPTION_STEPS],
	address_steps[ADDRESS_STEPS], send_steps[SEND_STEPS], race_steps[RACE_STEPS],
	ring_steps[RING_STEPS];

#endif
