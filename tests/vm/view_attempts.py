# SPDX-License-Identifier: MIT
# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH108, PTH120, PTH123
"""
Views that a process builds for itself: ``view_attempts.py NAME ARGUMENT...``.

What was read goes to standard output; the exit code is the errno that stopped it. Standalone, as
file_attempts.py is.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import (
    AT_FDCWD,
    CLONE_NEWUSER,
    LIBC,
    MNT_DETACH,
    MS_BIND,
    MS_REC,
    Attempts,
    become,
    check,
    mount,
    own_users,
)

_CLONE_NEWPID, _CLONE_NEWNET = 0x20000000, 0x40000000
_SYS_PIVOT_ROOT, _SYS_EXECVEAT = 155, 322
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 428, 429, 430, 431, 432
_FSCONFIG_CMD_CREATE, _MOVE_EMPTY_PATH, _OPEN_TREE_CLONE = 6, 4, 1
_MFD_HUGETLB = 4
WAYS = Attempts()


def _show(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.write(1, os.read(fd, 100))


@WAYS.add
def itself(program: str, *arguments: str) -> None:
    os.execv(program, [program, *arguments])


@WAYS.add
def reading(*paths: str) -> None:
    for path in paths:
        _show(path)


@WAYS.add
def as_own_root(path: str) -> None:
    """Read with all capabilities, in a user namespace of one's own."""
    own_users()
    _show(path)


@WAYS.add
def before_and_as_own_root(path: str) -> None:
    """Read, and once more with the same user and capabilities in a user namespace of one's own."""
    _show(path)
    check(LIBC.unshare(CLONE_NEWUSER))
    _show(path)


@WAYS.add
def bound_over(source: str, name: str, *paths: str) -> None:
    """Show *source* by the *name* of another file, and read that and others."""
    own_users()
    mount(source, name, "", MS_BIND)
    reading(name, *paths)


@WAYS.add
def tmpfs_over(program: str, source: str, *arguments: str) -> None:
    """Run a copy of *source* by the name of *program*."""
    own_users()
    mount("none", os.path.dirname(program), "tmpfs")
    shutil.copy(source, program)
    os.execv(program, [program, *arguments])


@WAYS.add
def never_attached(program: str, source: str, *arguments: str) -> None:
    """Do so on a file system that is mounted nowhere, as root in the host's namespaces."""
    context = check(LIBC.syscall(_SYS_FSOPEN, b"tmpfs", 0))
    check(LIBC.syscall(_SYS_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0))
    mount = check(LIBC.syscall(_SYS_FSMOUNT, context, 0, 0))
    base = f"/proc/self/fd/{mount}"
    os.makedirs(base + os.path.dirname(program))
    shutil.copy(source, base + program)
    os.execv(base + program, [program, *arguments])


@WAYS.add
def pivoted(program: str, source: str, *arguments: str) -> None:
    """Do so below a root of one's own, from which the host's has gone; files are read by descriptor."""
    *options, path = arguments
    fd = os.open(path, os.O_PATH)
    os.set_inheritable(fd, True)
    own_users()
    mount("none", "/mnt", "tmpfs")
    for directory in ("old", "proc", "usr", "lib", "lib64"):
        os.mkdir("/mnt/" + directory)
    for directory in ("usr", "lib", "lib64", "proc"):
        mount("/" + directory, "/mnt/" + directory, "", MS_BIND | MS_REC)
    os.makedirs("/mnt" + os.path.dirname(program))
    shutil.copy(source, "/mnt" + program)
    os.chdir("/mnt")
    check(LIBC.syscall(_SYS_PIVOT_ROOT, b".", b"old"))
    os.chdir("/")
    check(LIBC.umount2(b"/old", MNT_DETACH))
    os.execv(program, [program, *options, f"/proc/self/fd/{fd}"])


