# SPDX-License-Identifier: MIT
"""
Every system call of x86-64: its number, and what the kernel looks at of each argument.

Made by ``scripts/syscall-table.py`` from the headers of Linux 6.12 (``asm/unistd_64.h``,
``linux/syscalls.h``), with what ``syscall_64.tbl`` of Linux 7.0 has beyond. A later kernel may have more;
numbers and prototypes never change.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from enforcer import _abi

__all__ = ["CLASSES", "SYSCALLS", "ArgKind", "Syscall", "call_name"]


class ArgKind(enum.IntEnum):
    """``enum enf_sys_kind``: how much of a register counts, and as what."""

    S32 = _abi.ENF_SYS_S32
    U32 = _abi.ENF_SYS_U32
    U16 = _abi.ENF_SYS_U16
    LONG = _abi.ENF_SYS_LONG
    TEXT = _abi.ENF_SYS_TEXT


@attrs.frozen
class Syscall:
    """
    One system call.

    Attributes:
        name: as in ``asm/unistd.h``.
        number: on x86-64.
        kinds: of its arguments.
    """

    name: str
    number: int
    kinds: tuple[ArgKind, ...]

    @property
    def packed(self) -> int:
        """The kinds, four bits each, the first lowest."""
        return sum(kind << 4 * at for at, kind in enumerate(self.kinds))


_LETTERS: Final = {
    "i": ArgKind.S32,
    "u": ArgKind.U32,
    "h": ArgKind.U16,
    "l": ArgKind.LONG,
    "p": ArgKind.LONG,  # an address, compared as a number
    "t": ArgKind.TEXT,
}

_TABLE: Final = """
read/0/upl write/1/upl open/2/tih close/3/u stat/4/tp fstat/5/up lstat/6/tp poll/7/pui
lseek/8/ulu mmap/9/llllil mprotect/10/lll munmap/11/ll brk/12/l rt_sigaction/13/ippl
rt_sigprocmask/14/ippl rt_sigreturn/15/ ioctl/16/uul pread64/17/upll pwrite64/18/upll
readv/19/lpl writev/20/lpl access/21/ti pipe/22/p select/23/ipppp sched_yield/24/
mremap/25/lllll msync/26/lli mincore/27/llp madvise/28/lli shmget/29/ili shmat/30/ipi
shmctl/31/iip dup/32/u dup2/33/uu pause/34/ nanosleep/35/pp getitimer/36/ip alarm/37/u
setitimer/38/ipp getpid/39/ sendfile/40/iipl socket/41/iii connect/42/ipi accept/43/ipp
sendto/44/iplupi recvfrom/45/iplupp sendmsg/46/ipu recvmsg/47/ipu shutdown/48/ii bind/49/ipi
listen/50/ii getsockname/51/ipp getpeername/52/ipp socketpair/53/iiip setsockopt/54/iiipi
getsockopt/55/iiipp clone/56/ulppl fork/57/ vfork/58/ execve/59/tpp exit/60/i wait4/61/ipip
kill/62/ii uname/63/p semget/64/iii semop/65/ipu semctl/66/iiil shmdt/67/p msgget/68/ii
msgsnd/69/ipli msgrcv/70/iplli msgctl/71/iip fcntl/72/uul flock/73/uu fsync/74/u fdatasync/75/u
truncate/76/tl ftruncate/77/ul getdents/78/upu getcwd/79/pl chdir/80/t fchdir/81/u rename/82/tt
mkdir/83/th rmdir/84/t creat/85/th link/86/tt unlink/87/t symlink/88/tt readlink/89/tpi
chmod/90/th fchmod/91/uh chown/92/tuu fchown/93/uuu lchown/94/tuu umask/95/i gettimeofday/96/pp
getrlimit/97/up getrusage/98/ip sysinfo/99/p times/100/p ptrace/101/llll getuid/102/
syslog/103/ipi getgid/104/ setuid/105/u setgid/106/u geteuid/107/ getegid/108/ setpgid/109/ii
getppid/110/ getpgrp/111/ setsid/112/ setreuid/113/uu setregid/114/uu getgroups/115/ip
setgroups/116/ip setresuid/117/uuu getresuid/118/ppp setresgid/119/uuu getresgid/120/ppp
getpgid/121/i setfsuid/122/u setfsgid/123/u getsid/124/i capget/125/ll capset/126/ll
rt_sigpending/127/pl rt_sigtimedwait/128/pppl rt_sigqueueinfo/129/iip rt_sigsuspend/130/pl
sigaltstack/131/pp utime/132/tp mknod/133/thu uselib/134/t personality/135/u ustat/136/up
statfs/137/tp fstatfs/138/up sysfs/139/ill getpriority/140/ii setpriority/141/iii
sched_setparam/142/ip sched_getparam/143/ip sched_setscheduler/144/iip sched_getscheduler/145/i
sched_get_priority_max/146/i sched_get_priority_min/147/i sched_rr_get_interval/148/ip
mlock/149/ll munlock/150/ll mlockall/151/i munlockall/152/ vhangup/153/ modify_ldt/154/ipl
pivot_root/155/tt prctl/157/illll arch_prctl/158/il adjtimex/159/p setrlimit/160/up chroot/161/t
sync/162/ acct/163/t settimeofday/164/pp mount/165/tttlp umount2/166/ti swapon/167/ti
swapoff/168/t reboot/169/iiup sethostname/170/pi setdomainname/171/pi iopl/172/u ioperm/173/lli
init_module/175/plp delete_module/176/tu quotactl/179/utup gettid/186/ readahead/187/ill
setxattr/188/ttpli lsetxattr/189/ttpli fsetxattr/190/itpli getxattr/191/ttpl lgetxattr/192/ttpl
fgetxattr/193/itpl listxattr/194/tpl llistxattr/195/tpl flistxattr/196/ipl removexattr/197/tt
lremovexattr/198/tt fremovexattr/199/it tkill/200/ii time/201/p futex/202/piuppu
sched_setaffinity/203/iup sched_getaffinity/204/iup set_thread_area/205/p io_setup/206/up
io_destroy/207/l io_getevents/208/lllpp io_submit/209/llp io_cancel/210/lpp
get_thread_area/211/p epoll_create/213/i remap_file_pages/216/lllll getdents64/217/upu
set_tid_address/218/p restart_syscall/219/ semtimedop/220/ipup fadvise64/221/illi
timer_create/222/ipp timer_settime/223/iipp timer_gettime/224/ip timer_getoverrun/225/i
timer_delete/226/i clock_settime/227/ip clock_gettime/228/ip clock_getres/229/ip
clock_nanosleep/230/iipp exit_group/231/i epoll_wait/232/ipii epoll_ctl/233/iiip tgkill/234/iii
utimes/235/tp mbind/237/lllplu set_mempolicy/238/ipl get_mempolicy/239/pplll mq_open/240/tihp
mq_unlink/241/t mq_timedsend/242/iplup mq_timedreceive/243/iplpp mq_notify/244/ip
mq_getsetattr/245/ipp kexec_load/246/llpl waitid/247/iipip add_key/248/ttpli
request_key/249/ttti keyctl/250/iilll ioprio_set/251/iii ioprio_get/252/ii inotify_init/253/
inotify_add_watch/254/itu inotify_rm_watch/255/ii migrate_pages/256/ilpp openat/257/itih
mkdirat/258/ith mknodat/259/ithu fchownat/260/ituui futimesat/261/itp newfstatat/262/itpi
unlinkat/263/iti renameat/264/itit linkat/265/ititi symlinkat/266/tit readlinkat/267/itpi
fchmodat/268/ith faccessat/269/iti pselect6/270/ippppp ppoll/271/puppl unshare/272/l
set_robust_list/273/pl get_robust_list/274/ipp splice/275/ipiplu tee/276/iilu
sync_file_range/277/illu vmsplice/278/iplu move_pages/279/ilpppi utimensat/280/itpi
epoll_pwait/281/ipiipl signalfd/282/ipl timerfd_create/283/ii eventfd/284/u fallocate/285/iill
timerfd_settime/286/iipp timerfd_gettime/287/ip accept4/288/ippi signalfd4/289/ipli
eventfd2/290/ui epoll_create1/291/i dup3/292/uui pipe2/293/pi inotify_init1/294/i
preadv/295/lplll pwritev/296/lplll rt_tgsigqueueinfo/297/iiip perf_event_open/298/piiil
recvmmsg/299/ipuup fanotify_init/300/uu fanotify_mark/301/iulit prlimit64/302/iupp
name_to_handle_at/303/itppi open_by_handle_at/304/ipi clock_adjtime/305/ip syncfs/306/i
sendmmsg/307/ipuu setns/308/ii getcpu/309/ppp process_vm_readv/310/iplpll
process_vm_writev/311/iplpll kcmp/312/iiill finit_module/313/ipi sched_setattr/314/ipu
sched_getattr/315/ipuu renameat2/316/ititu seccomp/317/uup getrandom/318/plu memfd_create/319/tu
kexec_file_load/320/iiltl bpf/321/ipu execveat/322/itppi userfaultfd/323/i membarrier/324/iui
mlock2/325/lli copy_file_range/326/ipiplu preadv2/327/lpllli pwritev2/328/lpllli
pkey_mprotect/329/llli pkey_alloc/330/ll pkey_free/331/i statx/332/ituup
io_pgetevents/333/lllppp rseq/334/puiu uretprobe/335/ uprobe/336/ pidfd_send_signal/424/iipu
io_uring_setup/425/up io_uring_enter/426/uuuupl io_uring_register/427/uupu open_tree/428/itu
move_mount/429/ititu fsopen/430/tu fsconfig/431/iutpi fsmount/432/iuu fspick/433/itu
pidfd_open/434/iu clone3/435/pl close_range/436/uuu openat2/437/itpl pidfd_getfd/438/iiu
faccessat2/439/itii process_madvise/440/ipliu epoll_pwait2/441/ipippl mount_setattr/442/itupl
quotactl_fd/443/uuup landlock_create_ruleset/444/plu landlock_add_rule/445/iipu
landlock_restrict_self/446/iu memfd_secret/447/u process_mrelease/448/iu futex_waitv/449/puupi
set_mempolicy_home_node/450/llll cachestat/451/uppu fchmodat2/452/ithu map_shadow_stack/453/llu
futex_wake/454/pliu futex_wait/455/pllupi futex_requeue/456/puii statmount/457/pplu
listmount/458/pplu lsm_get_self_attr/459/uppu lsm_set_self_attr/460/upuu
lsm_list_modules/461/ppu mseal/462/lll setxattrat/463/itutpl getxattrat/464/itutpl
listxattrat/465/itupl removexattrat/466/itut open_tree_attr/467/itupl file_getattr/468/itplu
file_setattr/469/itplu listns/470/pplu rseq_slice_yield/471/
"""


def _parse(table: str) -> dict[str, Syscall]:
    found = {}
    for row in table.split():
        name, number, letters = row.split("/")
        found[name] = Syscall(name, int(number), tuple(_LETTERS[c] for c in letters))
    return found


SYSCALLS: Final = _parse(_TABLE)
"""By name."""

_NAMES: Final = {call.number: call.name for call in SYSCALLS.values()}


def call_name(number: int) -> str:
    """Return the name of a system call; its number if there is none."""
    return _NAMES.get(number, str(number))


CLASSES: Final = {
    "clock": ("adjtimex", "clock_adjtime", "clock_settime", "settimeofday"),
    "debug": (
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "perf_event_open",
        "pidfd_getfd",
        "kcmp",
    ),
    "ipc": (
        *("msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop"),
        *("shmat", "shmctl", "shmdt", "shmget", "mq_open", "mq_unlink", "memfd_create"),
    ),
    "keyring": ("add_key", "keyctl", "request_key"),
    "module": ("init_module", "finit_module", "delete_module"),
    "mount": ("mount", "move_mount", "umount2", "pivot_root"),
    "rawIo": ("ioperm", "iopl"),
    "reboot": ("kexec_load", "kexec_file_load", "reboot"),
    "sandbox": (
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "seccomp",
    ),
    "swap": ("swapon", "swapoff"),
}
"""Names that go together, much as the sets of systemd.exec(5) have them."""
