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
_CALL_AT: Final = _abi.ENF_SYS_CALL_AT
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
# syscall_32.tbl: further functions by which 32-bit programs reach the same, arguments in order.
_ALSO_32: Final = {
    "adjtimex": ("adjtimex_time32",),
    "chown": ("chown16",),
    "clock_adjtime": ("clock_adjtime32",),
    "clock_getres": ("clock_getres_time32",),
    "clock_gettime": ("clock_gettime32",),
    "clock_nanosleep": ("clock_nanosleep_time32",),
    "clock_settime": ("clock_settime32",),
    "clone": ("ia32_clone",),
    "fchown": ("fchown16",),
    "fstat": ("fstat",),
    "ftruncate": ("ia32_ftruncate64",),
    "futex": ("futex_time32",),
    "futimesat": ("futimesat_time32",),
    "getgroups": ("getgroups16",),
    "getrlimit": ("old_getrlimit",),
    "io_getevents": ("io_getevents_time32",),
    "io_pgetevents": ("io_pgetevents_time32",),
    "lchown": ("lchown16",),
    "lstat": ("lstat",),
    "mmap": ("mmap_pgoff",),
    "mq_timedreceive": ("mq_timedreceive_time32",),
    "mq_timedsend": ("mq_timedsend_time32",),
    "nanosleep": ("nanosleep_time32",),
    "ppoll": ("ppoll_time32",),
    "pselect6": ("pselect6_time32",),
    "recvmmsg": ("recvmmsg_time32",),
    "rt_sigtimedwait": ("rt_sigtimedwait_time32",),
    "sched_rr_get_interval": ("sched_rr_get_interval_time32",),
    "semtimedop": ("semtimedop_time32",),
    "setfsgid": ("setfsgid16",),
    "setfsuid": ("setfsuid16",),
    "setgroups": ("setgroups16",),
    "stat": ("stat",),
    "truncate": ("ia32_truncate64",),
    "timer_gettime": ("timer_gettime32",),
    "timer_settime": ("timer_settime32",),
    "timerfd_gettime": ("timerfd_gettime32",),
    "timerfd_settime": ("timerfd_settime32",),
    "uname": ("uname", "olduname"),
    "utime": ("utime32",),
    "utimensat": ("utimensat_time32",),
    "utimes": ("utimes_time32",),
}
# linux/net.h, linux/ipc.h: what argument 0 of the calls that stand for many says.
_SOCKETCALLS: Final = {
    "socket": (1,),
    "bind": (2,),
    "connect": (3,),
    "listen": (4,),
    "accept": (5,),
    "getsockname": (6,),
    "getpeername": (7,),
    "socketpair": (8,),
    "sendto": (9, 11),
    "recvfrom": (10, 12),
    "shutdown": (13,),
    "setsockopt": (14,),
    "getsockopt": (15,),
    "sendmsg": (16,),
    "recvmsg": (17,),
    "accept4": (18,),
    "recvmmsg": (19,),
    "sendmmsg": (20,),
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
    told = call.number | call.kinds << _KINDS_AT
    name = _FUNCTIONS.get(call.name, call.name)
    for function in (f"__x64_sys_{name}", f"__x64_compat_sys_{name}"):
        yield Entry(function, told)
    for other in (name, *_ALSO_32.get(call.name, ())):
        for function in (f"__ia32_sys_{other}", f"__ia32_compat_sys_{other}"):
            yield Entry(function, told | _COMPAT)
    for number in _SOCKETCALLS.get(call.name, ()):
        for function in ("__ia32_sys_socketcall", "__ia32_compat_sys_socketcall"):
            cookie = told | _COMPAT | _SOCKETCALL | number << _CALL_AT
            yield Entry(function, cookie, is_shared=True)
    if call.name in _IPCS:
        for function in ("__ia32_sys_ipc", "__ia32_compat_sys_ipc"):
            cookie = told | _COMPAT | _IPC | _IPCS[call.name] << _CALL_AT
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
