// SPDX-License-Identifier: MIT
/* Steps of the searcher of names that use files. */
#define _GNU_SOURCE
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	struct file_handle head;
	char bytes[MAX_HANDLE_SZ];
} handle;

static const int flags[] = { O_RDONLY,
			     O_RDWR,
			     O_RDONLY,
			     O_RDWR | O_CREAT,
			     O_RDONLY,
			     O_PATH,
			     O_RDONLY,
			     O_WRONLY | O_TRUNC,
			     O_RDONLY | O_DIRECTORY,
			     O_PATH | O_NOFOLLOW,
			     O_RDWR | O_APPEND,
			     O_RDONLY | O_NOATIME };

static long do_open(const uint32_t *dice)
{
	char room[PATH];
	const char *path = name(dice[0], room);
	int flag = HUNT_PICK(flags, dice[1]);
	hunt_say("open %s %#x", path, flag);
	return keep(dice[2], open(path, flag, 0666));
}

static long do_openat2(const uint32_t *dice)
{
	static const uint64_t resolve[] = { 0,
					    RESOLVE_BENEATH,
					    RESOLVE_IN_ROOT,
					    RESOLVE_NO_XDEV,
					    RESOLVE_NO_SYMLINKS,
					    RESOLVE_NO_MAGICLINKS };
	struct open_how how = { .flags = HUNT_PICK(flags, dice[1]) };
	const char *place = bare_name(dice[0]);

	how.mode = how.flags & O_CREAT ? 0666 : 0;
	how.resolve = HUNT_PICK(resolve, dice[3]);
	hunt_say("openat2 %d %s %#llx", at(dice[3]), place, how.flags);
	return keep(dice[2], syscall(SYS_openat2, dice[3] % 2 ? AT_FDCWD : at(dice[3]), place, &how,
				     sizeof(how)));
}

static long do_reopen(const uint32_t *dice)
{
	char path[64];

	if (at(dice[0]) < 0)
		return HUNT_IDLE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", at(dice[0]));
	hunt_say("open %s %#x", path, HUNT_PICK(flags, dice[1]));
	return keep(dice[2], open(path, HUNT_PICK(flags, dice[1]), 0666));
}

static long do_read(const uint32_t *dice)
{
	char bytes[256];
	int fd = at(dice[0]);

	if (fd < 0)
		return HUNT_IDLE;
	hunt_say("read %d", fd);
	return seen(bytes, result(pread(fd, bytes, sizeof(bytes), 0)), "read");
}

static long do_map(const uint32_t *dice)
{
	int fd = at(dice[0]);
	struct stat is;

	if (fd < 0)
		return HUNT_IDLE;
	if (fstat(fd, &is) || !S_ISREG(is.st_mode) || !is.st_size)
		return -ENODEV;
	bool writes = dice[1] % 2;
	char *bytes =
		mmap(NULL, 4096, writes ? PROT_WRITE | PROT_READ : PROT_READ, MAP_SHARED, fd, 0);

	hunt_say("mmap %d %d", fd, writes);
	if (bytes == MAP_FAILED)
		return -errno;
	long length = is.st_size < 256 ? is.st_size : 256;

	seen(bytes, length, "mmap");
	if (writes && length >= 4 && length < 100)
		memcpy(bytes, EVIL, 4);
	munmap(bytes, 4096);
	return 0;
}

static long do_copy(const uint32_t *dice)
{
	int from = at(dice[0]), to = memfd_create("copy", 0), pipes[2];
	char bytes[256];
	loff_t start = 0;
	long value;

	if (from < 0 || to < 0 || pipe(pipes)) {
		close(to);
		return HUNT_IDLE;
	}
	if (dice[1] % 2) {
		value = result(sendfile(to, from, &start, sizeof(bytes)));
		value = value < 0 ? value : pread(to, bytes, sizeof(bytes), 0);
	} else {
		value = result(
			splice(from, &start, pipes[1], NULL, sizeof(bytes), SPLICE_F_NONBLOCK));
		value = value <= 0 ? value : read(pipes[0], bytes, sizeof(bytes));
	}
	hunt_say("copy %d", from);
	close(to);
	close(pipes[0]);
	close(pipes[1]);
	return seen(bytes, value, "copy");
}

static long do_copy_range(const uint32_t *dice)
{
	loff_t start = 0;

	if (at(dice[0]) < 0 || at(dice[1]) < 0)
		return HUNT_IDLE;
	hunt_say("copy_file_range %d %d", at(dice[0]), at(dice[1]));
	return result(copy_file_range(at(dice[0]), &start, at(dice[1]), NULL, 100, 0));
}

static long do_write(const uint32_t *dice)
{
	int fd = at(dice[0]);

	if (fd < 0)
		return HUNT_IDLE;
	hunt_say("write %d", fd);
	if (dice[1] % 4 == 0)
		return result(ftruncate(fd, 1));
	return result(pwrite(fd, EVIL, 4, 0));
}

static long do_truncate(const uint32_t *dice)
{
	char room[PATH];

	hunt_say("truncate %s", name(dice[0], room));
	return result(truncate(room, 2));
}

