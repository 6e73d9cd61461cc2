/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map of the engine but arguments.h's. Weak: the linker makes one of the copies in each translation unit.
 * Sizes given here are placeholders where the loader sets them from the policy and the machine.
 */
#ifndef ENFORCER_MAPS_H
#define ENFORCER_MAPS_H

#include "kernel.h"
#include "image.h"

/* Set before load. */
extern const volatile __u32 enf_image_bytes; /* value size of the image map */
extern const volatile __u32 enf_rows;	     /* half the entries of hits */
extern const volatile __u32 enf_carries;     /* not 0: tasks_before holds labels */
extern const volatile __u32 enf_records;     /* not 0: this session records, see record.bpf.h */
extern const volatile __u64 enf_rename_lock; /* address of the kernel's lock; 0: it is hidden */
extern const volatile __u64 enf_mount_lock;  /* likewise */
extern const volatile struct enf_place enf_places[ENF_PLACES];
extern const volatile struct enf_cast enf_casts[ENF_CASTS];
/* Bytes that wait in a ring from which on it is crowded: see repeats.bpf.h. */
extern const volatile __u32 enf_crowded_decisions;
extern const volatile __u32 enf_crowded_activity;
extern const volatile __u32 enf_around; /* not 0: around security_* functions, see around.bpf.h */

/*
 * 0, which the verifier must not know: what the function of a bpf_loop() counts begins with it. Before v6.7
 * ("bpf: verify callbacks as if they are called unknown number of times") the verifier goes through such a
 * function once: of a count that it sees begin at 0 it knows what it is afterwards, and takes out what would be
 * done with others.
 */
extern volatile __u8 enf_nothing;

/* The active policy. User space writes an idle image, then replaces the current entry: that is the
 * commit.
 */
struct enf_image_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ENF_IMAGES);
	__type(key, __u32);
	__array(values, struct enf_image_map);
} images __weak SEC(".maps");

/* Whether anybody holds the engine, see stub.bpf.c; nothing is in it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} held __weak SEC(".maps");

/* Working memory. Not per CPU: programs may be preempted by others on the same CPU, and the memory would grow with
 * processors; a piece is who has claimed it. See scratch.bpf.h.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENF_SCRATCHES);
	__type(key, __u32);
	__type(value, struct enf_scratch);
} scratches __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct enf_task);
} tasks __weak SEC(".maps");

/* The labels that an earlier engine kept, where user space puts its map in this one's place. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct enf_task);
} tasks_before __weak SEC(".maps");

/* Who called exec for a loader, as long as that has ENF_SF_LOADER: see loader.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct enf_task);
} callers __weak SEC(".maps");

/* What is known of the code of a process, with its first thread: see code.bpf.h. */
struct enf_code {
	__u64 state; /* ENF_CODE_* */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct enf_code);
} code __weak SEC(".maps");

/* The mount by which a task last asked to write: see write_access.bpf.c. */
struct enf_write_access {
	__u64 mnt; /* struct vfsmount; held for as long as the task may write */
	__u64 sb;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct enf_write_access);
} write_access __weak SEC(".maps");

/* Cgroups whose paths a recording has; a recording session makes room. What finds no memory is told once more. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* or each processor has an element to spare */
	__type(key, __u64);
	__type(value, __u8);
} cgroups_told __weak SEC(".maps");

/* What the daemon leaves for its successor; no program reads it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct enf_notes);
} notes __weak SEC(".maps");

#define ENF_SB_NONE 0 /* as a key: the entry's *mount* is the host's mount namespace */

/* The host's oldest mount of a superblock, which stood when mount_lock's sequence was *seq*. */
struct enf_sb_mount {
	__u64 mount; /* address */
	__u64 id;    /* enf_mount_id */
	__u64 root;  /* dentry */
	__u32 seq;
	__u8 is_whole; /* its root is the superblock's */
	__u8 folds;    /* enf_may_fold */
	__u16 place;   /* enf_place_of */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, __u64);
	__type(value, struct enf_sb_mount);
} superblocks __weak SEC(".maps");

