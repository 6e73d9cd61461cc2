// SPDX-License-Identifier: MIT
/*
 * launch FORM FILE [ARGUMENT...]: runs FILE in one of the ways there are. The exit code is the errno
 * of the exec that failed, 200 if something before it did; on success it is FILE's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAPPED_SIZE (4L << 20)

extern char **environ;

static int need(int result)
{
	if (result < 0) {
		perror("launch");
		_exit(200);
	}
	return result;
}

static void copy_into(int to, const char *file)
{
	int from = need(open(file, O_RDONLY));
	struct stat st;

	need(fstat(from, &st));
	if (sendfile(to, from, NULL, st.st_size) != st.st_size)
		need(-1);
	need(fchmod(to, 0755));
	close(from);
}

static void run_fd(int fd, char **argv)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	execve(name, argv, environ);
}

/* Memory that processes share can be run as a file is, by who may open what is mapped. */
static void run_mapped(void *memory, const char *file, char **argv)
{
	int from = need(open(file, O_RDONLY));
	struct stat st;
	char name[64];

	need(fstat(from, &st));
	if (memory == MAP_FAILED || read(from, memory, st.st_size) != st.st_size)
		need(-1);
	close(from);
	snprintf(name, sizeof(name), "/proc/self/map_files/%lx-%lx", (long)memory,
		 (long)memory + MAPPED_SIZE);
	execve(name, argv, environ);
}

static void *from_thread(void *argv)
{
	execve(((char **)argv)[0], argv, environ);
	_exit(errno);
}

int main(int argc, char **argv)
{
	const char *form = argc > 2 ? argv[1] : "";
	char *file = argv[2];
	char name[4096];
	int fd;

	argv += 2;
	if (!strcmp(form, "path")) {
		execve(file, argv, environ);
	} else if (!strcmp(form, "fd")) {
		fd = need(open(file, O_RDONLY | O_CLOEXEC));
		syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	} else if (!strcmp(form, "o_path")) {
		fd = need(open(file, O_PATH | O_CLOEXEC));
		syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	} else if (!strcmp(form, "at")) {
		char *base = strrchr(file, '/');

		snprintf(name, sizeof(name), "%.*s", (int)(base - file), file);
		fd = need(open(name, O_PATH | O_DIRECTORY));
		syscall(SYS_execveat, fd, base + 1, argv, environ, 0);
	} else if (!strcmp(form, "memfd")) {
		fd = need(memfd_create("innocent", MFD_CLOEXEC));
		copy_into(fd, file);
		syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	} else if (!strcmp(form, "memfd_proc")) {
		fd = need(memfd_create("innocent", 0));
		copy_into(fd, file);
		run_fd(fd, argv);
	} else if (!strcmp(form, "unnamed")) {
		fd = need(memfd_create("", MFD_CLOEXEC));
		copy_into(fd, file);
		syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	} else if (!strcmp(form, "unnamed_proc")) {
		fd = need(memfd_create("", 0));
		copy_into(fd, file);
		run_fd(fd, argv);
	} else if (!strcmp(form, "unnamed_loader")) {
		fd = need(memfd_create("", 0));
		copy_into(fd, file);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		execl("/lib64/ld-linux-x86-64.so.2", "ld.so", name, NULL);
	} else if (!strcmp(form, "unnamed_module")) {
		fd = need(memfd_create("", 0));
		copy_into(fd, file);
		syscall(SYS_finit_module, fd, "", 0);
	} else if (!strcmp(form, "shared")) {
		run_mapped(mmap(NULL, MAPPED_SIZE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0),
			   file, argv);
	} else if (!strcmp(form, "system_v")) {
		fd = need(shmget(IPC_PRIVATE, MAPPED_SIZE, IPC_CREAT | 0700));
		void *memory = shmat(fd, NULL, 0);

		need(shmctl(fd, IPC_RMID, NULL));
		run_mapped(memory, file, argv);
	} else if (!strcmp(form, "unlinked")) {
		snprintf(name, sizeof(name), "/dev/shm/launch-%d", getpid());
		fd = need(open(name, O_RDWR | O_CREAT | O_EXCL, 0755));
		copy_into(fd, file);
		close(fd);
		fd = need(open(name, O_RDONLY));
		need(unlink(name));
		run_fd(fd, argv);
	} else if (!strcmp(form, "tmpfile")) {
		int read_only;

		fd = need(open("/dev/shm", O_RDWR | O_TMPFILE, 0755));
		copy_into(fd, file);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		read_only = need(open(name, O_RDONLY));
		close(fd);
		run_fd(read_only, argv);
	} else if (!strcmp(form, "thread")) {
		pthread_t thread;

		pthread_create(&thread, NULL, from_thread, argv);
		pthread_join(thread, NULL);
	} else {
		return 200;
	}
	return errno;
}
