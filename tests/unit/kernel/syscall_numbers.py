# SPDX-License-Identifier: MIT
"""
The numbers of system calls by which programs enter that are not 64-bit ones, and the functions that they lead to.

From ``arch/x86/entry/syscalls``: syscall_32.tbl, and of syscall_64.tbl what only x32 has. They are those of Linux 6.1,
6.12 and 7.0 together. A call is NAME/NUMBER/FUNCTIONS: without functions sys_NAME, and compat is compat_sys_NAME.
Of two functions some kernels have the one, some the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

__all__ = ["BITS_32", "X32", "Numbered"]


@attrs.frozen
class Numbered:
    """A number, what the call is called there, and a function that it leads to."""

    name: str
    number: int
    function: str


def _parse(table: str) -> Iterator[Numbered]:
    for row in table.split():
        name, number, *functions = row.split("/")
        for function in (functions or [f"sys_{name}"])[0].split(","):
            own = f"compat_sys_{name}" if function == "compat" else function
            yield Numbered(name, int(number), own)


_BITS_32: Final = """
restart_syscall/0 exit/1 fork/2 read/3 write/4 open/5/compat close/6 waitpid/7 creat/8 link/9
unlink/10 execve/11/compat chdir/12 time/13/sys_time32 mknod/14 chmod/15 lchown/16/sys_lchown16
oldstat/18/sys_stat lseek/19/compat getpid/20 mount/21 umount/22/sys_oldumount
setuid/23/sys_setuid16 getuid/24/sys_getuid16 stime/25/sys_stime32 ptrace/26/compat alarm/27
oldfstat/28/sys_fstat pause/29 utime/30/sys_utime32 access/33 nice/34 sync/36 kill/37 rename/38
mkdir/39 rmdir/40 dup/41 pipe/42 times/43/compat brk/45 setgid/46/sys_setgid16
getgid/47/sys_getgid16 signal/48 geteuid/49/sys_geteuid16 getegid/50/sys_getegid16 acct/51
umount2/52/sys_umount ioctl/54/compat fcntl/55/compat_sys_fcntl64 setpgid/57
oldolduname/59/sys_olduname umask/60 chroot/61 ustat/62/compat dup2/63 getppid/64 getpgrp/65
setsid/66 sigaction/67/compat sgetmask/68 ssetmask/69 setreuid/70/sys_setreuid16
setregid/71/sys_setregid16 sigsuspend/72 sigpending/73/compat sethostname/74 setrlimit/75/compat
getrlimit/76/compat_sys_old_getrlimit getrusage/77/compat gettimeofday/78/compat
settimeofday/79/compat getgroups/80/sys_getgroups16 setgroups/81/sys_setgroups16
select/82/compat_sys_old_select symlink/83 oldlstat/84/sys_lstat readlink/85 uselib/86 swapon/87
reboot/88 readdir/89/compat_sys_old_readdir mmap/90/compat_sys_ia32_mmap munmap/91
truncate/92/compat ftruncate/93/compat fchmod/94 fchown/95/sys_fchown16 getpriority/96
setpriority/97 statfs/99/compat fstatfs/100/compat ioperm/101 socketcall/102/compat syslog/103
setitimer/104/compat getitimer/105/compat stat/106/compat_sys_newstat
lstat/107/compat_sys_newlstat fstat/108/compat_sys_newfstat olduname/109/sys_uname iopl/110
vhangup/111 vm86old/113/sys_ni_syscall wait4/114/compat swapoff/115 sysinfo/116/compat
ipc/117/compat fsync/118 sigreturn/119/compat clone/120/compat_sys_ia32_clone setdomainname/121
uname/122/sys_newuname modify_ldt/123 adjtimex/124/sys_adjtimex_time32 mprotect/125
sigprocmask/126/compat init_module/128 delete_module/129 quotactl/131 getpgid/132 fchdir/133
bdflush/134/sys_ni_syscall sysfs/135 personality/136 setfsuid/138/sys_setfsuid16
setfsgid/139/sys_setfsgid16 _llseek/140/sys_llseek getdents/141/compat
_newselect/142/compat_sys_select flock/143 msync/144 readv/145 writev/146 getsid/147
fdatasync/148 _sysctl/149/sys_ni_syscall mlock/150 munlock/151 mlockall/152 munlockall/153
sched_setparam/154 sched_getparam/155 sched_setscheduler/156 sched_getscheduler/157
sched_yield/158 sched_get_priority_max/159 sched_get_priority_min/160
sched_rr_get_interval/161/sys_sched_rr_get_interval_time32 nanosleep/162/sys_nanosleep_time32
mremap/163 setresuid/164/sys_setresuid16 getresuid/165/sys_getresuid16 vm86/166/sys_ni_syscall
poll/168 setresgid/170/sys_setresgid16 getresgid/171/sys_getresgid16 prctl/172
rt_sigreturn/173/compat rt_sigaction/174/compat rt_sigprocmask/175/compat
rt_sigpending/176/compat rt_sigtimedwait/177/compat_sys_rt_sigtimedwait_time32
rt_sigqueueinfo/178/compat rt_sigsuspend/179/compat pread64/180/sys_ia32_pread64
pwrite64/181/sys_ia32_pwrite64 chown/182/sys_chown16 getcwd/183 capget/184 capset/185
sigaltstack/186/compat sendfile/187/compat vfork/190 ugetrlimit/191/compat_sys_getrlimit
mmap2/192/sys_mmap_pgoff truncate64/193/sys_ia32_truncate64 ftruncate64/194/sys_ia32_ftruncate64
stat64/195/compat_sys_ia32_stat64 lstat64/196/compat_sys_ia32_lstat64
fstat64/197/compat_sys_ia32_fstat64 lchown32/198/sys_lchown getuid32/199/sys_getuid
getgid32/200/sys_getgid geteuid32/201/sys_geteuid getegid32/202/sys_getegid
setreuid32/203/sys_setreuid setregid32/204/sys_setregid getgroups32/205/sys_getgroups
setgroups32/206/sys_setgroups fchown32/207/sys_fchown setresuid32/208/sys_setresuid
getresuid32/209/sys_getresuid setresgid32/210/sys_setresgid getresgid32/211/sys_getresgid
chown32/212/sys_chown setuid32/213/sys_setuid setgid32/214/sys_setgid
setfsuid32/215/sys_setfsuid setfsgid32/216/sys_setfsgid pivot_root/217 mincore/218 madvise/219
getdents64/220 fcntl64/221/compat gettid/224 readahead/225/sys_ia32_readahead setxattr/226
lsetxattr/227 fsetxattr/228 getxattr/229 lgetxattr/230 fgetxattr/231 listxattr/232
llistxattr/233 flistxattr/234 removexattr/235 lremovexattr/236 fremovexattr/237 tkill/238
sendfile64/239 futex/240/sys_futex_time32 sched_setaffinity/241/compat
sched_getaffinity/242/compat set_thread_area/243 get_thread_area/244 io_setup/245/compat
io_destroy/246 io_getevents/247/sys_io_getevents_time32 io_submit/248/compat io_cancel/249
fadvise64/250/sys_ia32_fadvise64 exit_group/252 lookup_dcookie/253/compat epoll_create/254
epoll_ctl/255 epoll_wait/256 remap_file_pages/257 set_tid_address/258 timer_create/259/compat
timer_settime/260/sys_timer_settime32 timer_gettime/261/sys_timer_gettime32 timer_getoverrun/262
timer_delete/263 clock_settime/264/sys_clock_settime32 clock_gettime/265/sys_clock_gettime32
clock_getres/266/sys_clock_getres_time32 clock_nanosleep/267/sys_clock_nanosleep_time32
statfs64/268/compat fstatfs64/269/compat tgkill/270 utimes/271/sys_utimes_time32
fadvise64_64/272/sys_ia32_fadvise64_64 mbind/274 get_mempolicy/275 set_mempolicy/276
mq_open/277/compat mq_unlink/278 mq_timedsend/279/sys_mq_timedsend_time32
mq_timedreceive/280/sys_mq_timedreceive_time32 mq_notify/281/compat mq_getsetattr/282/compat
kexec_load/283/compat waitid/284/compat add_key/286 request_key/287 keyctl/288/compat
ioprio_set/289 ioprio_get/290 inotify_init/291 inotify_add_watch/292 inotify_rm_watch/293
migrate_pages/294 openat/295/compat mkdirat/296 mknodat/297 fchownat/298
futimesat/299/sys_futimesat_time32 fstatat64/300/compat_sys_ia32_fstatat64 unlinkat/301
renameat/302 linkat/303 symlinkat/304 readlinkat/305 fchmodat/306 faccessat/307
pselect6/308/compat_sys_pselect6_time32 ppoll/309/compat_sys_ppoll_time32 unshare/310
set_robust_list/311/compat get_robust_list/312/compat splice/313
sync_file_range/314/sys_ia32_sync_file_range tee/315 vmsplice/316 move_pages/317 getcpu/318
epoll_pwait/319 utimensat/320/sys_utimensat_time32 signalfd/321/compat timerfd_create/322
eventfd/323 fallocate/324/sys_ia32_fallocate timerfd_settime/325/sys_timerfd_settime32
timerfd_gettime/326/sys_timerfd_gettime32 signalfd4/327/compat eventfd2/328 epoll_create1/329
dup3/330 pipe2/331 inotify_init1/332 preadv/333/compat pwritev/334/compat
rt_tgsigqueueinfo/335/compat perf_event_open/336 recvmmsg/337/compat_sys_recvmmsg_time32
fanotify_init/338 fanotify_mark/339/compat prlimit64/340 name_to_handle_at/341
open_by_handle_at/342/compat clock_adjtime/343/sys_clock_adjtime32 syncfs/344
sendmmsg/345/compat setns/346 process_vm_readv/347 process_vm_writev/348 kcmp/349
finit_module/350 sched_setattr/351 sched_getattr/352 renameat2/353 seccomp/354 getrandom/355
memfd_create/356 bpf/357 execveat/358/compat socket/359 socketpair/360 bind/361 connect/362
listen/363 accept4/364 getsockopt/365 setsockopt/366 getsockname/367 getpeername/368 sendto/369
sendmsg/370/compat recvfrom/371/compat recvmsg/372/compat shutdown/373 userfaultfd/374
membarrier/375 mlock2/376 copy_file_range/377 preadv2/378/compat pwritev2/379/compat
pkey_mprotect/380 pkey_alloc/381 pkey_free/382 statx/383 arch_prctl/384/compat,sys_arch_prctl
io_pgetevents/385/compat rseq/386 semget/393 semctl/394/compat shmget/395 shmctl/396/compat
shmat/397/compat shmdt/398 msgget/399 msgsnd/400/compat msgrcv/401/compat msgctl/402/compat
clock_gettime64/403/sys_clock_gettime clock_settime64/404/sys_clock_settime
clock_adjtime64/405/sys_clock_adjtime clock_getres_time64/406/sys_clock_getres
clock_nanosleep_time64/407/sys_clock_nanosleep timer_gettime64/408/sys_timer_gettime
timer_settime64/409/sys_timer_settime timerfd_gettime64/410/sys_timerfd_gettime
timerfd_settime64/411/sys_timerfd_settime utimensat_time64/412/sys_utimensat
pselect6_time64/413/compat ppoll_time64/414/compat
io_pgetevents_time64/416/sys_io_pgetevents,compat recvmmsg_time64/417/compat
mq_timedsend_time64/418/sys_mq_timedsend mq_timedreceive_time64/419/sys_mq_timedreceive
semtimedop_time64/420/sys_semtimedop rt_sigtimedwait_time64/421/compat
futex_time64/422/sys_futex sched_rr_get_interval_time64/423/sys_sched_rr_get_interval
pidfd_send_signal/424 io_uring_setup/425 io_uring_enter/426 io_uring_register/427 open_tree/428
move_mount/429 fsopen/430 fsconfig/431 fsmount/432 fspick/433 pidfd_open/434 clone3/435
close_range/436 openat2/437 pidfd_getfd/438 faccessat2/439 process_madvise/440
epoll_pwait2/441/compat mount_setattr/442 quotactl_fd/443 landlock_create_ruleset/444
landlock_add_rule/445 landlock_restrict_self/446 memfd_secret/447 process_mrelease/448
futex_waitv/449 set_mempolicy_home_node/450 cachestat/451 fchmodat2/452 map_shadow_stack/453
futex_wake/454 futex_wait/455 futex_requeue/456 statmount/457 listmount/458
lsm_get_self_attr/459 lsm_set_self_attr/460 lsm_list_modules/461 mseal/462 setxattrat/463
getxattrat/464 listxattrat/465 removexattrat/466 open_tree_attr/467 file_getattr/468
file_setattr/469 listns/470 rseq_slice_yield/471
"""

_X32: Final = """
rt_sigaction/512/compat rt_sigreturn/513/compat_sys_x32_rt_sigreturn ioctl/514/compat readv/515
writev/516 recvfrom/517/compat sendmsg/518/compat recvmsg/519/compat execve/520/compat
ptrace/521/compat rt_sigpending/522/compat rt_sigtimedwait/523/compat_sys_rt_sigtimedwait_time64
rt_sigqueueinfo/524/compat sigaltstack/525/compat timer_create/526/compat mq_notify/527/compat
kexec_load/528/compat waitid/529/compat set_robust_list/530/compat get_robust_list/531/compat
vmsplice/532 move_pages/533 preadv/534/compat_sys_preadv64 pwritev/535/compat_sys_pwritev64
rt_tgsigqueueinfo/536/compat recvmmsg/537/compat_sys_recvmmsg_time64 sendmmsg/538/compat
process_vm_readv/539 process_vm_writev/540 setsockopt/541 getsockopt/542 io_setup/543/compat
io_submit/544/compat execveat/545/compat preadv2/546/compat_sys_preadv64v2
pwritev2/547/compat_sys_pwritev64v2
"""

BITS_32: Final = tuple(_parse(_BITS_32))
X32: Final = tuple(_parse(_X32))
