# SPDX-License-Identifier: MIT
"""
Where system calls enter the kernel: the functions to attach programs to, and what programs learn there.

One call has several entries: that of 64-bit programs, that of 32-bit ones, that of x32, and for some
calls 32-bit ones of another name, or one that stands for many. A rule on a call holds at all of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import attrs

from enforcer import _abi
from enforcer.errors import UnsupportedError
from enforcer.kernel import functions
from enforcer.kernel.image_map import Call
from enforcer.kernel.links import LinkSet
from enforcer.kernel.programs import CALL_OVERRIDE, CALL_SIGNAL
from enforcer.libbpf.handles import Program
from enforcer.policy.language.casts import cast_arguments

__all__ = [
    "NO_OVERRIDE",
    "Entry",
    "attach",
    "can_override",
    "entries",
    "grouped",
    "problem",
    "program",
]

NO_OVERRIDE: Final = (
    "this kernel cannot replace the result of a system call (CONFIG_BPF_KPROBE_OVERRIDE)"
)

_KINDS_AT: Final = _abi.ENF_SYS_KINDS_AT
_COMPAT: Final = _abi.ENF_SYS_COMPAT
_SOCKETCALL: Final = _abi.ENF_SYS_SOCKETCALL
_IPC: Final = _abi.ENF_SYS_IPC
_CASTS: Final = _abi.ENF_SYS_CASTS
_CALL_AT: Final = _abi.ENF_SYS_CALL_AT
_UNKNOWN_AT: Final = _abi.ENF_SYS_UNKNOWN_AT
_ARGS: Final = _abi.ENF_SYS_ARGS
_ALL: Final = (1 << _ARGS) - 1
# Not the weak ones (W): these stand for calls that the kernel was built without.
_SYMBOL: Final = re.compile(rb" [Tt] (__(?:x64|ia32)_(?:compat_)?sys_\w+)$", re.MULTILINE)
_KALLSYMS: Final = Path("/proc/kallsyms")

# arch/x86/entry/syscalls/syscall_64.tbl: where the function is not called like the call.
_FUNCTIONS: Final = {
    "stat": "newstat",
    "lstat": "newlstat",
    "fstat": "newfstat",
    "uname": "newuname",
    "umount2": "umount",
    "sendfile": "sendfile64",
}
# syscall_64.tbl: what x32 has instead. Behind / as below.
_ALSO_X32: Final = {
    "preadv": "preadv64",
    "preadv2": "preadv64v2/45",
    "pwritev": "pwritev64",
    "pwritev2": "pwritev64v2/45",
    "recvmmsg": "recvmmsg_time64",
    "rt_sigreturn": "x32_rt_sigreturn",
    "rt_sigtimedwait": "rt_sigtimedwait_time64",
}
# syscall_32.tbl: the functions by which 32-bit programs reach the same. Behind / the arguments, a digit each,
# that are not there what they are in the call: missing, in memory, in two registers, in another place, or of
# another unit, width or sign. They are told as unknown. A call's own name is here if that holds of its own function.
_ALSO_32: Final = {
    "adjtimex": "adjtimex_time32",
    "chown": "chown16/12",
    "clock_adjtime": "clock_adjtime32",
    "clock_getres": "clock_getres_time32",
    "clock_gettime": "clock_gettime32",
    "clock_nanosleep": "clock_nanosleep_time32",
    "clock_settime": "clock_settime32",
    "clone": "ia32_clone/34",
    "fadvise64": "ia32_fadvise64/123 ia32_fadvise64_64/123",
    "fallocate": "ia32_fallocate/23",
    "fanotify_mark": "fanotify_mark/234",
    "fchown": "fchown16/12",
    "fcntl": "fcntl64",
    "fstat": "fstat ia32_fstat64",
    "fstatfs": "fstatfs64/1",
    "ftruncate": "ia32_ftruncate64/1",
    "futex": "futex_time32",
    "futimesat": "futimesat_time32",
    "getdents": "old_readdir/2",
    "getegid": "getegid16",
    "geteuid": "geteuid16",
    "getgid": "getgid16",
    "getgroups": "getgroups16",
    "getresgid": "getresgid16",
    "getresuid": "getresuid16",
    "getrlimit": "old_getrlimit",
    "getuid": "getuid16",
    "io_getevents": "io_getevents_time32",
    "io_pgetevents": "io_pgetevents_time32 io_pgetevents_time64",
    "lchown": "lchown16/12",
    "lseek": "lseek/1 llseek/12",
    "lstat": "lstat ia32_lstat64",
    "mmap": "ia32_mmap/012345 mmap_pgoff/5",
    "mq_timedreceive": "mq_timedreceive_time32",
    "mq_timedsend": "mq_timedsend_time32",
    "msgrcv": "msgrcv/3",
    "nanosleep": "nanosleep_time32",
    "newfstatat": "ia32_fstatat64",
    "ppoll": "ppoll_time32 ppoll_time64",
    "pread64": "ia32_pread64/3",
    "preadv": "preadv/34",
    "preadv2": "preadv2/34",
    "pselect6": "pselect6_time32 pselect6_time64",
    "pwrite64": "ia32_pwrite64/3",
    "pwritev": "pwritev/34",
    "pwritev2": "pwritev2/34",
    "readahead": "ia32_readahead/12",
    "recvmmsg": "recvmmsg_time32 recvmmsg_time64",
    "rt_sigaction": "sigaction/3 signal/123",
    "rt_sigpending": "sigpending/1",
    "rt_sigprocmask": "sgetmask/0123 sigprocmask/3 ssetmask/0123",
    "rt_sigreturn": "sigreturn",
    "rt_sigsuspend": "sigsuspend/01",
    "rt_sigtimedwait": "rt_sigtimedwait_time32 rt_sigtimedwait_time64",
    "sched_rr_get_interval": "sched_rr_get_interval_time32",
    "select": "old_select/01234",
    "semtimedop": "semtimedop_time32",
    "sendfile": "sendfile",
    "setfsgid": "setfsgid16/0",
    "setfsuid": "setfsuid16/0",
    "setgid": "setgid16/0",
    "setgroups": "setgroups16",
    "setpriority": "nice/012",
    "setregid": "setregid16/01",
    "setresgid": "setresgid16/012",
    "setresuid": "setresuid16/012",
    "setreuid": "setreuid16/01",
    "settimeofday": "stime32/01",
    "setuid": "setuid16/0",
    "stat": "stat ia32_stat64",
    "statfs": "statfs64/1",
    "sync_file_range": "ia32_sync_file_range/123",
    "time": "time32",
    "timer_gettime": "timer_gettime32",
    "timer_settime": "timer_settime32",
    "timerfd_gettime": "timerfd_gettime32",
    "timerfd_settime": "timerfd_settime32",
    "truncate": "ia32_truncate64/1",
    "umount2": "oldumount/1",
    "uname": "olduname uname",
    "utime": "utime32",
    "utimensat": "utimensat_time32",
    "utimes": "utimes_time32",
    "wait4": "waitpid/3",
}
# linux/net.h, linux/ipc.h: what argument 0 of the calls that stand for many says.
_SOCKETCALLS: Final = {
    "socket": "1",
    "bind": "2",
    "connect": "3",
    "listen": "4",
    "accept": "5",
    "getsockname": "6",
    "getpeername": "7",
    "socketpair": "8",
    "sendto": "11 9",
    "recvfrom": "12 10",
    "shutdown": "13",
    "setsockopt": "14",
    "getsockopt": "15",
    "sendmsg": "16",
    "recvmsg": "17",
    "accept4": "18",
    "recvmmsg": "19",
    "sendmmsg": "20",
}
_IPCS: Final = {
    "semop": 1,
    "semget": 2,
    "semctl": 3,
    "semtimedop": 4,
    "msgsnd": 11,
    "msgrcv": 12,
    "msgget": 13,
    "msgctl": 14,
    "shmat": 21,
    "shmdt": 22,
    "shmget": 23,
    "shmctl": 24,
}


@attrs.frozen
class Entry:
    """A kernel function, and what the program attached to it is told."""

    function: str
    cookie: int
    is_shared: bool = False
    """Whether it is an entry of other calls, too, so that it needs an attachment of its own."""


def entries(calls: Iterable[Call]) -> tuple[Entry, ...]:
    """
    Return every entry of *calls* that this kernel has.

    A call that it was built without has none, and there is nothing to refuse.

    Raises:
        UnsupportedError: if its entries are not called as those of x86-64 are.
    """
    known = _symbols()
    if "__x64_sys_getpid" not in known:
        raise UnsupportedError(
            "rules on system calls need x86-64 and the kernel's symbols in /proc/kallsyms: use "
            "rules on what the calls do"
        )
    found = (entry for call in calls for entry in _entries(call))
    return tuple(entry for entry in found if entry.function in known)


def _entries(call: Call) -> Iterator[Entry]:
    told = call.number | call.kinds << _KINDS_AT | (_CASTS if cast_arguments(call.name) else 0)
    own = _FUNCTIONS.get(call.name, call.name)
    yield Entry(f"__x64_sys_{own}", told)
    for name, unknown in _listed(f"{own} {_ALSO_X32.get(call.name, '')}"):
        cookie = told | (unknown | _longs(call.kinds)) << _UNKNOWN_AT
        yield Entry(f"__x64_compat_sys_{name}", cookie)
    told |= _COMPAT
    for name, unknown in _listed(f"{own} {_ALSO_32.get(call.name, '')}"):
        for function in (f"__ia32_sys_{name}", f"__ia32_compat_sys_{name}"):
            yield Entry(function, told | unknown << _UNKNOWN_AT)
    told |= _ALL << _UNKNOWN_AT
    for number in _SOCKETCALLS.get(call.name, "").split():
        yield from _shared("socketcall", told | _SOCKETCALL | int(number) << _CALL_AT)
    if call.name in _IPCS:
        yield from _shared("ipc", told | _IPC | _IPCS[call.name] << _CALL_AT)


def _listed(words: str) -> Iterable[tuple[str, int]]:
    """Return each once, with a bit for each digit behind its last /."""
    parts = (word.partition("/") for word in words.split())
    return {word: sum(1 << int(at) for at in digits) for word, _, digits in parts}.items()


def _longs(kinds: int) -> int:
    """Return a bit for each long: compat functions have shorter ones, but x32 programs whole registers."""
    return sum(1 << at for at in range(_ARGS) if kinds >> 4 * at & 15 == _abi.ENF_SYS_LONG)


def _shared(name: str, cookie: int) -> Iterator[Entry]:
    for function in (f"__ia32_sys_{name}", f"__ia32_compat_sys_{name}"):
        yield Entry(function, cookie, is_shared=True)


@functools.cache
def _symbols() -> frozenset[str]:
    try:
        content = _KALLSYMS.read_bytes()
    except OSError:
        return frozenset()
    return frozenset(name.decode("ascii") for name in _SYMBOL.findall(content))


def problem() -> str | None:
    """Say why this kernel cannot refuse system calls at their entry; None: it can."""
    return None if can_override() else NO_OVERRIDE


def program() -> str:
    """Return the name of the program that is attached here: the best that this kernel takes."""
    return CALL_OVERRIDE if can_override() else CALL_SIGNAL


def attach(loaded: Program, calls: Iterable[Call], links: LinkSet, *, at_end: bool = False) -> None:
    """
    Attach the *loaded* program to every entry of *calls*, or to their ends, all or none.

    Raises:
        UnsupportedError: if entries are not called as those of x86-64 are, or the kernel refuses one.
    """
    groups = grouped(calls)
    links.attach(
        at for group in groups for at in functions.attachments(loaded, group, at_end=at_end)
    )


def grouped(calls: Iterable[Call]) -> list[list[tuple[str, int]]]:
    """
    Return the functions of *calls* and what is told there, as one attachment can have them: no function twice.

    Raises:
        UnsupportedError: as for :func:`entries`.
    """
    found = entries(sorted(calls, key=lambda call: call.number))
    own = [(entry.function, entry.cookie) for entry in found if not entry.is_shared]
    shared = [(entry.function, entry.cookie) for entry in found if entry.is_shared]
    return [own, *([each] for each in shared)] if own else []


@functools.cache
def can_override() -> bool:
    """
    Tell whether this kernel lets the result of a system call be replaced before it begins.

    Found by loading a program that does; no other answer is trusted.
    """
    return functions.takes("enf_probe_override")
