/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only description of every structure that crosses between kernel, C extension and Python.
 *
 * Read by clang (BPF objects), by the C compiler (cffi extension) and, preprocessed, by cffi itself.
 * Rules: fixed-width types, explicit padding, no bit-fields, no enum-typed fields. Limits live here
 * and nowhere else. build.py stamps the SHA-256 of this file into every product; a mismatch refuses
 * to load.
 */
#ifndef ENFORCER_ABI_H
#define ENFORCER_ABI_H

#include <linux/types.h>

/* ---- Limits ------------------------------------------------------------------------------ */

#define ENF_IMAGE_MAGIC 0x31494645 /* "EFI1" little endian */
#define ENF_IMAGE_VERSION 6
#define ENF_IMAGE_MAX 0x2000000 /* 32 MiB; the loader sizes the map to the policy */
#define ENF_MAX_POLICIES 512
#define ENF_MAX_ROWS 65536 /* rule rows: rules, their guards and policy defaults */
#define ENF_MAX_ATOMS 32768
#define ENF_MAX_LABELS 512    /* distinct conditions on one process */
#define ENF_MAX_SUBJECTS 1024 /* distinct (selector, process, parent, ancestors) conditions */
#define ENF_MAX_TERMS 64      /* terms of one conjunction */
#define ENF_MAX_TOUCHED 512   /* atoms that one operation may satisfy */
#define ENF_MET_MAX 512	      /* containers that were met since the image was made */
#define ENF_MET_ATOMS 64      /* conditions that are met by one of them */
#define ENF_MOUNTED_MAX 4096  /* what runtimes have mounted, for all containers together */
#define ENF_MOUNTED_EACH 64   /* for one of them */
#define ENF_MOUNTED_PATH 256  /* bytes of a name of that; a longer one is left out */
#define ENF_MAX_PROBES 8      /* slots looked at in the string table */
#define ENF_MAX_DFAS 64
#define ENF_PATH_MAX 4096 /* bytes of a path, without NUL: PATH_MAX of the kernel */
#define ENF_NAME_MAX 255  /* NAME_MAX; also abstract socket names (108) and xattr names (255) */
#define ENF_FSTYPE_MAX 31 /* type of a file system; longer is "unknown" */
#define ENF_EXE_MAX 256	  /* executable path kept in the task's label; longer is "unknown" */
#define ENF_ARGV_MAX 16384
#define ENF_MAX_ARGS 256     /* arguments examined; a longer argv is "unknown" */
#define ENF_MAX_ARG_INDEX 16 /* args by index 0..15 */
#define ENF_LABEL_WORDS 8    /* ENF_MAX_LABELS / 64 */
#define ENF_SUBJECT_WORDS 16 /* ENF_MAX_SUBJECTS / 64 */
#define ENF_ATOM_WORDS 512   /* ENF_MAX_ATOMS / 64 */
#define ENF_COMM_LEN 16	     /* TASK_COMM_LEN */
#define ENF_MAX_MARKS 64     /* distinct marks: policy, name and whose they are */
#define ENF_ROW_MARKS 4	     /* marks that one rule may ask about */
#define ENF_MAX_LIMITS 255   /* distinct limits of records */
#define ENF_MATCHES 8 /* policies whose match a record tells; how many more there were it says */
#define ENF_ALSO 4    /* what else they say, kept while it is decided whether a record is made */
#define ENF_NONE 0xffffffff

/* ---- Operations: one bit of a 64-bit mask each ------------------------------------------- */

enum enf_op {
	ENF_OP_EXEC = 0,	    /* bprm_check_security: every file of the chain */
	ENF_OP_EXEC_CREDS = 1,	    /* bprm_creds_from_file: privileges the file would give */
	ENF_OP_EXEC_ARGV = 2,	    /* bprm_committed_creds: argv; cannot refuse, can kill */
	ENF_OP_READ = 3,	    /* file_open */
	ENF_OP_WRITE = 4,	    /* file_open, replaced by rename */
	ENF_OP_APPEND = 5,	    /* file_open with O_APPEND */
	ENF_OP_CREATE = 6,	    /* path_mknod (regular), rename or link to a new name */
	ENF_OP_TRUNCATE = 7,	    /* path_truncate, file_truncate */
	ENF_OP_MMAP_EXEC = 8,	    /* mmap_file, file_mprotect */
	ENF_OP_UNLINK = 9,	    /* path_unlink */
	ENF_OP_RENAME = 10,	    /* path_rename, both names */
	ENF_OP_LINK = 11,	    /* path_link, both names */
	ENF_OP_SYMLINK = 12,	    /* path_symlink */
	ENF_OP_MKDIR = 13,	    /* path_mkdir */
	ENF_OP_RMDIR = 14,	    /* path_rmdir */
	ENF_OP_MKNOD = 15,	    /* path_mknod (not regular, not socket) */
	ENF_OP_CHMOD = 16,	    /* path_chmod */
	ENF_OP_CHOWN = 17,	    /* path_chown */
	ENF_OP_SETXATTR = 18,	    /* inode_setxattr, inode_removexattr, inode_set_acl */
	ENF_OP_GUARD = 19,	    /* rename or link that would take a protected name away */
	ENF_OP_FD_READ = 20,	    /* file_permission, strict rules only */
	ENF_OP_FD_WRITE = 21,	    /* file_permission, strict rules only */
	ENF_OP_SOCKET = 22,	    /* socket_create */
	ENF_OP_BIND = 23,	    /* socket_bind; path_mknod (socket) for unix paths */
	ENF_OP_LISTEN = 24,	    /* socket_listen */
	ENF_OP_CONNECT = 25,	    /* socket_connect, unix_stream_connect */
	ENF_OP_ACCEPT = 26,	    /* socket_accept: operands are the local address and port */
	ENF_OP_SEND = 27,	    /* socket_sendmsg with an address, unix_may_send */
	ENF_OP_MOUNT = 28,	    /* sb_mount; move_mount of what was not attached */
	ENF_OP_BIND_MOUNT = 29,	    /* the same */
	ENF_OP_REMOUNT = 30,	    /* sb_remount; sb_mount for one mount's own flags */
	ENF_OP_PROPAGATE = 31,	    /* sb_mount */
	ENF_OP_MOVE_MOUNT = 32,	    /* move_mount, sb_mount; both places */
	ENF_OP_UNMOUNT = 33,	    /* sb_umount */
	ENF_OP_PIVOT_ROOT = 34,	    /* sb_pivotroot */
	ENF_OP_MOUNT_GUARD = 35,    /* a change of mounts that would take a protected name away */
	ENF_OP_SIGNAL = 36,	    /* task_kill */
	ENF_OP_PTRACE = 37,	    /* ptrace_access_check */
	ENF_OP_TRACEME = 38,	    /* ptrace_traceme */
	ENF_OP_SETUID = 39,	    /* task_fix_setuid */
	ENF_OP_SETGID = 40,	    /* task_fix_setgid */
	ENF_OP_CAPSET = 41,	    /* capset */
	ENF_OP_CAPABLE = 42,	    /* capable */
	ENF_OP_USERNS = 43,	    /* userns_create */
	ENF_OP_MAP_EXEC = 44,	    /* mmap_file */
	ENF_OP_PROTECT_EXEC = 45,   /* file_mprotect */
	ENF_OP_MODULE = 46,	    /* kernel_read_file, kernel_load_data */
	ENF_OP_MODULE_REQUEST = 47, /* kernel_module_request */
	ENF_OP_KEXEC = 48,	    /* kernel_read_file, kernel_load_data */
	ENF_OP_FIRMWARE = 49,	    /* kernel_read_file, kernel_load_data */
	ENF_OP_BPF = 50,	    /* bpf */
	ENF_OP_PERF = 51,	    /* perf_event_open */
	ENF_OP_IO_URING = 52,	    /* inode_init_security_anon */
	ENF_OP_SYSCALL = 53,	    /* entry of a system call, by its raw arguments */
	ENF_OP_POINT = 54,	 /* a point of the kernel that a rule names: see struct enf_point */
	ENF_OP_ATTRIBUTES = 55,	 /* inode_setattr (times), file_ioctl, inode_file_setattr */
	ENF_OP_OVERWRITE = 56,	 /* what a descriptor that was opened to append does else */
	ENF_OP_NAME_GUARD = 57,	 /* removal or replacement of a name that readers go by */
	ENF_OP_EXEC_LOADED = 58, /* mmap_file: the program that a loader was told to run */
	ENF_OP_ATTEMPT = 59,	 /* end of a system call that the kernel itself refused */
	ENF_OP_EXEC_LAYER = 60,	 /* file_open of a layer's file, by an exec of the overlay's */
	ENF_OP_LOADED_LAYER = 61, /* the same by a loader that has not mapped its program yet */
	_ENF_OP_MAX = 62,
};

