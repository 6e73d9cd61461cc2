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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import LIBC, STRANGER, Attempts, check
from attempting import exchange as swap

_ACL = struct.pack(
    "<I" + "HHI" * 5,
    2,  # version, then tag, permissions and id: user, another user, group, mask, others
    *(0x01, 7, 0xFFFFFFFF),
    *(0x02, 7, 1234),
    *(0x04, 4, 0xFFFFFFFF),
    *(0x10, 7, 0xFFFFFFFF),
    *(0x20, 4, 0xFFFFFFFF),
)
ATTEMPTS = Attempts()


def _show(content: bytes) -> None:
    os.write(1, content)


@ATTEMPTS.add
def read(path: str) -> None:
    _show(os.read(os.open(path, os.O_RDONLY), 100))


@ATTEMPTS.add
def read_both_ways(path: str) -> None:
    _show(os.read(os.open(path, os.O_RDWR), 100))


@ATTEMPTS.add
def write(path: str) -> None:
    os.write(os.open(path, os.O_WRONLY), b"changed")


@ATTEMPTS.add
def write_both_ways(path: str) -> None:
    os.write(os.open(path, os.O_RDWR), b"changed")


@ATTEMPTS.add
def append(path: str) -> None:
    os.write(os.open(path, os.O_WRONLY | os.O_APPEND), b"changed")


@ATTEMPTS.add
def create(path: str) -> None:
    os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


@ATTEMPTS.add
def truncate(path: str) -> None:
    os.truncate(path, 1)


@ATTEMPTS.add
def ftruncate(path: str) -> None:
    os.ftruncate(os.open(path, os.O_WRONLY), 1)


@ATTEMPTS.add
def open_truncate(path: str) -> None:
    os.open(path, os.O_WRONLY | os.O_TRUNC)


@ATTEMPTS.add
def map_executable(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    _show(mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)[:])


@ATTEMPTS.add
def protect_executable(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    memory = mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protection = mmap.PROT_READ | mmap.PROT_EXEC
    check(LIBC.mprotect(ctypes.c_void_p(address), mmap.PAGESIZE, protection))
    _show(ctypes.string_at(address, 3))


@ATTEMPTS.add
def unlink(path: str) -> None:
    os.unlink(path)


@ATTEMPTS.add
def rename_away(path: str) -> None:
    os.rename(path, path + ".moved")


@ATTEMPTS.add
def rename_onto(path: str) -> None:
    os.rename(path + ".source", path)


@ATTEMPTS.add
def exchange_to(path: str) -> None:
    swap(path + ".source", path)


@ATTEMPTS.add
def exchange_from(path: str) -> None:
    swap(path, path + ".source")


@ATTEMPTS.add
def link_from(path: str) -> None:
    os.link(path, path + ".link")


@ATTEMPTS.add
def link_to(path: str) -> None:
    os.link(path + ".source", path)


@ATTEMPTS.add
def symlink(path: str) -> None:
    os.symlink("anywhere", path)


@ATTEMPTS.add
def mkdir(path: str) -> None:
    os.mkdir(path)


@ATTEMPTS.add
def rmdir(path: str) -> None:
    os.rmdir(path)


@ATTEMPTS.add
def mkfifo(path: str) -> None:
    os.mkfifo(path)


@ATTEMPTS.add
def make_device(path: str) -> None:
    os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))


@ATTEMPTS.add
def chmod(path: str) -> None:
    os.chmod(path, 0o711)


@ATTEMPTS.add
def fchmod(path: str) -> None:
    os.fchmod(os.open(path, os.O_RDONLY), 0o711)


@ATTEMPTS.add
def chmod_suid(path: str) -> None:
    os.chmod(path, 0o4711)


@ATTEMPTS.add
def chown(path: str) -> None:
    os.chown(path, STRANGER, STRANGER)


@ATTEMPTS.add
def fchown(path: str) -> None:
    os.fchown(os.open(path, os.O_RDONLY), STRANGER, STRANGER)


@ATTEMPTS.add
def lchown(path: str) -> None:
    os.lchown(path, STRANGER, STRANGER)


@ATTEMPTS.add
def set_attribute(path: str) -> None:
    os.setxattr(path, "trusted.added", b"value")


@ATTEMPTS.add
def remove_attribute(path: str) -> None:
    os.removexattr(path, "trusted.kept")


@ATTEMPTS.add
def set_acl(path: str) -> None:
    os.setxattr(path, "system.posix_acl_access", _ACL)


@ATTEMPTS.add
def read_as_stranger(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.setuid(STRANGER)
    _show(os.read(fd, 100))


@ATTEMPTS.add
def write_as_stranger(path: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.setuid(STRANGER)
    os.write(fd, b"changed")


@ATTEMPTS.add
def stop_appending(path: str) -> None:
    import fcntl

    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    os.pwrite(fd, b"changed", 0)


main = ATTEMPTS.main

if __name__ == "__main__":
    sys.exit(main())
