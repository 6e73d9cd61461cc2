// SPDX-License-Identifier: MIT
/*
 * Searches for ways around rules on processes: hunt-processes [options] -- DIRECTORY SECRET [memfd|fileless].
 *
 * DIRECTORY has secret, and bin/, of root, with this program and the keeper; work/, for everybody; and memory/, a tmpfs. The rules
 * (test_hunt_processes.py) let this program, and those that it starts, run and map what bin/ has, and no other code.
 */
#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define STRANGER 1234

/* The test writes FOREIGN over the end of this in programs that are not root's: they know it without a path. */
static volatile const char mark[] = "this program is TRUSTED";

const char *base;
const char *secret_text;
bool only_memfds;
int places[PLACES];
struct standing standing = { false, false, FORBIDDEN_USER, FORBIDDEN_GROUP };
const unsigned char foreign_code[6] = { 0xb8, FOREIGN_ANSWER, 0, 0, 0, 0xc3 };

static const char *const names[] = {
	"bin/code", "work/code", "memory/code", "work/prog", "memory/prog",
	"work/new", "bin/prog",	 "memory/new",	"work/text",
};

long result(long value)
{
	return value < 0 ? -errno : value;
}

const char *name(uint32_t die, char *room)
{
	const char *place = HUNT_PICK(names, die);

	switch (die / HUNT_SIZE(names) % 4) {
	case 1:
		snprintf(room, PATH, "/proc/self/root%s/%s", base, place);
		break;
	case 2:
		snprintf(room, PATH, "%s", place);
		break;
	default:
		snprintf(room, PATH, "%s/%s", base, place);
	}
	return room;
}

long keep(uint32_t die, int fd)
{
	int *place = &places[die % PLACES];

	if (fd < 0)
		return -errno;
	if (*place >= 0)
		close(*place);
	return *place = fd;
}

int at(uint32_t die)
{
	return places[die % PLACES];
}

/* ---- Faults ------------------------------------------------------------------------------------------------ */

static __thread sigjmp_buf before;
static __thread volatile bool is_guarded;

static void fault(int signal)
{
	if (is_guarded)
		siglongjmp(before, 1);
	_exit(128 + signal);
}

static void catch_faults(void)
{
	const struct sigaction action = { .sa_handler = fault, .sa_flags = SA_NODEFER };
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE };

	for (size_t i = 0; i < HUNT_SIZE(faults); i++)
		sigaction(faults[i], &action, NULL);
}

/* Other bytes than those of known functions would run wild, and could run for ever. What cannot be read is called. */
static bool is_a_function(const void *code)
{
	unsigned char bytes[sizeof(foreign_code)];

	if (copy_in(bytes, code, sizeof(bytes)))
		return true;
	bytes[1] = foreign_code[1];
	return !memcmp(bytes, foreign_code, sizeof(bytes));
}

long call(const void *code)
{
	volatile long answer = -EFAULT;

	if (!is_a_function(code))
		return -ENOEXEC;
	is_guarded = true;
	if (!sigsetjmp(before, 1))
		answer = ((int (*)(void))code)();
	is_guarded = false;
	if (answer == FOREIGN_ANSWER)
		is_tainted = true;
	return answer;
}

long copy_in(void *to, const void *from, size_t size)
{
	volatile long answer = -EFAULT;

	is_guarded = true;
	if (!sigsetjmp(before, 1)) {
		memcpy(to, from, size);
		answer = 0;
	}
	is_guarded = false;
	return answer;
}

/* ---- The world --------------------------------------------------------------------------------------------- */

void begin_child(void)
{
	standing.has_process = false;
}

int own_number(void)
{
	char text[16] = "";

	return readlink("/proc/self", text, sizeof(text) - 1) > 0 ? atoi(text) : -1;
}

static void look_at_witnesses(void)
{
	if (hunt_witness[FOREIGN_RAN])
		hunt_forbidden("a foreign program ran");
	if (hunt_witness[MARK_PASSED])
		hunt_forbidden("a program read a file in spite of its mark");
	if (hunt_witness[MARK_MISTAKEN])
		hunt_refused("a program without the mark was refused");
}

static void look(void)
{
	look_at_witnesses();
	look_at_credentials();
}

static int bear_witness(bool has_tree, bool has_process)
{
	uint32_t one = 1;
	bool is_foreign = mark[sizeof(mark) - sizeof("TRUSTED")] == 'F';

	bear_witness_of_marks(has_tree, has_process);
	return pwrite(HUNT_WITNESS_FD, &one, sizeof(one),
		      (is_foreign ? FOREIGN_RAN : OWN_RAN) * sizeof(one)) != sizeof(one);
}

static void prepare(int argc, char **argv)
{
	if (argc < 2 || chdir(argv[0])) {
		fprintf(stderr, "hunt-processes: DIRECTORY SECRET [memfd|fileless]: %m\n");
		exit(HUNT_USAGE);
	}
	base = argv[0];
	secret_text = argv[1];
	only_memfds = argc > 2 && !strcmp(argv[2], "memfd");
	umask(0);
	memset(places, -1, sizeof(places));
}

static void copy(const char *from, const char *to, mode_t mode)
{
	unlink(to);
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, mode);

	while (in >= 0 && out >= 0 && sendfile(out, in, NULL, 1 << 24) > 0)
		;
	if (in < 0 || out < 0 || lseek(out, 0, SEEK_END) <= 0)
		hunt_broken("copy of %s to %s: %m", from, to);
	close(in);
	close(out);
}

