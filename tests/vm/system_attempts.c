// SPDX-License-Identifier: MIT
/*
 * Attempts on processes, memory and the kernel, one per process: system_attempts NAME [ARGUMENT].
 * Knows nothing of enforcer.
 *
 * The exit code is the errno that stopped the attempt, or 1 if something else did. Its ids at the
 * end are on standard output: "(real, effective, saved)" of the user, then of the group.
 *
 * Linked statically: it begins sooner, and no dynamic linker maps what can be executed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/inet_diag.h>
#include <linux/io_uring.h>
#include <linux/kexec.h>
#include <linux/net_tstamp.h>
#include <linux/perf_event.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PAGE 4096

static void __attribute__((noreturn)) end(int code)
{
	uid_t uid[3];
	gid_t gid[3];

	getresuid(&uid[0], &uid[1], &uid[2]);
	getresgid(&gid[0], &gid[1], &gid[2]);
	printf("(%u, %u, %u) (%u, %u, %u)", uid[0], uid[1], uid[2], gid[0], gid[1], gid[2]);
	exit(code);
}

static void __attribute__((noreturn)) give_up(const char *why)
{
	fprintf(stderr, "%s\n", why);
	end(1);
}

/* What a call returned, unless it failed. */
static long need(long result)
{
	int error = errno;

	if (result != -1)
		return result;
	fprintf(stderr, "[Errno %d] %s\n", error, strerror(error));
	end(error ? error : 1);
}

/* Empty is not 0, which as a process would be the whole group. */
static long number(const char *text)
{
	char *rest;
	long found = strtol(text, &rest, 10);

	if (rest == text || *rest)
		give_up("not a number");
	return found;
}

/* ---- Other processes: the argument is a process id ------------------------------------------ */

static void write_memory(const char *pid)
{
	char name[64], line[512], mine[8] = "";
	struct iovec local = { mine, sizeof(mine) };
	struct iovec remote = { NULL, sizeof(mine) };
	FILE *maps;

	snprintf(name, sizeof(name), "/proc/%s/maps", pid);
	maps = fopen(name, "r");
	need(maps ? 0 : -1);
	/* A mapping that every process has and that is writable. */
	while (!remote.iov_base && fgets(line, sizeof(line), maps))
		if (strstr(line, "[stack]"))
			remote.iov_base = (void *)strtoul(line, NULL, 16);
	if (!remote.iov_base)
		give_up("no stack");
	need(process_vm_writev(number(pid), &local, 1, &remote, 1, 0));
}

