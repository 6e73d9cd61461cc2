// SPDX-License-Identifier: MIT
/*
 * The keeper: a program that may read the secret while it runs root's code alone. It is a dynamic build of the searcher,
 * and runs the same steps when it is told to. Foreign code may run in it, and then it must not read the secret.
 */
#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET 901 /* the keeper's */
#define SECONDS 3  /* that it may take for what it is told */
#define TOLD 6	   /* steps at once, at most 5 */

/* So many steps, and then perhaps to read the secret. */
struct request {
	uint64_t state;
	uint32_t steps;
	bool reads;
};

struct reply {
	long value;
	char *kept; /* where it has what it read */
	int number; /* as /proc says it */
};

bool is_keeper, is_tainted;
static bool is_touched; /* by any step, or by who started it */
static char kept[64];

static pid_t keeper;
static int socket_to = -1;
static struct reply last;

/* ---- In the keeper ------------------------------------------------------------------------------------------ */

static long do_secret(const uint32_t *dice)
{
	int fd = open("secret", O_RDONLY | O_CLOEXEC);
	long value = fd < 0 ? -errno : read(fd, kept, sizeof(kept));

	(void)dice;
	close(fd);
	hunt_say("secret: %ld", value);
	if (value > 0 && !is_keeper)
		hunt_forbidden("another program than the keeper read the secret");
	if (value > 0 && is_tainted)
		hunt_forbidden("the keeper read the secret after foreign code had run in it");
	if (value == -EDOM && is_keeper && !is_touched)
		hunt_refused("the keeper was refused though it had run no other code");
	return value;
}

