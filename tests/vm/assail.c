// SPDX-License-Identifier: MIT
/*
 * Attacks of one process on another, each by its name: assail WORD PID [SIGNAL]. Ends with 0 if the
 * attack succeeded, else with the errno of the step that was refused. Leaves its target as it was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int attach(pid_t pid)
{
	if (ptrace(PTRACE_ATTACH, pid, 0, 0))
		return errno;
	waitpid(pid, NULL, __WALL);
	return ptrace(PTRACE_DETACH, pid, 0, 0) ? errno : 0;
}

static int seize(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, 0, 0))
		return errno;
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	waitpid(pid, NULL, __WALL);
	return ptrace(PTRACE_DETACH, pid, 0, 0) ? errno : 0;
}

/* The start of the stack: a program that has just begun takes the right to write away from other mappings. */
static uintptr_t somewhere(pid_t pid)
{
	char path[64], line[512];
	unsigned long start;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-", &start) == 1 && strstr(line, "[stack]"))
			return start;
	return 0;
}

static int memory(pid_t pid)
{
	char path[64], byte;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	if (fd < 0 || pread(fd, &byte, 1, somewhere(pid)) != 1 ||
	    pwrite(fd, &byte, 1, somewhere(pid)) != 1)
		return errno;
	return 0;
}

static int vm_write(pid_t pid)
{
	char byte = 0;
	struct iovec ours = { &byte, 1 }, theirs = { (void *)somewhere(pid), 1 };

	if (process_vm_readv(pid, &ours, 1, &theirs, 1, 0) != 1)
		return errno;
	return process_vm_writev(pid, &ours, 1, &theirs, 1, 0) == 1 ? 0 : errno;
}

static int take_fd(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);

	return pidfd >= 0 && syscall(SYS_pidfd_getfd, pidfd, 0, 0) >= 0 ? 0 : errno;
}

static int pidfd_signal(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);

	return pidfd >= 0 && !syscall(SYS_pidfd_send_signal, pidfd, SIGWINCH + 3, NULL, 0) ? 0
											   : errno;
}

/* A pipe whose readiness sends a signal to another process. */
static int sigio(pid_t pid, int number)
{
	int ends[2];

	if (pipe(ends) || fcntl(ends[0], F_SETSIG, number) || fcntl(ends[0], F_SETOWN, pid) ||
	    fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK))
		return errno;
	return write(ends[1], "x", 1) == 1 ? 0 : errno; /* the caller looks whether it arrived */
}

static int trap(pid_t pid)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CONTEXT_SWITCHES,
		.sample_period = 1000000000,
		.disabled = 1,
		.remove_on_exec = 1,
		.sigtrap = 1,
	};

	return syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC) >= 0 ? 0
											   : errno;
}

#define LIBRARY "/usr/lib/x86_64-linux-gnu/libc.so.6"
#define PLACE 0x40000 /* in its code */

/* By the entry of 32-bit programs, whose flags lie where a 64-bit call has the attributes. */
static long open_event32(const struct perf_event_attr *attr, pid_t pid)
{
	void *low = mmap(NULL, sizeof(*attr), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long result;

	if (low == MAP_FAILED)
		return -1;
	memcpy(low, attr, sizeof(*attr));
	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(336), "b"(low), "c"(pid), "d"(-1), "S"(-1), "D"(PERF_FLAG_FD_CLOEXEC)
		     : "memory", "r8", "r9", "r10", "r11");
	if (result < 0) {
		errno = -result;
		return -1;
	}
	return result;
}

/* A probe by perf, in every process that has the library or (*pid* not 0) in this one; *bits* of the call: 64 or 32. */
static int probe(pid_t pid, int bits)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.sample_period = 1,
		.disabled = 1,
		.uprobe_path = (uintptr_t)LIBRARY,
		.probe_offset = PLACE,
	};
	FILE *type = fopen("/sys/bus/event_source/devices/uprobe/type", "r");
	long fd;

	if (!type || fscanf(type, "%u", &attr.type) != 1)
		return ENOSYS;
	fd = bits == 32 ? open_event32(&attr, pid)
			: syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd >= 0 ? 0 : errno;
}