#define ENF_NO_OP 0xff

/* ---- Dimensions: what a term of a conjunction looks at ------------------------------------ */

enum enf_dim {
	/* strings; PATH, EXE, CGROUP and CONTAINER are matched by path component */
	ENF_DIM_PATH = 0,	/* object: file, or unix socket by path */
	ENF_DIM_NAME = 1,	/* object: abstract socket name, xattr name */
	ENF_DIM_EXE = 2,	/* subject: executable */
	ENF_DIM_CGROUP = 3,	/* subject: cgroup path, "/system.slice/ssh.service" */
	ENF_DIM_ARG_ANY = 4,	/* object: any of argv */
	ENF_DIM_ARG0 = 5,	/* object: argv[0] .. argv[15] = 20 */
	ENF_DIM_FSTYPE = 21,	/* object: type of a file system */
	ENF_DIM_CONTAINER = 22, /* subject: cgroup path, if it is that of a container */
	/* 128-bit numbers (hi is 0 except for ADDR and INODE) */
	ENF_DIM_ADDR = 24,  /* object: IPv6, or IPv4 as ::ffff:a.b.c.d */
	ENF_DIM_INODE = 25, /* object: hi = st_dev, lo = inode; its hits are PATH atoms */
	/* 64-bit numbers */
	ENF_DIM_PORT = 26,
	ENF_DIM_FAMILY = 27,
	ENF_DIM_TYPE = 28,
	ENF_DIM_PROTOCOL = 29,
	ENF_DIM_MODE = 30, /* permission bits incl. 07000, chmod/create/mknod/mkdir */
	ENF_DIM_UID = 31,  /* subject, real */
	ENF_DIM_EUID = 32,
	ENF_DIM_GID = 33,
	ENF_DIM_EGID = 34,
	ENF_DIM_CAPS = 35,   /* subject: effective capabilities as a mask */
	ENF_DIM_CODE = 36,   /* object: signal, capability, bpf command */
	ENF_DIM_BITS = 37,   /* object: flags of a mount, capabilities to be gained */
	ENF_DIM_TO_UID = 38, /* object: user of the target, or to become */
	ENF_DIM_TO_GID = 39, /* object: group to become */
	ENF_DIM_N0 = 40,     /* object: arguments of a system call, numbers at a point */
	ENF_DIM_N1 = 41,
	ENF_DIM_N2 = 42,
	ENF_DIM_N3 = 43,
	ENF_DIM_N4 = 44,
	ENF_DIM_N5 = 45,
	ENF_DIM_DRIFT = 46,	/* object: ENF_DRIFT_*, as bits; of masks only, never of atoms */
	ENF_DIM_EXE_DRIFT = 47, /* subject: the same of its executable */
	_ENF_DIM_MAX = 48,
};

/* INODE of an opened node of a device: this is hi, and lo its type << 32 | its number. */
#define ENF_NODE 0x100000000
#define ENF_DIM_FIRST_NUM 24 /* num[] index = dim - ENF_DIM_FIRST_NUM */
#define ENF_NUM_DIMS 24

/*
 * Why the content of a file is none that the container's image brought; no bit: it is. What is no file of a
 * container has no such number.
 */
#define ENF_DRIFT_WRITTEN 0x1 /* in the upper layer, with data of its own */
#define ENF_DRIFT_MEMORY 0x2  /* tmpfs and its like, memfd */
#define ENF_DRIFT_VOLUME 0x4  /* of another file system than the root of the container */
#define ENF_DRIFT_FOREIGN 0x8 /* of a file system that a user namespace has mounted */
#define ENF_DRIFT_ANY 0xf

/* ---- Flags of objects and subjects -------------------------------------------------------- */

#define ENF_OF_SCRIPT 0x0001	  /* exec: the file starts with #! */
#define ENF_OF_INTERPRETER 0x0002 /* exec: the file runs another file (script, binfmt_misc) */
#define ENF_OF_FILELESS 0x0004	  /* the file has no name: memfd, unlinked, O_TMPFILE */
#define ENF_OF_SETUID 0x0008	  /* exec: set-user-ID file on a mount that honours it */
#define ENF_OF_SETGID 0x0010
#define ENF_OF_FILECAPS 0x0020 /* exec creds: gains permitted capabilities from the file */
#define ENF_OF_DIR 0x0040      /* the object is a directory */
#define ENF_OF_NEWNAME 0x0080  /* rename, link: this is the new name */
#define ENF_OF_MEMFD 0x0100    /* fileless and made by memfd_create */
#define ENF_OF_UNIX 0x0200     /* unix socket */
#define ENF_OF_NSVIEW 0x0400   /* path as the mount namespace of the object sees it */
#define ENF_OF_OFFHOST 0x0800  /* the host's mounts do not show it: the path is another's view */
#define ENF_OF_LOADER 0x1000   /* run by a loader, not by the kernel: see loader.bpf.h */
#define ENF_OF_DETACHED 0x4000 /* mount: of a file system that is nowhere yet */
#define ENF_OF_CUT 0x8000      /* of a path beyond ENF_PATH_MAX: its head, in whole components */

/*
 * Where the path lies in directories that find a name by several spellings, the upper half of an object's flags says
 * how they do (enum enf_fold) and at which byte of the path the first such name begins, with its slash. All that
 * follows is taken to be in such a directory. Of an executable it is in the flags of the subject.
 */
#define ENF_FOLD_AT 30		 /* of either: enum enf_fold */
#define ENF_FOLD_BITS 0xffff0000 /* all of it */
#define ENF_FOLD_FROM_AT 16
#define ENF_FOLD_FROM_MASK 0x3fff
#define ENF_FOLD_EXE_AT 20
#define ENF_FOLD_EXE_MASK 0xff

enum enf_fold {
	ENF_FOLD_NONE = 0,
	ENF_FOLD_CASE = 1,  /* the case of letters does not count */
	ENF_FOLD_SHORT = 2, /* nor do dots at the end, and a file may have a short name besides */
	ENF_FOLD_OTHER = 3, /* what counts is not known */
	_ENF_FOLD_MAX = 4,
};

