// SPDX-License-Identifier: MIT
/* Steps of the searcher of processes that bring code into its own memory. */
#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned char *areas[PLACES];

static const int protections[] = {
	PROT_READ | PROT_WRITE,
	PROT_READ | PROT_EXEC,
	PROT_READ | PROT_WRITE | PROT_EXEC,
	PROT_EXEC,
	PROT_READ,
	PROT_WRITE,
	PROT_WRITE | PROT_EXEC,
	PROT_NONE,
};

static unsigned char *area(uint32_t die)
{
	return areas[die % PLACES];
}

long leave_area(uint32_t die, void *mapped)
{
	if (mapped == MAP_FAILED)
		return -errno;
	areas[die % PLACES] = mapped;
	return 0;
}

void map_some(void)
{
	static const struct {
		const char *file; /* or NULL */
		int protection;
	} some[] = {
		{ NULL, PROT_READ | PROT_WRITE },
		{ "memory/code", PROT_READ | PROT_WRITE },
		{ "bin/code", PROT_READ | PROT_EXEC },
	};

	for (uint32_t i = 0; i < HUNT_SIZE(some); i++) {
		int fd = some[i].file ? open(some[i].file, O_RDONLY | O_CLOEXEC) : -1;

		leave_area(i, mmap(NULL, AREA, some[i].protection,
				   MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0));
		close(fd);
	}
}

static long do_anonymous(const uint32_t *dice)
{
	static const int flags[] = { MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED,
				     MAP_PRIVATE | MAP_GROWSDOWN, MAP_PRIVATE | MAP_FIXED };
	int flag = HUNT_PICK(flags, dice[2]), protection = HUNT_PICK(protections, dice[1]);
	void *where = flag & MAP_FIXED ? area(dice[3]) : NULL;

	if (flag & MAP_FIXED && !where)
		return HUNT_IDLE;
	hunt_say("mmap %p prot %d anonymous %#x", where, protection, flag);
	return leave_area(dice[0], mmap(where, AREA, protection, flag | MAP_ANONYMOUS, -1, 0));
}

static bool is_own_code(int fd)
{
	struct stat own, is;

	return !stat("bin/code", &own) && !fstat(fd, &is) && is.st_ino == own.st_ino &&
	       is.st_dev == own.st_dev;
}

static long do_map(const uint32_t *dice)
{
	int fd = at(dice[1]), protection = HUNT_PICK(protections, dice[2]);

	if (fd < 0)
		return HUNT_IDLE;
	hunt_say("mmap prot %d of %d", protection, fd);
	long value = leave_area(dice[0], mmap(NULL, AREA, protection,
					      dice[3] % 2 ? MAP_SHARED : MAP_PRIVATE, fd, 0));

	if (value == -EDOM && !(protection & PROT_WRITE) && is_own_code(fd))
		hunt_refused("code of base/bin was refused");
	return value;
}

static long do_protect(const uint32_t *dice)
{
	int protection = HUNT_PICK(protections, dice[1]);

	if (!area(dice[0]))
		return HUNT_IDLE;
	hunt_say("mprotect %p prot %d", area(dice[0]), protection);
	if (dice[2] % 4 == 0)
		return result(syscall(SYS_pkey_mprotect, area(dice[0]), AREA, protection, -1));
	return result(mprotect(area(dice[0]), dice[2] % 4 == 1 ? PAGE : AREA, protection));
}

static long do_remap(const uint32_t *dice)
{
	static const int flags[] = { MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP };
	int flag = HUNT_PICK(flags, dice[2]);
	unsigned char *from = area(dice[0]), *to = area(dice[1]);

	if (from && dice[2] % 8 == 7)
		return result(syscall(SYS_remap_file_pages, from, AREA, 0, 0, 0));
	if (!from || (flag & MREMAP_FIXED && (!to || to == from)))
		return HUNT_IDLE;
	hunt_say("mremap %p to %p %#x", from, to, flag);
	void *moved = mremap(from, AREA, AREA, flag, to);

	if (moved != MAP_FAILED && !(flag & MREMAP_DONTUNMAP))
		areas[dice[0] % PLACES] = NULL;
	return leave_area(dice[3], moved);
}

static long do_shared(const uint32_t *dice)
{
	int id = shmget(IPC_PRIVATE, AREA, 0700);

	if (id < 0)
		return -errno;
	void *mapped = shmat(id, NULL, dice[1] % 2 ? SHM_EXEC : 0);

	shmctl(id, IPC_RMID, NULL);
	hunt_say("shmat %p exec %u", mapped, dice[1] % 2);
	return leave_area(dice[0], mapped);
}

/* Code into memory of its own: by a store, and by calls that write where stores cannot. */
static long do_poke(const uint32_t *dice)
{
	struct iovec code = { (void *)foreign_code, sizeof(foreign_code) };
	struct iovec there = { area(dice[0]), sizeof(foreign_code) };
	long value;
	int fd;

	if (!area(dice[0]))
		return HUNT_IDLE;
	hunt_say("poke %p %u", area(dice[0]), dice[1] % 4);
	switch (dice[1] % 4) {
	case 0:
		return result(process_vm_writev(getpid(), &code, 1, &there, 1, 0));
	case 1:
		fd = open(dice[2] % 2 ? "/proc/self/mem" : "/proc/thread-self/mem", O_RDWR);
		if (fd < 0)
			return -errno;
		value = result(
			pwrite(fd, foreign_code, sizeof(foreign_code), (off_t)area(dice[0])));
		close(fd);
		return value;
	default:
		return copy_in(area(dice[0]), foreign_code, sizeof(foreign_code));
	}
}

static long do_call(const uint32_t *dice)
{
	if (!area(dice[0]))
		return HUNT_IDLE;
	hunt_say("call %p", area(dice[0]));
	long answer = call(area(dice[0]));

	if (answer == FOREIGN_ANSWER && !is_keeper && !only_memfds)
		hunt_forbidden("foreign code ran");
	return answer;
}

/* What can be read can then be executed. The heap is documented as not covered, and no step calls it. */
static long do_personality(const uint32_t *dice)
{
	return result(personality(dice[0] % 2 ? READ_IMPLIES_EXEC : 0));
}

static long do_write(const uint32_t *dice)
{
	if (at(dice[0]) < 0)
		return HUNT_IDLE;
	hunt_say("write code to %d", at(dice[0]));
	return result(pwrite(at(dice[0]), foreign_code, sizeof(foreign_code), 0));
}

static long do_unmap(const uint32_t *dice)
{
	unsigned char *gone = area(dice[0]);

	if (!gone)
		return HUNT_IDLE;
	areas[dice[0] % PLACES] = NULL;
	return result(munmap(gone, AREA));
}

const struct hunt_step code_steps[] = {
	{ "anonymous", do_anonymous, 3 }, { "map", do_map, 6 },
	{ "protect", do_protect, 6 },	  { "remap", do_remap, 2 },
	{ "shared", do_shared, 1 },	  { "poke", do_poke, 4 },
	{ "call", do_call, 8 },		  { "personality", do_personality, 1 },
	{ "write", do_write, 2 },	  { "unmap", do_unmap, 1 },
};