@WAYS.add
def many_mounts(count: str, directory: str, path: str) -> None:
    """Read after making *count* bind mounts of *directory*, which is on the file's file system."""
    own_users()
    os.makedirs("/tmp/many", exist_ok=True)
    mount("none", "/tmp/many", "tmpfs")
    for i in range(int(count)):
        os.mkdir(f"/tmp/many/{i}")
        mount(directory, f"/tmp/many/{i}", "", MS_BIND)
    _show(path)


@WAYS.add
def below(directory: str, depth: str, name: str) -> None:
    """Read a file that lies so many directories deep that it has no path of a length that calls take."""
    os.chdir(directory)
    for _ in range(int(depth)):
        os.chdir("d")
    _show(name)


@WAYS.add
def doubled(directory: str, doublings: str) -> None:
    """Hold 2 to the power of *doublings* mounts of a directory's file system until the input ends."""
    own_users()
    for i in range(int(doublings)):
        mount(directory, f"{directory}/{i}", "", MS_BIND | MS_REC)
    print("ready", flush=True)
    sys.stdin.read()


@WAYS.add
def second(kind: str, place: str, inside: str, text: str) -> None:
    """Write to a file of another instance of a file system that the kernel has things in."""
    os.makedirs(place, exist_ok=True)
    mount("none", place, kind)
    try:
        with open(place + inside, "w") as file:
            file.write(text)
    finally:
        LIBC.umount2(place.encode(), MNT_DETACH)


@WAYS.add
def own_second(kind: str, place: str, inside: str) -> None:
    """Open such a file for writing, of an instance of one's own namespaces."""
    own_users(_CLONE_NEWPID | _CLONE_NEWNET)
    child = os.fork()
    if not child:
        try:
            mount("none", place, kind)
            os.close(os.open(place + inside, os.O_WRONLY))
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@WAYS.add
def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def detached(directory: str) -> int:
    """Return a descriptor of a mount of *directory* that is attached nowhere."""
    return check(LIBC.syscall(_SYS_OPEN_TREE, AT_FDCWD, directory.encode(), _OPEN_TREE_CLONE))


def attach(kept: int, target: str) -> None:
    """Attach such a mount."""
    to = target.encode()
    check(LIBC.syscall(_SYS_MOVE_MOUNT, kept, b"", AT_FDCWD, to, _MOVE_EMPTY_PATH))


@WAYS.add
def whole(kept: str, target: str, inside: str) -> None:
    """Attach a mount of the whole, of which the host shows a part; *kept* is a descriptor of it."""
    attach(int(kept), target)
    _show(target + inside)


@WAYS.add
def huge(source: str, *arguments: str) -> None:
    """Run a copy of *source* that lies in huge pages."""
    fd = check(LIBC.memfd_create(b"huge", _MFD_HUGETLB))
    with open(source, "rb") as file:
        data = file.read()
    size = -(-len(data) // (2 << 20)) * (2 << 20)
    os.ftruncate(fd, size)
    with mmap.mmap(fd, size) as room:
        room[: len(data)] = data
    words = [word.encode() for word in (source, *arguments)]
    argv = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    environment = (ctypes.c_char_p * 1)(None)
    check(LIBC.syscall(_SYS_EXECVEAT, fd, b"", argv, environment, 0x1000))


@WAYS.add
def sandbox(program: str) -> None:
    """Do what sandboxes do: files of one's own on a tmpfs, and a program of one's own."""
    own_users()
    mount("none", "/mnt", "tmpfs")
    os.makedirs("/mnt/usr/bin")
    with open("/mnt/file", "w") as file:
        file.write("own")
    os.rename("/mnt/file", "/mnt/other")
    os.chmod("/mnt/other", 0o600)
    _show("/mnt/other")
    os.unlink("/mnt/other")
    shutil.copy(program, "/mnt/usr/bin/own")
    os.execv("/mnt/usr/bin/own", ["own", "/etc/hostname"])


@WAYS.add
def as_user(uid: str, way: str, *arguments: str) -> None:
    become(int(uid))
    WAYS[way](*arguments)


main = WAYS.main

if __name__ == "__main__":
    sys.exit(main())
