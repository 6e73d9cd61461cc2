// SPDX-License-Identifier: MIT
/*
 * Searches for ways around rules on sockets: to a forbidden address, and onto a forbidden port. Its oracles are a socket
 * that hears every packet on the other side of the wire, and the names of the sockets themselves.
 *
 * The rules (test_hunt_sockets.py) forbid 10.9.0.2, fd00:9::2, every broadcast and multicast address, and PORTS ports from
 * PORT on.
 */
#define _GNU_SOURCE
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int wire = -1;

long done(long result)
{
	return result < 0 ? -errno : result;
}

/* ---- The oracle -------------------------------------------------------------------------------------------- */

static void look(void)
{
	for (int i = 0; i < PLACES; i++) {
		unsigned int both = 0, port;
		int type = 0, accepts = 0;
		socklen_t size = sizeof(union name), word = sizeof(int);
		union name got = {};

		if (sockets[i] < 0 || getsockname(sockets[i], &got.any, &size))
			continue;
		port = ntohs(got.in.sin_port);
		if (port < PORT || port >= PORT + PORTS)
			continue;
		getsockopt(sockets[i], SOL_SOCKET, SO_TYPE, &type, &word);
		getsockopt(sockets[i], SOL_SOCKET, SO_ACCEPTCONN, &accepts, &word);
		word = sizeof(both);
		getsockopt(sockets[i], IPPROTO_IP, IP_LOCAL_PORT_RANGE, &both, &word);
		if (type == SOCK_RAW || (type != SOCK_DGRAM && !accepts && !asked[i]))
			continue; /* a client has its port, too */
		/* By chance, as every client may: a range that comes later changes nothing of it. */
		if (!both && asked[i] != port && !accepts)
			drawn[i] = port;
		if (drawn[i] == port && asked[i] != port && !accepts)
			continue;
		hunt_forbidden("a socket of type %d has the port %u", type, port);
	}
}

static bool is_several(const unsigned char *packet)
{
	static const unsigned char one[] = { 10, 9, 0, 2 }, all[] = { 10, 9, 0, 255 },
				   six[] = { 0xfd, 0, 0, 9 };

	if (packet[0] >> 4 == 4) {
		const unsigned char *to = packet + 16;

		if (packet[9] == IPPROTO_IGMP)
			return false; /* the kernel's own */
		return !memcmp(to, one, 4) || !memcmp(to, all, 4) || to[0] >= 224;
	}
	if (packet[0] >> 4 != 6 || packet[6] == IPPROTO_ICMPV6 || packet[6] == IPPROTO_HOPOPTS)
		return false; /* likewise: neighbours and groups */
	return packet[24] == 0xff || (!memcmp(packet + 24, six, 4) && packet[39] == 2);
}

static void finish(void)
{
	unsigned char packet[256];
	ssize_t size;

	while ((size = recv(wire, packet, sizeof(packet), MSG_DONTWAIT)) >= 0)
		if (size >= 40 - 20 * (packet[0] >> 4 == 4) && is_several(packet))
			hunt_forbidden("a packet of version %d, protocol %d, went to ...%d",
				       packet[0] >> 4, packet[0] >> 4 == 4 ? packet[9] : packet[6],
				       packet[0] >> 4 == 4 ? packet[19] : packet[39]);
}

/* ---- The world --------------------------------------------------------------------------------------------- */

/* With sockets from the beginning: else most steps would have none. */
static void begin(uint32_t role)
{
	signal(SIGPIPE, SIG_IGN);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t dice[HUNT_DICE] = { i, role >> (4 * i), role >> (4 * i + 1) };

		make_socket(dice);
	}
}

static void shell(const char *command)
{
	if (system(command))
		hunt_broken("%s", command);
}

static void prepare(int argc, char **argv)
{
	struct sockaddr_ll here = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int size = 1 << 22;

	(void)argc;
	(void)argv;
	unshare(CLONE_NEWNET);
	shell("ip link set lo up && ip link add " DEVICE " type veth peer name hunt1 &&"
	      " ip address add 10.9.0.1/24 broadcast + dev " DEVICE " && ip link set " DEVICE
	      " up &&"
	      " ip -6 address add fd00:9::1/64 dev " DEVICE " nodad &&"
	      " ip route add default dev " DEVICE " && ip link set hunt1 up &&"
	      " sysctl -q net.ipv6.conf.hunt1.disable_ipv6=1 &&"
	      " for a in 10.9.0.2 10.9.0.3 fd00:9::2 fd00:9::3; do"
	      " ip neigh replace $a lladdr 02:00:00:00:00:01 nud permanent dev " DEVICE "; done");
	/* Both ends of the wire are here: what comes out of it is heard, and has no other owner. */
	wire = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
	here.sll_ifindex = if_nametoindex("hunt1");
	if (wire < 0 || bind(wire, (void *)&here, sizeof(here)))
		hunt_broken("no wire");
	setsockopt(wire, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	size = 1;
	setsockopt(wire, SOL_PACKET, 23 /* PACKET_IGNORE_OUTGOING */, &size, sizeof(size));
}

static struct hunt_step steps[DESCRIPTOR_STEPS + OPTION_STEPS + ADDRESS_STEPS + SEND_STEPS +
			      RACE_STEPS + RING_STEPS];

static const struct hunt searcher = {
	.steps = steps,
	.count = HUNT_SIZE(steps),
	.refusal = EXDEV,
	.patience = 10,
	.length = 24,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.finish = finish,
};

int main(int argc, char **argv)
{
	struct hunt_step *next = mempcpy(steps, descriptor_steps, sizeof(descriptor_steps));

	/* A seed means the same sequences only in this order. */
	next = mempcpy(next, option_steps, sizeof(option_steps));
	next = mempcpy(next, address_steps, sizeof(address_steps));
	next = mempcpy(next, send_steps, sizeof(send_steps));
	next = mempcpy(next, race_steps, sizeof(race_steps));
	mempcpy(next, ring_steps, sizeof(ring_steps));
	return hunt_main(&searcher, argc, argv);
}
