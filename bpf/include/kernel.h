/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel structures that enforcer reads, and of them only the fields that it reads. CO-RE finds
 * the offsets on the running kernel; a field that another kernel names or types differently has a
 * flavour (a struct with a ___suffix) below, with the commit that changed it.
 */
#ifndef ENFORCER_KERNEL_H
#define ENFORCER_KERNEL_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct qstr {
	union {
		struct {
			__u32 hash;
			__u32 len;
		};
		__u64 hash_len;
	};
	const unsigned char *name;
};

/* x86: the registers of a system call, as its entry saved them. */
struct pt_regs {
	unsigned long bp, bx, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax; /* number of the call */
	unsigned long ip, sp;
};

/* x86: of the system call that goes on. */
struct thread_info {
	__u32 status;
};

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	__u32 val;
} kgid_t;

struct super_block;
struct unicode_map;

struct user_namespace;

struct file_system_type {
	const char *name;
};

struct inode_operations {
	void *fileattr_set;
};

struct inode {
	const struct inode_operations *i_op;
	__u16 i_mode;
	kuid_t i_uid;
	unsigned int i_flags;
	__u32 i_rdev;
	unsigned int i_nlink;
	unsigned long i_ino;
	__u32 i_generation;
	struct super_block *i_sb;
	void *i_private;
	struct hlist_head i_dentry;
};

struct iattr {
	unsigned int ia_valid;
	__u16 ia_mode;
};

struct seqcount {
	unsigned int sequence;
};

struct seqcount_spinlock {
	struct seqcount seqcount;
};

struct dentry {
	unsigned int d_flags;
	struct seqcount_spinlock d_seq;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
	union {
		struct hlist_node d_alias; /* among those of its inode */
	} d_u;
};

struct super_block {
	__u32 s_dev;
	struct file_system_type *s_type;
	unsigned long s_flags;
	unsigned long s_magic;
	struct dentry *s_root;
	struct list_head s_mounts;
	struct user_namespace *s_user_ns;
	struct unicode_map *s_encoding; /* where the kernel has CONFIG_UNICODE */
};

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
	int mnt_flags;
};

/* Ids of files as a mount shows them: since v6.2 (256c8aed2b420) by mnt_idmap, earlier by a namespace. */
struct vfsmount___userns {
	struct user_namespace *mnt_userns;
};

struct mnt_idmap;

struct vfsmount___idmap {
	struct mnt_idmap *mnt_idmap;
};

/* It was a namespace's map at first, and has one of its own since. */
struct mnt_idmap___owner {
	struct user_namespace *owner;
};

struct uid_gid_map {
	__u32 nr_extents;
};

struct mnt_idmap___map {
	struct uid_gid_map uid_map;
};

struct ns_common {
	unsigned int inum;
};