/* What the kernel has one number for, where two are needed (enforcer/policy/language/sockets.py). */
#define ENF_FAMILY_V6 0x100	    /* of a family that carries IPv4 or IPv6: it is IPv6 */
#define ENF_PROTOCOL_DEFAULT 0x4000 /* the socket is made with 0, and gets this one */

#define ENF_SF_FILELESS 0x0001 /* subject's executable had no name at exec */
#define ENF_SF_SCRIPT 0x0002   /* subject runs as interpreter of a script */
#define ENF_SF_SETID 0x0004    /* subject's exec changed its effective uid or gid */
#define ENF_SF_KTHREAD 0x0008  /* subject has no user memory */
#define ENF_SF_DRIFT_AT 4      /* of its executable: ENF_DRIFT_*, four bits, which are */
#define ENF_SF_DRIFT_WRITTEN 0x0010
#define ENF_SF_DRIFT_MEMORY 0x0020
#define ENF_SF_DRIFT_VOLUME 0x0040
#define ENF_SF_DRIFT_FOREIGN 0x0080
#define ENF_SF_EXE_UNKNOWN 0x0100     /* executable path could not be resolved */
#define ENF_SF_LINEAGE_UNKNOWN 0x0200 /* parent and ancestors not known */
#define ENF_SF_FOUND 0x0400	      /* labelled by the iterator, not by fork */
#define ENF_SF_KIN 0x0800	      /* the sets depend on parent or ancestors: a child's differ */
#define ENF_SF_OFFHOST 0x1000	      /* the host's mounts do not show the executable: see above */
#define ENF_SF_RUNTIME 0x2000	      /* a runtime, whose cgroup it is in: see below */
#define ENF_SF_LOADER 0x4000	      /* a loader was run that has mapped no program yet */
#define ENF_SF_TRUSTED_CODE 0x8000    /* all of its executable mappings are of trusted files */
#define ENF_SF_CODE_UNKNOWN 0x10000   /* nobody has looked at all of its mappings */
#define ENF_SF_IMAGE 0x20000	      /* what its executable is to its container's image is known */
#define ENF_SF_IMAGE_UNKNOWN 0x40000  /* that could not be told */
#define ENF_SF_NO_IMAGE 0x80000	      /* there is none: it is in no container */
#define ENF_SF_USERNS 0x10000000      /* its capabilities hold in a user namespace of its own */
#define ENF_SF_CONTAINED 0x20000000   /* its cgroup is a container's, or nobody can tell */

/*
 * A container runtime enters the container's cgroup some steps before it starts the container's first program. Until
 * then it is the host's: ENF_SF_RUNTIME is set by an exec in the host's mount namespace and outside of all containers,
 * and taken away by any attempt of an exec that is neither that nor the runtime's copy of itself (lineage.bpf.c). While it
 * is set, no condition on containers holds. What has no label, or was there before the engine, does not have it.
 */

/* ---- Verdicts ----------------------------------------------------------------------------- */

enum enf_action {
	ENF_ACT_NONE = 0, /* no rule, no default */
	ENF_ACT_ALLOW = 1,
	ENF_ACT_LOG = 2,
	ENF_ACT_DENY = 3,
	ENF_ACT_KILL = 4,
	_ENF_ACT_MAX = 5,
};

/* What an operand that cannot be read means for a rule. */
enum enf_on_error {
	ENF_ERR_SKIP = 0, /* the rule does not match */
	ENF_ERR_DENY = 1, /* the rule matches, as a deny */
	ENF_ERR_LOG = 2,  /* the rule matches, as a log */
	_ENF_ERR_MAX = 3,
};

#define ENF_RF_AUDIT 0x01   /* the policy is in audit mode */
#define ENF_RF_RECORD 0x02  /* allow with a message: record it */
#define ENF_RF_DEFAULT 0x04 /* a policy's default, not a written rule */
#define ENF_RF_GUARD 0x08   /* implied by a rule: keeps its names in place */
#define ENF_RF_WITHIN 0x10  /* its first terms ask about marks */
#define ENF_RF_FAVOURS 0x20 /* a match is in favour of who acts: it must hold in every view */

#define ENF_VF_ON_ERROR 0x01 /* an operand was unknown; the rule's onError decided */
#define ENF_VF_NO_NAME 0x02  /* the path was, by the name that decided: others may be known */

/* ---- The image ---------------------------------------------------------------------------- */
/* All offsets count bytes from the start of the image and are multiples of 8. */

struct enf_range { /* elements [first, first + count) of a section */
	__u32 first;
	__u32 count;
};

/* Strings: open addressing, linear probing, at most ENF_MAX_PROBES. kind 0 is an empty slot. */
struct enf_slot {
	__u64 hash;
	__u32 text; /* byte offset into the text section, multiple of 8, zero padded to 8 */
	__u16 len;
	__u8 kind;		/* ENF_SLOT_* */
	__u8 paths;		/* ENF_PATHS_*: the path of a file could match a pattern here */
	struct enf_range exact; /* of the atom list: the value is this string */
	struct enf_range under; /* of the atom list: the value lies below this directory */
};

#define ENF_SLOT_EMPTY 0
#define ENF_SLOT_PATH 1	  /* hashed by component */
#define ENF_SLOT_STRING 2 /* hashed whole */
#define ENF_SLOT_HEAD 3	  /* as PATH; exact: what could lie below it, each with ENF_ATOM_MAYBE */

#define ENF_PATHS_AT 1 /* by being this string */
#define ENF_PATHS_BELOW                                                                            \
	2		 /* by lying below it: a subtree, or a glob whose first wildcard is below */
#define ENF_PATHS_GLOB 4 /* by lying below it: such a glob */

/*
 * Globs: state * n_classes + class_of[byte] indexes trans; accept[state] is a range of atoms. Of those for
 * paths may[state] is, too, where the path goes on: atoms that are satisfied whatever follows, and with
 * ENF_ATOM_MAYBE those that what follows could satisfy.
 */

#define ENF_DFA_FOLDED_AT 60 /* of PATH and EXE: where letters are taken as small ones */

struct enf_dfa {
	__u64 dims;	/* bit set of the dimensions whose atoms it yields */
	__u32 classes;	/* byte offset of 256 bytes */
	__u32 trans;	/* byte offset of __u16[n_states * n_classes] */
	__u32 accept;	/* byte offset of struct enf_range[n_states] */
	__u32 n_states; /* state 0 is dead, state 1 the start */
	__u32 n_classes;
	__u32 may; /* byte offset of struct enf_range[n_states]; 0: not for paths */
};

/* Numbers: sorted lower bounds; an interval ends where the next begins. */
struct enf_interval {
	__u64 hi;
	__u64 lo;
	struct enf_range atoms;
};

/* An entry of the atom list: dimension in six bits, atom in the low 24. */
#define ENF_ATOM_DIM_SHIFT 24
#define ENF_ATOM_DIM_MASK 0x3f
#define ENF_ATOM_MASK 0xffffff
#define ENF_ATOM_FOLDED 0x40000000 /* only where letters are taken as small ones */
#define ENF_ATOM_MAYBE 0x80000000

enum enf_term_kind {
	ENF_TERM_ATOM = 0,     /* the atom was satisfied */
	ENF_TERM_MASK_ANY = 1, /* (number & a) != 0 */
	ENF_TERM_MASK_EQ = 2,  /* (number & a) == b */
	ENF_TERM_WITHIN = 3,   /* mark number atom was set in the last a ns; of rows only, no dim */
	ENF_TERM_INSIDE = 4,   /* the atom: true; else atom a: false; else unknown, with b false */
	_ENF_TERM_MAX = 5,
};

