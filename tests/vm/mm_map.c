// SPDX-License-Identifier: MIT
/*
 * mm_map AS SECRET: have mm->exe_file say AS, as an ordinary user may in a user namespace; say "ready",
 * wait for a line, then print what SECRET holds. Ends with the errno of the open, or 200.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void need(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		_exit(200);
	}
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	need(fd, path);
	need(write(fd, text, strlen(text)), path);
	close(fd);
}

static char *secret;

/* Runs after the program's own file is no longer mapped: nothing of libc may be called but this. */
static long call(long number, long a, long b, long c, long d, long e)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
		     : "rcx", "r11", "memory");
	return result;
}

/*
 * The kernel lets mm->exe_file be replaced when nothing of the old file is mapped. So each mapping of it gives
 * way to a copy without a file, made elsewhere and moved over it: the code runs on, at the same addresses.
 */
static void detach(void)
{
	char line[512], self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct part {
		uintptr_t from, to;
		int prot;
	} parts[32];
	int count = 0;
	FILE *maps = fopen("/proc/self/maps", "r");

	need(n, "exe");
	self[n] = 0;
	while (maps && fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		char prot[5];

		if (!strstr(line, self) || sscanf(line, "%lx-%lx %4s", &from, &to, prot) != 3)
			continue;
		parts[count].from = from;
		parts[count].to = to;
		parts[count].prot = (prot[0] == 'r') * PROT_READ | (prot[1] == 'w') * PROT_WRITE |
				    (prot[2] == 'x') * PROT_EXEC;
		count++;
	}
	for (int i = 0; i < count; i++) {
		size_t size = parts[i].to - parts[i].from;
		char *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		need(copy == MAP_FAILED ? -1 : 0, "mmap");
		memcpy(copy, (void *)parts[i].from, size);
		need(mprotect(copy, size, parts[i].prot), "mprotect");
		need(call(SYS_mremap, (long)copy, size, size, 3 /* MAYMOVE | FIXED */,
			  parts[i].from),
		     "mremap");
	}
}

int main(int argc, char **argv)
{
	struct prctl_mm_map map = {};
	char text[100], map_line[64];
	unsigned long from, to;
	FILE *maps;
	ssize_t n;
	int fd;

	if (argc != 3)
		return 200;
	secret = argv[2];
	snprintf(map_line, sizeof(map_line), "0 %d 1", getuid());
	need(unshare(CLONE_NEWUSER), "unshare");
	put("/proc/self/uid_map", map_line);
	detach();
	fd = open(argv[1], O_RDONLY);
	need(fd, "open");
	maps = fopen("/proc/self/maps", "r");
	if (!maps || fscanf(maps, "%lx-%lx", &from, &to) != 2)
		return 200;
	fclose(maps);
	map.start_code = from;
	map.end_code = to;
	map.start_data = from;
	map.end_data = to;
	map.brk = map.start_brk = (uintptr_t)sbrk(0);
	map.start_stack = (uintptr_t)&map;
	map.arg_start = map.arg_end = map.env_start = map.env_end = (uintptr_t)argv[0];
	map.exe_fd = fd;
	need(prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0), "PR_SET_MM_MAP");
	puts("ready");
	fflush(stdout);
	if (read(0, text, 1) != 1)
		return 200;
	fd = open(secret, O_RDONLY);
	if (fd < 0)
		return errno;
	n = read(fd, text, sizeof(text));
	need(n, "read");
	need(write(1, text, n), "write");
	return 0;
}
