// SPDX-License-Identifier: MIT
/*
 * storm agent: do what lines on standard input say, and answer each with one line: how often it could be
 * done, and the error of the last time that it could not. A line: TIMES WHAT ARGUMENT... Lines that come as one packet
 * are answered together: each switch from one process to another costs an emulated machine more than most of what is
 * done between two. A line after which another process goes on comes alone: fork, become, quit.
 *
 * storm true: nothing. What another program is executed for.
 * storm again TRIES DIRECTORY: make DIRECTORY/a/f and use it, remove it, and make DIRECTORY/b/f, which gets what
 * the kernel has just given back: often the inode's number, sometimes the addresses. Prints how often b/f could be
 * read, and how often the number was the same.
 * storm process TRIES: use /proc/N/net/dev of a process whose number ends with 1 until that process has ended, and then
 * of one whose number ends with 2. Prints how often the second could be read.
 * storm swap TRIES FREE FORBIDDEN BELOW: threads rename FREE to FORBIDDEN and back, and open what they have renamed,
 * with BELOW behind it; others open both all the time. Prints how often the forbidden was opened after the rename, and
 * the free one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS = 8, ROOM = 4096, PAUSE = 10000 };

static int number(const char *text)
{
	return (int)strtol(text, NULL, 0);
}

static int failed(int result)
{
	return result < 0 ? errno : 0;
}

/* ---- Files --------------------------------------------------------------------------------- */

/* open FLAGS PATH: what can be read is. */
static int do_open(char **a)
{
	char byte;
	int flags = number(a[0]), fd = open(a[1], flags, 0666), error = 0;

	if (fd < 0)
		return errno;
	if ((flags & O_ACCMODE) != O_WRONLY && !(flags & O_PATH) && read(fd, &byte, 1) < 0)
		error = errno;
	close(fd);
	return error;
}

/* map PATH: to be run. */
static int do_map(char **a)
{
	int fd = open(a[0], O_RDONLY), error = 0;
	void *at;

	if (fd < 0)
		return errno;
	at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		error = errno;
	else
		munmap(at, 4096);
	close(fd);
	return error;
}

static int do_unlink(char **a)
{
	return failed(unlink(a[0]));
}

static int do_rmdir(char **a)
{
	return failed(rmdir(a[0]));
}

static int do_mkdir(char **a)
{
	return failed(mkdir(a[0], 0777));
}

static int do_rename(char **a)
{
	return failed(syscall(SYS_renameat2, AT_FDCWD, a[1], AT_FDCWD, a[2], number(a[0])));
}

static int do_link(char **a)
{
	return failed(link(a[0], a[1]));
}

static int do_symlink(char **a)
{
	return failed(symlink(a[0], a[1]));
}

static int held = -1;

/* hold PATH: a descriptor to use later, by who has it then. */
static int do_hold(char **a)
{
	close(held);
	held = open(a[0], O_RDONLY);
	return failed(held);
}

static int do_use(char **a)
{
	char byte;

	(void)a;
	return failed(pread(held, &byte, 1, 0));
}

/* ---- Rings --------------------------------------------------------------------------------- */

static struct io_uring_params ring;
static struct io_uring_sqe *entries;
static char *queues;
static int ring_fd = -1;

static int set_up_ring(void)
{
	size_t size;

	ring_fd = syscall(SYS_io_uring_setup, 2, &ring);
	if (ring_fd < 0)
		return errno;
	size = ring.cq_off.cqes + ring.cq_entries * sizeof(struct io_uring_cqe);
	queues = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd, IORING_OFF_SQ_RING);
	entries = mmap(NULL, ring.sq_entries * sizeof(*entries), PROT_READ | PROT_WRITE, MAP_SHARED,
		       ring_fd, IORING_OFF_SQES);
	return queues == MAP_FAILED || (void *)entries == MAP_FAILED ? ENOMEM : 0;
}

