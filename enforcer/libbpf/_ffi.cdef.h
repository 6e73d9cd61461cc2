/* SPDX-License-Identifier: MIT */
/*
 * What the extension uses of libbpf, and the helpers of _ffi.csrc.c. Read by cffi after the ABI
 * header; "..." is filled in by the C compiler.
 */

/* ---- libbpf: objects, programs, maps, links ------------------------------------------------ */

struct bpf_object;
struct bpf_program;
struct bpf_map;
struct bpf_link;

enum bpf_map_type { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_RINGBUF, ... };
enum bpf_prog_type { BPF_PROG_TYPE_KPROBE, BPF_PROG_TYPE_SYSCALL, ... };
enum bpf_attach_type { BPF_MODIFY_RETURN, BPF_TRACE_FENTRY, BPF_TRACE_FEXIT, ... };
enum bpf_func_id { BPF_FUNC_loop, ... };

#define BPF_ANY ...
#define LIBBPF_MAJOR_VERSION ...
#define LIBBPF_MINOR_VERSION ...

unsigned int libbpf_major_version(void);
unsigned int libbpf_minor_version(void);
int libbpf_strerror(int err, char *buf, size_t size);
int libbpf_num_possible_cpus(void);
int libbpf_probe_bpf_helper(enum bpf_prog_type type, enum bpf_func_id helper, const void *opts);
int libbpf_probe_bpf_prog_type(enum bpf_prog_type type, const void *opts);

int bpf_object__load(struct bpf_object *obj);
void bpf_object__close(struct bpf_object *obj);
struct bpf_program *bpf_object__next_program(const struct bpf_object *obj,
					     struct bpf_program *prog);
struct bpf_map *bpf_object__next_map(const struct bpf_object *obj, const struct bpf_map *map);

const char *bpf_program__name(const struct bpf_program *prog);
const char *bpf_program__section_name(const struct bpf_program *prog);
int bpf_program__fd(const struct bpf_program *prog);
int bpf_program__set_autoload(struct bpf_program *prog, bool autoload);
int bpf_program__set_attach_target(struct bpf_program *prog, int attach_prog_fd,
				   const char *attach_func_name);
struct bpf_link *bpf_program__attach(const struct bpf_program *prog);
struct bpf_link *bpf_program__attach_trace(const struct bpf_program *prog);
struct bpf_link *bpf_program__attach_raw_tracepoint(const struct bpf_program *prog,
						    const char *tp_name);

const char *bpf_map__name(const struct bpf_map *map);
int bpf_map__fd(const struct bpf_map *map);
unsigned int bpf_map__type(const struct bpf_map *map);
unsigned int bpf_map__map_flags(const struct bpf_map *map);
unsigned int bpf_map__key_size(const struct bpf_map *map);
unsigned int bpf_map__value_size(const struct bpf_map *map);
unsigned int bpf_map__max_entries(const struct bpf_map *map);
int bpf_map__set_max_entries(struct bpf_map *map, unsigned int max_entries);
int bpf_map__set_inner_map_fd(struct bpf_map *map, int fd);
int bpf_map__reuse_fd(struct bpf_map *map, int fd);

int bpf_link__fd(const struct bpf_link *link);
int bpf_link__destroy(struct bpf_link *link);
int bpf_iter_create(int link_fd);

/* ---- libbpf: system calls ------------------------------------------------------------------ */

int bpf_map_lookup_elem(int fd, const void *key, void *value);
int bpf_map_update_elem(int fd, const void *key, const void *value, unsigned long long flags);
int bpf_map_delete_elem(int fd, const void *key);
int bpf_map_freeze(int fd);
int bpf_map_get_fd_by_id(unsigned int id);
int bpf_obj_pin(int fd, const char *path);
int bpf_obj_get(const char *path);

/* ---- Helpers of _ffi.csrc.c ---------------------------------------------------------------- */

#define ENF_ABI_HASH ...
#define ENF_LOG_SIZE ...

void enf_heap_settle(void);
void enf_heap_trim(void);
int enf_close_code(void);

void enf_log_install(void);
size_t enf_log_take(char *text, unsigned long long *lost);

struct bpf_object *enf_object_open(const void *bytes, size_t size, const char *name, int types);
int enf_global_set(struct bpf_object *obj, const char *name, const void *value, size_t size);
int enf_global_get(struct bpf_object *obj, const char *name, void *value, size_t size);

int enf_put_around(struct bpf_program *prog, const char *function, unsigned int how);
int enf_are_alike(const char *one, const char *other);
int enf_function_id(const struct bpf_object *obj, const char *name);
int enf_has_function(int prog_fd, unsigned int id);
int enf_extend(int extension_fd, int target_fd, unsigned int id);
int enf_put_alone(struct bpf_program *prog);
struct bpf_link *enf_attach_function(const struct bpf_program *prog, const char *function,
				     unsigned long long cookie, int at_end);
struct bpf_link *enf_attach_functions(const struct bpf_program *prog, const char **names,
				      const unsigned long long *cookies, unsigned int n, int at_end);
struct bpf_link *enf_attach_tracepoint(const struct bpf_program *prog, const char *category,
				       const char *event, unsigned long long cookie);
int enf_array_create(const char *name, unsigned int value_size);
struct enf_map_facts {
	unsigned int id;
	unsigned int value_size;
	unsigned int max_entries;
};

int enf_map_facts(int fd, struct enf_map_facts *facts);
int enf_mount_bpf(const char *directory);
int enf_load_file_system(const char *type);
int enf_directories(const char *folder, char *out, size_t room);
int enf_open_cgroup(int mount_fd, unsigned long long id);
int enf_end_with(int parent);
int enf_array_clear(int fd, unsigned int first, unsigned int count, unsigned int words);
int enf_array_read(int fd, unsigned int first, unsigned int count, unsigned int words,
		   unsigned long long *values);
int enf_percpu_read(int fd, unsigned int count, unsigned long long *values);
int enf_percpu_sum(int fd, unsigned int first, unsigned int count, unsigned int words,
		   unsigned long long *sums);
int enf_bpf(int command, void *attributes, unsigned int size);
int enf_syscall_run(int fd, void *ctx, unsigned int size, unsigned int *result);

struct enf_ring;
struct enf_ring *enf_ring_new(const int *fds, unsigned int n, size_t batch);
int enf_ring_fd(const struct enf_ring *ring);
long enf_ring_drain(struct enf_ring *ring, const char **records);
unsigned long long enf_ring_oversized(const struct enf_ring *ring);
void enf_ring_free(struct enf_ring *ring);
