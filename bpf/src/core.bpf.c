// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an access to its verdict, for every hook: who acts, the fast way out, the object's names, the
 * decision, and what follows from it.
 *
 * Fail directions, all counted:
 *   no image                      allow: nothing has been asked for yet
 *   no label, no working memory   refuse (EPERM) if some row of the operation would refuse on error
 *                                 (image->refuse_ops), else allow: that is onError, coarsely
 *   path, name, argv unreadable   the row's onError
 *   record lost                   the verdict stands
 *   signal not delivered          the refusal stands
 */
#define ENF_RDONLY_CAST bpf_rdonly_cast___core
#include "act.h"
#include "admit.bpf.h"
#include "directory.bpf.h"
#include "drift.bpf.h"
#include "emit.bpf.h"
#include "fold.bpf.h"
#include "prefilter.bpf.h"
#include "marks.bpf.h"
#include "point_call.h"
#include "object.bpf.h"
#include "own_mount.bpf.h"
#include "peer.bpf.h"
#include "seen.bpf.h"
#include "view.bpf.h"

const volatile __u32 enf_image_bytes = 4096;
const volatile __u32 enf_host_mnt_ns = 0;
const volatile __u32 enf_rows = 1;
const volatile __u32 enf_carries = 0;
const volatile __u32 enf_records = 0;
const volatile __u32 enf_around = 0;
const volatile struct enf_place enf_places[ENF_PLACES] = {};
const volatile struct enf_cast enf_casts[ENF_CASTS] = {};
const volatile __u64 enf_rename_lock = 0;
const volatile __u64 enf_mount_lock = 0;
volatile __u64 enf_live SEC(".data.live") = ENF_NOT_LIVE;
volatile __u32 enf_dirs_gone SEC(".data.dirs") = 1;
volatile __u64 enf_settled SEC(".data.settled") = 0;
const volatile __u64 enf_abi_hash = ENF_ABI_HASH;
volatile __u8 enf_nothing = 0;

char LICENSE[] SEC("license") = "GPL";

static __always_inline __u64 enf_op_bits(const struct enf_access *a)
{
	__u64 bits = 0;

	for (__u32 i = 0; i < 4; i++)
		if (i < a->n_ops)
			bits |= ENF_BIT(a->op[i] & 63);
	return bits;
}

int enf_names_capability(__u32 capability)
{
	const struct enf_image *image = enf_current_image();

	return image && capability < 64 && (image->capabilities & ENF_BIT(capability));
}

int enf_concerned(__u64 ops)
{
	const struct enf_image *image = enf_current_image();

	return image && (image->ops & ops);
}

/* Around security_bprm_creds_from_file the capabilities are known only when the kernel asks no longer. */
static __always_inline int enf_soften(struct enf_scratch *s, const struct enf_access *a)
{
	if (!enf_around || a->op[0] != ENF_OP_EXEC_CREDS)
		return ENF_BEFORE;
	if (s->verdict.action >= ENF_ACT_DENY) {
		s->verdict.action = ENF_ACT_KILL;
		s->verdict.signal = 9;
	}
	return ENF_BY_KILL;
}

/* The label of the current task, made current, or unknown: counted. */
static __always_inline int enf_renew(const struct enf_image *image)
{
	struct enf_ctx c = { .image = (const void *)image };

	if (!image)
		return 0;
	enf_current(&c);
	if (c.s)
		enf_release(c.s);
	return 0;
}

__attribute__((noinline)) int enf_act_once(struct enf_access *a)
{
	const struct enf_image *image = enf_current_image();
	struct enf_ctx c = {};
	int error, unmounted;
	__u64 ops;

	if (!a)
		return 0;
	if (!a->n_ops)
		return enf_renew(image);
	ops = enf_op_bits(a);
	if (!enf_meet(&c, image, ops, &error))
		return error;
	if (a->is_file	     ? enf_recalled(c.task, a)
	    : enf_is_peer(a) ? enf_peer_permitted(c.task, a)
			     : 0) {
		if (c.s)
			enf_release(c.s);
		return 0;
	}
	if (!enf_make_room(&c, image, ops, &error))
		return error;
	enf_describe(c.s, a);
	if (a->present & ENF_BIT(ENF_DIM_FSTYPE))
		enf_describe_fstype(c.s, a->fstype);
	if (!a->dentry && (a->present & ~a->unknown & ENF_BIT(ENF_DIM_PATH)))
		enf_describe_exe(c.s, a->exe, a->exe_len);
	if ((enf_head(&c)->drift_ops & ops) || enf_records)
		enf_describe_drift(c.s, c.task, a);
	if (enf_head(&c)->within_ops & ops)
		enf_recall(c.s);
	/* Hooks of inodes know no mount: that by which the caller sees it, if it is not on the host. */
	unmounted = !a->mnt && (ops & (ENF_BIT(ENF_OP_SETXATTR) | ENF_BIT(ENF_OP_ATTRIBUTES)));
	if (unmounted)
		a->mnt = enf_own_mount(c.s, a->dentry);
	if (enf_decide_access(c.s, c.task, a) < 0) {
		error = ENF_AGAIN;
		if (unmounted)
			a->mnt = 0; /* the next try looks anew */
	} else {
		error = enf_conclude(c.s, c.task, enf_soften(c.s, a));
		if (c.s->verdict.marks && enf_mark(c.s, c.task->generation))
			error = error ? error : -ENF_EPERM;
		if (a->is_file)
			enf_remember(c.s, c.task, a);
		else if (enf_is_peer(a))
			enf_peer_remember(c.s, c.task, a);
		if (c.s->in_directory)
			enf_learn(c.s, c.task, a);
	}
	enf_release(c.s);
	return error;
}

/* ---- Loaded once for all hooks ------------------------------------------------------------- */

SEC("?freplace/enf_ask")
int enf_core(struct enf_access *access)
{
	return enf_act_once(access);
}

/* Not 0 if no row on the operations of *key* can match its file, whoever asks; or if its set may use it. */
SEC("?freplace/enf_prefilter")
int enf_core_prefilter(const struct enf_key *key)
{
	struct enf_key own;
	int found, is_name;

	if (!key)
		return 0;
	/* There a name may be none that a rule could have, and only the whole way to it tells. */
	if (enf_is_encrypted(key->dir))
		return 0;
	is_name = !!(ENF_BIT(key->pair & 63) & ENF_NAME_OPS);
	/* What the hook could not look up: files that are told by their name. */
	if (!is_name && !key->born) {
		own = *key;
		key = &own;
		if (enf_bear(&own) &&
		    (enf_is_plain(key, enf_pair_ops(key->pair)) || enf_permitted(key, 0)))
			return 1;
	}
	found = enf_by_directory(key);
	if (found)
		return found > 0;
	return is_name ? enf_prefilter_name(key) : enf_is_excluded(key);
}

SEC("?freplace/enf_ask_point")
int enf_core_point(struct enf_point_call *call, int how)
{
	return enf_point_once(call, how);
}
