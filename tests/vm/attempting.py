# SPDX-License-Identifier: MIT
"""
What programs of attempts have in common: a table of attempts by name, system calls whose failures are
errors, mounts and namespaces.

Standalone on purpose, as they are: any Python runs it, and it knows nothing of enforcer.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
STRANGER = 1234
_PR_SET_DUMPABLE = 4
_RENAME_EXCHANGE, _SYS_RENAMEAT2 = 2, 316

Attempt = TypeVar("Attempt", bound=Callable[..., object])


class Attempts(dict[str, Callable[..., object]]):
    """Attempts by the names of their functions."""

    def add(self, function: Attempt) -> Attempt:
        """Take *function* in."""
        self[function.__name__] = function
        return function

    def make(self, name: str, *arguments: str) -> int:
        """Make one attempt; an errno is the exit code, and what it was goes to standard error."""
        try:
            self[name](*arguments)
        except OSError as error:
            os.write(2, str(error).encode())
            return error.errno or 255
        return 0


def check(result: int) -> int:
    """Return *result* of the C library, or raise what its errno says."""
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    words = (source.encode(), target.encode(), kind.encode())
    check(LIBC.mount(*words, ctypes.c_ulong(flags), options.encode()))


def own_mounts(flags: int = 0) -> None:
    """Have a mount namespace, with whatever else *flags* say, from which nothing reaches the host's."""
    check(LIBC.unshare(CLONE_NEWNS | flags))
    mount("none", "/", "", MS_REC | MS_PRIVATE)


def own_users(flags: int = 0) -> None:
    """Have a user namespace, too, and be root in it."""
    uid, gid = os.getuid(), os.getgid()
    check(LIBC.unshare(CLONE_NEWNS | CLONE_NEWUSER | flags))
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        Path("/proc/self", name).write_text(text)
    mount("none", "/", "", MS_REC | MS_PRIVATE)


def become(uid: int) -> None:
    """Be an ordinary user, whose own files in /proc are its own."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    check(LIBC.prctl(_PR_SET_DUMPABLE, 1))


def exchange(old: str, new: str) -> None:
    names = (AT_FDCWD, old.encode(), AT_FDCWD, new.encode())
    check(LIBC.syscall(_SYS_RENAMEAT2, *names, _RENAME_EXCHANGE))
