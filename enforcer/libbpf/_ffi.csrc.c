/* SPDX-License-Identifier: MIT */
/*
 * The extension's own C: what libbpf offers only to C (its printer takes a va_list), and loops that
 * would be slow from Python. Holds no policy. Not thread safe: the engine has one thread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "_types.h"
#include "enforcer_abi.h"

/* ---- libbpf's messages --------------------------------------------------------------------- */

/* Room for the end of a verifier log, which is where it says what is wrong. */
#define ENF_LOG_SIZE 262144

static char log_text[ENF_LOG_SIZE];
static size_t log_used;
static unsigned long long log_lost;

/* Keep the last ENF_LOG_SIZE bytes of all that was said. */
static void log_append(const char *text, size_t len)
{
	size_t drop;

	if (len > sizeof(log_text)) {
		log_lost += len - sizeof(log_text);
		text += len - sizeof(log_text);
		len = sizeof(log_text);
	}
	if (log_used + len > sizeof(log_text)) {
		drop = log_used + len - sizeof(log_text);
		memmove(log_text, log_text + drop, log_used - drop);
		log_used -= drop;
		log_lost += drop;
	}
	memcpy(log_text + log_used, text, len);
	log_used += len;
}

static int log_print(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text;
	int len;

	if (level == LIBBPF_DEBUG)
		return 0;
	len = vasprintf(&text, format, args);
	if (len < 0) {
		log_lost += 1; /* no memory for a message: the error code is still reported */
		return 0;
	}
	log_append(text, len);
	free(text);
	return len;
}

static void enf_log_install(void)
{
	libbpf_set_print(log_print);
}

/* Move all text to *text* (ENF_LOG_SIZE bytes), and to *lost* how much was displaced before it. */
static size_t enf_log_take(char *text, unsigned long long *lost)
{
	size_t used = log_used;

	memcpy(text, log_text, used);
	*lost = log_lost;
	log_used = 0;
	log_lost = 0;
	return used;
}

/* ---- Objects ------------------------------------------------------------------------------- */

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/*
 * *types*: a file in memory that can be sealed, for the kernel's types that the object reads; written if it is empty.
 * -1: none. If it cannot be had, libbpf looks through all types of the kernel: it finds the same, and takes longer.
 */
static struct bpf_object *enf_object_open(const void *bytes, size_t size, const char *name,
					  int types)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name);
	struct bpf_object *opened;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", types);
	if (types < 0 || access(path, R_OK))
		return bpf_object__open_mem(bytes, size, &opts);
	opts.btf_custom_path = path;
	opened = bpf_object__open_mem(bytes, size, &opts);
	if (!opened || lseek(types, 0, SEEK_END))
		return opened;
	/* Sealed, so that nobody makes later loads read other places of the kernel. */
	if (!enf_types_write(opened, types) && !fcntl(types, F_ADD_SEALS, SEALS))
		return opened;
	bpf_object__close(opened);
	if (ftruncate(types, 0))
		return NULL;
	opts.btf_custom_path = NULL;
	return bpf_object__open_mem(bytes, size, &opts);
}

/* Returns: where the global variable *name* lies in the initial value of .rodata, or NULL. */
static void *global_find(struct bpf_object *obj, const char *name, size_t size)
{
	const struct btf *btf = bpf_object__btf(obj);
	struct bpf_map *map = bpf_object__find_map_by_name(obj, ".rodata");
	const struct btf_var_secinfo *var;
	const struct btf_type *section;
	size_t limit;
	char *base;
	int id;

	if (!btf || !map)
		return NULL;
	base = bpf_map__initial_value(map, &limit);
	id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	if (!base || id < 0)
		return NULL;
	section = btf__type_by_id(btf, id);
	var = btf_var_secinfos(section);
	for (int i = 0; i < btf_vlen(section); i++, var++) {
		const struct btf_type *type = btf__type_by_id(btf, var->type);

		if (strcmp(btf__name_by_offset(btf, type->name_off), name))
			continue;
		if (var->size != size || var->offset + size > limit)
			return NULL;
		return base + var->offset;
	}
	return NULL;
}

