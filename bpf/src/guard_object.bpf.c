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

#define ENF_UPROBE_MULTI 48   /* of bpf_attach_type (v6.6) */
#define ENF_UPROBE_SESSION 57 /* (v6.13) */

/*
 * A link that puts probes into user space: see enf_guard_perf_open. Here, too, the file is named by a path in the
 * caller's memory.
 */
static __noinline int enf_guard_link_made(const struct enf_guard *g, const union bpf_attr *attr)
{
	__u32 create[3] = {}; /* program, target, kind */

	if (!g || !enf_is_outsider(g))
		return 0;
	if (bpf_probe_read_kernel(create, sizeof(create), attr))
		create[2] = ENF_UPROBE_MULTI; /* what cannot be read is refused */
	if (create[2] != ENF_UPROBE_MULTI && create[2] != ENF_UPROBE_SESSION)
		return 0;
	return enf_refuse(ENF_GUARD_PROBE, 0, 0);
}

/* ---- The key ------------------------------------------------------------------------------ */

#define ENF_SHA_WORDS 16 /* of a block; a key and its padding fill one */

static const __u32 enf_sha_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

struct enf_sha {
	__u32 w[ENF_SHA_WORDS]; /* the last words of the schedule, each at its number modulo 16 */
	__u32 s[8];
};

static __always_inline __u32 enf_rotate(__u32 x, __u32 by)
{
	return x >> by | x << (32 - by);
}

/* FIPS 180-4, 6.2.2: one round. */
static long enf_sha_round(__u32 i, void *arg)
{
	struct enf_sha *c = arg;
	__u32 at = i & (ENF_SHA_WORDS - 1), *s = c->s, w, w2, w15, one, two;

	w = c->w[at];
	if (i >= ENF_SHA_WORDS) {
		w2 = c->w[(i - 2) & (ENF_SHA_WORDS - 1)];
		w15 = c->w[(i - 15) & (ENF_SHA_WORDS - 1)];
		w += (enf_rotate(w15, 7) ^ enf_rotate(w15, 18) ^ w15 >> 3) +
		     c->w[(i - 7) & (ENF_SHA_WORDS - 1)] +
		     (enf_rotate(w2, 17) ^ enf_rotate(w2, 19) ^ w2 >> 10);
		c->w[at] = w;
	}
	one = s[7] + (enf_rotate(s[4], 6) ^ enf_rotate(s[4], 11) ^ enf_rotate(s[4], 25)) +
	      ((s[4] & s[5]) ^ (~s[4] & s[6])) + enf_sha_k[i & 63] + w;
	two = (enf_rotate(s[0], 2) ^ enf_rotate(s[0], 13) ^ enf_rotate(s[0], 22)) +
	      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
	s[7] = s[6];
	s[6] = s[5];
	s[5] = s[4];
	s[4] = s[3] + one;
	s[3] = s[2];
	s[2] = s[1];
	s[1] = s[0];
	s[0] = one + two;
	return 0;
}

/* Is the SHA-256 of the 32 bytes *key* what the owner left? Whoever reads that does not have the key. */
static __noinline int enf_is_key(const struct enf_guard *g, const struct enf_knock *knock)
{
	static const __u32 begin[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	struct enf_sha c = {};
	const __u32 *wanted;
	__u32 differs = 0;

	if (!g || !knock)
		return 0;
	for (int i = 0; i < 8; i++) {
		__u32 word = 0;

		__builtin_memcpy(&word, knock->key + 4 * i, sizeof(word));
		c.w[i] = __builtin_bswap32(word);
		c.s[i] = begin[i];
	}
	c.w[8] = 0x80000000;
	c.w[15] = sizeof(knock->key) * 8;
	bpf_loop(64, enf_sha_round, &c, 0);
	wanted = (const __u32 *)g->verifier;
	for (int i = 0; i < 8; i++)
		differs |= __builtin_bswap32(begin[i] + c.s[i]) ^ wanted[i];
	return !differs;
}

static __noinline int enf_answer_knock(struct enf_guard *g, const struct enf_knock *knock)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u32 order;

	if (!g || !knock)
		return -ENF_EPERM;
	order = knock->order;
	if (order == ENF_KNOCK_ASK)
		return !enf_is_stranger(g) ? 0 : g->keyed ? -ENF_ENOKEY : -ENF_EPERM;
	if (order != ENF_KNOCK_CLAIM && order != ENF_KNOCK_RELEASE)
		return 0;
	if (!g->keyed)
		return enf_is_stranger(g) ? -ENF_EPERM : 0;
	if (!enf_is_key(g, knock)) {
		enf_refuse(ENF_GUARD_KEY, 0, 0);
		return -ENF_EKEYREJECTED;
	}
	if (order == ENF_KNOCK_RELEASE) {
		if (g->owner_tgid)
			return -ENF_EBUSY;
		g->armed_ns = 0;
		return 0;
	}
	g->keeper_start = t->group_leader->start_boottime;
	g->keeper_tgid = t->tgid;
	return 0;
}

/* No *ret*: its place differs (v6.15 added an argument), and a hook that an earlier program refused is
 * not called. By id the answer is that there is none: tools that list everything then go on.
 *
 * Of a knock that is answered well the kernel says that it does not know this command, once the guards
 * of all sessions have heard it.
 */
SEC("lsm/bpf")
int BPF_PROG(enf_guard_bpf, int cmd, union bpf_attr *attr, unsigned int size)
{
	struct enf_guard *g = enf_guard_state();
	__u32 first = 0;

	if (!g)
		return 0;
	if (cmd == ENF_KNOCK) {
		struct enf_knock knock = {};

		/* What cannot be read is not a key. */
		bpf_probe_read_kernel(&knock, sizeof(knock), attr);
		return enf_answer_knock(g, &knock);
	}
	if (cmd == BPF_LINK_CREATE)
		return enf_guard_link_made(g, attr);
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
	if (!enf_is_outsider(g) || prog->aux->load_time < g->armed_ns)
		return 0;
	if (enf_is_dangerous(g, prog) || enf_uses_ours(prog))
		return enf_refuse(ENF_GUARD_LOAD, id, 0);
	return 0;
}