static int on_process(const char *name, const char *pid)
{
	char memory[64];

	if (!strcmp(name, "kill")) {
		need(kill(number(pid), SIGKILL));
	} else if (!strcmp(name, "kill_by_descriptor")) {
		int fd = need(syscall(SYS_pidfd_open, number(pid), 0));

		need(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
	} else if (!strcmp(name, "stop")) {
		need(kill(number(pid), SIGSTOP));
	} else if (!strcmp(name, "attach")) {
		need(ptrace(PTRACE_ATTACH, number(pid), NULL, NULL));
	} else if (!strcmp(name, "seize")) {
		need(ptrace(PTRACE_SEIZE, number(pid), NULL, NULL));
	} else if (!strcmp(name, "open_memory")) {
		snprintf(memory, sizeof(memory), "/proc/%s/mem", pid);
		need(open(memory, O_RDWR));
	} else if (!strcmp(name, "write_memory")) {
		write_memory(pid);
	} else if (!strcmp(name, "take_descriptor")) {
		int fd = need(syscall(SYS_pidfd_open, number(pid), 0));

		need(syscall(SYS_pidfd_getfd, fd, 0, 0));
	} else if (!strcmp(name, "traceme")) {
		need(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	} else if (!strcmp(name, "signal_itself")) {
		need(kill(getpid(), SIGTERM));
	} else {
		return 0;
	}
	return 1;
}

/* ---- Identity: the argument is a number ----------------------------------------------------- */

static struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };

/* Give one capability up, and take it again. */
static void gain(unsigned int bit)
{
	struct __user_cap_data_struct had[2], without[2];

	need(syscall(SYS_capget, &head, had));
	memcpy(without, had, sizeof(had));
	without[CAP_TO_INDEX(bit)].effective &= ~CAP_TO_MASK(bit);
	need(syscall(SYS_capset, &head, without));
	need(syscall(SYS_capset, &head, had));
}

static void lose_all(void)
{
	struct __user_cap_data_struct none[2] = {};

	need(syscall(SYS_capset, &head, none));
}

/* Where a page lies: /proc/self/pagemap tells it to whoever could know when they opened it. */
static void see_frames(void)
{
	static char page[PAGE] = { 1 };
	unsigned long long entry = 0;
	int fd = need(open("/proc/self/pagemap", O_RDONLY));

	gain(CAP_SYS_TIME); /* the same credentials, made anew */
	need(pread(fd, &entry, sizeof(entry), (unsigned long)page / PAGE * sizeof(entry)));
	errno = EPERM;
	need(entry & ((1ULL << 55) - 1) ? 0 : -1);
}

/* Asks the kernel by *fd*, and returns the error of its answer. */
static int ask(int fd, struct nlmsghdr *question)
{
	char room[8192];
	struct nlmsghdr *answer = (void *)room;

	need(send(fd, question, question->nlmsg_len, 0));
	need(recv(fd, room, sizeof(room), 0));
	return answer->nlmsg_type == NLMSG_ERROR ? -((struct nlmsgerr *)NLMSG_DATA(answer))->error
						 : 0;
}

/* Configure an interface, and change nothing: the opener is asked about NET_ADMIN, and the caller. */
static void set_link(void)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} question = { { sizeof(question), RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK },
		       { .ifi_index = 1 } };
	int fd = need(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));

	gain(CAP_SYS_TIME); /* the same credentials, made anew */
	errno = ask(fd, &question.head);
	need(errno ? -1 : 0);
}

/* List sockets, which everybody may: for those who could configure the network the list says more. */
static void list_sockets(void)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 of;
	} question = { { sizeof(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP },
		       { AF_INET, IPPROTO_TCP, .idiag_states = -1 } };
	int fd = need(socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG));

	lose_all();
	errno = ask(fd, &question.head);
	need(errno ? -1 : 0);
}

/* See when a datagram was sent: whether its content is shown as well hangs on who opened the socket. */
static void see_stamp(void)
{
	int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	struct sockaddr_in to = { AF_INET, htons(9), { htonl(INADDR_LOOPBACK) } };
	int fd = need(socket(AF_INET, SOCK_DGRAM, 0));
	char room[64];

	need(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)));
	lose_all();
	need(sendto(fd, "x", 1, 0, (void *)&to, sizeof(to)));
	need(recv(fd, room, sizeof(room), MSG_ERRQUEUE));
}

