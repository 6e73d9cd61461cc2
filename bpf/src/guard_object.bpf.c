// SPDX-License-Identifier: GPL-2.0-only
/* Self-protection: the engine's maps, programs and links, and the programs that others load. */
#include "guard.bpf.h"

/* ---- Objects ------------------------------------------------------------------------------ */

static __always_inline int enf_guard_id(__u32 kind, __u32 id, __u32 quiet)
{
	struct enf_attempt a = { .act = kind, .target = id, .quiet = quiet };

	if (!enf_is_guarded(enf_guard_key(kind, id)))
		return 0;
	enf_guard_refuse(&a);
	return 1;
}

/* Is the program at this address, or the object that it belongs to, the engine's? */
static __always_inline int enf_is_our_program(__u64 prog)
{
	__u64 aux = 0;
	__u32 id = 0;

	enf_read(aux, prog + enf_offset(struct bpf_prog, aux));
	enf_read(id, aux + enf_offset(struct bpf_prog_aux, id));
	return aux && (enf_is_guarded(aux) || enf_is_guarded(enf_guard_key(ENF_GUARD_PROGRAM, id)));
}

static __always_inline int enf_guard_link(__u32 fd)
{
	__u64 file = enf_file_of(fd), link = 0, prog = 0;
	struct enf_attempt a = { .act = ENF_GUARD_LINK };
	__u32 id = 0;

	/* No link: then this is not the address of one of our programs either. */
	enf_read(link, file + enf_offset(struct file, private_data));
	enf_read(prog, link + enf_offset(struct bpf_link, prog));
	if (!file || !link || !enf_is_our_program(prog))
		return 0;
	enf_read(id, link + enf_offset(struct bpf_link, id));
	a.target = id;
	enf_guard_refuse(&a);
	return 1;
}

/* No *ret*: its place differs (v6.15 added an argument), and a hook that an earlier program refused is
 * not called. By id the answer is that there is none: tools that list everything then go on.
 */
SEC("lsm/bpf")
int BPF_PROG(enf_guard_bpf, int cmd, union bpf_attr *attr, unsigned int size)
{
	struct enf_guard *g = enf_guard_state();
	__u32 first = 0;

	if (!g)
		return 0;
	if (cmd != BPF_PROG_GET_FD_BY_ID && cmd != BPF_MAP_GET_FD_BY_ID &&
	    cmd != BPF_LINK_GET_FD_BY_ID && cmd != BPF_LINK_DETACH && cmd != BPF_LINK_UPDATE)
		return 0;
	if (!enf_is_stranger(g))
		return 0;
	/* the id, or the descriptor of the link: both begin their member of the union */
	bpf_probe_read_kernel(&first, sizeof(first), attr);
	if (cmd == BPF_MAP_GET_FD_BY_ID)
		return enf_guard_id(ENF_GUARD_MAP, first, 1) ? -ENF_ENOENT : 0;
	if (cmd == BPF_PROG_GET_FD_BY_ID)
		return enf_guard_id(ENF_GUARD_PROGRAM, first, 1) ? -ENF_ENOENT : 0;
	if (cmd == BPF_LINK_GET_FD_BY_ID)
		return enf_guard_id(ENF_GUARD_LINK, first, 1) ? -ENF_ENOENT : 0;
	return enf_guard_link(first) ? -ENF_EPERM : 0;
}

/* Reading, too: a program loaded with a descriptor for reading may write all the same. */
SEC("lsm/bpf_map")
int BPF_PROG(enf_guard_map, struct bpf_map *map, unsigned int mode, int ret)
{
	struct enf_guard *g = enf_guard_state();
	__u64 address = enf_address(map), id;

	if (ret || !g)
		return ret;
	id = map->id;
	if (!enf_is_stranger(g)) {
		__u64 key = enf_guard_key(ENF_GUARD_MAP, id);
		__u64 *known = bpf_map_lookup_elem(&guarded, &address), none = 0;

		/* The owner has just made it, and now it has an id. Lists shall not stumble over it. */
		if (known && !*known && id) {
			*known = id;
			bpf_map_update_elem(&guarded, &key, &none, BPF_ANY);
		}
		return 0;
	}
	if (enf_is_guarded(address) || enf_is_guarded(enf_guard_key(ENF_GUARD_MAP, id)))
		return enf_refuse(ENF_GUARD_MAP, id, 0);
	return 0;
}

