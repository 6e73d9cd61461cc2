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
import signal
import stat
import struct
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import AT_FDCWD, LIBC, STRANGER, Attempts, become, check

_PTRACE_TRACEME, _PTRACE_PEEKDATA = 0, 2
_SYS_MOVE_MOUNT, _SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 429, 430, 431, 432
_CREATE, _FROM_NOTHING = 6, 4
ATTEMPTS = Attempts()


# ---- Memory -------------------------------------------------------------------------------------


def _map(fd: int, kind: int, protection: int) -> int:
    """Map a page; return the address."""
    LIBC.mmap.restype = ctypes.c_void_p
    address = LIBC.mmap(
        None, ctypes.c_size_t(mmap.PAGESIZE), protection, kind, fd, ctypes.c_long(0)
    )
    if address == ctypes.c_void_p(-1).value:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(address)


def _upgrade(address: int, protection: int) -> None:
    check(LIBC.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), protection))


def _show(address: int) -> None:
    os.write(1, ctypes.string_at(address, 10))


def _change(address: int) -> None:
    ctypes.memmove(address, b"changed", 7)
    os.write(1, b"changed")


@ATTEMPTS.add
def map_to_read(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.setuid(STRANGER)
    _show(_map(fd, mmap.MAP_PRIVATE, mmap.PROT_READ))


@ATTEMPTS.add
def map_to_run(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.setuid(STRANGER)
    _show(_map(fd, mmap.MAP_PRIVATE, mmap.PROT_EXEC | mmap.PROT_READ))


@ATTEMPTS.add
def map_a_copy(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.setuid(STRANGER)
    _show(_map(fd, mmap.MAP_PRIVATE, mmap.PROT_WRITE))


@ATTEMPTS.add
def map_and_protect(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.setuid(STRANGER)
    address = _map(fd, mmap.MAP_PRIVATE, 0)
    _upgrade(address, mmap.PROT_READ)
    _show(address)


@ATTEMPTS.add
def map_without_rights(path: str) -> None:
    """The kernel reads for a process all that is in its memory. Since v6.12 it can be told not to."""
    fd = os.open(path, os.O_RDONLY)
    memory = os.open("/proc/self/mem", os.O_RDONLY)  # no longer its own once it is another user
    os.setuid(STRANGER)
    os.write(1, os.pread(memory, 10, _map(fd, mmap.MAP_PRIVATE, 0)))


@ATTEMPTS.add
def map_for_a_tracer(path: str) -> None:
    """The same by ptrace(2), of a child that has the memory, too."""
    fd = os.open(path, os.O_RDONLY)
    become(STRANGER)
    address = _map(fd, mmap.MAP_PRIVATE, 0)
    child = os.fork()
    if not child:
        LIBC.ptrace(_PTRACE_TRACEME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    try:
        os.waitpid(child, os.WUNTRACED)
        LIBC.ptrace.restype = ctypes.c_long
        found = b""
        for at in (address, address + 8):
            ctypes.set_errno(0)
            word = LIBC.ptrace(_PTRACE_PEEKDATA, child, ctypes.c_void_p(at), None)
            check(-ctypes.get_errno())
            found += struct.pack("<q", word)
        os.write(1, found[:10])
    finally:
        os.kill(child, signal.SIGKILL)


@ATTEMPTS.add
def map_to_write(path: str) -> None:
    fd = os.open(path, os.O_RDWR)
    os.setuid(STRANGER)
    _change(_map(fd, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))


@ATTEMPTS.add
def map_and_protect_to_write(path: str) -> None:
    fd = os.open(path, os.O_RDWR)
    os.setuid(STRANGER)
    address = _map(fd, mmap.MAP_SHARED, mmap.PROT_READ)
    _upgrade(address, mmap.PROT_READ | mmap.PROT_WRITE)
    _change(address)


@ATTEMPTS.add
def change_a_copy(path: str) -> None:
    fd = os.open(path, os.O_RDWR)
    os.setuid(STRANGER)
    address = _map(fd, mmap.MAP_PRIVATE, mmap.PROT_READ)
    _upgrade(address, mmap.PROT_READ | mmap.PROT_WRITE)
    _change(address)


@ATTEMPTS.add
def mapped_before(path: str) -> None:
    address = _map(os.open(path, os.O_RDONLY), mmap.MAP_SHARED, mmap.PROT_READ)
    os.setuid(STRANGER)
    _show(address)


# ---- Mounts -------------------------------------------------------------------------------------


def _made(kind: str) -> int:
    """Make a file system; return the descriptor of a mount of it, which is nowhere."""
    context = check(LIBC.syscall(_SYS_FSOPEN, kind.encode(), 0))
    check(LIBC.syscall(_SYS_FSCONFIG, context, _CREATE, None, None, 0))
    return check(LIBC.syscall(_SYS_FSMOUNT, context, 0, 0))


def _use(directory: int) -> None:
    fd = os.open("file", os.O_RDWR | os.O_CREAT, 0o600, dir_fd=directory)
    os.write(fd, b"kept there")
    os.write(1, os.pread(fd, 10, 0))


@ATTEMPTS.add
def detached_ramfs(path: str) -> None:
    del path
    _use(_made("ramfs"))


@ATTEMPTS.add
def detached_tmpfs(path: str) -> None:
    del path
    _use(_made("tmpfs"))


@ATTEMPTS.add
def attached_tmpfs(path: str) -> None:
    mount = _made("tmpfs")
    to = (AT_FDCWD, path.encode(), _FROM_NOTHING)
    check(LIBC.syscall(_SYS_MOVE_MOUNT, mount, b"", *to))
    _use(os.open(path, os.O_DIRECTORY))
    check(LIBC.umount2(path.encode(), 2))


# ---- Devices ------------------------------------------------------------------------------------


def _read_node(kind: int, number: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev") as directory:
        os.mknod(directory + "/node", kind | 0o600, number)
        os.read(os.open(directory + "/node", os.O_RDONLY), 512)
    os.write(1, b"read")


@ATTEMPTS.add
def device_itself(path: str) -> None:
    os.read(os.open(path, os.O_RDONLY), 512)
    os.write(1, b"read")


@ATTEMPTS.add
def other_node(path: str) -> None:
    status = os.stat(path)
    _read_node(stat.S_IFMT(status.st_mode), status.st_rdev)


@ATTEMPTS.add
def node_of_the_other_kind(path: str) -> None:
    """A character device by the number of a block device, or the other way: another device, if any."""
    status = os.stat(path)
    kind = stat.S_IFCHR if stat.S_ISBLK(status.st_mode) else stat.S_IFBLK
    _read_node(kind, status.st_rdev)


@ATTEMPTS.add
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


main = ATTEMPTS.main

if __name__ == "__main__":
    sys.exit(main())
