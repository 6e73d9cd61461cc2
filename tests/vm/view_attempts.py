# SPDX-License-Identifier: MIT
# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH108, PTH120, PTH123
"""
Views that a process builds for itself: ``view_attempts.py UID NAME ARGUMENT...``.

What was read goes to standard output; the exit code is the errno that stopped it. Standalone, as
file_attempts.py is.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import sys
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = (
    0x20000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_MS_BIND, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
_SYS_PIVOT_ROOT, _SYS_EXECVEAT = 155, 322
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 428, 429, 430, 431, 432
_FSCONFIG_CMD_CREATE, _MOVE_EMPTY_PATH, _OPEN_TREE_CLONE = 6, 4, 1
_MFD_HUGETLB, _PR_SET_DUMPABLE = 4, 4
WAYS: dict[str, Callable[..., object]] = {}


def _way(function: Callable[..., object]) -> Callable[..., object]:
    WAYS[function.__name__] = function
    return function


def _check(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _mount(source: str, target: str, kind: str, flags: int = 0) -> None:
    words = (source.encode(), target.encode(), kind.encode())
    _check(_LIBC.mount(*words, ctypes.c_ulong(flags), b""))


def _own(flags: int = 0) -> None:
    """Have a user namespace and a mount namespace, and be root in them."""
    uid, gid = os.getuid(), os.getgid()
    _check(_LIBC.unshare(_CLONE_NEWNS | _CLONE_NEWUSER | flags))
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def _show(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.write(1, os.read(fd, 100))


@_way
def itself(program: str, *arguments: str) -> None:
    os.execv(program, [program, *arguments])


@_way
def reading(path: str) -> None:
    _show(path)


@_way
def tmpfs_over(program: str, source: str, *arguments: str) -> None:
    """Run a copy of *source* by the name of *program*."""
    _own()
    _mount("none", os.path.dirname(program), "tmpfs")
    shutil.copy(source, program)
    os.execv(program, [program, *arguments])


@_way
def never_attached(program: str, source: str, *arguments: str) -> None:
    """Do so on a file system that is mounted nowhere, as root in the host's namespaces."""
    context = _check(_LIBC.syscall(_SYS_FSOPEN, b"tmpfs", 0))
    _check(_LIBC.syscall(_SYS_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0))
    mount = _check(_LIBC.syscall(_SYS_FSMOUNT, context, 0, 0))
    base = f"/proc/self/fd/{mount}"
    os.makedirs(base + os.path.dirname(program))
    shutil.copy(source, base + program)
    os.execv(base + program, [program, *arguments])


@_way
def pivoted(program: str, source: str, *arguments: str) -> None:
    """Do so below a root of one's own, from which the host's has gone; files are read by descriptor."""
    *options, path = arguments
    fd = os.open(path, os.O_PATH)
    os.set_inheritable(fd, True)
    _own()
    _mount("none", "/mnt", "tmpfs")
    for directory in ("old", "proc", "usr", "lib", "lib64"):
        os.mkdir("/mnt/" + directory)
    for directory in ("usr", "lib", "lib64", "proc"):
        _mount("/" + directory, "/mnt/" + directory, "", _MS_BIND | _MS_REC)
    os.makedirs("/mnt" + os.path.dirname(program))
    shutil.copy(source, "/mnt" + program)
    os.chdir("/mnt")
    _check(_LIBC.syscall(_SYS_PIVOT_ROOT, b".", b"old"))
    os.chdir("/")
    _check(_LIBC.umount2(b"/old", _MNT_DETACH))
    os.execv(program, [program, *options, f"/proc/self/fd/{fd}"])


@_way
def many_mounts(count: str, directory: str, path: str) -> None:
    """Read after making *count* bind mounts of *directory*, which is on the file's file system."""
    _own()
    os.makedirs("/tmp/many", exist_ok=True)
    _mount("none", "/tmp/many", "tmpfs")
    for i in range(int(count)):
        os.mkdir(f"/tmp/many/{i}")
        _mount(directory, f"/tmp/many/{i}", "", _MS_BIND)
    _show(path)


@_way
def second(kind: str, place: str, inside: str, text: str) -> None:
    """Write to a file of another instance of a file system that the kernel has things in."""
    os.makedirs(place, exist_ok=True)
    _mount("none", place, kind)
    try:
        with open(place + inside, "w") as file:
            file.write(text)
    finally:
        _LIBC.umount2(place.encode(), _MNT_DETACH)


@_way
def own_second(kind: str, place: str, inside: str) -> None:
    """Open such a file for writing, of an instance of one's own namespaces."""
    _own(_CLONE_NEWPID | _CLONE_NEWNET)
    child = os.fork()
    if not child:
        try:
            _mount("none", place, kind)
            os.close(os.open(place + inside, os.O_WRONLY))
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@_way
def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


@_way
def whole(kept: str, target: str, inside: str) -> None:
    """Attach a mount of the whole, of which the host shows a part; *kept* is a descriptor of it."""
    empty = b""
    _check(
        _LIBC.syscall(_SYS_MOVE_MOUNT, int(kept), empty, -100, target.encode(), _MOVE_EMPTY_PATH)
    )
    _show(target + inside)


@_way
def huge(source: str, *arguments: str) -> None:
    """Run a copy of *source* that lies in huge pages."""
    fd = _check(_LIBC.memfd_create(b"huge", _MFD_HUGETLB))
    with open(source, "rb") as file:
        data = file.read()
    size = -(-len(data) // (2 << 20)) * (2 << 20)
    os.ftruncate(fd, size)
    with mmap.mmap(fd, size) as room:
        room[: len(data)] = data
    words = [word.encode() for word in (source, *arguments)]
    argv = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    environment = (ctypes.c_char_p * 1)(None)
    _check(_LIBC.syscall(_SYS_EXECVEAT, fd, b"", argv, environment, 0x1000))


@_way
def sandbox(program: str) -> None:
    """Do what sandboxes do: files of one's own on a tmpfs, and a program of one's own."""
    _own()
    _mount("none", "/mnt", "tmpfs")
    os.makedirs("/mnt/usr/bin")
    with open("/mnt/file", "w") as file:
        file.write("own")
    os.rename("/mnt/file", "/mnt/other")
    os.chmod("/mnt/other", 0o600)
    _show("/mnt/other")
    os.unlink("/mnt/other")
    shutil.copy(program, "/mnt/usr/bin/own")
    os.execv("/mnt/usr/bin/own", ["own", "/etc/hostname"])


def _main(user: str, way: str, *arguments: str) -> None:
    try:
        if uid := int(user):
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            _check(_LIBC.prctl(_PR_SET_DUMPABLE, 1))  # or /proc/self is not its own
        WAYS[way](*arguments)
    except OSError as error:
        print(way, error, file=sys.stderr)
        sys.exit(error.errno or 255)


if __name__ == "__main__":
    _main(*sys.argv[1:])
