# SPDX-License-Identifier: MIT
# ruff: noqa: PTH102, PTH104, PTH108, PTH119, PTH120, PTH211
"""
Ways to read a file by another name, one per process: ``path_attempts.py NAME PATH``.

What was read goes to standard output; the exit code is the errno that stopped it. Every way cleans up
after itself, also when it was refused. Standalone, as file_attempts.py is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import basename, dirname
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import (
    AT_FDCWD,
    CLONE_NEWUSER,
    LIBC,
    MNT_DETACH,
    MS_BIND,
    Attempts,
    check,
    mount,
    own_mounts,
)

_SYS_PIVOT_ROOT, _SYS_NAME_TO_HANDLE, _SYS_OPEN_BY_HANDLE = 155, 303, 304
_SYS_OPEN_TREE, _SYS_OPENAT2 = 428, 437
_OPEN_TREE_CLONE = 1
_RESOLVE = {"no_xdev": 1, "no_magiclinks": 2, "no_symlinks": 4, "beneath": 8, "in_root": 16}
WAYS = Attempts()


def _show(path: str, directory: int | None = None) -> None:
    fd = os.open(path, os.O_RDONLY, dir_fd=directory)
    os.write(1, os.read(fd, 100))


@contextmanager
def _mounted(
    source: str, target: str, kind: str = "", flags: int = MS_BIND, options: str = ""
) -> Iterator[None]:
    mount(source, target, kind, flags, options)
    try:
        yield
    finally:
        LIBC.umount2(target.encode(), MNT_DETACH)


@WAYS.add
def itself(path: str) -> None:
    _show(path)


@WAYS.add
def symlink(path: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(path, directory + "/link")
        _show(directory + "/link")


@WAYS.add
def symlinked_directory(path: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(dirname(path), directory + "/link")
        _show(directory + "/link/" + basename(path))


@WAYS.add
def dots(path: str) -> None:
    _show(f"{dirname(path)}/./../{basename(dirname(path))}//{basename(path)}")


@WAYS.add
def relative(path: str) -> None:
    os.chdir(dirname(path))
    _show(basename(path))


@WAYS.add
def old_hard_link(path: str) -> None:
    _show(path + ".alias")


@WAYS.add
def new_hard_link(path: str) -> None:
    os.link(path, path + ".new")
    try:
        _show(path + ".new")
    finally:
        os.unlink(path + ".new")


@WAYS.add
def rename_file(path: str) -> None:
    os.rename(path, path + ".new")
    try:
        _show(path + ".new")
    finally:
        os.rename(path + ".new", path)


@WAYS.add
def rename_directory(path: str) -> None:
    old = dirname(path)
    os.rename(old, old + ".new")
    try:
        _show(old + ".new/" + basename(path))
    finally:
        os.rename(old + ".new", old)


@WAYS.add
def bind_directory(path: str) -> None:
    with tempfile.TemporaryDirectory() as target, _mounted(dirname(path), target):
        _show(f"{target}/{basename(path)}")


@WAYS.add
def bind_file(path: str) -> None:
    with tempfile.NamedTemporaryFile() as target, _mounted(path, target.name):
        _show(target.name)


@WAYS.add
def proc_self_root(path: str) -> None:
    _show("/proc/self/root" + path)


@WAYS.add
def proc_pid_root(path: str) -> None:
    child = os.fork()
    if not child:
        signal.pause()
    try:
        _show(f"/proc/{child}/root{path}")
    finally:
        os.kill(child, signal.SIGKILL)


@WAYS.add
def proc_self_cwd(path: str) -> None:
    os.chdir(dirname(path))
    _show("/proc/self/cwd/" + basename(path))


@WAYS.add
def chroot(path: str) -> None:
    os.chroot(dirname(path))
    _show("/" + basename(path))


@WAYS.add
def own_namespace(path: str) -> None:
    own_mounts()
    with tempfile.TemporaryDirectory() as target, _mounted(dirname(path), target):
        _show(f"{target}/{basename(path)}")


@WAYS.add
def own_user_namespace(path: str) -> None:
    own_mounts(CLONE_NEWUSER)
    with tempfile.TemporaryDirectory() as target, _mounted(dirname(path), target):
        _show(f"{target}/{basename(path)}")


@WAYS.add
def own_namespace_chroot(path: str) -> None:
    own_mounts()
    target = tempfile.mkdtemp()
    mount(dirname(path), target, "", MS_BIND)
    os.chroot(target)
    _show("/" + basename(path))


@WAYS.add
def pivot_root(path: str) -> None:
    own_mounts()
    target = tempfile.mkdtemp()
    mount(dirname(path), target, "", MS_BIND)
    os.chdir(target)
    check(LIBC.syscall(_SYS_PIVOT_ROOT, b".", b"."))
    check(LIBC.umount2(b".", MNT_DETACH))
    _show("/" + basename(path))


def _openat2(path: str, flags: int) -> None:
    directory = os.open(dirname(path), os.O_PATH)
    how = struct.pack("QQQ", os.O_RDONLY, 0, flags)
    name = basename(path).encode()
    fd = check(LIBC.syscall(_SYS_OPENAT2, directory, name, how, ctypes.c_size_t(len(how))))
    os.write(1, os.read(fd, 100))


for _name, _flag in _RESOLVE.items():
    WAYS["openat2_" + _name] = lambda path, flag=_flag: _openat2(path, flag)


@WAYS.add
def o_path_reopened(path: str) -> None:
    _show(f"/proc/self/fd/{os.open(path, os.O_PATH)}")


@WAYS.add
def open_tree(path: str) -> None:
    name = dirname(path).encode()
    _show(basename(path), check(LIBC.syscall(_SYS_OPEN_TREE, AT_FDCWD, name, _OPEN_TREE_CLONE)))


@WAYS.add
def file_handle(path: str, *elsewhere: str) -> None:
    """Open by a handle, through the mount of its directory or one of another in a namespace of one's own."""
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 8 + 128)
    told = ctypes.byref(ctypes.c_int())
    name = path.encode()
    check(LIBC.syscall(_SYS_NAME_TO_HANDLE, AT_FDCWD, name, handle, told, 0))
    for shown in elsewhere:
        own_mounts()
        mount(shown, shown, "", MS_BIND)
    directory = os.open(*elsewhere or (dirname(path),), os.O_RDONLY)
    fd = check(LIBC.syscall(_SYS_OPEN_BY_HANDLE, directory, handle, os.O_RDONLY))
    os.write(1, os.read(fd, 100))


@WAYS.add
def overlay(path: str) -> None:
    with tempfile.TemporaryDirectory(dir="/run") as top:
        for name in ("upper", "work", "merged"):
            os.mkdir(f"{top}/{name}")
        options = f"lowerdir={dirname(path)},upperdir={top}/upper,workdir={top}/work"
        with _mounted("none", f"{top}/merged", "overlay", 0, options):
            _show(f"{top}/merged/{basename(path)}")


main = WAYS.main

if __name__ == "__main__":
    sys.exit(main())