/* ring FLAGS PATH: open by a worker of io_uring, which lives on. */
static int do_ring(char **a)
{
	unsigned int *tail, *head;
	struct io_uring_cqe *done;
	int error = ring_fd < 0 ? set_up_ring() : 0;

	if (error)
		return error;
	tail = (unsigned int *)(queues + ring.sq_off.tail);
	head = (unsigned int *)(queues + ring.cq_off.head);
	memset(entries, 0, sizeof(*entries));
	entries->opcode = IORING_OP_OPENAT;
	entries->flags = IOSQE_ASYNC;
	entries->fd = AT_FDCWD;
	entries->addr = (unsigned long)a[1];
	entries->open_flags = number(a[0]);
	((unsigned int *)(queues + ring.sq_off.array))[*tail & (ring.sq_entries - 1)] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring_fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return errno;
	done = (struct io_uring_cqe *)(queues + ring.cq_off.cqes) + (*head & (ring.cq_entries - 1));
	error = done->res < 0 ? -done->res : failed(close(done->res));
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return error;
}

/* ---- Mounts -------------------------------------------------------------------------------- */

static int do_bind(char **a)
{
	return failed(mount(a[0], a[1], NULL, MS_BIND, NULL));
}

static int do_move(char **a)
{
	return failed(mount(a[0], a[1], NULL, MS_MOVE, NULL));
}

static int do_tmpfs(char **a)
{
	return failed(mount("tmpfs", a[0], "tmpfs", 0, "mode=0777"));
}

static int do_umount(char **a)
{
	return failed(umount2(a[0], MNT_DETACH));
}