struct enf_term {
	__u32 atom;
	__u8 dim;
	__u8 kind;
	__u8 negate;
	__u8 _pad;
	__u64 a;
	__u64 b;
};

/*
 * A system call that some row names: where its program must be attached. The name is the one after
 * "sys_"; what each argument is tells how much of its register the kernel looks at.
 */
#define ENF_SYS_ARGS 6
#define ENF_SYS_NAME 32
#define ENF_SYS_TEXTS 4 /* strings read of one call; further ones are unknown */

enum enf_sys_kind { /* of an argument, four bits each */
		    ENF_SYS_NONE = 0,
		    ENF_SYS_S32 = 1,
		    ENF_SYS_U32 = 2,
		    ENF_SYS_U16 = 3,
		    ENF_SYS_LONG = 4,
		    ENF_SYS_TEXT = 5, /* address of a string */
		    _ENF_SYS_KIND_MAX = 6,
};

/*
 * What the program of an entry is told: number, kinds of the arguments, which entry it is, of the 32-bit
 * calls that stand for many, by which number this one is asked for, and which arguments are unknown, a bit each.
 */
#define ENF_SYS_KINDS_AT 16
#define ENF_SYS_COMPAT 0x10000000000	 /* 32-bit entry: other registers, half as wide */
#define ENF_SYS_SOCKETCALL 0x20000000000 /* argument 0 says which call */
#define ENF_SYS_IPC 0x40000000000	 /* argument 0 says which call */
#define ENF_SYS_CASTS 0x80000000000	 /* some of enf_casts are of this call */
#define ENF_SYS_CALL_AT 48
#define ENF_SYS_UNKNOWN_AT 56

/*
 * A call that is looked at when it ends, for rows on ENF_OP_ATTEMPT: this bit in its number. Its kinds then
 * tell where its names stand: for each of two, which argument it is and which is the directory that it begins
 * at, plus 1, 0: none; a directory without a name is a descriptor of the object itself, and with neither there is
 * no name. Then how the
 * operations of the call follow from its arguments, and the operation, where it is always the same.
 */
#define ENF_SYS_AT_END 0x8000
#define ENF_END_NAMES 2
#define ENF_END_NAME_BITS 6 /* of one name: three of the argument, three of its directory */
#define ENF_END_HOW_AT 12
#define ENF_END_OP_AT 16

enum enf_end_how {
	ENF_END_PLAIN = 0,    /* the operation */
	ENF_END_OPEN = 1,     /* by the flags behind the name */
	ENF_END_OPEN_HOW = 2, /* by the flags in the struct open_how behind the name */
	ENF_END_CREAT = 3,    /* write, create and truncate */
	ENF_END_NODE = 4,     /* by the type in the mode behind the name */
	ENF_END_RENAME = 5,   /* the new name may be made, or replaced */
	ENF_END_LINK = 6,     /* the new name is made */
	ENF_END_SIGNAL =
		7, /* none by the signal 0; what would be a name is where the signal stands */
	ENF_END_PTRACE = 8,  /* by the request: attaching, being traced, or nothing */
	ENF_END_MOUNT = 9,   /* by the flags of mount(2) */
	ENF_END_MOVE = 10,   /* of move_mount(2), which does not say */
	ENF_END_UNLINK = 11, /* unlink, or rmdir by AT_REMOVEDIR in the flags behind the name */
	_ENF_END_HOW_MAX = 12,
};

struct enf_sys {
	__u32 number;
	__u32 kinds;
	char name[32];
};

/*
 * A point of the kernel that some row names, and how the operands that rows on it compare are found.
 * Rows have its number as CODE.
 */
#define ENF_MAX_POINTS 256
#define ENF_POINT_ARGS 12
#define ENF_POINT_OPERANDS 12
#define ENF_POINT_STEPS 6
#define ENF_POINT_NAME 80
#define ENF_POINT_TEXTS 4 /* strings read at one point */

enum enf_point_kind {
	ENF_POINT_LSM = 1,
	ENF_POINT_KPROBE = 2,
	ENF_POINT_KRETPROBE = 3,
	ENF_POINT_TRACEPOINT = 4,
	ENF_POINT_RAW = 5, /* raw tracepoint */
	_ENF_POINT_KIND_MAX = 6,
};

enum enf_operand_type {
	ENF_OPERAND_NUMBER = 0,	  /* to N0 + slot */
	ENF_OPERAND_TEXT = 1,	  /* address of a string, to ARG0 + slot */
	ENF_OPERAND_BYTES = 2,	  /* address of as many bytes as another argument says, to NAME */
	ENF_OPERAND_FILE = 3,	  /* struct file, to PATH */
	ENF_OPERAND_PATH = 4,	  /* struct path */
	ENF_OPERAND_DENTRY = 5,	  /* struct dentry */
	ENF_OPERAND_BINPRM = 6,	  /* struct linux_binprm */
	ENF_OPERAND_FD = 7,	  /* descriptor of the current process */
	ENF_OPERAND_SOCKADDR = 8, /* struct sockaddr, to FAMILY, ADDR and PORT */
	ENF_OPERAND_SOCK = 9,	  /* struct sock: its peer */
	ENF_OPERAND_SOCKET = 10,  /* struct socket: the peer of its sock */
	ENF_OPERAND_SKB = 11,	  /* struct sk_buff: where its IP packet goes to, PROTOCOL too */
	ENF_OPERAND_SKB_SOURCE = 12, /* struct sk_buff: where it comes from */
	_ENF_OPERAND_MAX = 13,
};

#define ENF_ARG_RETURN 0xff /* what the function returned */
#define ENF_ARG_RECORD 0xfe /* the record of a tracepoint */
#define ENF_ARG_NONE 0xfd

#define ENF_OPERAND_SIGNED 0x01
#define ENF_OPERAND_INLINE 0x02	  /* it lies where the steps lead, not a pointer to it */
#define ENF_OPERAND_SWAPPED 0x04  /* big endian */
#define ENF_OPERAND_DATA_LOC 0x08 /* where the steps lead lies where it is in the record */
#define ENF_OPERAND_BITS 0x10	  /* a bit field: size_arg bits of the number, from shift on */

/*
 * Start with the argument. Each step adds its offset; where a further one follows, what lies there is
 * the address to go on from. Without steps the argument itself is the operand.
 */
struct enf_operand {
	__u8 arg;  /* or ENF_ARG_* */
	__u8 type; /* enum enf_operand_type */
	__u8 slot;
	__u8 n_steps;
	__u8 width;    /* bytes of a number */
	__u8 flags;    /* ENF_OPERAND_* */
	__u8 size_arg; /* of BYTES: the argument that says how many, or ENF_ARG_NONE for width */
	__u8 shift;
	__s32 step[6];
};

struct enf_point {
	__u32 number;
	__u8 kind; /* enum enf_point_kind */
	__u8 n_args;
	__u8 n_operands;
	__u8 flags; /* ENF_PF_* */
	char name[80];
	struct enf_operand operand[12];
};

#define ENF_PF_VOID 0x01    /* the function returns nothing */
#define ENF_PF_UNBOUND 0x02 /* compiled without a kernel to ask: must not be made active */

/* A condition on one process. */
struct enf_label {
	struct enf_range terms;
	__u32 flags_set; /* ENF_SF_* that must be set */
	__u32 flags_clear;
};