/*
 * The way to a superblock's root, for the prefilter: what the components above it come to. Direct mapped, and
 * written and read like what follows. It holds for one generation and one value of both counters.
 */
#define ENF_WAYS 256

#define ENF_WAY_LONG 0 /* something above is what a pattern is about: the long way must decide */
#define ENF_WAY_OPEN 1 /* nothing is; what lies below may be */
#define ENF_WAY_EXCLUDED 2 /* no pattern is as long: nothing is about what lies below */

struct enf_way {
	__u32 version;
	__u32 state;
	__u64 generation;
	__u64 sb;
	__u64 mnt; /* the host's struct vfsmount */
	__u64 root;
	__u64 hash;
	__u32 len;
	__u32 renames;
	__u32 mounts;
	__u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENF_WAYS);
	__type(key, __u32);
	__type(value, struct enf_way);
} ways __weak SEC(".maps");

/*
 * Directories in which a pattern met a name that was made or taken away, of late: the prefilter is not asked about the
 * next one. What stands there decides nothing, and may be of another.
 */
#define ENF_MET_DIRS 256

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENF_MET_DIRS);
	__type(key, __u32);
	__type(value, __u64);
} met_dirs __weak SEC(".maps");

/*
 * What was found of files, each as it was when that was found: that no row on paths is about it, whoever asks; or
 * that a set of subjects may use it, and nothing else comes of that. Direct mapped, so that its size is bounded.
 * An entry is written by who gets its version odd, and read between two looks at an even one.
 */
#define ENF_SEEN 16384

struct enf_seen {
	__u32 version;
	__u32 nlink;
	__u64 generation;
	__u64 ops; /* whoever asks for these; of a permit: none */
	__u64 dentry;
	__u64 mnt;
	__u64 dir;
	__u64 hash_len;
	__u64 ino;
	__u32 renames;
	__u32 mounts;
	__u32 dirs; /* enf_dirs_gone */
	__u32 epoch;
	__u32 born;
	/* of a permit */
	__u32 who;   /* enf_who(); 0: it is none */
	__u32 flags; /* of the access */
	__u32 row;   /* that decided: its hits are counted; ENF_NONE */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENF_SEEN);
	__type(key, __u32);
	__type(value, struct enf_seen);
} seen __weak SEC(".maps");

/* What the strings of an image say of the way to a directory: see directory.bpf.h. Written and read as enf_seen. */
#define ENF_DIRECTORIES 512

struct enf_directory {
	__u32 version;
	__u32 len; /* of its path; 0 of the root */
	__u64 generation;
	__u64 dir; /* as in enf_seen */
	__u64 mnt;
	__u64 hash;  /* of its path */
	__u32 text;  /* place, and 1, of a string that is a name in it; 0: none is known */
	__u32 above; /* what each name in it meets, if it is no string: see enf_answer */
	__u32 globs; /* below it, or above, a glob begins */
	__u32 renames;
	__u32 mounts;
	__u32 dirs;
	__u32 epoch;
	__u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENF_DIRECTORIES);
	__type(key, __u32);
	__type(value, struct enf_directory);
} directories __weak SEC(".maps");

/* What an image permits a set of subjects at all paths that meet the same strings: see directory.bpf.h. */
#define ENF_ANSWERS 2048

struct enf_answer {
	__u32 version;
	__u32 met; /* the deepest string that they meet, and how: ENF_IS_*; 0: none */
	__u64 generation;
	__u16 set;
	__u16 pair;
	__u32 row; /* that decided: its hits are counted; ENF_NONE */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENF_ANSWERS);
	__type(key, __u32);
	__type(value, struct enf_answer);
} answers __weak SEC(".maps");

/*
 * The sets of subjects that permits speak of, by number. Within one generation a number is given once, to a later
 * one again: nobody gives it back to an earlier one. So generation and number together are one set for good.
 */
#define ENF_SETS 256