/* Note what the owner makes, before it can be found by anyone. */
static __always_inline int enf_guard_made(__u64 address)
{
	struct enf_guard *g = enf_guard_state();
	__u64 unknown = 0;

	if (!g || !g->owner_tgid || !enf_is_owner(g))
		return 0;
	/* one that cannot be protected is not made */
	return bpf_map_update_elem(&guarded, &address, &unknown, BPF_ANY) ? -ENF_ENOMEM : 0;
}

static __always_inline int enf_guard_freed(__u64 address, __u32 kind)
{
	__u64 *known = bpf_map_lookup_elem(&guarded, &address), key;

	if (!known)
		return 0;
	key = enf_guard_key(kind, *known);
	bpf_map_delete_elem(&guarded, &key);
	bpf_map_delete_elem(&guarded, &address);
	return 0;
}

/* Before v6.9 (a2431c7eabcf7, "bpf,lsm: Refactor bpf_map_alloc/bpf_map_free LSM hooks"). */
SEC("lsm/bpf_map_alloc_security")
int BPF_PROG(enf_guard_map_alloc, struct bpf_map *map, int ret)
{
	return ret ? ret : enf_guard_made(enf_address(map));
}

SEC("lsm/bpf_map_create")
int BPF_PROG(enf_guard_map_create, struct bpf_map *map)
{
	return enf_guard_made(enf_address(map));
}

SEC("lsm/bpf_map_free_security")
int BPF_PROG(enf_guard_map_freed, struct bpf_map *map)
{
	return enf_guard_freed(enf_address(map), ENF_GUARD_MAP);
}

SEC("lsm/bpf_map_free")
int BPF_PROG(enf_guard_map_free, struct bpf_map *map)
{
	return enf_guard_freed(enf_address(map), ENF_GUARD_MAP);
}

SEC("lsm/bpf_prog_alloc_security")
int BPF_PROG(enf_guard_prog_alloc, struct bpf_prog_aux *aux, int ret)
{
	return ret ? ret : enf_guard_made(enf_address(aux));
}

SEC("lsm/bpf_prog_load")
int BPF_PROG(enf_guard_prog_load, struct bpf_prog *prog)
{
	return enf_guard_made(enf_address(prog->aux));
}

SEC("lsm/bpf_prog_free_security")
int BPF_PROG(enf_guard_prog_freed, struct bpf_prog_aux *aux)
{
	return enf_guard_freed(enf_address(aux), ENF_GUARD_PROGRAM);
}

SEC("lsm/bpf_prog_free")
int BPF_PROG(enf_guard_prog_free, struct bpf_prog *prog)
{
	return enf_guard_freed(enf_address(prog->aux), ENF_GUARD_PROGRAM);
}

/* ---- Programs of others ------------------------------------------------------------------- */

#define ENF_INSNS 8 /* read at once */
#define ENF_INSNS_MAX 1000000

struct enf_scan {
	const struct enf_guard *guard;
	__u64 insns;
	__u32 len;
	__u32 found;
};

static long enf_scan_one(__u32 i, void *arg)
{
	struct enf_scan *scan = arg;
	const struct enf_guard *g = scan->guard;
	__u64 insns[ENF_INSNS];
	__u32 at = i * ENF_INSNS, found = 0;

	if (at >= scan->len)
		return 1;
	if (bpf_probe_read_kernel(insns, sizeof(insns), (const void *)(scan->insns + at * 8))) {
		/* the end of a program lies at the end of mapped memory: the last ones singly */
		for (int k = 0; k < ENF_INSNS; k++) {
			insns[k] = 0;
			if (at + k < scan->len &&
			    bpf_probe_read_kernel(&insns[k], 8,
						  (const void *)(scan->insns + (at + k) * 8)))
				found = 1; /* what cannot be read is refused */
		}
	}
	for (int k = 0; k < ENF_INSNS; k++) {
		__u8 code = insns[k], source = insns[k] >> 12 & 0xf;
		__u32 imm = insns[k] >> 32;

		if (code != (BPF_JMP | BPF_CALL) || at + k >= scan->len)
			continue;
		if (!source && (imm == g->calls[0] || imm == g->calls[1] || imm == g->calls[2] ||
				imm == g->calls[3]))
			found = 1;
		if (source == BPF_PSEUDO_KFUNC_CALL && g->kfunc &&
		    (imm == g->kfunc || imm == g->kfunc_call))
			found = 1;
	}
	if (!found)
		return 0;
	scan->found = 1;
	return 1;
}