#define ENF_WHO_NONE 0
#define ENF_WHO_PROCESS 1
#define ENF_WHO_PARENT 2
#define ENF_WHO_ANCESTOR 3
#define ENF_SUBJECT_TERMS 8

struct enf_subject_term {
	__u16 label;
	__u8 who; /* ENF_WHO_* */
	__u8 negate;
};

/* All terms must hold; a subject without terms is everybody. Subject 0 is always everybody. */
struct enf_subject {
	struct enf_subject_term term[8];
	__u64 ops; /* union of the op masks of its rows */
};

struct enf_row {
	__u64 ops;
	struct enf_range terms;
	__u32 flags_set; /* ENF_OF_* */
	__u32 flags_clear;
	__u32 policy;
	__u16 subject;
	__u8 action;
	__u8 on_error;
	__s32 error; /* positive errno returned on deny and kill */
	__u8 signal; /* on kill */
	__u8 flags;  /* ENF_RF_* */
	__u8 mark; /* number of the mark that a match sets, plus 1; 0: none. Action NONE: nothing else */
	__u8 limit; /* number of the limit of its records, plus 1; 0: none */
};

/* How many records of a row are made in a time, by each process or in all. */
struct enf_limit {
	__u64 per_ns;
	__u32 records;
	__u32 by_process;
};

/*
 * When marks were set, CLOCK_BOOTTIME; 0: never. Kept with the process, the cgroup of a container, or
 * the host.
 */
struct enf_marks {
	__u64 newest; /* of all of them */
	__u64 aside;  /* of a process: a thread that is not the first has begun an exec, see
			  * marks.bpf.h; of a container: the address of the node of its cgroup
			  */
	__u64 at[64];
};

/* Entries of the map of images. An image whose time is over gives way to the fallback by itself, so
 * that a policy nobody could confirm goes away even if it took everybody's tools with it.
 */
#define ENF_IMAGE_CURRENT 0
#define ENF_IMAGE_FALLBACK 1
#define ENF_IMAGE_STAGED 2 /* for the labels of running tasks, before and after its commit */
#define ENF_IMAGES 3

/* Rows without an object term are found by subject: for each op, those lists. */
struct enf_image {
	__u32 magic;
	__u32 version;
	__u32 size;
	__u32 crc; /* CRC-32 of the image with this field 0; checked before commit */
	__u64 generation;
	__u64 seed;	     /* of the string hash */
	__u64 ops;	     /* union over rows: ops that can match at all */
	__u64 everybody_ops; /* union over the rows of subject 0 */
	__u64 dims;	     /* dimensions that some atom or term uses */
	__u64 refuse_ops; /* union over rows with on_error DENY: refused when nothing can be decided */
	__u64 expires_ns; /* CLOCK_BOOTTIME from which the fallback image counts instead; 0: never */
	__u64 capabilities;  /* whose use some row is about, as a mask */
	__u64 asked_flags;   /* ENF_SF_* that some label asks for */
	__u64 new_labels[8]; /* labels that the image before did not keep */
	__u32 n_policies;
	__u32 n_rows;
	__u32 n_labels;
	__u32 n_subjects;
	__u32 n_atoms;
	__u32 n_dfas;
	__u32 n_terms;
	__u32 n_atom_list;
	__u32 n_row_list;
	__u32 n_slots;	    /* power of two, never 0 */
	__u32 off_rows;	    /* struct enf_row[n_rows], in policy order */
	__u32 off_terms;    /* struct enf_term[] */
	__u32 off_labels;   /* struct enf_label[] */
	__u32 off_subjects; /* struct enf_subject[] */
	__u32 off_slots;    /* struct enf_slot[] */
	__u32 off_text;
	__u32 text_size;
	__u32 off_dfas;	     /* struct enf_dfa[] */
	__u32 off_atom_list; /* __u32[] */
	__u32 off_atom_rows; /* struct enf_range[n_atoms] into the row list: rows pivoted on it */
	__u32 off_row_list;  /* __u32[] ascending within each range */
	__u32 off_op_rows;   /* struct enf_range[_ENF_OP_MAX] into the row list: rows w/o pivot */
	__u32 off_intervals; /* struct enf_interval[] */
	__u32 max_path_slot; /* longest PATH string in the table: the walk ends there */
	__u32 n_sys;
	__u32 off_sys;	      /* struct enf_sys[], by number */
	__u32 container_atom; /* satisfied by cgroups of containers, known or not; or ENF_NONE */
	__u32 n_limits;
	__u32 n_points;
	__u32 off_points;		/* struct enf_point[], by number */
	struct enf_range intervals[24]; /* by dim - ENF_DIM_FIRST_NUM; empty range: dim unused */
	__u64 within_ops;		/* union over the rows that ask about marks */
	__u64 drift_ops;		/* union over the rows that ask about drift */
	__u64 tree_marks;		/* handed down by fork */
	__u64 container_marks;
	__u64 host_marks;
	__u64 refuse_marks; /* that rows which refuse ask about: setting them must not fail */
	__u64 favour_marks; /* on which a permission or the end of a refusal hangs */
	__u64 longest_ns;   /* about older marks of containers no row asks */
	__u64 mark_born
		[64];	  /* since when the number stands for this mark: older times do not count */
	__u32 n_marks;	  /* numbers in use are below */
	__u32 off_limits; /* struct enf_limit[] */
};

/*
 * What the image of *generation* would say of a container, or a pod, that has begun since: the atoms that the path of
 * its cgroup satisfies, as if they were in the table of strings. By the id of the cgroup; see met.bpf.h.
 */
struct enf_met {
	__u64 cgroup; /* as its key */
	__u64 generation;
	__u32 n_atoms;
	__u32 _pad;
	__u32 atoms[64]; /* ENF_MET_ATOMS */
};

/* By the id of its cgroup, what a runtime has mounted for a container, numbered from 0 on; see mounted.bpf.h. */
struct enf_mounted_key {
	__u64 cgroup;
	__u32 n;
	__u32 _pad;
};

struct enf_mounted {
	struct enf_mounted_key key; /* as its key */
	__u32 from_len;
	__u32 to_len;
	char from[256]; /* ENF_MOUNTED_PATH: as the host has it, without a slash at the end */
	char to[256];	/* likewise, as the container has it */
};

/* A call that takes arguments as long and casts them to int for one of its commands. */
#define ENF_CASTS 30

struct enf_cast {
	__u16 call;	/* its number */
	__u8 at;	/* which argument is the command: 0, or else 1 */
	__u8 arguments; /* those that are cast, a bit each */
	__u32 command;
};

/* Where a file system that shows what the kernel has once is by custom, as user space found it. */
#define ENF_PLACES 13

struct enf_place {
	__u32 magic; /* s_magic */
	__u32 dev;   /* s_dev of what the host has there; 0: nothing of the kind */
	__u32 len;   /* 0: no place */
	char path[28];
};

/* The root that a runtime gave the container in a cgroup, by the cgroup's id: see drift.bpf.c. */
#define ENF_ROOTS_KEPT 2048

struct enf_root {
	__u64 sb; /* address of the superblock */
	__u64 kn; /* and of the cgroup's node */
};

#define ENF_WATCH_MORE                                                                             \
	1 /* code, and ids of workers or at points: no hook sees all that changes them */
#define ENF_WATCH_NEWS                                                                             \
	2 /* more has become known since: of parent and ancestors, or of its container */
#define ENF_WATCH_RUNTIME                                                                          \
	4 /* a runtime in a container: whether it still runs what an exec gave it */
