// SPDX-License-Identifier: MIT
/*
 * System calls that fail: attempts CALL ARGUMENT... prints its process id, and 0 or the errno. Knows nothing of
 * enforcer.
 *
 * Before the call: -u UID becomes that user, -d DIRECTORY goes there, -r DIRECTORY makes it the root.
 * Numbers are read as C has them. Linked statically and not relocatable, so that its data lies below 4 GiB,
 * where 32-bit calls reach it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static char low[2][4096];

/* The entry of 32-bit programs. */
static long call32(long number, long a, long b, long c)
{
	long result;

	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(number), "b"(a), "c"(b), "d"(c)
		     : "memory", "r8", "r9", "r10", "r11");
	if (result < 0 && result > -4096) {
		errno = -result;
		return -1;
	}
	return result;
}

static long number(const char *text)
{
	return text ? strtol(text, NULL, 0) : 0;
}

/* What is about no file. Returns -2 if the call is none of these. */
static long other(const char *call, char **a)
{
	static struct sockaddr_in any = { .sin_family = AF_INET };
	static unsigned int args[3];
	int fd;

	any.sin_port = htons(80);
	if (!strcmp(call, "kill"))
		return kill(number(a[0]), number(a[1]));
	if (!strcmp(call, "ptrace"))
		return ptrace(number(a[1]), number(a[0]), NULL, NULL);
	if (!strcmp(call, "setuid"))
		return syscall(SYS_setuid, number(a[0]));
	if (!strcmp(call, "mount"))
		return mount("/usr", a[0], "tmpfs", number(a[1]), NULL);
	if (!strcmp(call, "umount"))
		return umount2(a[0], 0);
	if (!strcmp(call, "init_module"))
		return syscall(SYS_init_module, "", 0, "");
	if (!strcmp(call, "raw"))
		return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (!strcmp(call, "bind"))
		return bind(fd, (struct sockaddr *)&any, sizeof(any));
	if (!strcmp(call, "bind32") || !strcmp(call, "listen32")) {
		args[0] = fd;
		args[1] = (long)&any;
		args[2] = sizeof(any);
		if (call[0] == 'l') {
			args[0] = 4000;
			return call32(102, 4, (long)args, 0);
		}
		return call32(102, 2, (long)args, 0);
	}
	if (!strcmp(call, "connect"))
		return connect(fd, (struct sockaddr *)&any, 1);
	if (!strcmp(call, "accept")) {
		listen(fd, 1);
		return syscall(SYS_accept, fd, NULL, NULL);
	}
	close(fd);
	return -2;
}

static long attempt(const char *call, char **a)
{
	long done = other(call, a);

	struct open_how how = {};
	int dir = -1;

	if (done != -2)
		return done;

	for (int i = 0; i < 2 && a[0] && a[i]; i++)
		strncpy(low[i], a[i], sizeof(low[i]) - 1);
	if (!strcmp(call, "open"))
		return syscall(SYS_open, a[0], number(a[1]), 0600);
	if (!strcmp(call, "creat"))
		return syscall(SYS_creat, a[0], 0600);
	if (!strcmp(call, "mkdir"))
		return syscall(SYS_mkdir, a[0], 0700);
	if (!strcmp(call, "mkdir-both")) { /* by the same registers, but for the name */
		for (int i = 0; i < 4; i++)
			dir = syscall(SYS_mkdir, a[i & 1], 0700);
		return dir;
	}
	if (!strcmp(call, "rmdir"))
		return rmdir(a[0]);
	if (!strcmp(call, "unlink"))
		return syscall(SYS_unlink, a[0]);
	if (!strcmp(call, "rename"))
		return syscall(SYS_rename, a[0], a[1]);
	if (!strcmp(call, "link"))
		return syscall(SYS_link, a[0], a[1]);
	if (!strcmp(call, "symlink"))
		return syscall(SYS_symlink, a[0], a[1]);
	if (!strcmp(call, "mknod"))
		return syscall(SYS_mknod, a[0], number(a[1]), 0);
	if (!strcmp(call, "chmod"))
		return syscall(SYS_chmod, a[0], number(a[1]));
	if (!strcmp(call, "chown"))
		return syscall(SYS_chown, a[0], number(a[1]), -1);
	if (!strcmp(call, "truncate"))
		return truncate(a[0], 0);
	if (!strcmp(call, "setxattr"))
		return setxattr(a[0], "user.a", "b", 1, 0);
	if (!strcmp(call, "execve"))
		return execve(a[0], (char *[]){ a[0], NULL }, NULL);
	if (!strcmp(call, "fchmod")) { /* a descriptor that somebody else's file is open by */
		dir = open(a[0], O_RDONLY);
		return fchmod(dir, 0777);
	}
	if (!strcmp(call, "openat") || !strcmp(call, "openat2") || !strcmp(call, "mkdirat") ||
	    !strcmp(call, "renameat") || !strcmp(call, "unlinkat")) {
		dir = !strcmp(a[0], "-") ? 4000 : open(a[0], O_PATH | O_DIRECTORY);
		how.flags = number(a[2]);
		if (!strcmp(call, "openat"))
			return syscall(SYS_openat, dir, a[1], number(a[2]), 0600);
		if (!strcmp(call, "openat2"))
			return syscall(SYS_openat2, dir, a[1], &how, sizeof(how));
		if (!strcmp(call, "mkdirat"))
			return syscall(SYS_mkdirat, dir, a[1], 0700);
		if (!strcmp(call, "unlinkat"))
			return syscall(SYS_unlinkat, dir, a[1], number(a[2]));
		return syscall(SYS_renameat, dir, a[1], dir, a[2]);
	}
	if (!strcmp(call, "mkdir-fault"))
		return syscall(SYS_mkdir, 16, 0700);
	if (!strcmp(call, "open32"))
		return call32(5, (long)low[0], number(a[1]), 0600);
	if (!strcmp(call, "mkdir32"))
		return call32(39, (long)low[0], 0700, 0);
	if (!strcmp(call, "rename32"))
		return call32(38, (long)low[0], (long)low[1], 0);
	if (!strcmp(call, "chown32"))
		return call32(212, (long)low[0], 0, 0); /* 182 is that of 16 bits, which not every kernel has */
	fprintf(stderr, "no call %s\n", call);
	exit(2);
}

int main(int argc, char **argv)
{
	const char *where = NULL;
	long uid = 0, failed = 0;
	int option;

	while ((option = getopt(argc, argv, "+u:d:r:")) != -1) {
		if (option == 'u')
			uid = number(optarg);
		else if (option == 'd')
			where = optarg;
		else if (option == 'r')
			failed |= chroot(optarg) || chdir("/");
	}
	if (where)
		failed |= chdir(where);
	if (uid)
		failed |= setresgid(uid, uid, uid) || setresuid(uid, uid, uid);
	if (failed || optind >= argc) {
		perror("attempts");
		return 2;
	}
	errno = 0;
	failed = attempt(argv[optind], argv + optind + 1) < 0 ? errno : 0;
	printf("%d %ld\n", getpid(), failed);
	return 0;
}
