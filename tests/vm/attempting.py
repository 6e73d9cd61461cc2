# SPDX-License-Identifier: MIT
"""
What programs of attempts have in common: a table of attempts by name, system calls whose failures are
errors, mounts and namespaces.

Standalone on purpose, as they are: any Python runs it, and it knows nothing of enforcer.

Such a program makes the attempt that its arguments name. Without arguments it makes those that it is asked
for on its standard input, each in a process that it forks for it: see ``attempter.py``.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import sys
import traceback
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

    def main(self) -> int:
        """Do what the command line says."""
        if len(sys.argv) > 1:
            return self.make(*sys.argv[1:])
        nothing, answers = os.open("/dev/null", os.O_RDWR), os.dup(1)
        for line in sys.stdin.buffer:
            answer = json.dumps(self._make_apart(json.loads(line), nothing))
            os.write(answers, answer.encode() + b"\n")
        return 0

    def _make_apart(self, arguments: list[str], nothing: int) -> tuple[int, str, str]:
        """Make one attempt in another process; return its status, and in hexadecimal digits what it wrote."""
        out, err = os.pipe(), os.pipe()
        pid = os.fork()
        if not pid:
            for fd, to in ((nothing, 0), (out[1], 1), (err[1], 2)):
                os.dup2(fd, to)
            os.closerange(3, max(*out, *err) + 1)
            self._make_and_end(arguments)
        os.close(out[1])
        os.close(err[1])
        written = {out[0]: b"", err[0]: b""}
        reading = [*written]
        while reading:
            for fd in select.select(reading, [], [])[0]:
                chunk = os.read(fd, 1 << 16)
                written[fd] += chunk
                if not chunk:
                    reading.remove(fd)
                    os.close(fd)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), *(text.hex() for text in written.values())

    def _make_and_end(self, arguments: list[str]) -> None:
        """Make one attempt and end as a program of its own would."""
        code: object = 1
        try:
            code = self.make(*arguments)
        except SystemExit as end:
            code = end.code
        except BaseException:  # noqa: BLE001 - nothing may go on behind it: this is the server's copy
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code & 0xFF if isinstance(code, int) else 0 if code is None else 1)


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
