// SPDX-License-Identifier: MIT
/*
 * Steps of the searcher of processes that change user and group, and their oracle: no user id becomes FORBIDDEN_USER,
 * and no group id FORBIDDEN_GROUP, as the host counts them.
 */
#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUPS 70
#define SEEN_GROUPS 64 /* those after are unknown to the policy, and so refused */
#define KEPT UINT32_MAX

static const uint32_t ids[] = { 4242, 0, KEPT, 4343, 1, 1234, 5000, KEPT, 0, 4241, 0, KEPT };

static uint32_t id(uint32_t die)
{
	return HUNT_PICK(ids, die);
}

/* A refusal is right if one of the new ids is forbidden. */
static long changed(long value, bool names_forbidden)
{
	int error = errno;

	prctl(PR_SET_DUMPABLE, 1);
	if (value >= 0)
		return value;
	if (error == EDOM && !names_forbidden)
		hunt_refused("a change to other ids was refused");
	return -error;
}

static bool is_any(uint32_t forbidden, const uint32_t *these, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (these[i] == forbidden)
			return true;
	return false;
}

/* Of the thread alone: libc would change the others as well. */
static long do_user(const uint32_t *dice)
{
	const uint32_t new[] = { id(dice[0]), id(dice[1]), id(dice[2]) };
	size_t count = 1;
	long value;

	hunt_say("user %u: %d %d %d", dice[3] % 4, new[0], new[1], new[2]);
	switch (dice[3] % 4) {
	case 0:
		value = syscall(SYS_setuid, new[0]);
		break;
	case 1:
		count = 2;
		value = syscall(SYS_setreuid, new[0], new[1]);
		break;
	case 2:
		count = 3;
		value = syscall(SYS_setresuid, new[0], new[1], new[2]);
		break;
	default: /* returns the former one, whatever came of it */
		syscall(SYS_setfsuid, new[0]);
		errno = EPERM;
		value = (uint32_t)syscall(SYS_setfsuid, KEPT) == new[0] ? 0 : -1;
	}
	return changed(value, is_any(standing.forbidden_user, new, count));
}

static long do_group(const uint32_t *dice)
{
	const uint32_t new[] = { id(dice[0]), id(dice[1]), id(dice[2]) };
	size_t count = 1;
	long value;

	hunt_say("group %u: %d %d %d", dice[3] % 4, new[0], new[1], new[2]);
	switch (dice[3] % 4) {
	case 0:
		value = syscall(SYS_setgid, new[0]);
		break;
	case 1:
		count = 2;
		value = syscall(SYS_setregid, new[0], new[1]);
		break;
	case 2:
		count = 3;
		value = syscall(SYS_setresgid, new[0], new[1], new[2]);
		break;
	default:
		syscall(SYS_setfsgid, new[0]);
		errno = EPERM;
		value = (uint32_t)syscall(SYS_setfsgid, KEPT) == new[0] ? 0 : -1;
	}
	return changed(value, is_any(standing.forbidden_group, new, count));
}

static long do_groups(const uint32_t *dice)
{
	static const uint32_t counts[] = { 1, 0, 2, SEEN_GROUPS, SEEN_GROUPS + 1, GROUPS, 3 };
	uint32_t all[GROUPS], count = HUNT_PICK(counts, dice[0]);

	for (uint32_t i = 0; i < count; i++)
		all[i] = 6000 + i;
	if (count && dice[1] % 2)
		all[dice[2] % count] = dice[3] % 2 ? id(dice[3]) : standing.forbidden_group;
	hunt_say("setgroups %u", count);
	return changed(syscall(SYS_setgroups, count, all),
		       count > SEEN_GROUPS || is_any(standing.forbidden_group, all, count));
}

static void write_map(int of, const char *kind, uint32_t first)
{
	char path[64], map[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", of, kind);
	snprintf(map, sizeof(map), "0 %u 1\n1 0 1\n2 1 1\n", first);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, map, strlen(map)) < 0)
		hunt_say("%s: %m", path);
	close(fd);
}

/* Root of a namespace in which 0 is who is forbidden: a child that stays outside says so. */
static long do_namespace(const uint32_t *dice)
{
	int ready[2], status;
	int self = own_number();
	pid_t child;
	char byte;

	(void)dice;
	if (standing.forbidden_user != FORBIDDEN_USER || geteuid() || pipe2(ready, O_CLOEXEC))
		return HUNT_IDLE;
	child = fork();
	if (!child) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			_exit(1);
		write_map(self, "uid_map", FORBIDDEN_USER);
		write_map(self, "gid_map", FORBIDDEN_GROUP);
		_exit(0);
	}
	long value = child < 0 ? -1 : unshare(CLONE_NEWUSER);
	int error = errno;

	if (!value && write(ready[1], "", 1) == 1)
		standing.forbidden_user = standing.forbidden_group = 0;
	close(ready[0]);
	close(ready[1]);
	if (child > 0)
		waitpid(child, &status, 0);
	hunt_say("user namespace: %ld", value);
	return value ? -error : 0;
}

void look_at_credentials(void)
{
	uint32_t users[4], groups[4], all[GROUPS];

	syscall(SYS_getresuid, &users[0], &users[1], &users[2]);
	users[3] = syscall(SYS_setfsuid, KEPT);
	syscall(SYS_getresgid, &groups[0], &groups[1], &groups[2]);
	groups[3] = syscall(SYS_setfsgid, KEPT);
	long count = syscall(SYS_getgroups, HUNT_SIZE(all), all);

	if (is_any(standing.forbidden_user, users, HUNT_SIZE(users)))
		hunt_forbidden("it became user %u: %u %u %u %u", standing.forbidden_user, users[0],
			       users[1], users[2], users[3]);
	if (is_any(standing.forbidden_group, groups, HUNT_SIZE(groups)))
		hunt_forbidden("it became group %u: %u %u %u %u", standing.forbidden_group,
			       groups[0], groups[1], groups[2], groups[3]);
	if (count > 0 && is_any(standing.forbidden_group, all, count))
		hunt_forbidden("it gained group %u", standing.forbidden_group);
}

const struct hunt_step credential_steps[] = {
	{ "user", do_user, 3 },
	{ "group", do_group, 3 },
	{ "groups", do_groups, 2 },
	{ "namespace", do_namespace, 1 },
};
