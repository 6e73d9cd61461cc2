// SPDX-License-Identifier: MIT
/*
 * keeper SECRET [MODE [FILE]]: opens SECRET, after code has come into the process in one of several ways. The exit
 * code is the errno of the open that failed, 200 if something before it did.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define EXEC (PROT_READ | PROT_EXEC)

static char area[2 * PAGE] __attribute__((aligned(PAGE)));
static char stack[16 * PAGE] __attribute__((aligned(16)));

static void need(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "keeper: %s: %s\n", what, strerror(errno));
		_exit(200);
	}
}

static void *load(void *file)
{
	void *found = dlopen(file, RTLD_NOW);

	if (!found)
		fprintf(stderr, "keeper: %s\n", dlerror());
	return found;
}

static void *map(const char *file, int prot)
{
	int fd = open(file, O_RDONLY);

	need(fd >= 0, file);
	return mmap(0, PAGE, prot, MAP_PRIVATE, fd, 0);
}

/*
 * Processes that share memory, and who opens SECRET in the end: its answer, whoever waited for it. A pipe says when the
 * code has come, which each of them can have brought for all.
 */
static struct {
	const char *secret;
	char *file; /* NULL: none comes */
	char *page;
	int ready[2], go[2];
	int answer;
} with;

/* Put code into a page that is mapped from a file on a tmpfs, which stays as it is. 201: *fd* has no say there. */
static int fill(int fd, char *page)
{
	static const unsigned char code[PAGE] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* return 42 */
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register here = {
		.range = { (unsigned long)page, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy copy = { (unsigned long)page, (unsigned long)code, PAGE };

	need(page != MAP_FAILED && !ioctl(fd, UFFDIO_API, &api), "userfaultfd");
	if (ioctl(fd, UFFDIO_REGISTER, &here))
		return 201;
	need(!ioctl(fd, UFFDIO_COPY, &copy), "fill");
	return 0;
}

static void run(char *page)
{
	need(((int (*)(void))page)() == 42, "run");
}

static int by_call(void)
{
	return syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
}

static int by_device(void)
{
	return ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_CLOEXEC | UFFD_USER_MODE_ONLY);
}

static int fill_for_parent(void *none)
{
	return fill(by_call(), with.page) || none;
}

static void fill_by_heir(void)
{
	int fd = by_call();

	if (!fork())
		_exit(fill(fd, with.page));
}

static int map_for_parent(void *file)
{
	return map(file, EXEC) == MAP_FAILED;
}

static int shut(const char *secret)
{
	return open(secret, O_RDONLY) < 0 ? errno : 0;
}

static void *load_meanwhile(void *none)
{
	char byte;

	need(read(with.ready[0], &byte, 1) == 1, "ready");
	need(!with.file || map(with.file, EXEC) != MAP_FAILED, "mapped");
	need(write(with.go[1], "", 1) == 1, "go");
	return none;
}

static int look_when_told(void *none)
{
	char byte;

	need(write(with.ready[1], "", 1) == 1 && read(with.go[0], &byte, 1) == 1, "told");
	with.answer = shut(with.secret);
	return !!none;
}

static int map_in_child(void *none)
{
	return map(with.file, EXEC) == MAP_FAILED || none;
}

static int map_in_grandchild(void *none)
{
	static char below[16 * PAGE] __attribute__((aligned(16)));

	return clone(map_in_child, below + sizeof(below), CLONE_VM | CLONE_VFORK | SIGCHLD, none) < 0;
}

static int born(int (*child)(void *), int flags)
{
	int pid = clone(child, stack + sizeof(stack), CLONE_VM | SIGCHLD | flags, NULL);

	need(pid > 0, "clone");
	return pid;
}

/* Another thread maps the file while a child runs in this memory, and it is the child that looks. */
static int look_beside_thread(int flags)
{
	pthread_t thread;

	need(!pipe(with.ready) && !pipe(with.go), "pipe");
	need(!pthread_create(&thread, NULL, load_meanwhile, NULL), "thread");
	born(look_when_told, flags);
	need(!pthread_join(thread, NULL), "join");
	need(wait(NULL) > 0, "wait");
	return with.answer;
}

static int load_for_parent(void *none)
{
	load_meanwhile(none);
	return 0;
}

static int leave_thread(void *none)
{
	static char beside[16 * PAGE] __attribute__((aligned(16)));
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

	return clone(load_for_parent, beside + sizeof(beside), flags, none) < 0;
}

/* Until the first thread of *pid* has ended: its parent goes on a little earlier. */
static void wait_for_first(int pid)
{
	char name[32], text[256] = "";
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	while (!strstr(text, ") Z ")) {
		fd = open(name, O_RDONLY);
		need(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, name);
		close(fd);
	}
}

/* A child ends but for a thread that it has made, so that nobody waits for it, and the thread maps the file. */
static int look_beside_thread_of_child(void)
{
	need(!pipe(with.ready) && !pipe(with.go), "pipe");
	wait_for_first(born(leave_thread, CLONE_VFORK));
	need(!look_when_told(NULL), "told");
	need(wait(NULL) > 0, "wait");
	return with.answer;
}

/* A process that is not the child of the one that it shares memory with maps the file. */
static int look_beside_sibling(void)
{
	int status, sibling, middle = fork();

	if (!middle) {
		sibling = born(map_in_child, CLONE_PARENT | CLONE_VFORK);
		need(sibling > 0, "sibling");
		_exit(shut(with.secret));
	}
	for (sibling = 0; sibling < 2; sibling++)
		if (wait(&status) == middle)
			with.answer = WEXITSTATUS(status);
	return with.answer;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "plain";
	char *file = argc > 3 ? argv[3] : NULL, *page;
	pthread_t thread;
	void *result;
	int status;

	with.secret = argv[1];
	with.file = file;
	if (!strcmp(mode, "anonymous")) {
		need(mmap(0, PAGE, EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED, mode);
	} else if (!strcmp(mode, "protected")) {
		need(!mprotect(area, PAGE, EXEC), mode);
	} else if (!strcmp(mode, "writable")) {
		need(map(file, EXEC | PROT_WRITE) != MAP_FAILED, mode);
	} else if (!strcmp(mode, "written")) {
		page = map(file, PROT_READ | PROT_WRITE);
		page[0] = 1;
		need(!mprotect(page, PAGE, EXEC), mode);
	} else if (!strcmp(mode, "read, then executable")) {
		page = map(file, PROT_READ);
		need(page != MAP_FAILED && !mprotect(page, PAGE, EXEC), mode);
	} else if (!strncmp(mode, "filled", 6)) {
		with.page = map(file, EXEC);
		if (!strcmp(mode, "filled by a call"))
			need(!fill(by_call(), with.page), mode);
		else if (!strcmp(mode, "filled by the device"))
			need(!fill(by_device(), with.page), mode);
		else if (!strcmp(mode, "filled by a child in the same memory"))
			born(fill_for_parent, CLONE_VFORK);
		else if (!strcmp(mode, "filled by an heir"))
			fill_by_heir();
		else /* by standard input, which another process has made */
			return fill(0, with.page);
		if (wait(&status) > 0)
			need(!status, mode);
		run(with.page);
	} else if (!strcmp(mode, "load")) {
		need(!!load(file), mode);
	} else if (!strcmp(mode, "load in thread")) {
		need(!pthread_create(&thread, NULL, load, file), mode);
		need(!pthread_join(thread, &result) && result, mode);
	} else if (!strcmp(mode, "shared memory")) {
		need(clone(map_for_parent, stack + sizeof(stack), CLONE_VM | SIGCHLD, file) > 0, mode);
		need(wait(&status) > 0 && !status, mode);
	} else if (!strcmp(mode, "beside a thread")) {
		return look_beside_thread(CLONE_VFORK);
	} else if (!strcmp(mode, "beside a thread, not waited for")) {
		return look_beside_thread(0);
	} else if (!strcmp(mode, "beside a thread of a child")) {
		return look_beside_thread_of_child();
	} else if (!strcmp(mode, "beside a sibling")) {
		return look_beside_sibling();
	} else if (!strcmp(mode, "below a child")) {
		born(map_in_grandchild, CLONE_VFORK);
		need(wait(NULL) > 0, mode);
	} else if (!strcmp(mode, "spawn")) {
		need(!posix_spawn(&status, "/bin/true", NULL, NULL, argv, environ), mode);
		need(wait(NULL) > 0, mode);
	} else if (!strcmp(mode, "load, fork")) {
		need(!!load(file), mode);
		if (fork()) {
			wait(&status);
			return WEXITSTATUS(status);
		}
	} else if (!strcmp(mode, "load, again")) {
		need(!!load(file), mode);
		execl(argv[0], argv[0], argv[1], NULL);
		need(0, mode);
	} else if (!strcmp(mode, "dump")) { /* what it has read is in its core file, if there is one */
		const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

		status = open(argv[1], O_RDONLY);
		need(status >= 0 && read(status, area, sizeof(area)) > 0, mode);
		need(!setrlimit(RLIMIT_CORE, &all), mode);
		raise(SIGQUIT);
	} else if (!strcmp(mode, "wait")) {
		while (read(0, area, 1) == 1) { /* l: load FILE first */
			need(area[0] != 'l' || load(file), mode);
			status = shut(argv[1]);
			printf("%d\n", status);
			fflush(stdout);
		}
		return 0;
	} else {
		need(!strcmp(mode, "plain"), mode);
	}
	return shut(argv[1]);
}
