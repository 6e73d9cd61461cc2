# SPDX-License-Identifier: MIT
# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH211
"""
Attempts on files, one per process: ``file_attempts.py NAME PATH``.

What the attempt got to read goes to standard output; the exit code is the errno that stopped it.
Standalone on purpose: it runs with any Python and knows nothing of enforcer.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_SYS_RENAMEAT2 = 316
_ACL = struct.pack(
    "<I" + "HHI" * 5,
    2,  # version, then tag, permissions and id: user, another user, group, mask, others
    *(0x01, 7, 0xFFFFFFFF),
    *(0x02, 7, 1234),
    *(0x04, 4, 0xFFFFFFFF),
    *(0x10, 7, 0xFFFFFFFF),
    *(0x20, 4, 0xFFFFFFFF),
)
STRANGER = 1234
ATTEMPTS: dict[str, Callable[[str], object]] = {}


def _attempt(function: Callable[[str], object]) -> Callable[[str], object]:
    ATTEMPTS[function.__name__] = function
    return function


def _check(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _show(content: bytes) -> None:
    os.write(1, content)


def _exchange(old: str, new: str) -> None:
    names = (_AT_FDCWD, old.encode(), _AT_FDCWD, new.encode())
    _check(_LIBC.syscall(_SYS_RENAMEAT2, *names, _RENAME_EXCHANGE))


@_attempt
def read(path: str) -> None:
    _show(os.read(os.open(path, os.O_RDONLY), 100))


@_attempt
def read_both_ways(path: str) -> None:
    _show(os.read(os.open(path, os.O_RDWR), 100))


@_attempt
def write(path: str) -> None:
    os.write(os.open(path, os.O_WRONLY), b"changed")


@_attempt
def write_both_ways(path: str) -> None:
    os.write(os.open(path, os.O_RDWR), b"changed")


@_attempt
def append(path: str) -> None:
    os.write(os.open(path, os.O_WRONLY | os.O_APPEND), b"changed")


@_attempt
def create(path: str) -> None:
    os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


@_attempt
def truncate(path: str) -> None:
    os.truncate(path, 1)


@_attempt
def ftruncate(path: str) -> None:
    os.ftruncate(os.open(path, os.O_WRONLY), 1)


@_attempt
def open_truncate(path: str) -> None:
    os.open(path, os.O_WRONLY | os.O_TRUNC)


@_attempt
def map_executable(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    _show(mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)[:])


@_attempt
def protect_executable(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    memory = mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protection = mmap.PROT_READ | mmap.PROT_EXEC
    _check(_LIBC.mprotect(ctypes.c_void_p(address), mmap.PAGESIZE, protection))
    _show(ctypes.string_at(address, 3))


@_attempt
def unlink(path: str) -> None:
    os.unlink(path)


@_attempt
def rename_away(path: str) -> None:
    os.rename(path, path + ".moved")


@_attempt
def rename_onto(path: str) -> None:
    os.rename(path + ".source", path)


@_attempt
def exchange_to(path: str) -> None:
    _exchange(path + ".source", path)


@_attempt
def exchange_from(path: str) -> None:
    _exchange(path, path + ".source")


@_attempt
def link_from(path: str) -> None:
    os.link(path, path + ".link")


@_attempt
def link_to(path: str) -> None:
    os.link(path + ".source", path)


@_attempt
def symlink(path: str) -> None:
    os.symlink("anywhere", path)


@_attempt
def mkdir(path: str) -> None:
    os.mkdir(path)


@_attempt
def rmdir(path: str) -> None:
    os.rmdir(path)


@_attempt
def mkfifo(path: str) -> None:
    os.mkfifo(path)


@_attempt
def make_device(path: str) -> None:
    os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))


@_attempt
def chmod(path: str) -> None:
    os.chmod(path, 0o711)


@_attempt
def fchmod(path: str) -> None:
    os.fchmod(os.open(path, os.O_RDONLY), 0o711)


@_attempt
def chmod_suid(path: str) -> None:
    os.chmod(path, 0o4711)


@_attempt
def chown(path: str) -> None:
    os.chown(path, STRANGER, STRANGER)


@_attempt
def fchown(path: str) -> None:
    os.fchown(os.open(path, os.O_RDONLY), STRANGER, STRANGER)


@_attempt
def lchown(path: str) -> None:
    os.lchown(path, STRANGER, STRANGER)


@_attempt
def set_attribute(path: str) -> None:
    os.setxattr(path, "trusted.added", b"value")


@_attempt
def remove_attribute(path: str) -> None:
    os.removexattr(path, "trusted.kept")


@_attempt
def set_acl(path: str) -> None:
    os.setxattr(path, "system.posix_acl_access", _ACL)


@_attempt
def read_as_stranger(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.setuid(STRANGER)
    _show(os.read(fd, 100))


@_attempt
def write_as_stranger(path: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.setuid(STRANGER)
    os.write(fd, b"changed")


@_attempt
def stop_appending(path: str) -> None:
    import fcntl

    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    os.pwrite(fd, b"changed", 0)


def main(attempts: dict[str, Callable[[str], object]], name: str, path: str) -> int:
    """Make one attempt; an errno is the exit code."""
    try:
        attempts[name](path)
    except OSError as error:
        os.write(2, str(error).encode())
        return error.errno or 255
    return 0


if __name__ == "__main__":
    sys.exit(main(ATTEMPTS, *sys.argv[1:]))