#define ENF_WATCH_CGROUP 8 /* the cgroup, which each hook compares by itself */
#define ENF_WATCH_CAPS 16  /* the capabilities, likewise */
#define ENF_NOT_LIVE 0xffffffffffffffff

/* ---- Subject state, one per thread (task storage) ---------------------------------------- */

struct enf_task {
	__u64 generation; /* image that the sets below were computed for; 0 = never */
	__u64 ops;	  /* ops for which some row may apply to this task */
	__u64 watches;	  /* ENF_WATCH_*: what else than the generation may change the sets */
	__u64 caps;	  /* effective, at that time */
	__u64 cgroup;	  /* cgroup id, at that time */
	__u32 uid, euid, gid, egid;
	__u32 flags; /* ENF_SF_* */
	__u32 exe_len;
	__u32 set; /* number of what the two sets of subjects have in them; 0: not asked for yet, or none */
	__u32 _pad;
	__u64 exec_ns; /* time of the exec (or start of the engine): a stable id with the pid */
	__u64 line;    /* how it came to be, by number; 0 where nothing is recorded */
	__u64 root;    /* superblock of its container's image, once known: see drift.bpf.h */
	__u64 refused; /* the call that was last refused by us: see refused.bpf.h; 0: none */
	__u64 self
		[8]; /* a bit here: true; in the other: unknown; in both: claimed, see enum enf_truth */
	__u64 self_unknown[8];
	__u64 parent[8]; /* likewise */
	__u64 parent_unknown[8];
	__u64 ancestor[8]; /* true of one of them; else claimed of one; else unknown of one */
	__u64 ancestor_claimed[8];
	__u64 ancestor_unknown[8];
	__u64 subject[16]; /* as of self */
	__u64 subject_unknown[16];
	char exe[256];
};

/* ---- Operands of one operation ------------------------------------------------------------ */

struct enf_object {
	/* By dim - ENF_DIM_FIRST_NUM; ADDR and INODE use the fields below. N0, where it is not present: 0, or
	 * lo of ENF_NODE.
	 */
	__u64 num[24];
	__u64 addr_hi;
	__u64 addr_lo;
	__u64 dev;
	__u64 ino;
	__u64 present; /* dimensions that this operation has */
	__u64 unknown; /* present, but could not be read */
	__u8 op[4];    /* the operations that this one access is; the strictest verdict wins */
	__u32 n_ops;   /* 1 .. 4 */
	__u32 flags;   /* ENF_OF_* */
	__u32 path_at; /* text[path_at .. path_at + path_len); see ENF_TEXT_* */
	__u32 path_len;
	__u32 name_len; /* at ENF_TEXT_NAME */
	__u32 argv_len; /* at ENF_TEXT_ARGV: argc NUL-terminated strings one after another */
	__u32 argc;
	__u32 fstype_len; /* at ENF_TEXT_FSTYPE */
	/* PORT is unknown, but it is one of these, from which the kernel chooses. 0: it may be any. */
	__u16 port_low;
	__u16 port_high;
};

/* Where the strings of one decision lie in the working text. The path is built backwards. */
#define ENF_TEXT_PATH 0
#define ENF_TEXT_NAME 4608   /* ENF_PATH_MAX + room for one name read at its last byte */
#define ENF_TEXT_FSTYPE 4880 /* ENF_TEXT_NAME + 272: behind the longest name */
#define ENF_TEXT_SIZE 5120   /* ENF_TEXT_NAME + 512 */
#define ENF_TEXT_ARGV 5120   /* behind it: in a piece of memory of their own, see arguments.h */

#define ENF_ARGUMENTS_SIZE 16896 /* of such a piece: ENF_ARGV_MAX + 512 */

/*
 * How many pieces there are of working memory, and of memory for arguments: powers of two, for any number of
 * processors. See scratch.bpf.h.
 */
#define ENF_SCRATCHES 64
#define ENF_ARGUMENTS 32

struct enf_verdict {
	__u32 row;	 /* of the enforcing policies; ENF_NONE */
	__u32 audit_row; /* of the policies in audit mode; ENF_NONE */
	__u8 action;
	__u8 audit_action;
	__u8 flags; /* ENF_VF_* */
	__u8 audit_flags;
	__s32 error;
	__u8 signal;
	__u8 row_flags;
	__u8 audit_row_flags;
	__u8 op; /* that the row was found for */
	__u8 audit_op;
	__u8 limit; /* as in the row */
	__u8 audit_limit;
	__u8 _pad;
	__u64 marks; /* that are to be set now */
};

/*
 * What one policy said of an access, in one number: the row, the operation that it was found for, the
 * action, and what else records say of it.
 */
#define ENF_MATCH_ROW 0x0000ffff
#define ENF_MATCH_OP_AT 16
#define ENF_MATCH_WHICH 0x003fffff /* the row and the operation: what a limit of records counts */
#define ENF_MATCH_ACTION_AT 22
#define ENF_MATCH_RECORD 0x02000000 /* it wants a record */
#define ENF_MATCH_AUDIT 0x04000000
#define ENF_MATCH_ON_ERROR 0x08000000
#define ENF_MATCH_DEFAULT 0x10000000
#define ENF_MATCH_GUARD 0x20000000

#define ENF_WANTED_ENFORCED 1
#define ENF_WANTED_AUDIT 2

/*
 * What policies said of one access: each once, by the strictest that it said of any part or view of it; and apart
 * what else they said for which they want a record.
 */
struct enf_matches {
	__u16 n;      /* policies, also those that found no room */
	__u16 n_also; /* more than there is room for: what found no room is in *wanted* */
	__u32 at[8];
	__u32 also[4];
	__u16 policy[8]; /* of each in *at* */
	__u32 wanted;	 /* ENF_WANTED_*: a record, by one of those that found no room */
	__u64 more[8];	 /* those that found no room, as bits */
};

/* ---- Events ------------------------------------------------------------------------------- */

enum enf_event_kind {
	ENF_EVENT_VERDICT = 1,
	ENF_EVENT_GUARD = 2, /* self-protection refused something: see enum enf_guard_act */
	/* of a recording session only */
	ENF_EVENT_ACCESS = 3, /* operands of an access in one view, and who asks; no verdict */
	ENF_EVENT_LINE = 4,   /* fork or exec: see enum enf_line_how */
	ENF_EVENT_CGROUP = 5, /* path of the cgroup *cgroup*; ino: whose marks count there */
	_ENF_EVENT_MAX = 6,
};

/*
 * How a process, or the program that it runs, came to be: op of an ENF_EVENT_LINE, whose line is the
 * number of what began, and whose ino is that of what it came from. The identity in the event is that
 * of what it came from, at that moment.
 */
enum enf_line_how {
	ENF_LINE_FORK = 0,
	ENF_LINE_SIBLING = 1, /* forked with CLONE_PARENT */
	ENF_LINE_EXEC = 2,
	ENF_LINE_FOUND = 3, /* it was there before the recording; the identity is its parent's */
	_ENF_LINE_MAX = 4,
};

#define ENF_EF_ENFORCED 0x01  /* not audit: the verdict was carried out */
#define ENF_EF_PREVENTED 0x02 /* the operation did not happen */
#define ENF_EF_ON_ERROR 0x04
#define ENF_EF_SIGNAL_FAILED 0x08 /* the kill could not be delivered; the denial stands */
#define ENF_EF_OTHERS 0x10	  /* its repeats are of several processes of its cgroup */