struct enf_set {
	__u64 generation;
	__u32 version; /* as in enf_seen */
	__u32 _pad;
	__u64 word[2 * ENF_SUBJECT_WORDS]; /* of the label: subject, subject_unknown */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENF_SETS);
	__type(key, __u32);
	__type(value, struct enf_set);
} sets __weak SEC(".maps");

/* Permits of sockets: as enf_seen, by what the access says. */
#define ENF_PEERS 1024

struct enf_peer_key {
	__u64 generation;
	__u64 addr_hi;
	__u64 addr_lo;
	__u64 present;
	__u16 family, type, protocol, port;
	__u8 op[4];
	__u32 n_ops;
	__u32 flags;
	__u32 set;
};

struct enf_peer {
	__u32 version;
	__u32 row; /* that decided; ENF_NONE */
	struct enf_peer_key key;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENF_PEERS);
	__type(key, __u32);
	__type(value, struct enf_peer);
} peers __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct enf_hits);
} hits __weak SEC(".maps");

/* What stands before it: see hits.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ENF_HIT_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} hit_slots __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, _ENF_STAT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} stats __weak SEC(".maps");

/* Atomic, though it is this processor's own: who loses it in between comes back to an old sum. */
static __always_inline void enf_count(__u32 stat)
{
	__u64 *n = bpf_map_lookup_elem(&stats, &stat);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* Deny and kill have a ring of their own, so that no flood of activity displaces them. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} decisions __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20); /* 5,000 short records: what a flood writes in 30 ms */
} activity __weak SEC(".maps");

/* Kinds of records that are counted outside of the rings: see repeats.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENF_REPEATS);
	__type(key, __u32);
	__type(value, struct enf_repeats);
} repeats __weak SEC(".maps");

/*
 * The state of self-protection. Addresses are numbers here: they are compared, and read only through
 * reads that may fail.
 */
#define ENF_UNIT_WORDS 8  /* of the name of a cgroup */
#define ENF_GUARD_CALLS 4 /* helpers that no other's program may call */

struct enf_guard {
	__u64 armed_ns;	   /* 0: not armed */
	__u64 owner_task;  /* the daemon's first thread */
	__u64 owner_start; /* its start_boottime: a number may be used again, the pair is not */
	__u64 sb;	   /* of the pins; 0: nothing is pinned */
	__u64 base;	   /* dentry of the directory that holds every pin */
	__u64 mount;	   /* the host's struct mount of it */
	__u64 reported;	   /* who was last reported for opening by id */
	__u64 slice;	   /* id of the cgroup above the owner's own; 0: it has none of its own */
	__u64 unit[ENF_UNIT_WORDS];   /* name of the owner's */
	__u32 owner_tgid;	      /* 0: the owner has died */
	__u32 last_tgid;	      /* the owner's, also after its death */
	__u32 cgroup;		      /* the owner's cgroup is its own */
	__u32 calls[ENF_GUARD_CALLS]; /* immediates of those calls */
	__u32 kfunc;	    /* of bpf_send_signal_task: its BTF id, 0 where there is none */
	__u32 kfunc_call;   /* and its immediate, where the JIT wants an address */
	__u32 blind;	    /* an address is hidden: refuse by type of program */
	__u32 keyed;	    /* nobody but the owner and who has shown the key may end it */
	__u64 verifier[4];  /* SHA-256 of the key */
	__u64 keeper_start; /* who has shown the key, as the owner is known */
	__u32 keeper_tgid;  /* 0: nobody */
	__u32 probes; /* type of the events of perf that are probes in user space; 0: none are */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct enf_guard);
} guard __weak SEC(".maps");

/* What it protects, by enf_guard_key() or by address. The value is the id of an object that is known
 * by address, once it has one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} guarded __weak SEC(".maps");

/* Files that the owner runs and nobody writes, by the address of their inode, which is theirs for as long
 * as the owner lives and holds them. Written by the owner's order alone, which may fail.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u8);
} sealed __weak SEC(".maps");

/* Processes that the first process of the machine has forked, by their first thread: who starts a
 * service. Adoption by that process puts nobody in here. And the tasks of all that the owner has forked.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct enf_offspring);
} offspring __weak SEC(".maps");

#endif
