/* SPDX-License-Identifier: MIT */
/*
 * One operation, many times: prints what one costs, the median over rounds.
 *
 *     work [-u UID] [-c CONFINEMENT] OPERATION [PATH]
 *
 * PATH is a file, for open-first what the names of its files begin with.
 *
 * Time is that of CLOCK_MONOTONIC. In a machine with one processor whose clock counts instructions
 * nanoseconds are instructions; a round is shorter than a tick of the kernel's clock, so that most
 * rounds meet none.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 41
#define ROUNDS_MAX 301 /* of what varies by itself */
#define ROUND_NS 400000
#define FILES 40 /* of open-first */

static const char *path;
static int fd;
static struct sockaddr_in address;
static char names[FILES][4096];
static char moved[2][4096];
static int mover; /* socket to who moves names */

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* ---- Operations: each returns how long *times* of it took ----------------------------------- */

static long do_open(int times)
{
	long start = now();

	for (int i = 0; i < times; i++) {
		int f = open(path, O_RDONLY | O_CLOEXEC);

		if (f < 0)
			err(1, "open %s", path);
		close(f);
	}
	return now() - start;
}

/* Files that were not opened since names moved last: that voids what an engine may remember. */
static long do_open_first(int times)
{
	char c = 0;
	long start;

	if (write(mover, &c, 1) != 1 || read(mover, &c, 1) != 1)
		errx(1, "open-first: nobody moves names");
	start = now();
	for (int i = 0; i < times; i++) {
		int f = open(names[i % FILES], O_RDONLY | O_CLOEXEC);

		if (f < 0)
			err(1, "open %s", names[i % FILES]);
		close(f);
	}
	return now() - start;
}

static long do_read(int times)
{
	long start = now();
	char c;

	for (int i = 0; i < times; i++)
		if (pread(fd, &c, 1, 0) != 1)
			err(1, "read %s", path);
	return now() - start;
}

static long do_stat(int times)
{
	long start = now();
	struct stat s;

	for (int i = 0; i < times; i++)
		if (stat(path, &s))
			err(1, "stat %s", path);
	return now() - start;
}

static long do_exec(int times)
{
	char *const argv[] = { (char *)path, NULL }, *const envp[] = { NULL };
	long start = now();

	for (int i = 0; i < times; i++) {
		pid_t child = fork();
		int status;

		if (child < 0)
			err(1, "fork");
		if (!child) {
			execve(path, argv, envp);
			_exit(1);
		}
		if (waitpid(child, &status, 0) != child || status)
			errx(1, "exec %s: status %#x", path, status);
	}
	return now() - start;
}

/* The connecting alone: making, accepting and closing are somebody else's. */
static long do_connect(int times)
{
	const struct linger now_gone = { .l_onoff = 1 };
	long sum = 0;

	for (int i = 0; i < times; i++) {
		int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
		long start;

		setsockopt(s, SOL_SOCKET, SO_LINGER, &now_gone, sizeof(now_gone));
		start = now();
		if (connect(s, (struct sockaddr *)&address, sizeof(address)))
			err(1, "connect");
		sum += now() - start;
		peer = accept(fd, NULL, NULL);
		if (peer < 0)
			err(1, "accept");
		close(s);
		close(peer);
	}
	return sum;
}

static long do_create(int times)
{
	long start = now();

	for (int i = 0; i < times; i++) {
		int f;

		if (unlink(path))
			err(1, "unlink %s", path);
		f = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (f < 0)
			err(1, "create %s", path);
		close(f);
	}
	return now() - start;
}

