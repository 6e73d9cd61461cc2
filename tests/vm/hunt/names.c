// SPDX-License-Identifier: MIT
/*
 * Searches for ways around rules on files: hunt-names [options] -- DIRECTORY SECRET.
 *
 * DIRECTORY has held/ and free/, of the same content, and work/, for everybody. The rules (test_hunt_names.py) forbid
 * to read held/secret and held/d/secret, to write held/data and to run held/prog, which is a copy of this program.
 */
#define _GNU_SOURCE
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The test writes HELD over the end of this in held/prog: then it knows what it is without a path. */
static volatile const char mark[] = "this program is FREE";

const char *base;
static const char *secret;
static int namespaces[2] = { -1, -1 };
int places[PLACES];
int proc;

bool is_innocent, has_rings, folds;

static const char *const names[] = {
	"held/secret",	   "free/secret",     "work/a",	    "held/data",
	"work/one/secret", "held/prog",	      "free/data",  "work/b",
	"held/d/secret",   "work/two/secret", "free/prog",  "work/one/data",
	"free/d/secret",   "work/one/prog",   "work/one/a", "work/one/d/secret",
	"work/two/data",   "work/two/prog",   "work/two/a", "work/one/held/secret",
	"work/one/d/a",	   "held/d/a",	      "free/a",	    "work/two/d/secret",
};

static const char *const directories[] = {
	"work/one", "held",	  "work/two", "free",	       "held/d",   "work/one/d",
	"free/d",   "work/two/d", "work",     "work/one/held", "work/new", "work/two/new",
};

static const char *one_of(const char *const *all, size_t count, uint32_t die)
{
	while (is_innocent && strstr(all[die % count], "held"))
		die++;
	return all[die % count];
}

long result(long value)
{
	if (value >= 0)
		return value;
	if (errno == EDOM && is_innocent)
		hunt_refused("a sequence that names nothing held was refused");
	return -errno;
}

const char *bare_name(uint32_t die)
{
	return one_of(names, HUNT_SIZE(names), die);
}

static char capital(char letter)
{
	return letter >= 'a' && letter <= 'z' ? (char)(letter - 'a' + 'A') : letter;
}

static const char *say(const char *place, uint32_t form, char *room)
{
	char folded[64];

	if (folds && form / 72 % 3 == 1) {
		snprintf(folded, sizeof(folded), "%s", place);
		for (char *letter = folded; *letter; letter++)
			*letter = capital(*letter);
		place = folded;
	}
	switch (form % 12) {
	case 1:
		snprintf(room, PATH, "/proc/self/root%s/%s", base, place);
		break;
	case 2:
		snprintf(room, PATH, "/proc/self/cwd/%s", place);
		break;
	case 3:
	case 4:
		snprintf(room, PATH, "%s", place);
		break;
	case 5:
		snprintf(room, PATH, "/proc/self/fd/%d/%s", places[form / 12 % PLACES],
			 strchr(place, '/') && form / 100 % 2 ? strchr(place, '/') + 1 : place);
		break;
	default:
		snprintf(room, PATH, "%s/%s", base, place);
	}
	return room;
}

const char *name(uint32_t die, char *room)
{
	if (die % 8 == 7)
		return directory(die / 8, room);
	return say(bare_name(die / 8), die / 8 / HUNT_SIZE(names), room);
}

const char *directory(uint32_t die, char *room)
{
	return say(one_of(directories, HUNT_SIZE(directories), die), die / HUNT_SIZE(directories),
		   room);
}

int keep(uint32_t die, int fd)
{
	if (fd < 0)
		return result(fd);
	int *place = &places[die % PLACES];

	if (*place >= 0)
		close(*place);
	*place = fd;
	return fd;
}

int at(uint32_t die)
{
	return places[die % PLACES];
}

/* ---- The oracle -------------------------------------------------------------------------------------------- */

long seen(const char *bytes, long length, const char *how)
{
	if (length > 0 && memmem(bytes, length, secret, strlen(secret)))
		hunt_forbidden("%s: the secret was read", how);
	return length;
}