struct enf_event {
	__u16 size; /* of head and tail */
	__u8 kind;
	__u8 op;
	__u8 action;
	__u8 flags; /* ENF_EF_* */
	__u8 row_flags;
	__u8 signal;
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u64 generation;
	__u64 cgroup;
	__u64 start_ns; /* task start, CLOCK_BOOTTIME */
	__u64 exec_ns;
	__u64 parent_start_ns;
	__u64 dev;
	__u64 ino;
	__u64 addr_hi;
	__u64 addr_lo;
	__u64 caps;
	__u64 unknown; /* dimensions that could not be read */
	__u64 present; /* dimensions that the operation has */
	__u64 line;    /* enf_task.line of who acted */
	__u64 bits;
	__u32 row;
	__u32 obj_flags;
	__u32 subj_flags;
	__s32 error;
	__u32 pid; /* thread group, initial pid namespace */
	__u32 tid;
	__u32 ppid;
	__u32 uid, euid, gid, egid;
	__u32 mode;
	__u32 code;
	__u32 to_uid;
	__u32 to_gid;
	__u8 ops[4];  /* all operations that the access was; ENF_NO_OP where there are no more */
	__u64 arg[6]; /* of a system call; numbers at a point */
	__u16 family;
	__u16 type;
	__u16 protocol;
	__u16 port;
	__u16 path_len; /* tail: path, exe, name (argv; of an open: as asked), in this order, not terminated */
	__u16 exe_len;
	__u16 name_len;
	__u16 argc;
	char comm[16];
	char parent_comm[16];
	char fstype[32];  /* NUL-terminated */
	__u64 suppressed; /* records of this row that its limit left out since the last */
	__u64 mark_at[4]; /* when the marks were set that the row asks about; 0: never */
	__u32 match[8];	  /* as in enf_matches; filled where more than one policy said something */
	__u32 n_matches;  /* policies that said something, also those that found no room; 0: one */
	__u32 drift;	  /* ENF_DRIFT_*, if present and known */
	__u64 repeats; /* more records of its kind, which are told by this one: see struct enf_repeats */
	__u64 last_ns; /* when the last of them came; 0: there are none */
};

/*
 * What stands for the records of one kind while a ring is crowded: the first of them, and how many more came.
 * A kind is a process, the program that it runs, a row, an operation, and what became of it. The first entries
 * are of the ring of decisions, the others of that of activity: see repeats.bpf.h.
 */
#define ENF_REPEATS_DECISIONS 256
#define ENF_REPEATS_ACTIVITY 128
#define ENF_REPEATS 384	  /* of both */
#define ENF_TAIL_KEPT 768 /* as much of path, executable and name */

/* The state of an entry: how many more came, whether it is somebody's, whether its record is whole, its turn. */
#define ENF_REPEATS_COUNT 0xffffffffff
#define ENF_REPEATS_TAKEN 0x10000000000
#define ENF_REPEATS_WHOLE 0x20000000000
#define ENF_REPEATS_TURN_AT 42

struct enf_repeats {
	__u64 state;
	__u64 last_ns;
	__u64 cgroup;  /* whose it is */
	__u32 account; /* likewise: see enf_account() */
	__u32 pid;     /* of the kind, as what follows; 0: any of the cgroup's */
	__u64 start_ns;
	__u64 exec_ns;
	__u64 generation;
	__u32 row;
	__u8 kind;
	__u8 op;
	__u8 action;
	__u8 flags;
	struct enf_event event;
	char tail[768];
};

/* Context of the program enf_tell_repeats, which moves what is whole into the rings. */
struct enf_telling {
	__u32 told; /* out: records that were written */
	__u32 left; /* out: what found no room, or is not whole yet */
};

/* ---- Counters ----------------------------------------------------------------------------- */

struct enf_hits { /* of row r under generation g: entry r + (g & 1) * rows */
	__u64 enforced;
	__u64 audited;
};

/*
 * What a processor has counted and not added to enf_hits yet: in each of so many slots the count of one row, as
 * a __u64 of generation, row, whether it was audited, and count, from the highest bits to the lowest.
 */
#define ENF_HIT_SLOTS 64
#define ENF_HIT_COUNT_BITS 24
#define ENF_HIT_ROW_BITS 16 /* those of ENF_MAX_ROWS */
#define ENF_HIT_GENERATION_BITS 23

enum enf_stat {				     /* per CPU array of __u64 */
		ENF_STAT_DECISIONS = 0,	     /* decisions taken past the fast path */
		ENF_STAT_LOST_DECISIONS = 1, /* deny/kill records that found no room */
		ENF_STAT_LOST_ACTIVITY = 2,  /* log/allow records that found no room */
		ENF_STAT_NO_SCRATCH =
			3, /* no working memory: onError of every rule of the op decided */
		ENF_STAT_NO_TASK = 4, /* no subject state: treated as unknown subject */
		ENF_STAT_PATH_UNKNOWN = 5,
		ENF_STAT_ARGV_UNKNOWN = 6,
		ENF_STAT_NAME_UNKNOWN = 7,
		ENF_STAT_EXE_UNKNOWN = 8,
		ENF_STAT_ON_ERROR = 9, /* verdicts that an unknown operand decided */
		ENF_STAT_SIGNAL_FAILED = 10,
		ENF_STAT_FORK_REFUSED =
			11, /* no memory for the label of a child: the fork was refused */
		ENF_STAT_BAD_IMAGE = 12, /* an offset outside the image: what it says is left out */
		ENF_STAT_OVERFLOW = 13,	 /* more atoms than ENF_MAX_TOUCHED: treated as unknown */
		ENF_STAT_LATE_LABEL = 14,    /* task met without state, labelled on the spot */
		ENF_STAT_GUARD_REFUSED = 15, /* attempts on the engine or its daemon */
		ENF_STAT_MARK_LOST = 16,     /* a mark was not set: see marks.bpf.h */
		ENF_STAT_SUPPRESSED = 17,    /* records that the limits of rules left out */
		ENF_STAT_PATH_AMONG = 18,    /* paths that were resolved while renames went on */
		ENF_STAT_BIND_REFUSED =
			19,	       /* no memory for what a bind to a path is: it was refused */
		ENF_STAT_NO_CORE = 20, /* somebody took the core away: the access was refused */
		ENF_STAT_ATTEMPT_LOST = 21, /* policies changed faster than it could be decided */
		ENF_STAT_NO_SET = 22, /* no number for a set of subjects: decided anew each time */
		ENF_STAT_HITS_ADDED = 23, /* counts of rows added to what all processors write */
		ENF_STAT_REPEATED = 24,	  /* records that were counted with one of their kind */
		ENF_STAT_NO_KIND = 25,	  /* kinds beyond a share: they take the rest of a ring */
		ENF_STAT_DRIFT_UNKNOWN =
			26, /* files of which it cannot be told whether the image brought them */
		ENF_STAT_ROOT_LOST = 27, /* no room to keep the root of a container */
		_ENF_STAT_MAX = 28,
};

/* ---- What a daemon leaves for its successor ------------------------------------------------ */

struct enf_notes {
	__u64 alive_ns;	      /* CLOCK_BOOTTIME when the daemon last looked */
	__u64 lost_decisions; /* of ENF_STAT_LOST_*, what it has reported */
	__u64 lost_activity;
	__u64 reserved;
};

/* ---- Input and output of the in-kernel decision test (SEC("syscall")) --------------------- */

/* What a decision could not do: ENF_STAT_OVERFLOW, ENF_STAT_BAD_IMAGE. */
#define ENF_LAPSE_OVERFLOW 1
#define ENF_LAPSE_IMAGE 2

