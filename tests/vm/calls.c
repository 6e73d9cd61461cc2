// SPDX-License-Identifier: MIT
/*
 * Make one system call by its 64-bit or its 32-bit entry, and say what came of it.
 *
 *   calls ENTRY NAME    ENTRY: 64, 32, mux, which is the 32-bit call that stands for many, dirty,
 *                       which is 64 with the halves of registers set that no int has,
 *                       unreadable, which is 64 with an address where nothing is as argument 0,
 *                       harmless, which is mux with 2 as argument 2, or raced, which is mux again
 *                       and again while another thread changes that to 2 and back
 *
 * Prints "RESULT BEFORE AFTER": what the kernel returned, and what the call changes, asked before and
 * after by other ways. Static and at a fixed place, so that addresses fit into 32 bits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define AHEAD 1000 /* seconds by which the clock is set */
#define PAGE 4096
#define PLACE ((void *)0x20000000) /* where nothing is */

static long arg[6];
static int sock, scratch, program;
static unsigned long words[16]; /* zero */
static const char text[] = "changed";
static unsigned int many[6];
static int one = 7;
static char bytes[8]; /* zero */
static struct pollfd watched = { .events = POLLOUT };
static struct timeval soon; /* its first half is what stime(2) asks for */

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
	return prctl(PR_GET_TIMERSLACK, 0L, 0L, 0L, 0L); /* the rule looks at the second */
}
static long tsc(void)
{
	int value = -1;

	prctl(PR_GET_TSC, &value);
	return value;
}
static long mapped(void)
{
	return !msync(PLACE, PAGE, MS_ASYNC); /* ENOMEM where nothing is */
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

static long filled(void)
{
	return bytes[0];
}
static long ready(void)
{
	return watched.revents;
}

static long size(void)
{
	struct stat info;

	return fstat(scratch, &info) ? -1 : info.st_size;
}

static long long nanoseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

/* Whether the clock was set since the first time; then it is put right. */
static long clock_set(void)
{
	long long up = nanoseconds(CLOCK_MONOTONIC), ahead = nanoseconds(CLOCK_REALTIME) - up;
	static long long before;
	struct timespec right;

	if (!before)
		before = ahead;
	if (ahead - before < AHEAD / 2 * SECOND)
		return 0;
	before += nanoseconds(CLOCK_MONOTONIC);
	right.tv_sec = before / SECOND;
	right.tv_nsec = before % SECOND;
	clock_settime(CLOCK_REALTIME, &right);
	return 1;
}

/* ---- Calls --------------------------------------------------------------------------------- */

#define P(x) ((long)(x))

enum { SOCK = -100, SCRATCH = -101, PROGRAM = -102 }; /* descriptors, which are open by then */

static const long fallocate32[] = { SCRATCH, 0, 0, 0, 4096, 0 };
static const long nice32[6] = { 5 };

static const struct call {
	const char *name;
	long n64, n32;
	long socketcall, ipc; /* which of the many, if it is one of them */
	long (*state)(void);
	long arg[6];
	const long *arg32; /* NULL: the same */
	int dirty; /* bits of the arguments whose other half is set for it; 0: all */
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
	{ "keyctl", 250, 288, 0, 0, keys, { 0, -1, 1 } }, /* a keyring for the thread */
	{ "alarm", 37, 27, 0, 0, left, { 100 } },
	{ "ioctl", 16, 54, 0, 0, nonblocking, { SOCK, 0x5421, P(&one) } },
	{ "shmget", 29, 395, 0, 23, shm, { 0, 4096, 0600 | 01000 } },
	{ "semget", 64, 393, 0, 2, sem, { 0, 1, 0600 | 01000 } },
	{ "msgget", 68, 399, 0, 13, msg, { 0, 0600 | 01000 } },
	{ "setsockopt", 54, 366, 14, 0, option, { SOCK, 1, 12, P(&one), sizeof(one) } },
	{ "socketpair", 53, 360, 8, 0, descriptors, { 1, 1, 0, P(words) } },
	{ "fcntl", 72, 55, 0, 0, nonblocking, { SOCK, F_SETFL, O_NONBLOCK } },
	{ "fcntl64", 72, 221, 0, 0, nonblocking, { SOCK, F_SETFL, O_NONBLOCK } },
	{ "settimeofday", 164, 79, 0, 0, clock_set, { P(&soon) } },
	{ "stime", 164, 25, 0, 0, clock_set, { P(&soon) } },
	{ "sendfile", 40, 187, 0, 0, size, { SCRATCH, PROGRAM, 0, 4 } },
	{ "ppoll", 271, 309, 0, 0, ready, { P(&watched), 1, P(words) } },
	{ "ppoll_time64", 271, 414, 0, 0, ready, { P(&watched), 1, P(words) } },
	{ "fallocate", 285, 324, 0, 0, size, { SCRATCH, 0, 0, 4096 }, fallocate32 },
	{ "pread64", 17, 180, 0, 0, filled, { PROGRAM, P(bytes), 3, 1 } },
	{ "nice", 141, 34, 0, 0, nice_value, { 0, 0, 5 }, nice32 },
	{ "tsc", 157, 172, 0, 0, tsc, { PR_SET_TSC, PR_TSC_SIGSEGV } },
	{ "mmap", 9, 192, 0, 0, mapped, { P(PLACE), PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, PROGRAM },
	  NULL, 1 << 4 },
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

static volatile int over;

static void *flip(void *none)
{
	volatile unsigned int *raced = &many[2];

	for (unsigned int n = 0; !over; n++)
		*raced = n & 1 ? 2 : arg[2];
	return none;
}

/* Until it has changed something that it changes, or long enough. */
static long race(const struct call *call, const long *a)
{
	long before = call->state(), result = 0;
	pthread_t other;

	if (pthread_create(&other, NULL, flip, NULL))
		exit(2);
	for (int i = 0; i < 20000; i++) {
		result = enter32(102, a);
		if (!(i % 64) && call->state() != before)
			break;
	}
	over = 1;
	pthread_join(other, NULL);
	return result;
}

static long enter(const struct call *call, const char *entry)
{
	if (!strcmp(entry, "64")) {
		long result = syscall(call->n64, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);

		return result < 0 ? -errno : result;
	}
	if (!strcmp(entry, "dirty")) {
		for (int i = 0; i < 6; i++)
			if (!call->dirty || call->dirty & 1 << i)
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

		if (!strcmp(entry, "raced"))
			return race(call, a);
		if (!strcmp(entry, "harmless"))
			many[2] = 2;
		return enter32(102, a);
	}
	if (call->ipc) {
		long a[6] = { call->ipc, arg[0], arg[1], arg[2], 0, 0 };

		return enter32(117, a);
	}
	fprintf(stderr, "calls: %s is not one of many\n", call->name);
	exit(2);
}

static long resolve(long value)
{
	switch (value) {
	case SOCK:
		return sock;
	case SCRATCH:
		return scratch;
	case PROGRAM:
		return program;
	default:
		return value;
	}
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < sizeof(table) / sizeof(*table); i++) {
		const struct call *call = &table[i];
		const long *given = call->arg;
		long before, after, result;

		if (strcmp(call->name, argv[2]))
			continue;
		if (!strcmp(argv[1], "32") && call->arg32)
			given = call->arg32;
		sock = watched.fd = socket(AF_UNIX, SOCK_STREAM, 0);
		scratch = memfd_create("scratch", 0);
		program = open("/proc/self/exe", O_RDONLY);
		soon.tv_sec = time(NULL) + AHEAD;
		for (int n = 0; n < 6; n++)
			arg[n] = resolve(given[n]);
		before = call->state();
		result = enter(call, argv[1]);
		after = call->state();
		printf("%ld %ld %ld\n", result, before, after);
		return 0;
	}
	fprintf(stderr, "calls: no such call\n");
	return 2;
}