/* A probe by a link of BPF, with a program that does nothing; ENOSYS where the kernel knows no such link. */
static int probe_link(pid_t pid)
{
	struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_KPROBE,
		.insns = (uintptr_t)nothing,
		.insn_cnt = 2,
		.license = (uintptr_t)"GPL",
		.expected_attach_type = 48, /* BPF_TRACE_UPROBE_MULTI */
	};
	unsigned long offset = PLACE;
	union bpf_attr link = {};
	int program = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));

	if (program < 0)
		return errno == EINVAL ? ENOSYS : errno;
	link.link_create.prog_fd = program;
	link.link_create.attach_type = 48;
	link.link_create.uprobe_multi.path = (uintptr_t)LIBRARY;
	link.link_create.uprobe_multi.offsets = (uintptr_t)&offset;
	link.link_create.uprobe_multi.cnt = 1;
	link.link_create.uprobe_multi.pid = pid;
	if (syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link)) >= 0)
		return 0;
	return errno == EINVAL ? ENOSYS : errno;
}

static int limit(pid_t pid)
{
	struct rlimit now;

	if (prlimit(pid, RLIMIT_CPU, NULL, &now))
		return errno;
	return prlimit(pid, RLIMIT_CPU, &now, NULL) ? errno : 0;
}

static int affinity(pid_t pid)
{
	cpu_set_t cpus;

	if (sched_getaffinity(pid, sizeof(cpus), &cpus))
		return errno;
	return sched_setaffinity(pid, sizeof(cpus), &cpus) ? errno : 0;
}

static int nice_to(pid_t pid)
{
	return setpriority(PRIO_PROCESS, pid, 0) ? errno : 0;
}

/* Have the first process of the machine send the signal, as a service manager would. */
static int by_manager(pid_t pid, int number)
{
	struct user_regs_struct before, now;
	long word;
	int result;

	if (ptrace(PTRACE_ATTACH, 1, 0, 0) || waitpid(1, NULL, __WALL) != 1 ||
	    ptrace(PTRACE_GETREGS, 1, 0, &before))
		return errno;
	now = before;
	word = ptrace(PTRACE_PEEKTEXT, 1, before.rip, 0);
	ptrace(PTRACE_POKETEXT, 1, before.rip, 0xcc050fL); /* syscall; int3 */
	now.rax = SYS_kill;
	now.orig_rax = -1; /* no system call is restarted */
	now.rdi = pid;
	now.rsi = number;
	ptrace(PTRACE_SETREGS, 1, 0, &now);
	ptrace(PTRACE_CONT, 1, 0, 0);
	waitpid(1, NULL, __WALL);
	ptrace(PTRACE_GETREGS, 1, 0, &now);
	result = -(int)now.rax;
	ptrace(PTRACE_POKETEXT, 1, before.rip, word);
	ptrace(PTRACE_SETREGS, 1, 0, &before);
	ptrace(PTRACE_DETACH, 1, 0, 0);
	return result;
}

int main(int argc, char **argv)
{
	const char *word = argc > 2 ? argv[1] : "";
	pid_t pid = argc > 2 ? atoi(argv[2]) : 0;
	int number = argc > 3 ? atoi(argv[3]) : 0;

	if (!strcmp(word, "attach"))
		return attach(pid);
	if (!strcmp(word, "seize"))
		return seize(pid);
	if (!strcmp(word, "memory"))
		return memory(pid);
	if (!strcmp(word, "vm-write"))
		return vm_write(pid);
	if (!strcmp(word, "take-fd"))
		return take_fd(pid);
	if (!strcmp(word, "pidfd-signal"))
		return pidfd_signal(pid);
	if (!strcmp(word, "sigio"))
		return sigio(pid, number);
	if (!strcmp(word, "trap"))
		return trap(pid);
	if (!strcmp(word, "probe"))
		return probe(pid, 64);
	if (!strcmp(word, "probe-32"))
		return probe(pid, 32);
	if (!strcmp(word, "probe-link"))
		return probe_link(pid);
	if (!strcmp(word, "limit"))
		return limit(pid);
	if (!strcmp(word, "affinity"))
		return affinity(pid);
	if (!strcmp(word, "nice"))
		return nice_to(pid);
	if (!strcmp(word, "by-manager"))
		return by_manager(pid, number);
	return 255;
}
