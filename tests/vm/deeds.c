// SPDX-License-Identifier: MIT
/*
 * deeds DEED...: does one after the other and prints "ok" or the errno's name for each open.
 *
 *   open FILE      open for reading            fork      the rest in a child
 *   uid REAL EFF   setresuid, -1 keeps         orphan    the rest in an adopted session leader
 *   gid REAL EFF   setresgid                   thread    the rest in a thread
 *   cap on|off     CAP_NET_RAW, effective      exec FILE the rest by that program, in place
 *   cgroup FOLDER  go there                    memfd     the rest by a copy in memory
 *   mark FILE      make it                     await FILE  until it is there
 *   connect PORT   to 127.0.0.1                beside PORT the same, in a thread that ends
 *   sleep MS       wait                        run FILE    in a child; prints "ran" or its end
 *
 * A connection that nobody takes is one; what the kernel refuses prints its errno's name.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int need(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		_exit(200);
	}
	return result;
}

static void capability(int on)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	need(syscall(SYS_capget, &head, data), "capget");
	if (on)
		data[0].effective |= 1U << CAP_NET_RAW;
	else
		data[0].effective &= ~(1U << CAP_NET_RAW);
	need(syscall(SYS_capset, &head, data), "capset");
}

static void cgroup(const char *folder)
{
	char name[4096];
	int fd;

	snprintf(name, sizeof(name), "%s/cgroup.procs", folder);
	fd = need(open(name, O_WRONLY), "open cgroup");
	need(write(fd, "0", 1), "write cgroup");
	close(fd);
}

static void in_memory(char **argv)
{
	int from = need(open("/proc/self/exe", O_RDONLY), "open exe");
	int fd = need(memfd_create("deeds", MFD_CLOEXEC), "memfd_create");
	struct stat st;

	need(fstat(from, &st), "fstat");
	need(sendfile(fd, from, NULL, st.st_size), "sendfile");
	syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	need(-1, "execveat");
}

static void *connects(void *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = need(socket(AF_INET, SOCK_STREAM, 0), "socket");

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (void *)&to, sizeof(to)) && errno != ECONNREFUSED)
		dprintf(1, "%s ", strerrorname_np(errno));
	close(fd);
	return NULL;
}

static void run(char *program)
{
	pid_t pid = need(fork(), "fork");
	int status;

	if (!pid) {
		execl(program, program, "given", NULL);
		_exit(errno);
	}
	need(waitpid(pid, &status, 0), "waitpid");
	if (WIFSIGNALED(status))
		dprintf(1, "signal-%d ", WTERMSIG(status));
	else
		dprintf(1, "%s ", WEXITSTATUS(status) ? strerrorname_np(WEXITSTATUS(status)) : "ran");
}

static void child(char **rest, int adopted);
static void *all(void *argument)
{
	char **at = argument;

	for (; *at; at++) {
		if (!strcmp(*at, "open")) {
			int fd = open(*++at, O_RDONLY);

			dprintf(1, "%s ", fd < 0 ? strerrorname_np(errno) : "ok");
			if (fd >= 0)
				close(fd);
		} else if (!strcmp(*at, "uid")) {
			need(syscall(SYS_setresuid, atoi(at[1]), atoi(at[2]), -1), "setresuid");
			at += 2;
		} else if (!strcmp(*at, "gid")) {
			need(syscall(SYS_setresgid, atoi(at[1]), atoi(at[2]), -1), "setresgid");
			at += 2;
		} else if (!strcmp(*at, "cap")) {
			capability(!strcmp(*++at, "on"));
		} else if (!strcmp(*at, "cgroup")) {
			cgroup(*++at);
		} else if (!strcmp(*at, "mark")) {
			close(need(open(*++at, O_WRONLY | O_CREAT, 0666), "mark"));
		} else if (!strcmp(*at, "await")) {
			for (at++; access(*at, F_OK);)
				usleep(20000);
		} else if (!strcmp(*at, "connect")) {
			connects(*++at);
		} else if (!strcmp(*at, "beside")) {
			pthread_t thread;

			pthread_create(&thread, NULL, connects, *++at);
			pthread_join(thread, NULL);
		} else if (!strcmp(*at, "sleep")) {
			usleep(atoi(*++at) * 1000);
		} else if (!strcmp(*at, "run")) {
			run(*++at);
		} else if (!strcmp(*at, "fork")) {
			child(at + 1, 0);
		} else if (!strcmp(*at, "orphan")) {
			child(at + 1, 1);
		} else if (!strcmp(*at, "thread")) {
			pthread_t thread;

			pthread_create(&thread, NULL, all, at + 1);
			pthread_join(thread, NULL);
			_exit(0);
		} else if (!strcmp(*at, "exec")) {
			execve(at[1], at + 1, environ);
			need(-1, at[1]);
		} else if (!strcmp(*at, "memfd")) {
			in_memory(at);
		} else {
			_exit(201);
		}
	}
	return NULL;
}

static void child(char **rest, int adopted)
{
	pid_t parent = getpid(), pid = need(fork(), "fork");
	int status;

	if (!pid) {
		if (adopted)
			setsid();
		while (adopted && getppid() == parent)
			usleep(1000);
		all(rest);
		_exit(0);
	}
	if (adopted)
		_exit(0);
	waitpid(pid, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int argc, char **argv)
{
	(void)argc;
	all(argv + 1);
	return 0;
}
