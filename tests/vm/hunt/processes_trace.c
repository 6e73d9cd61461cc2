// SPDX-License-Identifier: MIT
/* The step of the searcher of processes that reads and changes another process, its child. */
#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum way {
	ATTACH,
	SEIZE,
	TRACEME,
	READ,
	WRITE,
	MEMORY_READ,
	MEMORY_WRITE,
	DESCRIPTOR,
	WAYS,
};

/* Of the child alone: its parent has zeros here. */
static volatile uint64_t secret;
static volatile uint32_t changed;
static int secret_fd = -1;
static void *page; /* bin/code, which returns 7 */

static void be_victim(enum way way, int ready, int go)
{
	char byte;

	begin_child();
	is_keeper = false; /* nobody may bring foreign code into it */
	secret = UINT64_C(0x5ec2e75ec2e75ec2);
	if (pwrite(secret_fd, "secret", 6, 0) != 6)
		_exit(1);
	if (way == TRACEME) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(errno == EDOM ? 33 : 34);
		raise(SIGSTOP);
	}
	int number = own_number();

	if (write(ready, &number, sizeof(number)) != sizeof(number) || read(go, &byte, 1) != 1)
		_exit(1);
	if (changed)
		hunt_forbidden("another process wrote into its memory by way %d", way);
	if (page != MAP_FAILED && call(page) == FOREIGN_ANSWER)
		hunt_forbidden("code that another process wrote ran");
	_exit(0);
}

/* What is to be done with who is stopped, or -1 and errno. */
static long poke(pid_t child)
{
	uint64_t code = 0;

	errno = 0;
	if ((uint64_t)ptrace(PTRACE_PEEKDATA, child, &secret, 0) == UINT64_C(0x5ec2e75ec2e75ec2))
		hunt_forbidden("the memory of another process was read by ptrace");
	memcpy(&code, foreign_code, sizeof(foreign_code));
	long value = page == MAP_FAILED ? 0 : ptrace(PTRACE_POKEDATA, child, page, code);

	ptrace(PTRACE_DETACH, child, 0, 0);
	return value;
}

static long stop(pid_t child, enum way way)
{
	int status;

	if (way == ATTACH && ptrace(PTRACE_ATTACH, child, 0, 0))
		return -1;
	if (way == SEIZE &&
	    (ptrace(PTRACE_SEIZE, child, 0, 0) || ptrace(PTRACE_INTERRUPT, child, 0, 0)))
		return -1;
	if (waitpid(child, &status, __WALL | WUNTRACED) != child)
		return -1;
	if (WIFSTOPPED(status))
		return poke(child);
	errno = WIFEXITED(status) && WEXITSTATUS(status) == 33 ? EDOM : ECHILD;
	return -1;
}

static long by_memory_file(int number, bool writes)
{
	uint64_t seen = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", number);
	int fd = open(path, writes ? O_RDWR : O_RDONLY), error = errno;

	if (fd < 0)
		return -1;
	long value = writes ? pwrite(fd, foreign_code, sizeof(foreign_code), (off_t)page)
			    : pread(fd, &seen, sizeof(seen), (off_t)&secret);

	error = errno;
	close(fd);
	if (seen)
		hunt_forbidden("the memory of another process was read by its file");
	errno = error;
	return value;
}

static long by_call(pid_t child, bool writes)
{
	uint64_t seen = writes ? 1 : 0;
	struct iovec here = { &seen, writes ? sizeof(changed) : sizeof(seen) };
	struct iovec there = { writes ? (void *)&changed : (void *)&secret, here.iov_len };
	long value = writes ? process_vm_writev(child, &here, 1, &there, 1, 0)
			    : process_vm_readv(child, &here, 1, &there, 1, 0);

	if (!writes && seen)
		hunt_forbidden("the memory of another process was read");
	return value;
}

static long by_descriptor(pid_t child)
{
	int pidfd = syscall(SYS_pidfd_open, child, 0);
	int got = syscall(SYS_pidfd_getfd, pidfd, secret_fd, 0), error = errno;

	close(pidfd);
	if (got >= 0)
		hunt_forbidden("another process's descriptor was taken");
	close(got);
	errno = error;
	return -1;
}

static long assault(pid_t child, enum way way, int ready)
{
	int number = -1;

	if (way != TRACEME && read(ready, &number, sizeof(number)) != sizeof(number))
		return -1;
	switch (way) {
	case READ:
	case WRITE:
		return by_call(child, way == WRITE);
	case MEMORY_READ:
	case MEMORY_WRITE:
		return by_memory_file(number, way == MEMORY_WRITE);
	case DESCRIPTOR:
		return by_descriptor(child);
	default:
		return stop(child, way);
	}
}

static long do_trace(const uint32_t *dice)
{
	enum way way = dice[0] % WAYS;
	int ready[2], go[2], status, code = open("bin/code", O_RDONLY | O_CLOEXEC);

	if (pipe2(ready, O_CLOEXEC) || pipe2(go, O_CLOEXEC))
		return HUNT_IDLE;
	page = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, code, 0);
	secret_fd = memfd_create("secret", MFD_CLOEXEC);
	hunt_say("trace %d", way);
	pid_t child = fork();

	if (!child)
		be_victim(way, ready[1], go[0]);
	close(ready[1]); /* so that a child that ended is no reason to wait */
	long value = child < 0 ? -1 : assault(child, way, ready[0]);
	int error = errno;

	if (child > 0 && write(go[1], "", 1) == 1 && value >= 0)
		waitpid(child, &status, __WALL);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, &status, __WALL);
	}
	if (page != MAP_FAILED)
		munmap(page, PAGE);
	for (int *fd = (int[]){ ready[0], go[0], go[1], code, secret_fd, -1 }; *fd >= 0; fd++)
		close(*fd);
	return value < 0 ? -error : 0;
}

const struct hunt_step trace_steps[] = {
	{ "trace", do_trace, 2 },
};