/* Rules on memory do not see this, as they say. Trust in the keeper's code is to end by it. */
static long do_fill(const uint32_t *dice)
{
	static unsigned char code[PAGE];
	int file = open("memory/own", O_RDONLY | O_CLOEXEC);
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	void *page = mmap(NULL, AREA, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register here = {
		.range = { (unsigned long)page, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy filling = {
		.dst = (unsigned long)page,
		.src = (unsigned long)code,
		.len = PAGE,
	};

	memcpy(code, foreign_code, sizeof(foreign_code));
	close(file);
	bool is_filled = page != MAP_FAILED && fd >= 0 && !ioctl(fd, UFFDIO_API, &api) &&
			 !ioctl(fd, UFFDIO_REGISTER, &here) && !ioctl(fd, UFFDIO_COPY, &filling);
	int error = errno;

	if (dice[1] % 2)
		close(fd);
	return is_filled ? leave_area(dice[0], page) : -error;
}

const struct hunt_step keeper_own_steps[] = { { "fill", do_fill, 6 } };

/* The program is then the loader, which no rule trusts. */
static bool is_run_by_loader(void)
{
	return strstr((const char *)getauxval(AT_EXECFN), "ld.so");
}

void be_keeper(void)
{
	struct request request;
	struct reply reply = { 0, kept, 0 };

	is_keeper = true;
	is_tainted = fcntl(FOREIGN_FD, F_GETFD) >= 0;
	is_touched = is_tainted || is_run_by_loader();
	while (true) {
		reply.number = own_number(); /* of a child, perhaps */
		if (send(SOCKET, &reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply))
			break;
		if (recv(SOCKET, &request, sizeof(request), 0) != sizeof(request))
			break;
		is_touched |= request.steps > 0;
		reply.value = run_steps_of(request.state, request.steps);
		if (request.reads)
			reply.value = do_secret(NULL);
	}
	_exit(0);
}

/* ---- Beside it ---------------------------------------------------------------------------------------------- */

void leave_keeper(void)
{
	close(socket_to);
	keeper = 0;
	socket_to = -1;
}

/* What has another user than it cannot kill it; without its socket it ends by itself. */
static void end_keeper(void)
{
	if (keeper > 0 && !kill(keeper, SIGKILL))
		waitpid(keeper, NULL, __WALL);
	leave_keeper();
}

/* It speaks for itself after it began, and after each step. */
static long hear(void)
{
	if (recv(socket_to, &last, sizeof(last), 0) == sizeof(last))
		return last.value;
	end_keeper();
	return -EPIPE;
}

static void start(uint32_t die, int end)
{
	static char mine[32];
	char *plain[] = { "bin/keeper", "keeper", mine, NULL };
	char *loaded[] = { "bin/ld.so", "bin/keeper", "keeper", mine, NULL };
	char *of_work[] = { "bin/ld.so", "--preload", "work/lib.so", "bin/keeper",
			    "keeper",	 mine,	      NULL };
	static char *const environments[] = {
		NULL, "LD_PRELOAD=work/lib.so",	  "LD_PRELOAD=bin/lib.so", "LD_AUDIT=work/lib.so",
		NULL, "LD_PRELOAD=memory/lib.so", "LD_AUDIT=bin/lib.so",   NULL,
	};
	char *const *commands[] = { plain, plain, plain, loaded, of_work };
	char *const *command = HUNT_PICK(commands, die);
	char *envp[] = { HUNT_PICK(environments, die / HUNT_SIZE(commands)), NULL };

	begin_child();
	snprintf(mine, sizeof(mine), "%d,%u,%u,%d", standing.has_tree, standing.forbidden_user,
		 standing.forbidden_group, only_memfds);
	if (dup2(end, SOCKET) == SOCKET)
		execve(command[0], command, envp);
	_exit(errno == EDOM ? 33 : 34);
}

static long do_keeper(const uint32_t *dice)
{
	const struct timeval patience = { SECONDS, 0 };
	int pair[2];

	if (is_keeper || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return HUNT_IDLE;
	end_keeper();
	keeper = fork();
	if (!keeper)
		start(dice[0], pair[1]);
	close(pair[1]);
	socket_to = pair[0];
	setsockopt(socket_to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	hunt_say("keeper %d", keeper);
	return hear();
}

/* It reads the secret half of the times: that is what it is for. */
static long do_tell(const uint32_t *dice)
{
	struct request request = {
		.state = dice[1] | (uint64_t)dice[2] << 16,
		.steps = dice[0] / 2 % TOLD,
		.reads = dice[0] % 2,
	};

	if (is_keeper)
		return HUNT_IDLE;
	if (socket_to < 0 && do_keeper(&dice[3]) < 0)
		return -EPIPE;
	if (send(socket_to, &request, sizeof(request), MSG_NOSIGNAL) != sizeof(request)) {
		end_keeper();
		return -EPIPE;
	}
	long value = hear();

	hunt_say("tell %u steps: %ld", request.steps, value);
	return value;
}

static bool has_secret(const char *bytes, size_t size)
{
	return secret_text && memmem(bytes, size, secret_text, strlen(secret_text));
}

static long by_core(void)
{
	static char room[1 << 20];
	long size, all = 0;

	prlimit(keeper, RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }, NULL);
	if (kill(keeper, SIGQUIT))
		return -errno;
	waitpid(keeper, NULL, __WALL);
	leave_keeper();
	int fd = open("work/core", O_RDONLY);

	if (fd < 0)
		return -errno;
	while ((size = read(fd, room, sizeof(room))) > 0) {
		all += size;
		if (has_secret(room, size))
			hunt_forbidden("the keeper's core file has the secret");
	}
	close(fd);
	unlink("work/core");
	return all;
}

static long do_steal(const uint32_t *dice)
{
	char seen[sizeof(kept)] = "", path[64];
	struct iovec here = { seen, sizeof(seen) }, there = { last.kept, sizeof(seen) };
	long value;

	if (is_keeper || keeper <= 0)
		return HUNT_IDLE;
	hunt_say("steal %u from %p of %d", dice[0] % 4, (void *)last.kept, keeper);
	switch (dice[0] % 4) {
	case 0:
		return by_core();
	case 1:
		value = result(process_vm_readv(keeper, &here, 1, &there, 1, 0));
		break;
	case 2:
		snprintf(path, sizeof(path), "/proc/%d/mem", last.number);
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		value = fd < 0 ? -errno : result(pread(fd, seen, sizeof(seen), (off_t)last.kept));
		close(fd);
		break;
	default:
		if (ptrace(PTRACE_ATTACH, keeper, 0, 0))
			return -errno;
		waitpid(keeper, NULL, __WALL);
		for (size_t i = 0; i < sizeof(seen); i += sizeof(long)) {
			long word = ptrace(PTRACE_PEEKDATA, keeper, last.kept + i, 0);

			memcpy(seen + i, &word, sizeof(word));
		}
		value = ptrace(PTRACE_DETACH, keeper, 0, 0);
	}
	if (has_secret(seen, sizeof(seen)))
		hunt_forbidden("the secret was read from the keeper, by way %u", dice[0] % 4);
	return value;
}

const struct hunt_step keeper_steps[] = {
	{ "secret", do_secret, 1 },
	{ "keeper", do_keeper, 3 },
	{ "tell", do_tell, 10 },
	{ "steal", do_steal, 1 },
};
