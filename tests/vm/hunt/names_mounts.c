// SPDX-License-Identifier: MIT
/* Steps of the searcher of names that change what names mean: mounts, namespaces, roots. */
#define _GNU_SOURCE
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Mounts are of directories for the most part. */
static const char *place(uint32_t die, char *room)
{
	return die / 1000 % 4 ? directory(die, room) : name(die, room);
}

/* What was mounted on last. */
static char mounted[PATH];

/* The die of the place in which the last view of a mount is; others have seldom a mount to move. */
static uint32_t view;

static long mounts(long value, const char *on)
{
	if (!value)
		strcpy(mounted, on);
	return value;
}

/* Often a mount of the sequence itself, which is the only one that it can change. */
static const char *mount_point(uint32_t die, char *room)
{
	if (die / 4000 % 4 == 0 || !*mounted)
		return place(die, room);
	return strcpy(room, mounted);
}

static long do_chdir(const uint32_t *dice)
{
	char room[PATH];

	if (dice[1] % 4 == 0 && at(dice[2]) >= 0)
		return result(fchdir(at(dice[2])));
	hunt_say("chdir %s", directory(dice[0], room));
	return result(chdir(dice[1] % 3 ? room : base));
}

static long do_chroot(const uint32_t *dice)
{
	char room[PATH];

	hunt_say("chroot %s", directory(dice[0], room));
	return result(chroot(room));
}

static long do_unshare(const uint32_t *dice)
{
	static const int what[] = { CLONE_NEWNS, CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWUSER };

	hunt_say("unshare %#x", HUNT_PICK(what, dice[0]));
	unsigned int uid = getuid(), gid = getgid();
	long value = result(unshare(HUNT_PICK(what, dice[0])));

	if (!value && HUNT_PICK(what, dice[0]) & CLONE_NEWUSER)
		write_maps(uid, gid);
	return value;
}

static long do_setns(const uint32_t *dice)
{
	if (namespace_at(dice[0]) < 0)
		return HUNT_IDLE;
	hunt_say("setns %d", namespace_at(dice[0]));
	return result(setns(namespace_at(dice[0]), 0));
}

static long do_namespace(const uint32_t *dice)
{
	return keep_namespace(dice[0]);
}

static long do_bind(const uint32_t *dice)
{
	static const unsigned long how[] = { MS_BIND, MS_BIND | MS_REC, MS_MOVE };
	char room[PATH], other[PATH];

	hunt_say("mount %s %s %#lx", place(dice[0], room), place(dice[1], other),
		 HUNT_PICK(how, dice[2]));
	return mounts(result(mount(room, other, NULL, HUNT_PICK(how, dice[2]), NULL)), other);
}

static long do_tmpfs(const uint32_t *dice)
{
	char room[PATH];

	hunt_say("tmpfs %s", directory(dice[0], room));
	return mounts(result(mount("none", room, "tmpfs", 0, "size=1m")), room);
}

static long do_overlay(const uint32_t *dice)
{
	char room[PATH], lower[PATH], options[2 * PATH];

	directory(dice[1], lower);
	snprintf(options, sizeof(options), "lowerdir=%s:%s/work/low", lower, base);
	hunt_say("overlay %s %s", directory(dice[0], room), options);
	return mounts(result(mount("none", room, "overlay", 0, options)), room);
}

static long do_change(const uint32_t *dice)
{
	static const unsigned long how[] = { MS_PRIVATE,
					     MS_SLAVE,
					     MS_SHARED,
					     MS_UNBINDABLE,
					     MS_BIND | MS_REMOUNT | MS_RDONLY,
					     MS_BIND | MS_REMOUNT };
	char room[PATH];

	hunt_say("change %s %#lx", mount_point(dice[0], room), HUNT_PICK(how, dice[1]));
	return result(mount(NULL, room, NULL, HUNT_PICK(how, dice[1]), NULL));
}

static long do_umount(const uint32_t *dice)
{
	char room[PATH];

	hunt_say("umount %s", mount_point(dice[0], room));
	return result(umount2(room, MNT_DETACH));
}

static long do_open_tree(const uint32_t *dice)
{
	char room[PATH];

	hunt_say("open_tree %s", place(dice[0], room));
	int fd = keep(dice[1],
		      syscall(SYS_open_tree, AT_FDCWD, room, 1 | (dice[2] % 2 ? AT_RECURSIVE : 0)));

	if (fd >= 0)
		view = dice[1];
	return fd;
}

/* The namespace in which the stranger is root, or -1. */
static int make_users(void)
{
	pid_t child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	int status;

	if (!child) {
		uid_t uid = getuid() ?: STRANGER;
		gid_t gid = getgid() ?: STRANGER;

		/* Without a number for the stranger, a namespace of users has root alone. */
		if (setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) {
			uid = getuid();
			gid = getgid();
		}
		prctl(PR_SET_DUMPABLE, 1);
		if (unshare(CLONE_NEWUSER))
			_exit(0);
		write_maps(uid, gid);
		/* The parent has this descriptor, too. */
		status = openat(proc, "self/ns/user", O_RDONLY);
		_exit(status < 0 ? 0 : status);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WEXITSTATUS(status))
		return -1;
	return WEXITSTATUS(status);
}

static long do_idmap(const uint32_t *dice)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	char room[PATH];
	int fd = syscall(SYS_open_tree, AT_FDCWD, place(dice[0], room),
			 OPEN_TREE_CLONE | (dice[2] % 2 ? AT_RECURSIVE : 0));
	int users = fd < 0 ? -1 : make_users();

	hunt_say("idmap %s %d %d", room, fd, users);
	if (users < 0) {
		close(fd);
		return -EPERM;
	}
	attr.userns_fd = (uint64_t)users;
	long value = result(syscall(SYS_mount_setattr, fd, "",
				    AT_EMPTY_PATH | (dice[2] % 2 ? AT_RECURSIVE : 0), &attr,
				    sizeof(attr)));

	close(users);
	if (value) {
		close(fd);
		return value;
	}
	view = dice[1];
	return keep(dice[1], fd);
}

static long do_move_mount(const uint32_t *dice)
{
	char room[PATH];
	int fd = at(dice[2] % 4 ? view : dice[0]);

	if (fd < 0)
		return HUNT_IDLE;
	hunt_say("move_mount %d %s", fd, place(dice[1], room));
	return mounts(result(syscall(SYS_move_mount, fd, "", AT_FDCWD, room, 4)), room);
}

static long do_pivot(const uint32_t *dice)
{
	char room[PATH], other[PATH];

	mount_point(dice[0], room);
	if (dice[2] % 2)
		strcpy(other, room);
	else
		directory(dice[1], other);
	hunt_say("pivot %s %s", room, other);
	return result(syscall(SYS_pivot_root, room, other));
}

const struct hunt_step mount_steps[] = {
	{ "chdir", do_chdir, 2 },	  { "chroot", do_chroot, 1 },
	{ "unshare", do_unshare, 1 },	  { "setns", do_setns, 1 },
	{ "namespace", do_namespace, 1 }, { "bind", do_bind, 5 },
	{ "tmpfs", do_tmpfs, 2 },	  { "overlay", do_overlay, 2 },
	{ "change", do_change, 1 },	  { "umount", do_umount, 2 },
	{ "open_tree", do_open_tree, 3 }, { "move_mount", do_move_mount, 3 },
	{ "pivot", do_pivot, 1 },	  { "idmap", do_idmap, 2 },
};
