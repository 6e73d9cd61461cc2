// SPDX-License-Identifier: MIT
/*
 * Make one system call by its 64-bit or its 32-bit entry, and say what came of it.
 *
 *   calls ENTRY NAME    ENTRY: 64, 32, mux, which is the 32-bit call that stands for many, dirty,
 *                       which is 64 with the halves of registers set that no int has, or
 *                       unreadable, which is 64 with an address where nothing is as argument 0
 *
 * Prints "RESULT BEFORE AFTER": what the kernel returned, and what the call changes, asked before and
 * after by other ways. Static and at a fixed place, so that addresses fit into 32 bits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static long arg[6];
static int sock;
static unsigned long words[16]; /* zero */
static const char text[] = "changed";
static unsigned int many[6];
static int one = 7;

/* ---- What a call changes, asked by other ways ---------------------------------------------- */

static long descriptors(void)
{
	long n = 0;

	for (int fd = 0; fd < 64; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static long lines(const char *path)
{
	FILE *file = fopen(path, "r");
	long n = 0;
	int c;

	if (!file)
		return -1;
	while ((c = getc(file)) != EOF)
		n += c == '\n';
	fclose(file);
	return n;
}

static long shm(void)
{
	return lines("/proc/sysvipc/shm");
}
static long sem(void)
{
	return lines("/proc/sysvipc/sem");
}
static long msg(void)
{
	return lines("/proc/sysvipc/msg");
}
static long keys(void)
{
	return lines("/proc/keys");
}

static long host(void)
{
	struct utsname name;

	uname(&name);
	return !strcmp(name.nodename, text);
}

static long domain(void)
{
	struct utsname name;

	uname(&name);
	return !strcmp(name.domainname, text);
}

static long persona(void)
{
	return syscall(SYS_personality, 0xffffffffUL);
}
static long nice_value(void)
{
	return getpriority(PRIO_PROCESS, 0);
}
static long policy(void)
{
	return sched_getscheduler(0);
}
static long slack(void)
{
	return prctl(PR_GET_TIMERSLACK);
}
static long left(void)
{
	return alarm(0);
}
static long nonblocking(void)
{
	return !!(fcntl(sock, F_GETFL) & O_NONBLOCK);
}

static long locked(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long kb = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmLck: %ld", &kb) == 1)
			break;
	if (file)
		fclose(file);
	return kb > 0;
}

static long root(void)
{
	char path[256] = "";

	return readlink("/proc/self/root", path, sizeof(path) - 1) > 0 && strcmp(path, "/");
}

static long option(void)
{
	int value = -1;
	socklen_t size = sizeof(value);

	getsockopt(sock, SOL_SOCKET, SO_PRIORITY, &value, &size);
	return value;
}

/* ---- Calls --------------------------------------------------------------------------------- */

#define P(x) ((long)(x))

static const struct call {
	const char *name;
	long n64, n32;
	long socketcall, ipc; /* which of the many, if it is one of them */
	long (*state)(void);
	long arg[6];
} table[] = {
	{ "memfd_create", 319, 356, 0, 0, descriptors, { P(text), 0 } },
	{ "eventfd2", 290, 328, 0, 0, descriptors, { 0, 0 } },
	{ "epoll_create1", 291, 329, 0, 0, descriptors, { 0 } },
	{ "timerfd_create", 283, 322, 0, 0, descriptors, { 1, 0 } },
	{ "inotify_init1", 294, 332, 0, 0, descriptors, { 0 } },
	{ "fanotify_init", 300, 338, 0, 0, descriptors, { 0, 0 } },
	{ "signalfd4", 289, 327, 0, 0, descriptors, { -1, P(words), 8, 0 } },
	{ "pidfd_open", 434, 434, 0, 0, descriptors, { 1, 0 } },
	{ "dup3", 292, 330, 0, 0, descriptors, { 1, 40, 0 } },
	{ "sethostname", 170, 74, 0, 0, host, { P(text), sizeof(text) - 1 } },
	{ "setdomainname", 171, 121, 0, 0, domain, { P(text), sizeof(text) - 1 } },
	{ "personality", 135, 136, 0, 0, persona, { 0x40000 } },
	{ "setpriority", 141, 97, 0, 0, nice_value, { 0, 0, 5 } },
	{ "sched_setscheduler", 144, 156, 0, 0, policy, { 0, 3, P(words) } },
	{ "prctl", 157, 172, 0, 0, slack, { PR_SET_TIMERSLACK, 12345 } },
	{ "mlockall", 151, 152, 0, 0, locked, { 1 } },
	{ "chroot", 161, 61, 0, 0, root, { P("/tmp") } },
	{ "add_key", 248, 286, 0, 0, keys, { P("user"), P(text), P(text), 4, -3 } },
	{ "alarm", 37, 27, 0, 0, left, { 100 } },
	{ "ioctl", 16, 54, 0, 0, nonblocking, { -100, 0x5421, P(&one) } },
	{ "shmget", 29, 395, 0, 23, shm, { 0, 4096, 0600 | 01000 } },
	{ "semget", 64, 393, 0, 2, sem, { 0, 1, 0600 | 01000 } },
	{ "msgget", 68, 399, 0, 13, msg, { 0, 0600 | 01000 } },
	{ "setsockopt", 54, 366, 14, 0, option, { -100, 1, 12, P(&one), sizeof(one) } },
	{ "socketpair", 53, 360, 8, 0, descriptors, { 1, 1, 0, P(words) } },
};

static long enter32(long number, const long *a)
{
	long result;

	/* The registers that the 32-bit entry looks at; their upper halves are nobody's business, so
	 * they are not zero here.
	 */
	__asm__ volatile("push %%rbp\n\t"
			 "mov %7, %%ebp\n\t"
			 "int $0x80\n\t"
			 "pop %%rbp"
			 : "=a"(result)
			 : "0"(number), "b"(a[0]), "c"(a[1] & 0xffffffff), "d"(a[2]), "S"(a[3]),
			   "D"(a[4]), "r"((int)a[5])
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static long enter(const struct call *call, const char *entry)
{
	if (!strcmp(entry, "64")) {
		long result = syscall(call->n64, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);

		return result < 0 ? -errno : result;
	}
	if (!strcmp(entry, "dirty")) {
		for (int i = 0; i < 6; i++)
			arg[i] ^= 0x7ead00000000;
		return enter(call, "64");
	}
	if (!strcmp(entry, "unreadable")) {
		arg[0] = 1;
		return enter(call, "64");
	}
	if (!strcmp(entry, "32"))
		return enter32(call->n32, arg);
	for (int i = 0; i < 6; i++)
		many[i] = arg[i];
	if (call->socketcall) {
		long a[6] = { call->socketcall, P(many) };

		return enter32(102, a);
	}
	if (call->ipc) {
		long a[6] = { call->ipc, arg[0], arg[1], arg[2], 0, 0 };

		return enter32(117, a);
	}
	fprintf(stderr, "calls: %s is not one of many\n", call->name);
	exit(2);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < sizeof(table) / sizeof(*table); i++) {
		const struct call *call = &table[i];
		long before, after, result;

		if (strcmp(call->name, argv[2]))
			continue;
		sock = socket(AF_UNIX, SOCK_STREAM, 0);
		for (int n = 0; n < 6; n++)
			arg[n] = call->arg[n] == -100 ? sock : call->arg[n];
		before = call->state();
		result = enter(call, argv[1]);
		after = call->state();
		printf("%ld %ld %ld\n", result, before, after);
		return 0;
	}
	fprintf(stderr, "calls: no such call\n");
	return 2;
}