/* Returns: 0, or -ENOENT if the object has no variable of this name and size. */
static int enf_global_set(struct bpf_object *obj, const char *name, const void *value, size_t size)
{
	void *at = global_find(obj, name, size);

	if (!at)
		return -ENOENT;
	memcpy(at, value, size);
	return 0;
}

static int enf_global_get(struct bpf_object *obj, const char *name, void *value, size_t size)
{
	const void *at = global_find(obj, name, size);

	if (!at)
		return -ENOENT;
	memcpy(value, at, size);
	return 0;
}

/* ---- Functions of the kernel ------------------------------------------------------------------ */

/* Make an LSM program one that sits on *function* itself, *how* of enum bpf_attach_type. */
static int enf_put_around(struct bpf_program *prog, const char *function, unsigned int how)
{
	int err = bpf_program__set_type(prog, BPF_PROG_TYPE_TRACING);

	if (!err)
		err = bpf_program__set_expected_attach_type(prog, how);
	if (!err)
		err = bpf_program__set_attach_target(prog, 0, function);
	return err;
}

static const struct btf_type *prototype(const struct btf *btf, const char *function)
{
	int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);

	return id > 0 ? btf__type_by_id(btf, btf__type_by_id(btf, id)->type) : NULL;
}

/* Returns: 1 if both functions have the same arguments and result, 0 if not, -errno without BTF. */
static int enf_are_alike(const char *one, const char *other)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_type *a, *b;
	int alike;

	if (!btf)
		return -errno;
	a = prototype(btf, one);
	b = prototype(btf, other);
	alike = a && b && a->type == b->type && btf_vlen(a) == btf_vlen(b);
	for (int i = 0; alike && i < btf_vlen(a); i++)
		alike = btf_params(a)[i].type == btf_params(b)[i].type;
	btf__free(btf);
	return alike;
}

/* ---- Extension programs ------------------------------------------------------------------------ */

/* Returns: the number of the function *name* in the object's BTF, or a negative error. */
static int enf_function_id(const struct bpf_object *obj, const char *name)
{
	const struct btf *btf = bpf_object__btf(obj);

	return btf ? btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) : -ENOENT;
}

/* Returns: 1 if the loaded program has the function *id* of its BTF, 0 if not, or a negative error. */
static int enf_has_function(int prog_fd, unsigned int id)
{
	struct bpf_prog_info info = {};
	struct bpf_func_info *functions;
	__u32 size = sizeof(info), count, width;
	int err = bpf_obj_get_info_by_fd(prog_fd, &info, &size);

	if (err)
		return err;
	count = info.nr_func_info;
	width = info.func_info_rec_size;
	if (!count || width < sizeof(*functions))
		return 0;
	functions = calloc(count, width);
	if (!functions)
		return -ENOMEM;
	info = (struct bpf_prog_info){
		.nr_func_info = count,
		.func_info_rec_size = width,
		.func_info = (__u64)(unsigned long)functions,
	};
	size = sizeof(info);
	err = bpf_obj_get_info_by_fd(prog_fd, &info, &size);
	for (__u32 i = 0; !err && i < count; i++) {
		const struct bpf_func_info *one = (void *)((char *)functions + i * width);

		if (one->type_id == id) {
			err = 1;
			break;
		}
	}
	free(functions);
	return err;
}

/* Put an extension in the place of the function *id* of a program. Returns: the link, or a negative error. */
static int enf_extend(int extension_fd, int target_fd, unsigned int id)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .target_btf_id = id);

	return bpf_link_create(extension_fd, target_fd, 0, &opts);
}

/* ---- Maps and programs by descriptor ------------------------------------------------------- */

/* Attach a program to the entries of functions, or to their ends, with a cookie for each. */
static struct bpf_link *enf_attach_functions(const struct bpf_program *prog, const char **names,
					     const unsigned long long *cookies, unsigned int n,
					     int at_end)
{
	LIBBPF_OPTS(bpf_kprobe_multi_opts, opts, .syms = names, .cookies = (const __u64 *)cookies,
		    .cnt = n, .retprobe = at_end);

	return bpf_program__attach_kprobe_multi_opts(prog, NULL, &opts);
}

/*
 * Have a program for many functions loaded as one for a single function: the kernel tells them apart by the
 * type of attachment alone, which is 0 for the latter.
 */
