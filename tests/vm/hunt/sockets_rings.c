// SPDX-License-Identifier: MIT
/* A step of the searcher of sockets that lets io_uring connect, send, bind, listen or set the port range. */
#define _GNU_SOURCE
#include "sockets.h"

#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	int fd;
	struct io_uring_sqe *entries;
	unsigned int *tail, *array, *mask, *head, *end, *end_mask;
	struct io_uring_cqe *results;
} ring = { .fd = -1 };

static bool has_ring(void)
{
	struct io_uring_params how = {};
	char *room, *back;

	if (ring.fd >= 0)
		return true;
	ring.fd = syscall(SYS_io_uring_setup, 4, &how);
	if (ring.fd < 0)
		return false;
	room = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	back = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	ring.entries =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	if (room == MAP_FAILED || back == MAP_FAILED || ring.entries == MAP_FAILED)
		hunt_broken("no memory of io_uring");
	ring.tail = (void *)(room + how.sq_off.tail);
	ring.mask = (void *)(room + how.sq_off.ring_mask);
	ring.array = (void *)(room + how.sq_off.array);
	ring.head = (void *)(back + how.cq_off.head);
	ring.end = (void *)(back + how.cq_off.tail);
	ring.end_mask = (void *)(back + how.cq_off.ring_mask);
	ring.results = (void *)(back + how.cq_off.cqes);
	return true;
}

static long by_ring(const uint32_t *dice)
{
	unsigned int tail, slot, both = some_range(dice[1]);
	struct io_uring_sqe *entry;
	union name to;
	int fd = at(dice[0]), deed = dice[3] / 64 % 5;
	long result;

	if (fd < 0 || !has_ring())
		return HUNT_IDLE;
	tail = *ring.tail;
	slot = tail & *ring.mask;
	entry = &ring.entries[slot];
	memset(entry, 0, sizeof(*entry));
	entry->fd = fd;
	if (deed == 0) {
		entry->opcode = IORING_OP_CONNECT;
		entry->off = destination(&to, dice);
		entry->addr = (uint64_t)&to;
	} else if (deed == 1) {
		entry->opcode = IORING_OP_SEND; /* since 6.0 with an address */
		entry->addr = (uint64_t)"x";
		entry->len = 1;
		entry->addr2 = (uint64_t)&to;
		entry->addr_len = destination(&to, dice);
		entry->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	} else if (deed == 2) {
		entry->opcode = 56; /* IORING_OP_BIND, since 6.11 */
		entry->off = own_name(&to, dice);
		entry->addr = (uint64_t)&to;
	} else if (deed == 3) {
		entry->opcode = 57; /* IORING_OP_LISTEN */
		entry->len = 1;
	} else {
		entry->opcode = 46; /* IORING_OP_URING_CMD, since 6.7 on sockets */
		entry->off = 3;	    /* SOCKET_URING_OP_SETSOCKOPT */
		entry->addr = (uint64_t)IPPROTO_IP | (uint64_t)IP_LOCAL_PORT_RANGE << 32;
		entry->file_index = sizeof(both);		     /* optlen */
		*(uint64_t *)((char *)entry + 48) = (uint64_t)&both; /* optval */
	}
	if (dice[3] / 512 % 3 == 0)
		entry->flags = IOSQE_ASYNC;
	ring.array[slot] = slot;
	__atomic_store_n(ring.tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 0, 0, NULL, 0) != 1)
		return done(-1);
	for (int i = 0; i < 20 && *ring.head == __atomic_load_n(ring.end, __ATOMIC_ACQUIRE); i++)
		usleep(500);
	if (*ring.head ==
	    *ring.end) /* a connection that is not answered: the kernel has the address no more in its hand */
		hunt_say("not ended");
	result = ring.results[*ring.head & *ring.end_mask].res;
	__atomic_store_n(ring.head, *ring.end, __ATOMIC_RELEASE);
	return deed == 2 ? bound(dice[0], &to, result) : result;
}

const struct hunt_step ring_steps[] = { { "ring", by_ring, 2 } };