static const char *const files[] = { "code", "prog", "text", "lib.so", "dynamic" };

static bool is_as_was(const char *path, const struct stat *was)
{
	struct stat is;

	return !lstat(path, &is) && is.st_ino == was->st_ino && is.st_nlink == 1 &&
	       is.st_size == was->st_size && is.st_mtim.tv_sec == was->st_mtim.tv_sec &&
	       is.st_mtim.tv_nsec == was->st_mtim.tv_nsec;
}

static void renew_all(const char *model, const char *directory, mode_t mode, struct stat *were)
{
	static const char *const others[] = { "new", "core" };
	char from[PATH], to[PATH];

	for (size_t i = 0; i < HUNT_SIZE(files); i++) {
		snprintf(from, sizeof(from), "%s/%s", model, files[i]);
		snprintf(to, sizeof(to), "%s/%s", directory, files[i]);
		if (were && is_as_was(to, &were[i]))
			continue;
		copy(from, to, mode);
		if (were)
			lstat(to, &were[i]);
	}
	for (size_t i = 0; i < HUNT_SIZE(others); i++) {
		snprintf(to, sizeof(to), "%s/%s", directory, others[i]);
		unlink(to);
	}
}

/* As the test made them. With a policy no step can change bin. */
static void renew(void)
{
	static struct stat work[HUNT_SIZE(files)], bin[HUNT_SIZE(files)];

	renew_all("model/foreign", "work", 0777, work);
	/* A tmpfs does not tell when a shared mapping was written. */
	renew_all("model/foreign", "memory", 0777, NULL);
	if (hunt_is_control)
		renew_all("model/own", "bin", 0755, bin);
}

static void write_file(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		hunt_say("%s: %m", file);
	close(fd);
}

/* What later steps find in their places. */
static void furnish(void)
{
	keep(0, open("bin/code", O_RDONLY));
	keep(1, open("work/code", O_RDWR));
	keep(2, open("work/prog", O_RDONLY));
	keep(3, open("memory/code", O_RDWR));
	map_some();
}

static void begin(uint32_t role)
{
	/* The host's procfs knows it, too. */
	bool has_own_procfs = role / 3 % 2;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    (has_own_procfs && mount("proc", "/proc", "proc", 0, NULL)))
		hunt_broken("no mounts of its own: %m");
	if (role % 3 && (setgroups(0, NULL) || setresgid(STRANGER, STRANGER, STRANGER) ||
			 setresuid(STRANGER, STRANGER, STRANGER)))
		hunt_broken("no other user: %m");
	prctl(PR_SET_DUMPABLE, 1);
	if (role % 3 == 2) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			hunt_broken("no user namespace: %m");
		write_file("/proc/self/setgroups", "deny");
		write_file("/proc/self/uid_map", "0 1234 1");
		write_file("/proc/self/gid_map", "0 1234 1");
	}
	catch_faults();
	furnish();
}

static void finish(void)
{
	look_at_witnesses();
	renew();
}

static struct hunt_step steps[INNER_STEPS + CONTEXT_STEPS + KEEPER_OWN_STEPS];

static size_t add(size_t count, const struct hunt_step *more, size_t size)
{
	memcpy(steps + count, more, size);
	return count + size / sizeof(*more);
}

static size_t add_inner_steps(void)
{
	size_t count = add(0, code_steps, sizeof(code_steps));

	count = add(count, run_steps, sizeof(run_steps));
	count = add(count, credential_steps, sizeof(credential_steps));
	count = add(count, mark_steps, sizeof(mark_steps));
	count = add(count, trace_steps, sizeof(trace_steps));
	return add(count, keeper_steps, sizeof(keeper_steps));
}

static int keep_secret(size_t count, const char *inherited)
{
	static char directory[PATH];
	int has_tree = 0, memfds = 0;

	if (sscanf(inherited, "%d,%u,%u,%d", &has_tree, &standing.forbidden_user,
		   &standing.forbidden_group, &memfds) != 4)
		return HUNT_USAGE;
	standing.has_tree = has_tree;
	only_memfds = memfds;

	base = getcwd(directory, sizeof(directory));
	memset(places, -1, sizeof(places));
	hunt_join();
	catch_faults();
	furnish();
	count = add(count, context_steps, sizeof(context_steps));
	offer_steps(steps, add(count, keeper_own_steps, sizeof(keeper_own_steps)));
	be_keeper();
	return 0;
}

int main(int argc, char **argv)
{
	size_t count = add_inner_steps();

	if (argc == 4 && !strcmp(argv[1], "ran"))
		return bear_witness(*argv[2] == 't', *argv[3] == 'o');
	if (argc == 3 && !strcmp(argv[1], "keeper"))
		return keep_secret(count, argv[2]);
	offer_steps(steps, count);
	count = add(count, context_steps, sizeof(context_steps));
	const struct hunt it = {
		.steps = steps,
		.count = count,
		.refusal = EDOM,
		.namespaces = CLONE_NEWNS | CLONE_NEWPID,
		.length = 60,
		.prepare = prepare,
		.begin = begin,
		.look = look,
		.finish = finish,
	};

	return hunt_main(&it, argc, argv);
}