struct enf_test_input {
	struct enf_task task;
	struct enf_object object;
	struct enf_verdict verdict; /* out */
	struct enf_matches matches; /* out */
	__u32 cgroup_len;
	__u32 reval;  /* not 0: compute the subject sets from the identity first */
	__u32 lapses; /* out: ENF_LAPSE_* */
	__u32 reserved;
	__u64 now;
	struct enf_marks marks; /* all that the task has, whoever they are of */
	char cgroup[4096];
	char path[4096];
	char name[256];
	char argv[16384];
	char fstype[32];
};

/* ---- Self-protection ----------------------------------------------------------------------- */

/* What was tried: op of an ENF_EVENT_GUARD, whose ino is the target's number (an object's id, a
 * process, an inode), whose signal is the one that was sent, and whose name is that of the target.
 */
enum enf_guard_act {
	ENF_GUARD_LINK = 0,    /* detach or update a link of the engine */
	ENF_GUARD_MAP = 1,     /* open one of its maps */
	ENF_GUARD_PROGRAM = 2, /* open one of its programs */
	ENF_GUARD_LOAD = 3, /* load a program that could act on the daemon or before the engine */
	ENF_GUARD_SIGNAL = 4,
	ENF_GUARD_PTRACE = 5,
	ENF_GUARD_PIN = 6,
	ENF_GUARD_MOUNT = 7,
	ENF_GUARD_CGROUP = 8,
	ENF_GUARD_SYSTEM = 9, /* write a file of /proc that would end the daemon or the engine */
	ENF_GUARD_LIMIT = 10, /* its resource limits, its place on the processors */
	ENF_GUARD_KEY = 11,   /* a wrong key was shown: see ENF_KNOCK */
	ENF_GUARD_FILE = 12,  /* write a file that the daemon has mapped */
	ENF_GUARD_PROBE = 13, /* put a probe into user space, where it could be the daemon's */
	_ENF_GUARD_MAX = 14,
};

enum enf_guard_order {
	ENF_GUARD_ADD = 0,  /* protect the object id of kind */
	ENF_GUARD_DROP = 1, /* no longer */
	ENF_GUARD_ARM = 2,  /* the caller's process becomes the owner; directory holds the pins */
	ENF_GUARD_DISARM = 3,
	/* Nobody writes the file of *directory*, or what the caller has mapped at *address*, while the owner lives,
	 * which holds it.
	 */
	ENF_GUARD_SEAL = 4,
	_ENF_GUARD_ORDER_MAX = 5,
};

/* Context of the program enf_guard_control, by which user space speaks to the guard. */
struct enf_guard_call {
	__u32 order;	 /* enum enf_guard_order */
	__u32 kind;	 /* ENF_GUARD_LINK, ENF_GUARD_MAP or ENF_GUARD_PROGRAM */
	__u32 id;	 /* of that object */
	__s32 directory; /* descriptor, or -1 */
	__u32 cgroup;	 /* not 0: the daemon's cgroup is its own, and protected */
	__u32 blind;	 /* out: not 0 if dangerous calls cannot be told from others */
	__u32 keyed;	 /* not 0: *verifier* is set */
	__u32 probes;	 /* type of the events of perf that are probes in user space; 0: none are */
	__u64 address;	 /* where the file is mapped; 0: *directory* tells it */
	char verifier
		[32]; /* SHA-256 of the key that takes the place of the service manager's word */
};

enum enf_first_unit {
	ENF_FIRST_NONE = 0, /* it has run no program outside of the cgroup where it was forked */
	ENF_FIRST_OWN = 1,  /* the first such was in the unit of the guard's owner */
	ENF_FIRST_OTHER = 2,
	_ENF_FIRST_MAX = 3,
};

/* A process that the first process of the machine has forked, or the owner of the guard. */
struct enf_offspring {
	__u64 born;   /* id of the cgroup of the first process at that moment */
	__u32 first;  /* enum enf_first_unit */
	__u32 owners; /* not 0: of the owner, or of such a process */
};

/*
 * Whoever holds the key shows it by a command of bpf(2) that no kernel knows, with a struct enf_knock in
 * the place of its attributes. EINVAL is the kernel's own answer: nobody guards, or nobody keeps the
 * caller out. EPERM: no key would help. ENOKEY: one would. EKEYREJECTED: this is not the one. EBUSY: the
 * owner lives and must be asked.
 */
#define ENF_KNOCK 0x4546

enum enf_knock_order {
	ENF_KNOCK_ASK = 0,     /* am I kept out? */
	ENF_KNOCK_CLAIM = 1,   /* let in the caller's process, beside the owner or in its place */
	ENF_KNOCK_RELEASE = 2, /* the owner is dead: end protection of what it left */
	_ENF_KNOCK_ORDER_MAX = 3,
};

struct enf_knock {
	__u32 order; /* enum enf_knock_order */
	__u32 _pad;
	char key[32];
};

_Static_assert(ENF_SF_DRIFT_WRITTEN == ENF_DRIFT_WRITTEN << ENF_SF_DRIFT_AT &&
		       ENF_SF_DRIFT_MEMORY == ENF_DRIFT_MEMORY << ENF_SF_DRIFT_AT &&
		       ENF_SF_DRIFT_VOLUME == ENF_DRIFT_VOLUME << ENF_SF_DRIFT_AT &&
		       ENF_SF_DRIFT_FOREIGN == ENF_DRIFT_FOREIGN << ENF_SF_DRIFT_AT,
	       "drift");
_Static_assert(sizeof(struct enf_guard_call) == 72, "enf_guard_call");
_Static_assert(sizeof(struct enf_knock) == 40, "enf_knock");
_Static_assert(sizeof(struct enf_offspring) == 16, "enf_offspring");
_Static_assert(sizeof(struct enf_slot) == 32, "enf_slot");
_Static_assert(sizeof(struct enf_dfa) == 32, "enf_dfa");
_Static_assert(sizeof(struct enf_interval) == 24, "enf_interval");
_Static_assert(sizeof(struct enf_met) == 280, "enf_met");
_Static_assert(sizeof(struct enf_mounted) == 536, "enf_mounted");
_Static_assert(sizeof(struct enf_place) == 40, "enf_place");
_Static_assert(sizeof(struct enf_term) == 24, "enf_term");
_Static_assert(sizeof(struct enf_label) == 16, "enf_label");
_Static_assert(sizeof(struct enf_subject) == 40, "enf_subject");
_Static_assert(sizeof(struct enf_row) == 40, "enf_row");
_Static_assert(sizeof(struct enf_limit) == 16, "enf_limit");
_Static_assert(sizeof(struct enf_marks) == 528, "enf_marks");
_Static_assert(sizeof(struct enf_operand) == 32, "enf_operand");
_Static_assert(sizeof(struct enf_point) == 472, "enf_point");
_Static_assert(sizeof(struct enf_image) == 1048, "enf_image");
_Static_assert(sizeof(struct enf_task) == 1064, "enf_task");
_Static_assert(sizeof(struct enf_object) == 280, "enf_object");
_Static_assert(sizeof(struct enf_verdict) == 32, "enf_verdict");
_Static_assert(sizeof(struct enf_matches) == 136, "enf_matches");
_Static_assert(sizeof(struct enf_event) == 416, "enf_event");
_Static_assert(sizeof(struct enf_repeats) == 1248, "enf_repeats");
_Static_assert(ENF_REPEATS == ENF_REPEATS_DECISIONS + ENF_REPEATS_ACTIVITY, "both parts");

#endif