static int enf_put_alone(struct bpf_program *prog)
{
	return bpf_program__set_expected_attach_type(prog, 0);
}

/* Attach a program that was loaded for it to one function, with a cookie. */
static struct bpf_link *enf_attach_function(const struct bpf_program *prog, const char *function,
					    unsigned long long cookie, int at_end)
{
	LIBBPF_OPTS(bpf_kprobe_opts, opts, .retprobe = at_end, .bpf_cookie = cookie);

	return bpf_program__attach_kprobe_opts(prog, function, &opts);
}

/* Attach a program to a tracepoint, with a cookie. */
static struct bpf_link *enf_attach_tracepoint(const struct bpf_program *prog, const char *category,
					      const char *event, unsigned long long cookie)
{
	LIBBPF_OPTS(bpf_tracepoint_opts, opts, .bpf_cookie = cookie);

	return bpf_program__attach_tracepoint_opts(prog, category, event, &opts);
}

static int enf_array_create(const char *name, unsigned int value_size)
{
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(__u32), value_size, 1, NULL);
}

struct enf_map_facts {
	unsigned int id;
	unsigned int value_size;
	unsigned int max_entries;
};

static int enf_map_facts(int fd, struct enf_map_facts *facts)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &size);

	if (err)
		return err;
	facts->id = info.id;
	facts->value_size = info.value_size;
	facts->max_entries = info.max_entries;
	return 0;
}

/* Mount a BPF file system as service managers do. */
static int enf_mount_bpf(const char *directory)
{
	if (mount("bpf", directory, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700"))
		return -errno;
	return 0;
}

/* Whether the kernel has this type of file systems; it loads the module of one that it does not have yet. */
static int enf_load_file_system(const char *type)
{
	long fd = syscall(SYS_fsopen, type, 0);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/*
 * Write the directories in *folder* to *out*, each as INODE/NAME with a zero byte behind it: how many bytes, or -ENOSPC
 * if there is no room for all. As folders of cgroups count the directories in them, one that has none is not read.
 */
static int enf_directories(const char *folder, char *out, size_t room)
{
	const struct dirent *entry;
	size_t used = 0;
	struct stat found;
	DIR *dir;

	if (stat(folder, &found))
		return -errno;
	if (found.st_nlink == 2)
		return 0;
	dir = opendir(folder);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		int length;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (entry->d_type == DT_UNKNOWN &&
		    (fstatat(dirfd(dir), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) ||
		     !S_ISDIR(found.st_mode)))
			continue;
		if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_DIR)
			continue;
		length = snprintf(out + used, room - used, "%llu/%s",
				  (unsigned long long)entry->d_ino, entry->d_name);
		if (length < 0 || used + (size_t)length + 1 > room) {
			closedir(dir);
			return -ENOSPC;
		}
		used += (size_t)length + 1;
	}
	closedir(dir);
	return (int)used;
}

/*
 * Open the cgroup of this *id* as a place (O_PATH), by *mount_fd*: any descriptor in the hierarchy. Its id is what the
 * kernel makes a handle of: FILEID_KERNFS, 0xfe, of linux/exportfs.h.
 */
static int enf_open_cgroup(int mount_fd, unsigned long long id)
{
	struct {
		unsigned int handle_bytes;
		int handle_type;
		unsigned long long id;
	} handle = { sizeof(id), 0xfe, id };
	long fd =
		syscall(SYS_open_by_handle_at, mount_fd, &handle, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

/* Be killed with the *parent*. It may have ended before the kernel knew: then its child has another one. */
static int enf_end_with(int parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	if (getppid() != parent)
		raise(SIGKILL);
	return 0;
}

/* Set the entries [first, first + count) of an array of *words* numbers each to zero. */
static int enf_array_clear(int fd, unsigned int first, unsigned int count, unsigned int words)
{
	unsigned long long *zero = calloc((size_t)count * words + 1, sizeof(*zero));
	__u32 *keys = calloc((size_t)count + 1, sizeof(*keys)), n = count;
	int err = zero && keys ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < count && !err; i++)
		keys[i] = first + i;
	if (!err && count)
		err = bpf_map_update_batch(fd, keys, zero, &n, NULL);
	free(keys);
	free(zero);
	return err;
}

/* Read the entries [first, first + count) of an array of *words* numbers each into values[count * words]. */
static int enf_array_read(int fd, unsigned int first, unsigned int count, unsigned int words,
			  unsigned long long *values)
{
	__u32 before = first - 1, last = 0, n = count;
	__u32 *keys = calloc((size_t)count + 1, sizeof(*keys));
	int err = keys ? 0 : -ENOMEM;

	memset(values, 0, (size_t)count * words * sizeof(*values));
	/* A batch begins behind a key. It ends with ENOENT where the map does. */
	if (!err && count)
		err = bpf_map_lookup_batch(fd, first ? &before : NULL, &last, keys, values, &n,
					   NULL);
	free(keys);
	return err == -ENOENT && n == count ? 0 : err;
}

/*
 * Read the entries [0, count) of a per-CPU array of one number each, of all possible CPUs, into values[cpus * count]:
 * entry after entry.
 */
static int enf_percpu_read(int fd, unsigned int count, unsigned long long *values)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;

	if (cpus < 0)
		return cpus;
	for (__u32 key = 0; key < count && !err; key++)
		err = bpf_map_lookup_elem(fd, &key, values + (size_t)key * cpus);
	return err;
}

/*
 * Add up, over all possible CPUs, the *words* 64-bit numbers of each of the entries
 * [first, first + count) of a per-CPU array into sums[count * words].
 */
static int enf_percpu_sum(int fd, unsigned int first, unsigned int count, unsigned int words,
			  unsigned long long *sums)
{
	int cpus = libbpf_num_possible_cpus();
	unsigned long long *values;
	int err = 0;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus * words, sizeof(*values));
	if (!values)
		return -ENOMEM;
	memset(sums, 0, (size_t)count * words * sizeof(*sums));
	for (unsigned int i = 0; i < count; i++) {
		__u32 key = first + i;

		err = bpf_map_lookup_elem(fd, &key, values);
		if (err)
			break;
		for (int cpu = 0; cpu < cpus; cpu++)
			for (unsigned int w = 0; w < words; w++)
				sums[i * words + w] += values[cpu * words + w];
	}
	free(values);
	return err;
}