static void look(void)
{
	char now[sizeof(GOOD)] = "";

	if (pread(GUARDED, now, sizeof(now), 0) != strlen(GOOD) || memcmp(now, GOOD, strlen(GOOD)))
		hunt_forbidden("held data were written");
	if (hunt_witness[0])
		hunt_forbidden("the held program ran");
}

static void bear_witness(void)
{
	uint32_t one = 1;

	if (mark[sizeof(mark) - sizeof("HELD")] == 'H' &&
	    pwrite(HUNT_WITNESS_FD, &one, sizeof(one), 0) < 0)
		_exit(1);
	_exit(0);
}

static void prepare(int argc, char **argv)
{
	must(argc == 2, "DIRECTORY SECRET");
	base = argv[0];
	secret = argv[1];
	umask(0);
	must(!chdir(base), base);
	folds = !access("HELD/SECRET", F_OK);
	proc = open("/proc", O_PATH | O_DIRECTORY);
	must(proc >= 0, "/proc");
	memset(places, -1, sizeof(places));
	note_world();
}

static void write_map(const char *file, const char *text)
{
	int fd = openat(proc, file, O_WRONLY);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		hunt_say("%s: %m", file);
	close(fd);
}

void write_maps(unsigned int uid, unsigned int gid)
{
	char map[32];

	write_map("self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_map("self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_map("self/gid_map", map);
}

long keep_namespace(uint32_t die)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY);
	int *place = &namespaces[die % HUNT_SIZE(namespaces)];

	if (fd < 0)
		return result(fd);
	if (*place >= 0)
		close(*place);
	return *place = fd;
}

int namespace_at(uint32_t die)
{
	return namespaces[die % HUNT_SIZE(namespaces)];
}

/* What later steps find in their places. */
static void open_some(void)
{
	keep(0, open("free/secret", O_RDONLY));
	keep(1, open("free/data", O_RDWR));
	keep(2, open("work/one", O_RDONLY | O_DIRECTORY));
	keep(3, open("work/a", O_RDWR));
	/* Above what is held, of which the guard lets nobody make a hard link. */
	keep(4, open(is_innocent ? "work" : ".", O_PATH | O_DIRECTORY));
	if (!is_innocent)
		keep(5, open("held", O_RDONLY | O_DIRECTORY));
	keep_namespace(0);
}

static void begin(uint32_t role)
{
	is_innocent = role / 3 % 4 == 0;
	has_rings = role / 12 % 3 == 1;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		hunt_broken("no mounts of its own: %m");
	/* A name that has lost its base is one of the machine's, which is to stay as it is. */
	if (mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL))
		hunt_broken("the root is not read only: %m");
	if (role % 3 && (setgroups(0, NULL) || setresgid(STRANGER, STRANGER, STRANGER) ||
			 setresuid(STRANGER, STRANGER, STRANGER)))
		hunt_broken("no other user: %m");
	/* /proc/self belongs to root, unless it may be dumped. */
	prctl(PR_SET_DUMPABLE, 1);
	if (role % 3 == 2) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			hunt_broken("no user namespace: %m");
		write_maps(STRANGER, STRANGER);
	}
	open_some();
}

static void finish(void)
{
	if (chdir(base))
		hunt_broken("%s: %m", base);
	look_at_names();
	look();
	renew_world();
}

int main(int argc, char **argv)
{
	static struct hunt_step steps[FILE_STEPS + MOUNT_STEPS + PAIR_STEPS + RING_STEPS];
	const struct hunt it = {
		.steps = steps,
		.count = HUNT_SIZE(steps),
		.refusal = EDOM,
		.namespaces = CLONE_NEWNS | CLONE_NEWPID,
		.length = 200, /* making the world anew costs as much as a hundred steps */
		.prepare = prepare,
		.begin = begin,
		.look = look,
		.finish = finish,
	};

	if (argc == 2 && !strcmp(argv[1], "ran"))
		bear_witness();
	struct hunt_step *next = mempcpy(steps, file_steps, sizeof(file_steps));

	next = mempcpy(next, mount_steps, sizeof(mount_steps));
	next = mempcpy(next, pair_steps, sizeof(pair_steps));
	mempcpy(next, ring_steps, sizeof(ring_steps));
	return hunt_main(&it, argc, argv);
}