struct rb_node {
	unsigned long __rb_parent_color; /* the parent's address; two bits are none of it */
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct mnt_namespace {
	struct ns_common ns;
	struct mount *root;
	struct list_head list; /* of mounts */
	__u64 event;	       /* another number after each change of its mounts */
};

/* Its mounts are a tree since v6.8 (2eea9ce4310d8, "mounts: keep list of mounts in an rbtree"). */
struct mnt_namespace___tree {
	struct rb_root mounts;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct list_head mnt_mounts; /* on it */
	struct list_head mnt_child;  /* in that list of its parent */
	struct list_head mnt_share;  /* its peers, in a ring */
	struct mount *mnt_master;    /* one of the peers that it repeats */
	struct list_head mnt_instance;
	struct list_head mnt_list; /* of the namespace */
	const char *mnt_devname;
	struct mnt_namespace *mnt_ns;
	int mnt_id;
	int mnt_group_id;
};

/* Since v6.8 (98d2b43081972, "add unique mount ID"). */
struct mount___unique {
	__u64 mnt_id_unique;
};

struct mount___tree {
	struct rb_node mnt_node;
};

/* The mounts of a superblock became a chain of struct mount of its own (v6.18). */
struct mount___chain {
	struct mount *mnt_next_for_sb;
};

struct super_block___chain {
	struct mount *s_mounts;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	unsigned int f_mode;
	unsigned int f_flags;
	struct path f_path;
	struct inode *f_inode;
	const struct cred *f_cred;
	void *private_data;
};

/* The references to a file, until v6.13 and since (90ee6ed776c06, "fs: port files to file_ref"). */
struct file___counted {
	struct {
		__s64 counter;
	} f_count;
};

struct file___ref {
	struct {
		struct {
			__s64 counter;
		} refcnt;
	} f_ref;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct backing_file {
	struct file file;
	struct path user_path;
};

struct anon_vma;

struct vm_area_struct {
	unsigned long vm_flags;
	struct anon_vma *anon_vma;
	struct file *vm_file;
};

/* { __u32 cap[2] } before v6.3 (f122a08b197d0), { __u64 val } since: the same eight bytes. */
typedef struct {
	__u64 val;
} kernel_cap_t;

struct user_namespace {
	struct user_namespace *parent;
	int level;
	kuid_t owner;
};

struct group_info {
	int ngroups;
	kgid_t gid[];
};

struct cred {
	struct group_info *group_info;
	struct user_namespace *user_ns;
	kuid_t uid;
	kgid_t gid;
	kuid_t suid;
	kgid_t sgid;
	kuid_t euid;
	kgid_t egid;
	kuid_t fsuid;
	kgid_t fsgid;
	kernel_cap_t cap_permitted;
	kernel_cap_t cap_effective;
};

struct kernfs_node {
	struct kernfs_node *parent;
	const char *name;
	__u64 id;
	void *priv;
};

/* Renamed in v6.15 (633488947ef66, "kernfs: Use RCU to access kernfs_node::parent"). */
struct kernfs_node___rcu {
	struct kernfs_node *__parent;
};

struct cgroup_subsys_state {
	unsigned int flags;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct mm_struct {
	struct file *exe_file;
	unsigned long saved_auxv[1]; /* as long as it is on the running kernel */
};

struct pid {
	unsigned int level;
	struct hlist_head tasks[4];
};

struct proc_inode {
	struct pid *pid;
	struct inode vfs_inode;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
};

struct fs_struct {
	struct path root;
	struct path pwd;
};

/* What a worker of io_uring works for. Before v6.4 there was a queue by node in between. */
struct io_wq {
	struct task_struct *task;
};

struct io_worker {
	struct io_wq *wq;
};

struct io_wqe {
	struct io_wq *wq;
};

struct io_worker___node {
	struct io_wqe *wqe;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	unsigned int personality;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	const struct cred *real_cred;
	const struct cred *cred;
	struct mm_struct *mm;
	struct css_set *cgroups;
	struct files_struct *files;
	struct signal_struct *signal;
	struct nsproxy *nsproxy;
	struct pid *thread_pid;
	struct hlist_node pid_links[4];
	struct fs_struct *fs;
	struct io_uring_task *io_uring; /* once it has used one */
	void *worker_private;		/* of a worker: struct io_worker */
	struct nameidata *nameidata;	/* of the path walk that goes on, if one does */
	__u64 start_boottime;
	char comm[16];
};

struct filename {
	const char *name; /* the kernel's copy of what the caller wrote */
};

struct nameidata {
	struct filename *name;
};

struct linux_binprm {
	struct mm_struct *mm;
	unsigned long p;
	unsigned long exec;
	struct file *file;
	struct cred *cred;
	int unsafe;
	int argc;
	const char *filename;
	const char *interp;
	char buf[256];
};

/* Since v6.14 (a5874fde3c088, "exec: Add a new AT_EXECVE_CHECK flag to execveat(2)"). */
struct linux_binprm___check {
	unsigned int is_check : 1;
};

struct sock_common {
	unsigned short skc_family;
	__u16 skc_num;
	__be16 skc_dport;
	__be32 skc_rcv_saddr;
	unsigned char skc_state;
	int skc_bound_dev_if;
	struct {
		__u8 b[16];
	} skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
};

struct ip_options {
	__be32 faddr;
	unsigned char srr; /* where the source route is, from the header on; 0: there is none */
	unsigned char __data[0];
};

struct ip_options_rcu {
	struct ip_options opt;
};

struct ipv6_txoptions {
	void *srcrt;
};

struct ipv6_pinfo {
	struct ipv6_txoptions *opt;
};

struct inet_sock {
	__be32 inet_saddr;
	int uc_index;
	struct ip_options_rcu *inet_opt;
	struct ipv6_pinfo *pinet6;
};

/* Since v6.3 (91d0b78c5177f, "inet: Add IP_LOCAL_PORT_RANGE socket option"). */
struct inet_sock___pair {
	struct {
		__u16 lo, hi;
	} local_port_range;
};

/* Since v6.8 (d9f28735af874, "Use READ/WRITE_ONCE() for IP local_port_range."): the higher port in the upper half. */
struct inet_sock___range {
	__u32 local_port_range;
};

typedef enum {
	SS_FREE = 0,
	SS_UNCONNECTED,
	SS_CONNECTING,
	SS_CONNECTED,
	SS_DISCONNECTING,
} socket_state;

struct socket {
	socket_state state;
	short type;
	struct file *file;
	struct sock *sk;
};

struct sk_buff {
	__be16 protocol;
	__u16 network_header;
	unsigned int tail; /* an offset from head: on 64 bits */
	unsigned char *head;
};

struct sockaddr_un {
	unsigned short sun_family;
};

struct unix_address {
	int len;
	struct sockaddr_un name[0];
};

struct unix_sock {
	struct unix_address *addr;
	struct path path;
};

struct msghdr {
	void *msg_name;
	int msg_namelen;
	void *msg_control;
	__u64 msg_controllen;
	unsigned int msg_flags;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_map {
	__u32 id;
	struct {
		__s64 counter;
	} usercnt; /* descriptors and names, not programs */
};

struct bpf_prog;

struct bpf_prog_aux {
	__u32 id;
	__u32 used_map_cnt;
	struct bpf_map **used_maps;
	struct bpf_prog *dst_prog;
	__u64 load_time;
};

/* Since v6.18: programs on user space probes may change registers. */
struct bpf_prog_aux___write {
	_Bool kprobe_write_ctx;
};

struct bpf_prog {
	__u32 len;
	enum bpf_prog_type type;
	enum bpf_attach_type expected_attach_type;
	struct bpf_prog_aux *aux;
	struct bpf_insn insnsi[0];
};

struct bpf_link {
	__u32 id;
	struct bpf_prog *prog;
};

struct perf_event_attr {
	__u32 type;
	__u64 sigtrap : 1;
};

struct hw_perf_event {
	struct task_struct *target;
};

struct perf_event {
	struct perf_event_attr attr;
	struct hw_perf_event hw;
};

struct kernel_siginfo;
struct fown_struct;
struct rlimit;

#pragma clang attribute pop

enum kernel_read_file_id {
	READING_FIRMWARE,
	READING_MODULE,
	READING_KEXEC_IMAGE,
	READING_KEXEC_INITRAMFS,
	READING_MODULE_COMPRESSED, /* in newer kernels */
};

enum kernel_load_data_id {
	LOADING_FIRMWARE,
	LOADING_MODULE,
	LOADING_KEXEC_IMAGE,
	LOADING_KEXEC_INITRAMFS,
};

/* In newer kernels; in older ones these are constants of the preprocessor, ENF_DCACHE_*. */
enum dentry_flags {
	DCACHE_MOUNTED = 1 << 15,
	DCACHE_NOKEY_NAME = 1 << 22,
};

/* Not structures but constants of the kernel's interface to itself and to user space. */
#define ENF_CLONE_VM 0x00000100
#define ENF_CLONE_VFORK 0x00004000
#define ENF_CLONE_PARENT 0x00008000
#define ENF_CLONE_THREAD 0x00010000
#define ENF_MNT_NOSUID 0x01 /* of vfsmount.mnt_flags */
#define ENF_MNT_NODEV 0x02
#define ENF_MNT_NOEXEC 0x04
#define ENF_MNT_NOATIME 0x08
#define ENF_MNT_NODIRATIME 0x10
#define ENF_MNT_RELATIME 0x20
#define ENF_MNT_READONLY 0x40
#define ENF_MNT_NOSYMFOLLOW 0x80
#define ENF_MS_RDONLY 0x1 /* of mount(2); also of super_block.s_flags */
#define ENF_MS_NOSUID 0x2
#define ENF_MS_NODEV 0x4
#define ENF_MS_NOEXEC 0x8
#define ENF_MS_REMOUNT 0x20
#define ENF_MS_NOSYMFOLLOW 0x100
#define ENF_MS_NOATIME 0x400
#define ENF_MS_NODIRATIME 0x800
#define ENF_MS_BIND 0x1000
#define ENF_MS_MOVE 0x2000
#define ENF_MS_PROPAGATION 0x1e0000 /* unbindable, private, slave, shared */
#define ENF_MS_RELATIME 0x200000
#define ENF_DCACHE_MOUNTED 0x10000
#define ENF_DCACHE_NOKEY_NAME 0x2000000
#define ENF_FMODE_READ 0x1
#define ENF_FMODE_WRITE 0x2
#define ENF_O_APPEND 02000
#define ENF_O_TRUNC 01000
#define ENF_FMODE_CREATED 0x100000
#define ENF_FMODE_EXEC 0x20
#define ENF_SB_KERNMOUNT (1UL << 22) /* mounted by the kernel for its own use */
#define ENF_SB_NOUSER (1UL << 31)    /* of the kernel's own: pipes, sockets, memfd */
#define ENF_FSCONFIG 431	     /* fsconfig(2), of 64 and of 32 bits */
#define ENF_OPEN_TREE 428	     /* open_tree(2) */
#define ENF_FSMOUNT 432		     /* fsmount(2) */
#define ENF_OPEN_TREE_ATTR 467	     /* open_tree_attr(2) */
#define ENF_NSFS_MAGIC 0x6e736673    /* of files of namespaces */
#define ENF_MOUNT 165		     /* mount(2) */
#define ENF_MOUNT_32 21
#define ENF_X32_CALL 0x40000000
#define ENF_ATTR_MODE 0x1 /* of iattr.ia_valid */
#define ENF_ATTR_UID 0x2
#define ENF_ATTR_GID 0x4
#define ENF_ATTR_SIZE 0x8
#define ENF_S_IFMT 0170000
#define ENF_S_IFSOCK 0140000
#define ENF_S_IFCHR 0020000
#define ENF_S_IFBLK 0060000
#define ENF_S_IFREG 0100000
#define ENF_S_IFDIR 0040000
#define ENF_S_ISUID 04000
#define ENF_S_ISGID 02000
#define ENF_S_IXGRP 00010
#define ENF_PROT_WRITE 0x2
#define ENF_PROT_EXEC 0x4
#define ENF_MAP_SHARED 0x1 /* also a bit of MAP_SHARED_VALIDATE, and of no other kind */
#define ENF_VM_READ 0x1
#define ENF_VM_WRITE 0x2
#define ENF_VM_EXEC 0x4
#define ENF_VM_SHARED 0x8
#define ENF_ZERO_DEVICE (1 << 20 | 5) /* /dev/zero, as the kernel writes 1:5 */
#define ENF_PTRACE_MODE_ATTACH 0x2
#define ENF_PERF_SECURITY_OPEN 0
#define ENF_RENAME_EXCHANGE 0x2
#define ENF_F_SETFL 4
#define ENF_RWF_NOAPPEND 0x20
#define ENF_FALLOC_KEEP_SIZE 0x1
#define ENF_ATTR_ATIME_SET (1 << 7) /* of iattr.ia_valid: include/linux/fs.h */
#define ENF_ATTR_MTIME_SET (1 << 8)
#define ENF_ATTR_TIMES_SET (1 << 16)
#define ENF_ATTR_TOUCH (1 << 17)
#define ENF_FS_IOC_SETFLAGS 0x40086602
#define ENF_FS_IOC32_SETFLAGS 0x40046602
#define ENF_FS_IOC_FSSETXATTR 0x401c5820
#define ENF_EXT4_IOC_MOVE_EXT 0xc028660f
#define ENF_EXT4_IOC_SWAP_BOOT 0x6611
#define ENF_F2FS_IOC_MOVE_RANGE 0xc020f509
#define ENF_F2FS_IOC32_MOVE_RANGE 0xc01cf509
#define ENF_F2FS_IOC_SEC_TRIM_FILE 0x4018f514
#define ENF_F2FS_IOC_START_ATOMIC_REPLACE 0xf519
#define ENF_CIFS_IOC_COPYCHUNK_FILE 0x4004cf03
#define ENF_CSS_ONLINE 0x2
#define ENF_PF_IO_WORKER 0x10
#define ENF_PF_USER_WORKER 0x4000
#define ENF_PF_KTHREAD 0x200000
#define ENF_TS_COMPAT 0x2 /* x86, of thread_info.status: a call with registers of 32 bits */
#define ENF_LSM_UNSAFE_PTRACE 2
#define ENF_RLIMIT_CPU 0
#define ENF_RLIMIT_FSIZE 1
#define ENF_RLIMIT_STACK 3
#define ENF_RLIMIT_AS 9
#define ENF_RLIMIT_RTTIME 15
#define ENF_MAY_WRITE 0x2
#define ENF_MAY_READ 0x4
#define ENF_MAY_APPEND 0x8
#define ENF_MSG_FASTOPEN 0x20000000
#define ENF_AF_UNSPEC 0
#define ENF_AF_UNIX 1
#define ENF_AF_INET 2
#define ENF_AF_INET6 10
#define ENF_AF_RXRPC 33
#define ENF_AF_SMC 43
#define ENF_SOCK_STREAM 1
#define ENF_SOCK_DGRAM 2
#define ENF_SOCK_RAW 3
#define ENF_SOCK_SEQPACKET 5
#define ENF_SOCK_DCCP 6
#define ENF_TCP_TIME_WAIT 6 /* net/tcp_states.h */
#define ENF_TCP_CLOSE 7
#define ENF_TCP_ULP 31
#define ENF_TCP_NEW_SYN_RECV 12
#define ENF_IPPROTO_IP 0
#define ENF_IPPROTO_TCP 6
#define ENF_IPPROTO_UDP 17
#define ENF_IPPROTO_IPV6 41
#define ENF_IPPROTO_DCCP 33
#define ENF_IPPROTO_SCTP 132
#define ENF_IPPROTO_UDPLITE 136
#define ENF_IPPROTO_RAW 255
#define ENF_IPPROTO_SMC 256
#define ENF_IPPROTO_MPTCP 262
#define ENF_SMCPROTO_SMC6 1
#define ENF_IP_OPTIONS 4
#define ENF_IP_RETOPTS 7
#define ENF_IP_LOCAL_PORT_RANGE 51
#define ENF_IPV6_2292RTHDR 5
#define ENF_IPV6_2292PKTOPTIONS 6
#define ENF_IPV6_FLOWLABEL_MGR 32
#define ENF_IPV6_RTHDR 57
#define ENF_IPV6_SRCRT_SEGMENTS 4 /* the type of routing header that SRv6 has */
#define ENF_SCTP_BINDX_ADD 100	  /* include/uapi/linux/sctp.h */
#define ENF_SCTP_CONNECTX 110
#define ENF_SCTP_SENDMSG_CONNECT 126
#define ENF_SCTP_DSTADDRV4 7
#define ENF_SCTP_DSTADDRV6 8
#define ENF_EPERM 1
#define ENF_ENOENT 2
#define ENF_ENOMEM 12
#define ENF_EBUSY 16
#define ENF_EINVAL 22
#define ENF_ENOKEY 126
#define ENF_EKEYREJECTED 129
#define ENF_SIGKILL 9
#define ENF_SIGTRAP 5
#define ENF_SIGSEGV 11
#define ENF_SIGCHLD 17
#define ENF_SIGCONT 18
#define ENF_SIGXFSZ 25
#define ENF_SIGWINCH 28
#define ENF_SIGIO 29
#define ENF_CAP_SYS_ADMIN 21
#define ENF_CAP_SYS_TIME 25
#define ENF_CAP_SETFCAP 31
#define ENF_CAP_MAC_ADMIN 33
#define ENF_CAP_BPF 39
#define ENF_CAP_OPT_NOAUDIT 2 /* include/linux/security.h */
#define ENF_CGROUP2_MAGIC 0x63677270
#define ENF_PROC_MAGIC 0x9fa0
#define ENF_SYSFS_MAGIC 0x62656572
#define ENF_DEBUGFS_MAGIC 0x64626720
#define ENF_TRACEFS_MAGIC 0x74726163
#define ENF_OVERLAY_MAGIC 0x794c7630
#define ENF_TMPFS_MAGIC 0x01021994
#define ENF_RAMFS_MAGIC 0x858458f6
#define ENF_HUGETLBFS_MAGIC 0x958458f6
#define ENF_NFS_MAGIC 0x6969
#define ENF_AFS_MAGIC 0x6b414653
#define ENF_FUSE_MAGIC 0x65735546
#define ENF_CIFS_MAGIC 0xff534d42
#define ENF_SMB2_MAGIC 0xfe534d42
#define ENF_CEPH_MAGIC 0x00c36400
#define ENF_9P_MAGIC 0x01021997
#define ENF_CODA_MAGIC 0x73757245
#define ENF_VBOXSF_MAGIC 0x786f4256
#define ENF_BTF_KIND_FUNC 12

/* Any structure of the kernel that begins with a number of 64 bits. */
struct timespec64 {
	long long tv_sec;
} __attribute__((preserve_access_index));

/*
 * The kernel's bpf_rdonly_cast (v6.2). A translation unit that reads much names it for itself, by a
 * flavour, before this header: a kernel function by one name can be in one unit of an object only.
 */
#ifdef ENF_RDONLY_CAST
extern void *ENF_RDONLY_CAST(const void *obj, __u32 btf_id) __ksym __weak;
#endif

/*
 * The number of *size* bytes at *src*; 0 where nothing can be read. A load that the kernel guards
 * where a program may say that an address is a structure's; else a call, ten times as long.
 */
static __always_inline void enf_read_number(void *dst, __u32 size, __u64 src)
{
#ifdef ENF_RDONLY_CAST
	if (bpf_ksym_exists(ENF_RDONLY_CAST)) {
		const void *at = ENF_RDONLY_CAST((const void *)src,
						 bpf_core_type_id_kernel(struct timespec64));

		if (size == 8)
			*(__u64 *)dst = *(const __u64 *)at;
		else if (size == 4)
			*(__u32 *)dst = *(const __u32 *)at;
		else if (size == 2)
			*(__u16 *)dst = *(const __u16 *)at;
		else
			*(__u8 *)dst = *(const __u8 *)at;
		return;
	}
#endif
	bpf_probe_read_kernel(dst, size, (const void *)src);
}

#define enf_read(dst, src)                                                                         \
	do {                                                                                       \
		_Static_assert(sizeof(dst) == 8 || sizeof(dst) == 4 || sizeof(dst) == 2 ||         \
				       sizeof(dst) == 1,                                           \
			       "a number");                                                        \
		enf_read_number(&(dst), sizeof(dst), (__u64)(src));                                \
	} while (0)
#define enf_offset(type, field) __builtin_preserve_field_info(((type *)0)->field, 0)

/* The word that lies at *at*, as enf_read() does, but in a register; 0 where it cannot be read. */
static __always_inline __u64 enf_word_at(__u64 at)
{
	__u64 found; /* the helper leaves 0 where it fails */

#ifdef ENF_RDONLY_CAST
	if (bpf_ksym_exists(ENF_RDONLY_CAST))
		return *(const __u64 *)ENF_RDONLY_CAST((const void *)at,
						       bpf_core_type_id_kernel(struct timespec64));
#endif
	bpf_probe_read_kernel(&found, sizeof(found), (const void *)at);
	return found;
}

/*
 * A pointer that lies in what *base* points to, as a number. For what is not asked each time: the load is guarded. When
 * a program takes a pointer from one that a hook was given, or from the current task, kernels since v6.3 (57539b1c0ac2)
 * search all types for a name, up to four times, each time that the verifier comes by.
 */
#define enf_pointer(base, field) enf_word_at((__u64) & (base)->field)

/* The same, to take several members from: each load is guarded. */
#ifdef ENF_RDONLY_CAST
#define enf_pointer_to(type, base, field)                                                          \
	((const type *)(bpf_ksym_exists(ENF_RDONLY_CAST)                                           \
				? ENF_RDONLY_CAST((const void *)enf_pointer(base, field),          \
						  bpf_core_type_id_kernel(type))                   \
				: (void *)(base)->field))
#else
#define enf_pointer_to(type, base, field) ((base)->field)
#endif

/* Is it a mount point, in whatever namespace? What is mounted there goes when its name goes. */
static __always_inline int enf_is_mounted(const struct dentry *dentry)
{
	__u32 mounted = ENF_DCACHE_MOUNTED;

	if (bpf_core_enum_value_exists(enum dentry_flags, DCACHE_MOUNTED))
		mounted = bpf_core_enum_value(enum dentry_flags, DCACHE_MOUNTED);
	return dentry->d_flags & mounted;
}

/* The number of the system call that *task* is in, the current one. */
static __always_inline __u32 enf_call_of(struct task_struct *task)
{
	const struct pt_regs *regs = (void *)bpf_task_pt_regs(task);

	return (__u32)regs->orig_ax & ~ENF_X32_CALL;
}

/* A pointer as the number it is, for global functions, which take no kernel pointers. */
static __always_inline __u64 enf_address(const void *p)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &p);
	return address;
}

#endif