/* bpf(2) with a command that libbpf has no function for. */
static int enf_bpf(int command, void *attributes, unsigned int size)
{
	long code = syscall(SYS_bpf, command, attributes, size);

	return code < 0 ? -errno : (int)code;
}

/* Run a SEC("syscall") program; the kernel copies the context back into *ctx*. */
static int enf_syscall_run(int fd, void *ctx, unsigned int size, unsigned int *result)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = ctx, .ctx_size_in = size);
	int err = bpf_prog_test_run_opts(fd, &opts);

	*result = opts.retval;
	return err;
}

/* ---- The heap ------------------------------------------------------------------------------ */

#define HEAP_LARGE (256 << 10)

/*
 * Keep large blocks out of the heap, for good: an image of some megabytes is copied a few times at a reload,
 * and glibc would move such blocks into the heap after the first, where small ones then hold them.
 *
 * Where huge pages are "always" given (Debian), the kernel fills what was given back between two small ones again.
 * A kernel that cannot leave this process out does so: it has more memory then, and nothing else.
 */
static void enf_heap_settle(void)
{
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, HEAP_LARGE);
#endif
}

/* Give back to the system what was freed. */
static void enf_heap_trim(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/* ---- Code ------------------------------------------------------------------------------------ */

#define SYSCALL_FIELD(field)                                                                       \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* The next *skip* statements only if the number is that. */
#define IF_NR(nr, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, skip)
#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES)
#define PERMIT BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* Protection is the third argument of each; its lower half is where the flags are, little-endian. */
#define REFUSE_EXECUTABLE(nr)                                                                      \
	IF_NR(nr, 4), SYSCALL_FIELD(args[2]),                                                      \
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1), REFUSE, PERMIT

/*
 * Let this process and its children map no more code and run no other program, for good. What it consists
 * of is mapped already; whatever would be loaded later (by dlopen, which the C library does of itself to
 * look names up) may be others'. Returns 0 or a negative errno; ENOSYS where this is not known to work.
 */