static int on_identity(const char *name, const char *id)
{
	struct utsname host;

	if (!strcmp(name, "setuid")) {
		need(setuid(number(id)));
	} else if (!strcmp(name, "seteuid")) {
		need(seteuid(number(id)));
	} else if (!strcmp(name, "set_saved_uid")) {
		need(setresuid(-1, -1, number(id)));
	} else if (!strcmp(name, "setfsuid")) { /* which returns no error: the effect tells */
		setfsuid(number(id));
		errno = EDOM;
		need(setfsuid(-1) == number(id) ? 0 : -1);
	} else if (!strcmp(name, "setgid")) {
		need(setgid(number(id)));
	} else if (!strcmp(name, "setegid")) {
		need(setegid(number(id)));
	} else if (!strcmp(name, "gain")) {
		gain(number(id));
	} else if (!strcmp(name, "use_sethostname")) { /* CAP_SYS_ADMIN; nothing changes */
		need(uname(&host));
		need(sethostname(host.nodename, strlen(host.nodename)));
	} else if (!strcmp(name, "see_frames")) {
		see_frames();
	} else if (!strcmp(name, "set_link")) {
		set_link();
	} else if (!strcmp(name, "list_sockets")) {
		list_sockets();
	} else if (!strcmp(name, "raw_socket")) {
		need(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	} else if (!strcmp(name, "see_stamp")) {
		see_stamp();
	} else if (!strcmp(name, "use_chroot")) {
		need(chroot("/"));
	} else if (!strcmp(name, "userns")) {
		need(unshare(CLONE_NEWUSER));
	} else {
		return 0;
	}
	return 1;
}

/* ---- Memory: the argument is a file --------------------------------------------------------- */

static void *map(int prot, int flags, int fd)
{
	void *address = mmap(NULL, PAGE, prot, flags, fd, 0);

	need((long)address);
	return address;
}

static void *map_file(int prot, int flags, const char *path, int mode)
{
	return map(prot, flags, need(open(path, mode)));
}

static void protect(void *address, int prot)
{
	need(mprotect(address, PAGE, prot));
}

static void dirty(void *address)
{
	*(volatile unsigned char *)address = 0xC3;
}

/* That of System V, executable and not writable. */
static void attach_shared_memory(void)
{
	int memory = need(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0700));
	long address = (long)shmat(memory, NULL, SHM_RDONLY | SHM_EXEC);
	int error = errno;

	shmctl(memory, IPC_RMID, NULL);
	errno = error;
	need(address);
}

/* Code comes into a page of a file on a tmpfs that is mapped to be executed, runs, and the file stays as it is. */
static void fill_by_fault(int fd, const char *path)
{
	static const unsigned char code[PAGE] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* return 42 */
	struct uffdio_register here = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { .src = (unsigned long)code, .len = PAGE };
	struct uffdio_api api = { .api = UFFD_API };
	void *page;

	need(fd);
	page = map_file(PROT_READ | PROT_EXEC, MAP_PRIVATE, path, O_RDONLY);
	here.range = (struct uffdio_range){ (unsigned long)page, PAGE };
	copy.dst = (unsigned long)page;
	need(ioctl(fd, UFFDIO_API, &api));
	need(ioctl(fd, UFFDIO_REGISTER, &here));
	need(ioctl(fd, UFFDIO_COPY, &copy));
	if (((int (*)(void))page)() != 42)
		give_up("other code ran");
}

