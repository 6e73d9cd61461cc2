// SPDX-License-Identifier: MIT
/* Steps of the searcher of names that let io_uring act: its workers keep the view of their first request. */
#define _GNU_SOURCE
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 4

static struct {
	int fd;
	bool is_polled; /* by a thread of the kernel, which submits what it finds as the maker of the ring */
	pid_t maker;
	int creator; /* the number of the credentials with which the ring was made */
	char *words;
	struct io_sqring_offsets sq;
	struct io_cqring_offsets cq;
	struct io_uring_sqe *requests;
} ring = { .fd = -1 };

/* What a request points to. The thread looks in its maker's memory, also for the other process (names_pair.c). */
static struct letter {
	char from[PATH], to[PATH], bytes[256];
	struct open_how how;
} *letter;

static uint32_t *word(uint32_t offset)
{
	return (uint32_t *)(ring.words + offset);
}

static long make_ring(bool is_polled)
{
	struct io_uring_params params = {
		.flags = is_polled ? IORING_SETUP_SQPOLL : 0,
		.sq_thread_idle = 1,
	};
	int fd = syscall(SYS_io_uring_setup, ENTRIES, &params);

	if (fd < 0)
		return -errno;
	size_t size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
	void *words = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	void *requests = mmap(NULL, ENTRIES * sizeof(*ring.requests), PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, IORING_OFF_SQES);

	if (!letter)
		letter = mmap(NULL, sizeof(*letter), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED || requests == MAP_FAILED || letter == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	if (ring.fd >= 0)
		close(ring.fd);
	ring.fd = fd;
	ring.is_polled = is_polled;
	ring.maker = getpid();
	ring.words = words;
	ring.sq = params.sq_off;
	ring.cq = params.cq_off;
	ring.requests = requests;
	ring.creator = syscall(SYS_io_uring_register, fd, IORING_REGISTER_PERSONALITY, NULL, 0);
	return 0;
}

/* What the request returned, or its negative errno. */
static long submit(const struct io_uring_sqe *request)
{
	uint32_t tail = *word(ring.sq.tail), slot = tail & *word(ring.sq.ring_mask);
	unsigned int how = IORING_ENTER_GETEVENTS;

	ring.requests[slot] = *request;
	word(ring.sq.array)[slot] = slot;
	__atomic_store_n(word(ring.sq.tail), tail + 1, __ATOMIC_RELEASE);
	if (ring.is_polled)
		how |= IORING_ENTER_SQ_WAKEUP;
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, how, NULL, 0) < 0)
		return -errno;
	uint32_t head = *word(ring.cq.head);

	if (head == __atomic_load_n(word(ring.cq.tail), __ATOMIC_ACQUIRE))
		return -EAGAIN;
	const struct io_uring_cqe *cqes = (void *)(ring.words + ring.cq.cqes);
	long done = cqes[head & *word(ring.cq.ring_mask)].res;

	__atomic_store_n(word(ring.cq.head), head + 1, __ATOMIC_RELEASE);
	errno = done < 0 ? (int)-done : 0;
	return result(done < 0 ? -1 : done);
}

static uint64_t address(const void *of)
{
	return (uintptr_t)of;
}

static const uint8_t requests[] = {
	IORING_OP_OPENAT,   IORING_OP_READ,   IORING_OP_OPENAT2,   IORING_OP_WRITE,
	IORING_OP_RENAMEAT, IORING_OP_OPENAT, IORING_OP_LINKAT,	   IORING_OP_UNLINKAT,
	IORING_OP_READ,	    IORING_OP_OPENAT, IORING_OP_SYMLINKAT, IORING_OP_MKDIRAT,
};

static const uint32_t flags[] = { O_RDONLY,	      O_RDWR,
				  O_RDWR | O_CREAT,   O_PATH,
				  O_WRONLY | O_TRUNC, O_RDONLY | O_DIRECTORY };

static bool takes_descriptor(uint8_t request)
{
	return request == IORING_OP_READ || request == IORING_OP_WRITE ||
	       request == IORING_OP_OPENAT2;
}

static long do_ring(const uint32_t *dice)
{
	struct io_uring_sqe request = { .opcode = HUNT_PICK(requests, dice[3]) };
	uint32_t rest = dice[3] / HUNT_SIZE(requests);
	long made = 0;

	if (!has_rings)
		return HUNT_IDLE;
	if (ring.fd < 0 || rest % 8 == 0)
		made = make_ring(rest / 8 % 4 == 0);
	if (made == -ENOSYS)
		return HUNT_LACKING;
	if (ring.fd < 0)
		return made;
	/* Descriptors are then those of the other process. */
	bool is_elsewhere = ring.is_polled && ring.maker != getpid();

	if (is_elsewhere && takes_descriptor(request.opcode))
		return HUNT_IDLE;
	letter->how = (struct open_how){ .flags = HUNT_PICK(flags, dice[1]) };
	letter->how.mode = letter->how.flags & O_CREAT ? 0666 : 0;
	request.flags = rest % 3 ? 0 : IOSQE_ASYNC;
	request.personality = rest % 5 || ring.creator < 0 ? 0 : ring.creator;
	request.fd = AT_FDCWD;
	request.addr = address(name(dice[0], letter->from));
	switch (request.opcode) {
	case IORING_OP_OPENAT:
		request.open_flags = letter->how.flags;
		request.len = letter->how.mode;
		break;
	case IORING_OP_OPENAT2:
		request.fd = at(dice[2] / PLACES);
		request.addr = address(strcpy(letter->from, bare_name(dice[0])));
		request.len = sizeof(letter->how);
		request.off = address(&letter->how);
		break;
	case IORING_OP_READ:
	case IORING_OP_WRITE:
		if (at(dice[0]) < 0)
			return HUNT_IDLE;
		request.fd = at(dice[0]);
		request.addr = address(request.opcode == IORING_OP_READ ? letter->bytes : EVIL);
		request.len =
			request.opcode == IORING_OP_READ ? sizeof(letter->bytes) : strlen(EVIL);
		break;
	case IORING_OP_LINKAT:
		if (dice[2] % 4 == 0 && at(dice[2]) >= 0)
			snprintf(letter->from, sizeof(letter->from), "/proc/self/fd/%d",
				 at(dice[2]));
		request.hardlink_flags = AT_SYMLINK_FOLLOW;
		/* fallthrough */
	case IORING_OP_RENAMEAT:
	case IORING_OP_SYMLINKAT:
		request.addr2 = address(name(dice[1], letter->to));
		if (request.opcode != IORING_OP_SYMLINKAT)
			request.len = AT_FDCWD;
		if (request.opcode == IORING_OP_RENAMEAT && dice[2] % 3 == 0)
			request.rename_flags = RENAME_EXCHANGE;
		break;
	case IORING_OP_UNLINKAT:
		request.unlink_flags = dice[1] % 3 ? 0 : AT_REMOVEDIR;
		break;
	case IORING_OP_MKDIRAT:
		request.addr = address(directory(dice[0], letter->from));
		request.len = 0777;
		break;
	}
	hunt_say("ring %d: %u fd %d %s %#x", ring.fd, request.opcode, request.fd, letter->from,
		 request.flags);
	made = submit(&request);
	switch (request.opcode) {
	case IORING_OP_READ:
		return seen(letter->bytes, made, "ring");
	case IORING_OP_OPENAT:
	case IORING_OP_OPENAT2:
		return made < 0 || is_elsewhere ? made : keep(dice[2], made);
	default:
		return made;
	}
}

const struct hunt_step ring_steps[] = { { "ring", do_ring, 6 } };
