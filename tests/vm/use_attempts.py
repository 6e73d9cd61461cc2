# SPDX-License-Identifier: MIT
# ruff: noqa: PTH108, PTH116
"""
Ways to use what a rule refuses without opening or attaching it: ``use_attempts.py NAME PATH``.

Those about memory open the file as root, become a user that a strict rule is about, and then map it. What was read,
or that something was done, goes to standard output; the exit code is the errno that stopped it. Standalone, as
file_attempts.py is.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import stat
import sys
import tempfile
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_SYS_MOVE_MOUNT, _SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 429, 430, 431, 432
_AT_FDCWD, _CREATE, _FROM_NOTHING = -100, 6, 4
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


# ---- Memory -------------------------------------------------------------------------------------


def _map(fd: int, kind: int, protection: int) -> int:
    """Map a page; return the address."""
    _LIBC.mmap.restype = ctypes.c_void_p
    address = _LIBC.mmap(
        None, ctypes.c_size_t(mmap.PAGESIZE), protection, kind, fd, ctypes.c_long(0)
    )
    if address == ctypes.c_void_p(-1).value:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(address)


def _upgrade(address: int, protection: int) -> None:
    _check(_LIBC.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), protection))


def _show(address: int) -> None:
    os.write(1, ctypes.string_at(address, 10))


def _change(address: int) -> None:
    ctypes.memmove(address, b"changed", 7)
    os.write(1, b"changed")


@_attempt
def map_to_read(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.setuid(STRANGER)
    _show(_map(fd, mmap.MAP_PRIVATE, mmap.PROT_READ))


@_attempt
def map_to_run(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.setuid(STRANGER)
    _show(_map(fd, mmap.MAP_PRIVATE, mmap.PROT_EXEC | mmap.PROT_READ))


@_attempt
def map_a_copy(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.setuid(STRANGER)
    _show(_map(fd, mmap.MAP_PRIVATE, mmap.PROT_WRITE))


@_attempt
def map_and_protect(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.setuid(STRANGER)
    address = _map(fd, mmap.MAP_PRIVATE, 0)
    _upgrade(address, mmap.PROT_READ)
    _show(address)


@_attempt
def map_to_write(path: str) -> None:
    fd = os.open(path, os.O_RDWR)
    os.setuid(STRANGER)
    _change(_map(fd, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))


@_attempt
def map_and_protect_to_write(path: str) -> None:
    fd = os.open(path, os.O_RDWR)
    os.setuid(STRANGER)
    address = _map(fd, mmap.MAP_SHARED, mmap.PROT_READ)
    _upgrade(address, mmap.PROT_READ | mmap.PROT_WRITE)
    _change(address)


@_attempt
def change_a_copy(path: str) -> None:
    fd = os.open(path, os.O_RDWR)
    os.setuid(STRANGER)
    address = _map(fd, mmap.MAP_PRIVATE, mmap.PROT_READ)
    _upgrade(address, mmap.PROT_READ | mmap.PROT_WRITE)
    _change(address)


@_attempt
def mapped_before(path: str) -> None:
    address = _map(os.open(path, os.O_RDONLY), mmap.MAP_SHARED, mmap.PROT_READ)
    os.setuid(STRANGER)
    _show(address)


# ---- Mounts -------------------------------------------------------------------------------------


def _made(kind: str) -> int:
    """Make a file system; return the descriptor of a mount of it, which is nowhere."""
    context = _check(_LIBC.syscall(_SYS_FSOPEN, kind.encode(), 0))
    _check(_LIBC.syscall(_SYS_FSCONFIG, context, _CREATE, None, None, 0))
    return _check(_LIBC.syscall(_SYS_FSMOUNT, context, 0, 0))


def _use(directory: int) -> None:
    fd = os.open("file", os.O_RDWR | os.O_CREAT, 0o600, dir_fd=directory)
    os.write(fd, b"kept there")
    os.write(1, os.pread(fd, 10, 0))


@_attempt
def detached_ramfs(path: str) -> None:
    del path
    _use(_made("ramfs"))


@_attempt
def detached_tmpfs(path: str) -> None:
    del path
    _use(_made("tmpfs"))


@_attempt
def attached_tmpfs(path: str) -> None:
    mount = _made("tmpfs")
    to = (_AT_FDCWD, path.encode(), _FROM_NOTHING)
    _check(_LIBC.syscall(_SYS_MOVE_MOUNT, mount, b"", *to))
    _use(os.open(path, os.O_DIRECTORY))
    _check(_LIBC.umount2(path.encode(), 2))


# ---- Devices ------------------------------------------------------------------------------------


def _read_node(kind: int, number: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev") as directory:
        os.mknod(directory + "/node", kind | 0o600, number)
        os.read(os.open(directory + "/node", os.O_RDONLY), 512)
    os.write(1, b"read")


@_attempt
def device_itself(path: str) -> None:
    os.read(os.open(path, os.O_RDONLY), 512)
    os.write(1, b"read")


@_attempt
def other_node(path: str) -> None:
    status = os.stat(path)
    _read_node(stat.S_IFMT(status.st_mode), status.st_rdev)


@_attempt
def node_of_the_other_kind(path: str) -> None:
    """A character device by the number of a block device, or the other way: another device, if any."""
    status = os.stat(path)
    kind = stat.S_IFCHR if stat.S_ISBLK(status.st_mode) else stat.S_IFBLK
    _read_node(kind, status.st_rdev)


@_attempt
def regular_then_node(path: str) -> None:
    """The same name, and perhaps the same inode, was an ordinary file a moment ago."""
    status = os.stat(path)
    with tempfile.TemporaryDirectory(dir="/dev") as directory:
        name = directory + "/node"
        for _ in range(3):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT))
            os.close(os.open(name, os.O_RDONLY))
            os.unlink(name)
            os.mknod(name, stat.S_IFCHR | 0o600, os.makedev(1, 5))
            os.close(os.open(name, os.O_RDONLY))
            os.unlink(name)
        os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev)
        os.read(os.open(name, os.O_RDONLY), 512)
    os.write(1, b"read")


def main(name: str, path: str) -> int:
    """Make one attempt; an errno is the exit code."""
    try:
        ATTEMPTS[name](path)
    except OSError as error:
        os.write(2, str(error).encode())
        return error.errno or 255
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