static int enf_close_code(void)
{
#ifdef __x86_64__
	struct sock_filter filter[] = {
		SYSCALL_FIELD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		REFUSE, /* nothing of ours makes calls of another architecture */
		SYSCALL_FIELD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), /* x32 */
		REFUSE,
		REFUSE_EXECUTABLE(SYS_mmap),
		REFUSE_EXECUTABLE(SYS_mprotect),
		REFUSE_EXECUTABLE(SYS_pkey_mprotect),
		IF_NR(SYS_execve, 1),
		REFUSE,
		IF_NR(SYS_execveat, 1),
		REFUSE,
		IF_NR(SYS_shmat, 1),
		REFUSE,
		IF_NR(SYS_personality, 1), /* readable memory could become executable */
		REFUSE,
		PERMIT,
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program))
		return -errno;
	return 0;
#else
	return -ENOSYS;
#endif
}

/* ---- Ring buffers -------------------------------------------------------------------------- */

#define RING_SOURCES 4
/* libbpf has consumed a record when it calls us, so room for the longest is always kept free. */
#define RING_LONGEST 65536

struct ring_source {
	struct enf_ring *ring;
	__u32 index;
};

struct enf_ring {
	struct ring_buffer *buffer;
	struct ring_source source[RING_SOURCES];
	unsigned long long oversized;
	size_t batch; /* stop after the record that reaches this */
	size_t used;
	char *records; /* batch + RING_LONGEST + 8 bytes: {u32 length, u32 source, bytes, pad to 8}… */
};

static int ring_sample(void *arg, void *bytes, size_t len)
{
	struct ring_source *source = arg;
	struct enf_ring *ring = source->ring;
	__u32 head[2] = { len, source->index };

	if (len > RING_LONGEST) {
		ring->oversized += 1; /* no program of ours writes one; counted, never silent */
		return 0;
	}
	memcpy(ring->records + ring->used, head, sizeof(head));
	memcpy(ring->records + ring->used + sizeof(head), bytes, len);
	ring->used += sizeof(head) + ((len + 7) & ~(size_t)7);
	return ring->used >= ring->batch ? -EAGAIN : 0;
}

static void enf_ring_free(struct enf_ring *ring)
{
	if (!ring)
		return;
	ring_buffer__free(ring->buffer);
	free(ring->records);
	free(ring);
}

/* Read the ring buffer maps *fds*; earlier ones are emptied first. NULL sets errno. */
static struct enf_ring *enf_ring_new(const int *fds, unsigned int n, size_t batch)
{
	struct enf_ring *ring = NULL;
	int err = -EINVAL;

	if (!n || n > RING_SOURCES)
		goto fail;
	ring = calloc(1, sizeof(*ring));
	err = -ENOMEM;
	if (!ring)
		goto fail;
	ring->batch = batch;
	ring->records = malloc(batch + RING_LONGEST + 8);
	if (!ring->records)
		goto fail;
	for (unsigned int i = 0; i < n; i++) {
		ring->source[i] = (struct ring_source){ .ring = ring, .index = i };
		if (i == 0) {
			ring->buffer = ring_buffer__new(fds[0], ring_sample, ring->source, NULL);
			err = ring->buffer ? 0 : -errno;
		} else {
			err = ring_buffer__add(ring->buffer, fds[i], ring_sample, ring->source + i);
		}
		if (err)
			goto fail;
	}
	return ring;
fail:
	enf_ring_free(ring);
	errno = -err;
	return NULL;
}

static int enf_ring_fd(const struct enf_ring *ring)
{
	return ring_buffer__epoll_fd(ring->buffer);
}

/*
 * Take what is there, up to the batch size, into *records*, valid until the next call.
 * Returns: bytes, 0 when empty, or a negative error.
 */
static long enf_ring_drain(struct enf_ring *ring, const char **records)
{
	int err;

	ring->used = 0;
	err = ring_buffer__consume(ring->buffer);
	*records = ring->records;
	return err < 0 && err != -EAGAIN ? err : (long)ring->used;
}

static unsigned long long enf_ring_oversized(const struct enf_ring *ring)
{
	return ring->oversized;
}