/* Does this program call what could end the daemon, or is it of a kind that comes before ours? */
static __always_inline int enf_is_dangerous(const struct enf_guard *g, struct bpf_prog *prog)
{
	struct enf_scan scan = { .guard = g, .len = prog->len };
	__u32 type = prog->type, attach = prog->expected_attach_type;
	const struct bpf_prog_aux___write *write = (const void *)prog->aux;

	/* Of two programs on a hook the later one runs first and may end it, also by a positive
	 * number that some callers take for a yes. The same for programs that modify return values.
	 */
	if (type == BPF_PROG_TYPE_LSM ||
	    (type == BPF_PROG_TYPE_TRACING && attach == BPF_MODIFY_RETURN))
		return 1;
	if (bpf_core_field_exists(((struct bpf_prog_aux___write *)0)->kprobe_write_ctx)) {
		_Bool writes = 0;

		bpf_core_read(&writes, sizeof(writes), &write->kprobe_write_ctx);
		if (writes)
			return 1;
	}
	if (g->blind)
		return type == BPF_PROG_TYPE_KPROBE || type == BPF_PROG_TYPE_TRACEPOINT ||
		       type == BPF_PROG_TYPE_PERF_EVENT || type == BPF_PROG_TYPE_RAW_TRACEPOINT ||
		       type == BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE ||
		       type == BPF_PROG_TYPE_TRACING;
	if (scan.len > ENF_INSNS_MAX)
		return 1;
	scan.insns = enf_address(prog) + enf_offset(struct bpf_prog, insnsi);
	bpf_loop(ENF_INSNS_MAX / ENF_INSNS + 1, enf_scan_one, &scan, 0);
	return scan.found;
}

struct enf_used {
	__u64 maps;
	__u32 count;
	__u32 found;
};

static long enf_used_one(__u32 i, void *arg)
{
	struct enf_used *used = arg;
	__u64 map = 0;
	__u32 id = 0;

	if (i >= used->count)
		return 1;
	enf_read(map, used->maps + i * sizeof(map));
	enf_read(id, map + enf_offset(struct bpf_map, id));
	if (!enf_is_guarded(map) && !enf_is_guarded(enf_guard_key(ENF_GUARD_MAP, id)))
		return 0;
	used->found = 1;
	return 1;
}

/* Was it made with one of our objects, by a descriptor from before these were protected? */
static __always_inline int enf_uses_ours(struct bpf_prog *prog)
{
	struct enf_used used = {
		.maps = (__u64)prog->aux->used_maps,
		.count = prog->aux->used_map_cnt,
	};
	__u64 target = 0;

	bpf_core_read(&target, sizeof(target), &prog->aux->dst_prog);
	if (target && enf_is_our_program(target))
		return 1;
	bpf_loop(1024, enf_used_one, &used, 0);
	return used.found;
}

/*
 * Called whenever a descriptor of a program is made: after verification for a new one, so that its
 * instructions are final. Programs that were loaded before the guard was armed are not judged.
 */
SEC("lsm/bpf_prog")
int BPF_PROG(enf_guard_prog, struct bpf_prog *prog, int ret)
{
	struct enf_guard *g = enf_guard_state();
	__u64 aux = enf_address(prog->aux), key, *known, none = 0;
	__u32 id = prog->aux->id;

	if (ret || !g)
		return ret;
	key = enf_guard_key(ENF_GUARD_PROGRAM, id);
	if (!enf_is_stranger(g)) {
		known = bpf_map_lookup_elem(&guarded, &aux);
		if (known && !*known && id) {
			*known = id;
			bpf_map_update_elem(&guarded, &key, &none, BPF_ANY);
		}
		return 0;
	}
	if (enf_is_guarded(aux) || enf_is_guarded(key))
		return enf_refuse(ENF_GUARD_PROGRAM, id, 0);
	if (!enf_is_meddler(g) || prog->aux->load_time < g->armed_ns)
		return 0;
	if (enf_is_dangerous(g, prog) || enf_uses_ours(prog))
		return enf_refuse(ENF_GUARD_LOAD, id, 0);
	return 0;
}
