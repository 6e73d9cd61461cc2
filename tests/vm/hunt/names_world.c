// SPDX-License-Identifier: MIT
/* The files of the searcher of names: what they are, whether held names are where they were, and how all is made new. */
#define _GNU_SOURCE
#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

void must(bool holds, const char *what)
{
	if (!holds) {
		perror(what);
		exit(HUNT_USAGE);
	}
}

/* What held and free have. */
static const char *const files[] = { "secret", "data", "prog", "d/secret" };
#define DATA 1 /* whose writing is forbidden */
static struct stat held[HUNT_SIZE(files)], neighbours[HUNT_SIZE(files)];

static void note(const char *directory, struct stat *are)
{
	char path[PATH];

	for (size_t i = 0; i < HUNT_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		must(!stat(path, &are[i]), path);
	}
}

static bool is_as_was(const char *directory, size_t i, const struct stat *were)
{
	char path[PATH];
	struct stat is;

	snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
	return !lstat(path, &is) && is.st_ino == were[i].st_ino && is.st_nlink == 1 &&
	       is.st_size == were[i].st_size && is.st_mtim.tv_sec == were[i].st_mtim.tv_sec &&
	       is.st_mtim.tv_nsec == were[i].st_mtim.tv_nsec;
}

/*
 * Whether a held file got another name, or lost its own and lives on. The rules let the ones be removed, replaced and
 * written whose reading or running alone is forbidden.
 */
static bool is_moved(size_t i)
{
	char path[PATH];
	struct stat file, name;

	snprintf(path, sizeof(path), "held/%s", files[i]);
	must(!fstat(GUARDED - 1 - (int)i, &file), path);
	if (file.st_nlink == 0)
		return i == DATA;
	return file.st_nlink != 1 || lstat(path, &name) || name.st_ino != file.st_ino;
}

static int removes(const char *path, const struct stat *is, int kind, struct FTW *where)
{
	(void)is;
	(void)kind;
	(void)where;
	return remove(path);
}

/* What steps call files and directories. */
static const char *const steps_names[] = { "secret", "data", "prog", "a",    "b",    "d",  "one",
					   "two",    "new",  "held", "free", "work", "low" };

static void remove_all(const char *path)
{
	char inner[PATH];
	struct stat is;

	if (lstat(path, &is) || !nftw(path, removes, 20, FTW_DEPTH | FTW_PHYS | FTW_MOUNT))
		return;
	/* A directory that took a held name may not be listed. */
	for (size_t i = 0; errno == EDOM && i < HUNT_SIZE(steps_names); i++) {
		snprintf(inner, sizeof(inner), "%s/%s", path, steps_names[i]);
		remove_all(inner);
		errno = EDOM;
	}
	if (remove(path))
		hunt_broken("%s: %m", path);
}

static void need_directory(const char *path)
{
	struct stat is;

	if (!lstat(path, &is) && S_ISDIR(is.st_mode))
		return;
	remove_all(path);
	if (mkdir(path, 0777))
		hunt_broken("%s: %m", path);
}

static void make_directory(const char *path)
{
	remove_all(path);
	if (mkdir(path, 0777) && errno != EEXIST)
		hunt_broken("%s: %m", path);
}

/* Give a name back the letters that it had, where a directory folds case. */
static int spell(const char *directory, const char *from, const char *to)
{
	char wrong[PATH], right[PATH];

	snprintf(wrong, sizeof(wrong), "%s/%s", directory, from);
	snprintf(right, sizeof(right), "%s/%s", directory, to);
	return folds ? rename(wrong, right) : -1;
}

/* Have a directory with nothing but what has these names. */
static void tidy(const char *path, const char *const *names, size_t count)
{
	char inner[PATH];
	DIR *directory;

	need_directory(path);
	directory = opendir(path);
	must(directory, path);
	for (struct dirent *entry; (entry = readdir(directory));) {
		bool is_known = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");

		for (size_t i = 0; i < count; i++)
			is_known |= !strcmp(entry->d_name, names[i]) ||
				    (!strcasecmp(entry->d_name, names[i]) &&
				     !spell(path, entry->d_name, names[i]));
		if (is_known)
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		remove_all(inner);
	}
	closedir(directory);
}

static void make_file(const char *path, const char *content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);

	if (fd < 0 || write(fd, content, strlen(content)) < 0)
		hunt_broken("%s: %m", path);
	close(fd);
}

static void copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0777);

	while (in >= 0 && out >= 0 && copy_file_range(in, NULL, out, NULL, 1 << 24, 0) > 0)
		;
	if (in < 0 || out < 0 || lseek(out, 0, SEEK_END) <= 0)
		hunt_broken("copy of %s: %m", from);
	close(in);
	close(out);
}

static void guard(size_t i)
{
	char path[PATH];
	int fd;

	snprintf(path, sizeof(path), "held/%s", files[i]);
	fd = open(path, O_PATH | O_NOFOLLOW);
	must(fd >= 0 && dup2(fd, GUARDED - 1 - (int)i) >= 0, path);
	close(fd);
	if (i != DATA)
		return;
	fd = open(path, O_RDONLY);
	must(fd >= 0 && dup2(fd, GUARDED) == GUARDED, path);
	close(fd);
}

/* Make a file of held or free as the test made it. */
static void renew(const char *directory, size_t i, struct stat *are)
{
	char from[PATH], to[PATH];

	snprintf(from, sizeof(from), "model/%s/%s", directory, files[i]);
	snprintf(to, sizeof(to), "%s/%s", directory, files[i]);
	remove_all(to);
	copy(from, to);
	must(!stat(to, &are[i]), to);
	if (are == held)
		guard(i);
}

/* As the test made them; with a policy it cannot and need not write held/data. */
static void renew_all(void)
{
	static const char *const outer[] = { "model", "held", "free", "work" };
	static const char *const inner[] = { "secret", "data", "prog", "d" };

	tidy(".", outer, HUNT_SIZE(outer));
	tidy("held", inner, HUNT_SIZE(inner));
	tidy("free", inner, HUNT_SIZE(inner));
	tidy("held/d", inner, 1);
	tidy("free/d", inner, 1);
	for (size_t i = 0; i < HUNT_SIZE(files); i++) {
		if (!is_as_was("free", i, neighbours))
			renew("free", i, neighbours);
		if ((hunt_is_control || i != DATA) && !is_as_was("held", i, held))
			renew("held", i, held);
	}
}

static void make_work(void)
{
	static const char *const all[] = { "work", "work/one", "work/two", "work/low",
					   "work/one/d" };

	for (size_t i = 0; i < HUNT_SIZE(all); i++)
		make_directory(all[i]);
	make_file("work/a", "of all");
	make_file("work/one/a", "of all");
	make_file("work/one/d/secret", "of all");
	/* Others may own them, and then a sticky directory is none of theirs. */
	for (size_t i = 0; i < HUNT_SIZE(all); i++)
		must(!chmod(all[i], 0777), all[i]);
}

void note_world(void)
{
	note("held", held);
	note("free", neighbours);
	for (size_t i = 0; i < HUNT_SIZE(files); i++)
		guard(i);
	make_work();
}

void look_at_names(void)
{
	for (size_t i = 0; i < HUNT_SIZE(files); i++)
		if (is_moved(i))
			hunt_forbidden("held/%s has another name", files[i]);
}

void renew_world(void)
{
	renew_all();
	make_work();
}