static int do_unshare(char **a)
{
	(void)a;
	if (unshare(CLONE_NEWNS))
		return errno;
	return failed(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

static int do_chroot(char **a)
{
	return chroot(a[0]) ? errno : failed(chdir("/"));
}

/* ---- Who acts ------------------------------------------------------------------------------ */

/* ids UID GID: those of this thread only; the saved ones stay root's, so that it finds back. */
static int do_ids(char **a)
{
	if (syscall(SYS_setresuid, 0, 0, 0))
		return errno;
	if (syscall(SYS_setresgid, number(a[1]), number(a[1]), 0))
		return errno;
	return failed(syscall(SYS_setresuid, number(a[0]), number(a[0]), 0));
}

/* drop NUMBER, gain NUMBER: an effective capability. */
static int set_capability(int number, int is_on)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return errno;
	if (is_on)
		data[number / 32].effective |= 1u << number % 32;
	else
		data[number / 32].effective &= ~(1u << number % 32);
	return failed(syscall(SYS_capset, &header, data));
}

static int do_drop(char **a)
{
	return set_capability(number(a[0]), 0);
}

static int do_gain(char **a)
{
	return set_capability(number(a[0]), 1);
}

static void *open_as(void *arguments)
{
	char **a = arguments;

	if (syscall(SYS_setresuid, number(a[0]), number(a[0]), 0))
		return (void *)(long)errno;
	return (void *)(long)do_open(a + 1);
}

/* thread UID FLAGS PATH: open in a thread that alone is that user. */
static int do_thread(char **a)
{
	pthread_t thread;
	void *error;

	if (pthread_create(&thread, NULL, open_as, a))
		return 255;
	pthread_join(thread, &error);
	return (int)(long)error;
}

/* who: the answer's error is the number of this process. */
static int do_who(char **a)
{
	(void)a;
	return getpid();
}

/* run PATH: in a process of its own. */
static int do_run(char **a)
{
	char *argv[] = { a[0], "true", NULL }, *none[] = { NULL };
	int status;
	pid_t child = vfork();

	if (child < 0)
		return errno;
	if (!child) {
		execve(a[0], argv, none);
		_exit(errno);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* become PATH: this process goes on as that program. */
static int do_become(char **a)
{
	char *argv[] = { a[0], "agent", "on", NULL }, *none[] = { NULL };

	execve(a[0], argv, none);
	return errno;
}

/* fork: the child goes on, and this process waits for its end. */
static int do_fork(char **a)
{
	pid_t child = fork();

	(void)a;
	if (child < 0)
		return errno;
	if (child)
		waitpid(child, NULL, 0);
	return 0;
}

static int do_quit(char **a)
{
	(void)a;
	_exit(0);
}

/* ---- Sockets ------------------------------------------------------------------------------- */

static int on_socket(char **a, int (*call)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(number(a[1])) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), error;

	if (fd < 0)
		return errno;
	inet_pton(AF_INET, a[0], &to.sin_addr);
	error = failed(call(fd, (const struct sockaddr *)&to, sizeof(to)));
	close(fd);
	return error;
}

static int send_one(int fd, const struct sockaddr *to, socklen_t len)
{
	return sendto(fd, "x", 1, 0, to, len) < 0 ? -1 : 0;
}

static int do_connect(char **a)
{
	return on_socket(a, connect);
}

static int do_send(char **a)
{
	return on_socket(a, send_one);
}

static int do_listen(char **a)
{
	return on_socket(a, bind);
}

/* ---- The agent ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*act)(char **arguments);
} deeds[] = {
	{ "open", do_open },	     { "map", do_map },	      { "unlink", do_unlink },
	{ "rmdir", do_rmdir },	     { "mkdir", do_mkdir },   { "rename", do_rename },
	{ "link", do_link },	     { "symlink", do_symlink }, { "bind", do_bind },
	{ "move", do_move },	     { "tmpfs", do_tmpfs },   { "umount", do_umount },
	{ "unshare", do_unshare },   { "chroot", do_chroot }, { "ids", do_ids },
	{ "who", do_who },	     { "run", do_run },	      { "become", do_become },
	{ "fork", do_fork },	     { "quit", do_quit },     { "connect", do_connect },
	{ "send", do_send },	     { "listen", do_listen }, { "hold", do_hold },
	{ "use", do_use },	     { "drop", do_drop },     { "gain", do_gain },
	{ "thread", do_thread },     { "ring", do_ring },
};

static char answers[ROOM];
static size_t answered;

static void answer(int done, int error)
{
	size_t room = sizeof(answers) - answered;
	int n = snprintf(answers + answered, room, "%d %d\n", done, error);

	if (n < 0 || (size_t)n >= room)
		_exit(3);
	answered += n;
}

static void send_answers(void)
{
	if (write(1, answers, answered) != (ssize_t)answered)
		_exit(3);
	answered = 0;
}

static void obey(char *line)
{
	char *a[ARGUMENTS + 2] = { NULL }, *rest = NULL;
	int n = 0, done = 0, error = 0, times;

	for (char *word = strtok_r(line, " ", &rest); word && n < ARGUMENTS + 2;
	     word = strtok_r(NULL, " ", &rest))
		a[n++] = word;
	if (n < 2)
		_exit(4);
	times = number(a[0]);
	for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++) {
		if (strcmp(a[1], deeds[i].name))
			continue;
		for (int t = 0; t < times; t++) {
			int failure = deeds[i].act(a + 2);

			if (failure)
				error = failure;
			else
				done++;
		}
		answer(done, error);
		return;
	}
	_exit(5);
}

/* A packet is read as one: a program that goes on after another must not find that its lines were read. */
static int agent(int goes_on)
{
	char lines[ROOM], *line, *end;
	ssize_t n;

	umask(0);
	if (goes_on) {
		answer(1, 0);
		send_answers();
	}
	while ((n = read(0, lines, sizeof(lines))) > 0) {
		if (lines[n - 1] != '\n')
			_exit(6);
		lines[n - 1] = 0;
		for (line = lines; line; line = end) {
			end = strchr(line, '\n');
			if (end)
				*end++ = 0;
			obey(line);
		}
		send_answers();
	}
	return 0;
}

/* ---- What the kernel gives back -------------------------------------------------------------- */

static char place[256];

static char *at(const char *name)
{
	static char room[4][512];
	static int turn;
	char *path = room[turn++ & 3];

	snprintf(path, sizeof(room[0]), "%s/%s", place, name);
	return path;
}

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(2);
}

/* Without a descriptor the kernel would keep the names as those of nothing. */
static void remove_both(const char *file, const char *directory)
{
	int f = open(at(file), O_WRONLY), d = open(at(directory), O_RDONLY | O_DIRECTORY);

	must(unlink(at(file)), file);
	must(rmdir(at(directory)), directory);
	close(f);
	close(d);
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	usleep(PAUSE);
}

static int again(char **argv)
{
	long tries = atol(argv[2]), through = 0, same = 0;
	struct stat first, second;

	snprintf(place, sizeof(place), "%s", argv[3]);
	for (long n = 0; n < tries; n++) {
		char *path = at("a/f");

		must(mkdir(at("a"), 0777), "a");
		close(open(path, O_CREAT | O_WRONLY, 0666));
		for (int i = 0; i < 4; i++)
			must(close(open(path, O_RDONLY)), "a/f");
		must(stat(path, &first), "a/f");
		remove_both("a/f", "a");
		must(mkdir(at("b"), 0777), "b");
		path = at("b/f");
		close(open(path, O_CREAT | O_WRONLY, 0666));
		through += !close(open(path, O_RDONLY));
		must(stat(path, &second), "b/f");
		same += first.st_ino == second.st_ino;
		remove_both("b/f", "b");
	}
	printf("%ld %ld\n", through, same);
	return 0;
}

static void forget(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* A child that waits, whose number ends with *digit*. */
static pid_t child_with(int digit)
{
	for (;;) {
		pid_t child = fork();

		must(child, "fork");
		if (!child) {
			pause();
			_exit(0);
		}
		if (child % 10 == digit)
			return child;
		forget(child);
	}
}

static int process(char **argv)
{
	long tries = atol(argv[2]), through = 0;
	char first[64], second[64];

	for (long n = 0; n < tries; n++) {
		pid_t one = child_with(1), other = child_with(2);

		snprintf(first, sizeof(first), "/proc/%d/net/dev", one);
		snprintf(second, sizeof(second), "/proc/%d/net/dev", other);
		for (int i = 0; i < 4; i++)
			must(close(open(first, O_RDONLY)), first);
		forget(one);
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		usleep(PAUSE);
		through += !close(open(second, O_RDONLY));
		forget(other);
	}
	printf("%ld\n", through);
	return 0;
}

/* ---- Names that move -------------------------------------------------------------------------- */

static char free_name[512], forbidden_name[512]; /* of what is renamed */
static char free_file[600], forbidden_file[600];
static long swaps, opened[2];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int is_over;

/* Gives every reason to remember, at every moment. */
static void *use(void *unused)
{
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		close(open(free_file, O_RDONLY));
		close(open(forbidden_file, O_RDONLY));
		sched_yield();
	}
	return unused;
}

/* Renames, and opens what it has renamed before another may. */
static void *swap(void *unused)
{
	for (long n = 0; n < swaps; n++) {
		pthread_mutex_lock(&turn);
		must(rename(free_name, forbidden_name), "rename");
		opened[1] += !close(open(forbidden_file, O_RDONLY));
		must(rename(forbidden_name, free_name), "rename back");
		opened[0] += !close(open(free_file, O_RDONLY));
		pthread_mutex_unlock(&turn);
	}
	return unused;
}

static int swap_all(char **argv)
{
	pthread_t swappers[2], users[2];

	swaps = atol(argv[2]);
	snprintf(free_name, sizeof(free_name), "%s", argv[3]);
	snprintf(forbidden_name, sizeof(forbidden_name), "%s", argv[4]);
	snprintf(free_file, sizeof(free_file), "%s%s", argv[3], argv[5]);
	snprintf(forbidden_file, sizeof(forbidden_file), "%s%s", argv[4], argv[5]);
	for (int i = 0; i < 2; i++)
		must(-pthread_create(&users[i], NULL, use, NULL), "thread");
	for (int i = 0; i < 2; i++)
		must(-pthread_create(&swappers[i], NULL, swap, NULL), "thread");
	for (int i = 0; i < 2; i++)
		pthread_join(swappers[i], NULL);
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(users[i], NULL);
	printf("%ld %ld\n", opened[1], opened[0]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "agent"))
		return agent(argc > 2);
	if (argc > 1 && !strcmp(argv[1], "true"))
		return 0;
	if (argc == 4 && !strcmp(argv[1], "again"))
		return again(argv);
	if (argc == 3 && !strcmp(argv[1], "process"))
		return process(argv);
	if (argc == 6 && !strcmp(argv[1], "swap"))
		return swap_all(argv);
	return 6;
}
