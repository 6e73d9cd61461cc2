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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os.path import basename, dirname

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_SYS_PIVOT_ROOT, _SYS_NAME_TO_HANDLE, _SYS_OPEN_BY_HANDLE = 155, 303, 304
_SYS_OPEN_TREE, _SYS_OPENAT2 = 428, 437
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
_OPEN_TREE_CLONE = 1
_RESOLVE = {"no_xdev": 1, "no_magiclinks": 2, "no_symlinks": 4, "beneath": 8, "in_root": 16}
WAYS: dict[str, Callable[[str], object]] = {}


def _way(function: Callable[[str], object]) -> Callable[[str], object]:
    WAYS[function.__name__] = function
    return function


def _check(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _show(path: str, directory: int | None = None) -> None:
    fd = os.open(path, os.O_RDONLY, dir_fd=directory)
    os.write(1, os.read(fd, 100))


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = (source.encode(), target.encode(), kind.encode())
    _check(_LIBC.mount(*words, ctypes.c_ulong(flags), options.encode()))


@contextmanager
def _mounted(
    source: str, target: str, kind: str = "", flags: int = _MS_BIND, options: str = ""
) -> Iterator[None]:
    _mount(source, target, kind, flags, options)
    try:
        yield
    finally:
        _LIBC.umount2(target.encode(), _MNT_DETACH)


def _own_mounts(flags: int = 0) -> None:
    _check(_LIBC.unshare(_CLONE_NEWNS | flags))
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)


@_way
def itself(path: str) -> None:
    _show(path)


@_way
def symlink(path: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(path, directory + "/link")
        _show(directory + "/link")


@_way
def symlinked_directory(path: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(dirname(path), directory + "/link")
        _show(directory + "/link/" + basename(path))


@_way
def dots(path: str) -> None:
    _show(f"{dirname(path)}/./../{basename(dirname(path))}//{basename(path)}")


@_way
def relative(path: str) -> None:
    os.chdir(dirname(path))
    _show(basename(path))


@_way
def old_hard_link(path: str) -> None:
    _show(path + ".alias")


@_way
def new_hard_link(path: str) -> None:
    os.link(path, path + ".new")
    try:
        _show(path + ".new")
    finally:
        os.unlink(path + ".new")


@_way
def rename_file(path: str) -> None:
    os.rename(path, path + ".new")
    try:
        _show(path + ".new")
    finally:
        os.rename(path + ".new", path)


@_way
def rename_directory(path: str) -> None:
    old = dirname(path)
    os.rename(old, old + ".new")
    try:
        _show(old + ".new/" + basename(path))
    finally:
        os.rename(old + ".new", old)


@_way
def bind_directory(path: str) -> None:
    with tempfile.TemporaryDirectory() as target, _mounted(dirname(path), target):
        _show(f"{target}/{basename(path)}")


@_way
def bind_file(path: str) -> None:
    with tempfile.NamedTemporaryFile() as target, _mounted(path, target.name):
        _show(target.name)


@_way
def proc_self_root(path: str) -> None:
    _show("/proc/self/root" + path)


@_way
def proc_pid_root(path: str) -> None:
    child = os.fork()
    if not child:
        signal.pause()
    try:
        _show(f"/proc/{child}/root{path}")
    finally:
        os.kill(child, signal.SIGKILL)


@_way
def proc_self_cwd(path: str) -> None:
    os.chdir(dirname(path))
    _show("/proc/self/cwd/" + basename(path))


@_way
def chroot(path: str) -> None:
    os.chroot(dirname(path))
    _show("/" + basename(path))


@_way
def own_namespace(path: str) -> None:
    _own_mounts()
    with tempfile.TemporaryDirectory() as target, _mounted(dirname(path), target):
        _show(f"{target}/{basename(path)}")


@_way
def own_user_namespace(path: str) -> None:
    _own_mounts(_CLONE_NEWUSER)
    with tempfile.TemporaryDirectory() as target, _mounted(dirname(path), target):
        _show(f"{target}/{basename(path)}")


@_way
def own_namespace_chroot(path: str) -> None:
    _own_mounts()
    target = tempfile.mkdtemp()
    _mount(dirname(path), target, "", _MS_BIND)
    os.chroot(target)
    _show("/" + basename(path))


@_way
def pivot_root(path: str) -> None:
    _own_mounts()
    target = tempfile.mkdtemp()
    _mount(dirname(path), target, "", _MS_BIND)
    os.chdir(target)
    _check(_LIBC.syscall(_SYS_PIVOT_ROOT, b".", b"."))
    _check(_LIBC.umount2(b".", _MNT_DETACH))
    _show("/" + basename(path))


def _openat2(path: str, flags: int) -> None:
    directory = os.open(dirname(path), os.O_PATH)
    how = struct.pack("QQQ", os.O_RDONLY, 0, flags)
    name = basename(path).encode()
    fd = _check(_LIBC.syscall(_SYS_OPENAT2, directory, name, how, ctypes.c_size_t(len(how))))
    os.write(1, os.read(fd, 100))


for _name, _flag in _RESOLVE.items():
    WAYS["openat2_" + _name] = lambda path, flag=_flag: _openat2(path, flag)


@_way
def o_path_reopened(path: str) -> None:
    _show(f"/proc/self/fd/{os.open(path, os.O_PATH)}")


@_way
def open_tree(path: str) -> None:
    name = dirname(path).encode()
    _show(basename(path), _check(_LIBC.syscall(_SYS_OPEN_TREE, _AT_FDCWD, name, _OPEN_TREE_CLONE)))


@_way
def file_handle(path: str) -> None:
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 8 + 128)
    mount = ctypes.byref(ctypes.c_int())
    name = path.encode()
    _check(_LIBC.syscall(_SYS_NAME_TO_HANDLE, _AT_FDCWD, name, handle, mount, 0))
    directory = os.open(dirname(path), os.O_RDONLY)
    fd = _check(_LIBC.syscall(_SYS_OPEN_BY_HANDLE, directory, handle, os.O_RDONLY))
    os.write(1, os.read(fd, 100))


@_way
def overlay(path: str) -> None:
    with tempfile.TemporaryDirectory(dir="/run") as top:
        for name in ("upper", "work", "merged"):
            os.mkdir(f"{top}/{name}")
        options = f"lowerdir={dirname(path)},upperdir={top}/upper,workdir={top}/work"
        with _mounted("none", f"{top}/merged", "overlay", 0, options):
            _show(f"{top}/merged/{basename(path)}")


def main(name: str, path: str) -> int:
    """Try one way; an errno is the exit code."""
    try:
        WAYS[name](path)
    except OSError as error:
        os.write(2, str(error).encode())
        return error.errno or 255
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