static long do_exec(const uint32_t *dice)
{
	char room[PATH];
	const char *path = name(dice[0], room);
	int fd = at(dice[1]), status;
	char *argv[] = { "prog", "ran", NULL }, *envp[] = { NULL };
	bool by_fd = dice[2] % 3 == 0;

	if (by_fd && fd < 0)
		return HUNT_IDLE;
	hunt_say("exec %s %d %d", path, fd, by_fd);
	pid_t child = fork();

	if (!child) {
		if (by_fd)
			execveat(fd, "", argv, envp, AT_EMPTY_PATH);
		else
			execve(path, argv, envp);
		_exit(errno == EDOM ? 33 : 34);
	}
	waitpid(child, &status, 0);
	errno = WEXITSTATUS(status) == 33 ? EDOM : EACCES;
	return result(status ? -1 : 0);
}

static long do_link(const uint32_t *dice)
{
	char room[PATH], other[PATH];

	if (dice[2] % 4 == 0 && at(dice[2]) >= 0) {
		snprintf(room, sizeof(room), "/proc/self/fd/%d", at(dice[2]));
		hunt_say("link %s %s", room, name(dice[1], other));
		return result(linkat(AT_FDCWD, room, AT_FDCWD, other, AT_SYMLINK_FOLLOW));
	}
	hunt_say("link %s %s", name(dice[0], room), name(dice[1], other));
	return result(link(room, other));
}

static long do_symlink(const uint32_t *dice)
{
	char room[PATH], other[PATH];

	hunt_say("symlink %s %s", name(dice[0], room), name(dice[1], other));
	return result(symlink(room, other));
}

static long do_rename(const uint32_t *dice)
{
	static const unsigned int how[] = { 0, 0, RENAME_EXCHANGE, RENAME_NOREPLACE,
					    RENAME_WHITEOUT };
	char room[PATH], other[PATH];

	hunt_say("rename %s %s %u", name(dice[0], room), name(dice[1], other),
		 HUNT_PICK(how, dice[2]));
	return result(renameat2(AT_FDCWD, room, AT_FDCWD, other, HUNT_PICK(how, dice[2])));
}

static long do_unlink(const uint32_t *dice)
{
	char room[PATH];

	hunt_say("unlink %s", name(dice[0], room));
	return result(dice[1] % 3 ? unlink(room) : rmdir(room));
}

static long do_mkdir(const uint32_t *dice)
{
	char room[PATH];

	hunt_say("mkdir %s", directory(dice[0], room));
	return result(mkdir(room, 0777));
}

static long do_tmpfile(const uint32_t *dice)
{
	char room[PATH];

	hunt_say("tmpfile %s", directory(dice[0], room));
	return keep(dice[1], open(room, O_TMPFILE | O_RDWR, 0666));
}

static long do_handle(const uint32_t *dice)
{
	char room[PATH];
	int mount;

	handle.head.handle_bytes = MAX_HANDLE_SZ;
	hunt_say("handle %s", name(dice[0], room));
	return result(name_to_handle_at(AT_FDCWD, room, &handle.head, &mount, 0));
}

/*
 * Whether the file of the handle lies outside of the mount through which it is opened, which the kernel shows as "/". It
 * has no name in the caller's view, so that an unknown name refuses it (docs/policy-language.md, "Whose names count").
 */
static bool is_outside(int mount)
{
	int fd = open_by_handle_at(mount, &handle.head, O_PATH);
	struct statx file, root;
	char path[64], shown[PATH];

	if (fd < 0)
		return false;
	snprintf(path, sizeof(path), "self/fd/%d", fd);
	ssize_t length = readlinkat(proc, path, shown, sizeof(shown));
	bool is_told = !statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &file) &&
		       !statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &root);

	close(fd);
	if (!is_told || length != 1 || *shown != '/')
		return false;
	return !(file.stx_attributes & STATX_ATTR_MOUNT_ROOT) &&
	       (file.stx_ino != root.stx_ino || file.stx_mnt_id != root.stx_mnt_id);
}

static long do_by_handle(const uint32_t *dice)
{
	if (!handle.head.handle_bytes)
		return HUNT_IDLE;
	int mount = dice[0] % 2 ? AT_FDCWD : at(dice[0]);
	int flag = HUNT_PICK(flags, dice[2]) & ~O_CREAT;

	hunt_say("open_by_handle %d %#x", mount, flag);
	/* What is opened so would be refused to later steps, too. */
	if (is_innocent && is_outside(mount))
		return HUNT_IDLE;
	return keep(dice[1], open_by_handle_at(mount, &handle.head, flag));
}

static long do_pass(const uint32_t *dice)
{
	if (at(dice[0]) < 0)
		return HUNT_IDLE;
	int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	int got = syscall(SYS_pidfd_getfd, pidfd, at(dice[0]), 0);

	close(pidfd);
	return keep(dice[1], got);
}

const struct hunt_step file_steps[] = {
	{ "open", do_open, 8 },		{ "openat2", do_openat2, 3 },
	{ "reopen", do_reopen, 4 },	{ "read", do_read, 6 },
	{ "map", do_map, 3 },		{ "copy", do_copy, 2 },
	{ "range", do_copy_range, 1 },	{ "write", do_write, 4 },
	{ "truncate", do_truncate, 2 }, { "exec", do_exec, 2 },
	{ "link", do_link, 4 },		{ "symlink", do_symlink, 2 },
	{ "rename", do_rename, 6 },	{ "unlink", do_unlink, 2 },
	{ "mkdir", do_mkdir, 2 },	{ "tmpfile", do_tmpfile, 1 },
	{ "handle", do_handle, 2 },	{ "by_handle", do_by_handle, 2 },
	{ "pass", do_pass, 1 },
};
