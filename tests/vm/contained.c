/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A container as far as the kernel sees one: mount and process namespaces of its own, and a root to which
 * pivot_root(2) has led. In there it does what standard input says, a line each, and answers with a
 * line: "ok", the name of the error, or how a program that was run ended.
 *
 *	contained ROOT		make the container, then serve
 *	contained		serve as it is
 *
 * Some deeds are the steps of a runtime: "cgroup FILE" enters a cgroup by its cgroup.procs, "copy ." runs a copy of
 * itself from memory, "enter ROOT" makes the container.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void need(int rc, const char *what)
{
	if (rc >= 0)
		return;
	perror(what);
	exit(200);
}

static void enter(const char *root)
{
	int status;
	pid_t child;

	need(unshare(CLONE_NEWNS | CLONE_NEWPID), "unshare");
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	need(chdir(root), "chdir");
	need((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
	need(umount2(".", MNT_DETACH), "umount");
	need(chdir("/"), "chdir");
	child = fork();
	need(child, "fork");
	if (!child)
		return;
	waitpid(child, &status, 0);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 201);
}

static void answer(int rc)
{
	printf("%s\n", rc >= 0 ? "ok" : strerrorname_np(errno));
}

static int join_cgroup(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return fd;
	rc = (int)write(fd, "0", 1);
	close(fd);
	return rc;
}

static void run_copy(void)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = memfd_create("copy", MFD_CLOEXEC);
	char *const argv[] = { "contained", NULL };
	off_t size;

	need(from, "exe");
	need(to, "memfd");
	size = lseek(from, 0, SEEK_END);
	lseek(from, 0, SEEK_SET);
	while (size > 0) {
		ssize_t n = sendfile(to, from, NULL, (size_t)size);

		need((int)n, "sendfile");
		size -= n;
	}
	fexecve(to, argv, environ);
	answer(-1);
}

/* Mount the directory of *path* over another, and open the file there. */
static int open_elsewhere(char *path)
{
	char *name = strrchr(path, '/');

	*name++ = 0;
	need(unshare(CLONE_NEWNS), "unshare");
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	need(mount(path, "/bin", NULL, MS_BIND, NULL), "bind");
	need(chdir("/bin"), "chdir");
	return open(name, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

/* Tell how a child ended. */
static void answer_for(pid_t child)
{
	int status;

	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		printf("signal %d\n", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		printf("%s\n", strerrorname_np(WEXITSTATUS(status)));
	else
		printf("ok\n");
}

static void run(const char *path)
{
	pid_t child = fork();

	need(child, "fork");
	if (!child) {
		execl(path, path, "true", NULL);
		_exit(errno);
	}
	answer_for(child);
}

int main(int argc, char **argv)
{
	char line[4096];
	char *path;

	if (argc > 1 && !strcmp(argv[1], "true"))
		return 0;
	if (argc > 1)
		enter(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready\n");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		path = strchr(line, ' ');
		if (!path)
			return 202;
		*path++ = 0;
		if (!strcmp(line, "open")) {
			int fd = open(path, O_RDONLY | O_CLOEXEC);

			answer(fd);
			if (fd >= 0)
				close(fd);
		} else if (!strcmp(line, "elsewhere")) {
			pid_t child = fork();

			need(child, "fork");
			if (!child)
				_exit(open_elsewhere(path));
			answer_for(child);
		} else if (!strcmp(line, "run")) {
			run(path);
		} else if (!strcmp(line, "point")) { /* makes it a link to what lies beside it */
			unlink(path);
			answer(symlink("other", path));
		} else if (!strcmp(line, "move")) {
			char moved[sizeof(line) + 8];

			snprintf(moved, sizeof(moved), "%s.moved", path);
			answer(rename(path, moved));
		} else if (!strcmp(line, "become")) { /* and serve on */
			execl(path, path, NULL);
			answer(-1);
		} else if (!strcmp(line, "cgroup")) {
			answer(join_cgroup(path));
		} else if (!strcmp(line, "copy")) { /* and serve on */
			run_copy();
		} else if (!strcmp(line, "enter")) {
			enter(path);
			answer(0);
		} else {
			return 203;
		}
	}
	return 0;
}
