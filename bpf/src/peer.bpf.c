// SPDX-License-Identifier: GPL-2.0-only
/* Permits of accesses to sockets by address: see peer.bpf.h. */
#include "peer.bpf.h"
#include "emit.bpf.h"
#include "fast.bpf.h"
#include "images.bpf.h"

static __always_inline void enf_peer_fill(struct enf_peer_key *key, const struct enf_task *task,
					  const struct enf_access *a, __u32 set)
{
	key->generation = task->generation;
	key->addr_hi = a->present & ENF_BIT(ENF_DIM_ADDR) ? a->addr_hi : 0;
	key->addr_lo = a->present & ENF_BIT(ENF_DIM_ADDR) ? a->addr_lo : 0;
	key->present = a->present;
	key->family = a->family;
	key->type = a->type;
	key->protocol = a->protocol;
	key->port = a->port;
	*(__u32 *)key->op = *(const __u32 *)a->op;
	key->n_ops = a->n_ops;
	key->flags = a->flags;
	key->set = set;
}

static __always_inline struct enf_peer *enf_peer_of(const struct enf_peer_key *key)
{
	__u64 hash = (key->addr_lo ^ key->addr_hi ^ (__u64)key->port << 32 ^ key->op[0] ^
		      (__u64)key->set << 48) *
		     0x9e3779b97f4a7c15ULL;
	__u32 at = hash >> 32 & (ENF_PEERS - 1);

	return bpf_map_lookup_elem(&peers, &at);
}

/* Where a permit of the access is, or goes. NULL: the task's set has no number. */
static __always_inline struct enf_peer *
enf_peer_find(struct enf_peer_key *key, struct enf_task *task, const struct enf_access *a)
{
	__u32 set = enf_set_of(task);

	if (!set)
		return NULL;
	enf_peer_fill(key, task, a, set);
	return enf_peer_of(key);
}

static __always_inline int enf_is_peer_key(const struct enf_peer_key *a,
					   const struct enf_peer_key *b)
{
	return a->generation == b->generation && a->addr_hi == b->addr_hi &&
	       a->addr_lo == b->addr_lo && a->present == b->present && a->family == b->family &&
	       a->type == b->type && a->protocol == b->protocol && a->port == b->port &&
	       *(const __u32 *)a->op == *(const __u32 *)b->op && a->n_ops == b->n_ops &&
	       a->flags == b->flags && a->set == b->set;
}

__attribute__((noinline)) int enf_peer_permitted(struct enf_task *task, struct enf_access *a)
{
	struct enf_peer_key key = {};
	const struct enf_peer *e;
	__u32 version, row;

	if (!task || !a || enf_records || task->generation != enf_live)
		return 0;
	e = enf_peer_find(&key, task, a);
	if (!e)
		return 0;
	version = enf_in_order(&e->version);
	row = e->row;
	if ((version & 1) || !enf_is_peer_key(&e->key, &key) ||
	    enf_in_order(&e->version) != version)
		return 0;
	if (row != ENF_NONE)
		enf_hit(row, key.generation, 1);
	return 1;
}

__attribute__((noinline)) int enf_peer_remember(struct enf_scratch *s, struct enf_task *task,
						struct enf_access *a)
{
	const struct enf_image *image = enf_current_image();
	struct enf_peer_key key = {};
	struct enf_peer *e;
	__u32 version;

	if (!s || (s->met & ENF_MET_DOUBT) || !task || !a || !image || enf_records ||
	    image->generation != task->generation || a->n_ops != 1 ||
	    (image->within_ops & ENF_BIT(a->op[0] & 63)) || !enf_is_silent(s))
		return 0;
	e = enf_peer_find(&key, task, a);
	if (!e)
		return 0;
	if (!enf_begin_write(&e->version, &version))
		return 0;
	e->key = key;
	e->row = s->verdict.row;
	enf_end_write(&e->version, version);
	return 0;
}
