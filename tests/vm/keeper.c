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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static int map_for_parent(void *file)
{
	return map(file, EXEC) == MAP_FAILED;
}

static int shut(const char *secret)
{
	return open(secret, O_RDONLY) < 0 ? errno : 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "plain";
	char *file = argc > 3 ? argv[3] : NULL, *page;
	pthread_t thread;
	void *result;
	int status;

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
	} else if (!strcmp(mode, "load")) {
		need(!!load(file), mode);
	} else if (!strcmp(mode, "load in thread")) {
		need(!pthread_create(&thread, NULL, load, file), mode);
		need(!pthread_join(thread, &result) && result, mode);
	} else if (!strcmp(mode, "shared memory")) {
		need(clone(map_for_parent, stack + sizeof(stack), CLONE_VM | SIGCHLD, file) > 0, mode);
		need(wait(&status) > 0 && !status, mode);
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