static int on_memory(const char *name, const char *path)
{
	const int r = PROT_READ, rw = r | PROT_WRITE, rx = r | PROT_EXEC, rwx = rw | PROT_EXEC;
	void *address;

	if (!strcmp(name, "map_anonymous")) {
		map(rx, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	} else if (!strcmp(name, "map_writable_too")) {
		map_file(rwx, MAP_PRIVATE, path, O_RDONLY);
	} else if (!strcmp(name, "map_zero")) {
		map_file(rx, MAP_PRIVATE, "/dev/zero", O_RDONLY);
	} else if (!strcmp(name, "map_memfd")) { /* a file without a name is not a file */
		int fd = need(memfd_create("x", MFD_CLOEXEC));

		need(ftruncate(fd, PAGE));
		map(rx, MAP_SHARED, fd);
	} else if (!strcmp(name, "attach_shared_memory")) {
		attach_shared_memory();
	} else if (!strcmp(name, "protect_shared")) {
		/* Anonymous memory that the kernel keeps as a file, not writable at the moment. */
		address = map(rw, MAP_SHARED | MAP_ANONYMOUS, -1);
		dirty(address);
		protect(address, r);
		protect(address, rx);
	} else if (!strcmp(name, "protect_anonymous")) {
		address = map(rw, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		dirty(address);
		protect(address, rx);
	} else if (!strcmp(name, "protect_written_file")) {
		address = map_file(rw, MAP_PRIVATE, path, O_RDONLY);
		dirty(address);
		protect(address, r);
		protect(address, rx);
	} else if (!strcmp(name, "protect_shared_file")) {
		protect(map_file(rw, MAP_SHARED, path, O_RDWR), rx);
	} else if (!strcmp(name, "protect_code")) {
		protect(map_file(rx, MAP_PRIVATE, path, O_RDONLY), rwx);
	} else if (!strcmp(name, "fill_by_fault")) {
		fill_by_fault(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), path);
	} else if (!strcmp(name, "fill_by_device")) {
		fill_by_fault(ioctl(need(open("/dev/userfaultfd", O_RDWR)), USERFAULTFD_IOC_NEW,
				    O_CLOEXEC | UFFD_USER_MODE_ONLY),
			      path);
	} else if (!strcmp(name, "protect_clean_file")) {
		/* What a dynamic linker does; no news. */
		protect(map_file(r, MAP_PRIVATE, path, O_RDONLY), rx);
	} else {
		return 0;
	}
	return 1;
}

/* ---- The kernel: the argument is a file ----------------------------------------------------- */

static void insert_from_memory(const char *path)
{
	int fd = need(open(path, O_RDONLY));
	struct stat st;
	char *content;
	long size = 0;

	need(fstat(fd, &st));
	content = malloc(st.st_size);
	need(content ? 0 : -1);
	while (size < st.st_size) {
		long got = need(read(fd, content + size, st.st_size - size));

		if (!got)
			give_up("the file has become shorter");
		size += got;
	}
	need(syscall(SYS_init_module, content, size, ""));
}

/* By the module that tests the loader, which asks for it in this process. */
static void load_firmware(const char *path)
{
	int fd = need(open("/sys/devices/virtual/misc/test_firmware/trigger_request", O_WRONLY));
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	need(write(fd, name, strlen(name)));
}

static void bpf(int command, union bpf_attr *attributes)
{
	need(syscall(SYS_bpf, command, attributes, 72)); /* as old kernels know them */
}

static int on_kernel(const char *name, const char *path)
{
	if (!strcmp(name, "insert")) {
		need(syscall(SYS_finit_module, need(open(path, O_RDONLY)), "", 0));
	} else if (!strcmp(name, "insert_from_memory")) {
		insert_from_memory(path);
	} else if (!strcmp(name, "request")) { /* a socket of a family that a module brings */
		need(socket(AF_ALG, SOCK_SEQPACKET, 0));
	} else if (!strcmp(name, "kexec_from_memory")) {
		/* Load nothing, which removes what is loaded. */
		need(syscall(SYS_kexec_load, 0, 0, NULL, 0));
	} else if (!strcmp(name, "kexec")) {
		int fd = need(open(path, O_RDONLY));

		need(syscall(SYS_kexec_file_load, fd, -1, 1, "", KEXEC_FILE_NO_INITRAMFS));
	} else if (!strcmp(name, "load_firmware")) {
		load_firmware(path);
	} else if (!strcmp(name, "bpf_map")) {
		static union bpf_attr attributes;

		attributes.map_type = BPF_MAP_TYPE_ARRAY;
		attributes.key_size = attributes.value_size = 4;
		attributes.max_entries = 1;
		bpf(BPF_MAP_CREATE, &attributes);
	} else if (!strcmp(name, "bpf_list")) {
		static union bpf_attr attributes;

		bpf(BPF_BTF_GET_NEXT_ID, &attributes);
	} else if (!strcmp(name, "perf")) {
		struct perf_event_attr attributes = { .type = PERF_TYPE_SOFTWARE };

		attributes.size = PERF_ATTR_SIZE_VER5;
		attributes.config = PERF_COUNT_SW_CPU_CLOCK;
		need(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
	} else if (!strcmp(name, "io_uring")) {
		struct io_uring_params parameters = {};

		need(syscall(SYS_io_uring_setup, 1, &parameters));
	} else {
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const char *argument = argc > 2 ? argv[2] : "";

	if (!on_process(name, argument) && !on_identity(name, argument) &&
	    !on_memory(name, argument) && !on_kernel(name, argument))
		give_up("no such attempt");
	end(0);
}