/* A child of this process builds what lies at *path*, or takes away what was built. */
static void run_make(char *goal)
{
	char *const argv[] = { "make", "-s", "-j2", "-C", (char *)path, goal, NULL };
	char temporary[4096 + sizeof("TMPDIR=")];
	char *const envp[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", temporary, NULL };
	pid_t child = fork();
	int status;

	if (child < 0)
		err(1, "fork");
	if (!child) {
		snprintf(temporary, sizeof(temporary), "TMPDIR=%s", path);
		execve("/usr/bin/make", argv, envp);
		err(1, "/usr/bin/make");
	}
	if (waitpid(child, &status, 0) != child || status)
		errx(1, "make %s: status %#x", goal, status);
}

static int statistics; /* /proc/stat */

/* Nanoseconds in which the processor had nothing to do: it waited for files, as long as the host took for them. */
static long idle(void)
{
	char text[256];
	ssize_t n = pread(statistics, text, sizeof(text) - 1, 0);
	long waits, waits_for_io;

	if (n < 0)
		err(1, "read /proc/stat");
	text[n] = 0;
	if (sscanf(text, "cpu %*d %*d %*d %ld %ld", &waits, &waits_for_io) != 2)
		errx(1, "/proc/stat: %s", text);
	return (waits + waits_for_io) * (1000000000L / sysconf(_SC_CLK_TCK));
}

static long do_build(int times)
{
	long sum = 0;

	for (int i = 0; i < times; i++) {
		long start, waited;

		run_make("clean");
		start = now();
		waited = idle();
		run_make("all");
		sum += now() - start - (idle() - waited);
	}
	return sum;
}

/* ---- What they need ------------------------------------------------------------------------- */

/* By number: a library may answer without asking the kernel. */
static long do_umask(int times)
{
	long start = now();

	for (int i = 0; i < times; i++)
		syscall(SYS_umask, 022); /* texts.MASK */
	return now() - start;
}

static long do_getppid(int times)
{
	long start = now();

	for (int i = 0; i < times; i++)
		syscall(SYS_getppid);
	return now() - start;
}

static void open_file(void)
{
	fd = open(path, O_RDONLY);
	if (fd < 0)
		err(1, "open %s", path);
}

static void name_files(void)
{
	static const char ends[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"; /* cases.FILES */
	struct stat s;

	for (int i = 0; i < FILES; i++) {
		snprintf(names[i], sizeof(names[i]), "%s%c", path, ends[i]);
		if (stat(names[i], &s))
			err(1, "stat %s", names[i]);
	}
}

/* A process that nobody has rules about moves a file there and back whenever it is asked. */
static void start_mover(void)
{
	int pair[2];
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		err(1, "socketpair");
	snprintf(moved[0], sizeof(moved[0]), "%s+", path);
	snprintf(moved[1], sizeof(moved[1]), "%s-", path);
	mover = pair[0];
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		close(pair[0]);
		while (read(pair[1], &c, 1) == 1)
			if (rename(moved[0], moved[1]) || rename(moved[1], moved[0]) ||
			    write(pair[1], &c, 1) != 1)
				err(1, "rename %s", moved[0]);
		_exit(0);
	}
	close(pair[1]);
}

static void open_listener(void)
{
	socklen_t size = sizeof(address);

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		err(1, "listen");
}

static const struct operation {
	const char *name;
	long (*run)(int times);
	void (*prepare)(void);
	int at_once; /* times in a round; 0: as many as fit */
	int rounds;
} operations[] = {
	{ "open", do_open, NULL, 0, ROUNDS },
	{ "open-first", do_open_first, name_files, FILES, ROUNDS },
	{ "read", do_read, open_file, 0, ROUNDS },
	{ "stat", do_stat, NULL, 0, ROUNDS },
	{ "exec", do_exec, NULL, 1, ROUNDS_MAX },
	{ "connect", do_connect, open_listener, 0, ROUNDS_MAX },
	{ "create", do_create, NULL, 0, ROUNDS_MAX },
	{ "build", do_build, NULL, 1, 1 },
	{ "umask", do_umask, NULL, 0, ROUNDS },
	{ "getppid", do_getppid, NULL, 0, ROUNDS },
};

/* ---- Confinement by others ------------------------------------------------------------------ */

/*
 * A filter that looks at an argument of each system call, *rules* times, and never finds it. What depends
 * on the number of the call alone the kernel finds out once, and no longer runs the filter.
 */
static void confine_seccomp(int rules)
{
	struct sock_filter *code = calloc(rules + 3, sizeof(*code));
	struct sock_fprog program = { .len = rules + 3, .filter = code };

	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					       offsetof(struct seccomp_data, args[5]));
	for (int i = 0; i < rules; i++)
		code[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							   0x7fff0000 + i, rules - i, 0);
	code[rules + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[rules + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	if (rules > 255)
		errx(2, "seccomp: a jump reaches 255 instructions");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		err(1, "seccomp");
	free(code);
}

/* One rule: everything below the root may be read, run, made and removed. */
static void confine_landlock(void)
{
	struct landlock_ruleset_attr all = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE |
				     LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
				     LANDLOCK_ACCESS_FS_REMOVE_FILE,
	};
	struct landlock_path_beneath_attr rule = {
		.allowed_access = all.handled_access_fs,
		.parent_fd = open("/", O_PATH | O_CLOEXEC),
	};
	int rules = syscall(SYS_landlock_create_ruleset, &all, sizeof(all.handled_access_fs), 0);

	if (rules < 0 ||
	    syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_landlock_restrict_self, rules, 0))
		err(1, "landlock");
	close(rules);
	close(rule.parent_fd);
}

static void confine_apparmor(const char *profile)
{
	int self = open("/proc/self/attr/apparmor/current", O_WRONLY);

	if (self < 0 || dprintf(self, "changeprofile %s", profile) < 0)
		err(1, "change to the profile %s", profile);
	close(self);
}

static void confine(const char *how)
{
	if (!strncmp(how, "seccomp:", 8))
		confine_seccomp(atoi(how + 8));
	else if (!strcmp(how, "landlock"))
		confine_landlock();
	else if (!strncmp(how, "apparmor:", 9))
		confine_apparmor(how + 9);
	else
		errx(2, "no confinement %s", how);
}

/* ---- Rounds --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	const struct operation *op = NULL;
	const char *how = NULL;
	double each[ROUNDS_MAX];
	int times, uid = 0, c;

	while ((c = getopt(argc, argv, "u:c:")) != -1) {
		if (c == 'u')
			uid = atoi(optarg);
		else if (c == 'c')
			how = optarg;
		else
			return 2;
	}
	for (size_t i = 0; optind < argc && i < sizeof(operations) / sizeof(*operations); i++)
		if (!strcmp(argv[optind], operations[i].name))
			op = &operations[i];
	if (!op)
		errx(2, "usage: work [-u UID] [-c CONFINEMENT] OPERATION [PATH]");
	path = argv[optind + 1];
	if (op->run == do_open_first)
		start_mover();
	if (op->run == do_build) { /* who is confined may not open it */
		statistics = open("/proc/stat", O_RDONLY | O_CLOEXEC);
		if (statistics < 0)
			err(1, "/proc/stat");
	}
	if (uid && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		err(1, "become user %d", uid);
	if (op->prepare)
		op->prepare();
	if (how)
		confine(how);
	times = op->at_once ? op->at_once : 1;
	for (int i = 0; i < 3 && i < op->rounds; i++) { /* warm, and how many fit into a round */
		long took = op->run(times) / times;

		if (!op->at_once && took)
			times = ROUND_NS / took > 0 ? ROUND_NS / took : 1;
	}
	for (int i = 0; i < op->rounds; i++)
		each[i] = (double)op->run(times) / times;
	qsort(each, op->rounds, sizeof(*each), compare);
	printf("%.0f\n", each[op->rounds / 2]);
	return 0;
}
