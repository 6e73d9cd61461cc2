// SPDX-License-Identifier: MIT
/* Steps of the searcher of processes that open files, make some without a name, and run programs. */
#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long do_open(const uint32_t *dice)
{
	static const int flags[] = {
		O_RDONLY, O_RDWR, O_RDONLY, O_RDWR | O_CREAT, O_PATH, O_RDONLY
	};
	char room[PATH];
	const char *path = name(dice[0], room);

	hunt_say("open %s %#x", path, HUNT_PICK(flags, dice[1]));
	return keep(dice[2], open(path, HUNT_PICK(flags, dice[1]), 0777));
}

/* Fill a file with the foreign code, or with a foreign program. */
static long fill(int fd, uint32_t die)
{
	int from = open(die % 2 == 0	   ? "work/code"
			: die / 4 % 2 == 0 ? "work/prog"
					   : "work/dynamic",
			O_RDONLY);
	long sent = from < 0 ? -errno : result(sendfile(fd, from, NULL, 1 << 24));

	close(from);
	return sent;
}

static long do_nameless(const uint32_t *dice)
{
	static const char longest[] =
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		"012345678901234567890123456789012345678";
	static const char *const names[] = {
		"", "code", "/", "..", longest, "memfd:", " (deleted)"
	};
	int fd;

	/* Its private mappings are anonymous memory. */
	if (dice[3] % 16 == 15)
		return keep(dice[0], open("/dev/zero", O_RDWR));
	bool has_links = dice[3] % 4 == 0 && !only_memfds;

	if (has_links)
		fd = open(dice[1] % 2 ? "work" : "memory", O_TMPFILE | O_RDWR, 0777);
	else
		fd = memfd_create(HUNT_PICK(names, dice[1]),
				  dice[3] % 4 == 1 ? MFD_ALLOW_SEALING : 0);
	hunt_say("nameless %s: %d", has_links ? "tmpfile" : HUNT_PICK(names, dice[1]), fd);
	if (fd < 0)
		return -errno;
	fchmod(fd, 0777);
	long filled = fill(fd, dice[2]);

	if (filled < 0) {
		close(fd);
		return filled;
	}
	/* A file that somebody has open for writing cannot be run. */
	if (dice[2] / 2 % 2) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		int again = open(path, O_RDONLY);

		close(fd);
		fd = again;
	}
	return keep(dice[0], fd);
}

struct program {
	char path[PATH];
	int fd;		  /* or -1: by the path */
	char dynamic[32]; /* what the loader is to run */
	uint32_t form;
};

/* In a child: it has the marks of its parent's tree, and some that it gets before. */
static void become(const struct program *program, const uint32_t *dice)
{
	char *envp[] = { NULL };

	begin_child();
	if (dice[3] % 2)
		get_mark((const uint32_t[]){ dice[3] / 2, dice[3] / 8, dice[3] / 32, 0 });
	char *tree = standing.has_tree ? "tree" : "-", *own = standing.has_process ? "own" : "-";
	char *argv[] = { "prog", "ran", tree, own, NULL };
	char *by_loader[] = {
		"ld.so", "--library-path", "bin", (char *)program->dynamic, "ran", tree, own, NULL
	};

	if (program->form == 1)
		execveat(program->fd, "", argv, envp, AT_EMPTY_PATH);
	else if (program->form == 2)
		execve("bin/ld.so", by_loader, envp);
	else
		execve(program->path, argv, envp);
	_exit(errno == EDOM ? 33 : 34);
}

static long do_exec(const uint32_t *dice)
{
	struct program program = { .fd = at(dice[1]),
				   .dynamic = "work/dynamic",
				   .form = dice[2] % 4 };
	int status;

	if (program.form % 2 && program.fd < 0)
		return HUNT_IDLE;
	/* What the keeper starts may map foreign code, as the keeper may. */
	if (program.form == 2 && is_keeper)
		return HUNT_IDLE;
	name(dice[0], program.path);
	if (program.form == 3)
		snprintf(program.path, sizeof(program.path), "/proc/self/fd/%d", program.fd);
	if (program.fd >= 0 && dice[0] % 2)
		snprintf(program.dynamic, sizeof(program.dynamic), "/proc/self/fd/%d", program.fd);
	hunt_say("exec %s %d, form %u", program.path, program.fd, program.form);
	pid_t child = fork();

	if (!child)
		become(&program, dice);
	if (child < 0 || waitpid(child, &status, __WALL) != child)
		return -errno;
	if (!status)
		return 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 33)
		return -EACCES;
	if (program.form == 0 && strstr(program.path, "bin/prog"))
		hunt_refused("a program of base/bin was refused");
	return -EDOM;
}

static long do_rename(const uint32_t *dice)
{
	char from[PATH], to[PATH];

	hunt_say("rename %s %s", name(dice[0], from), name(dice[1], to));
	if (dice[2] % 2 == 0)
		return result(link(from, to));
	return result(renameat2(AT_FDCWD, from, AT_FDCWD, to, only_memfds ? RENAME_NOREPLACE : 0));
}

const struct hunt_step run_steps[] = {
	{ "open", do_open, 4 },
	{ "nameless", do_nameless, 3 },
	{ "exec", do_exec, 4 },
	{ "rename", do_rename, 1 },
};
