# SPDX-License-Identifier: MIT
# ruff: noqa: PTH102, PTH104, PTH106, PTH120, PTH208, PTH211
"""
Attempts on the tree of mounts, one per process: ``mount_attempts.py NAME PATH``.

The exit code is the errno that stopped the attempt. Standalone on purpose: it runs with any Python
and knows nothing of enforcer. What an attempt needs beside PATH (a source, another place) are the
names ``PATH.source`` and ``PATH.other``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import (
    AT_FDCWD,
    CLONE_NEWNS,
    LIBC,
    MNT_DETACH,
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    Attempts,
    check,
)

_MOUNT, _UMOUNT2, _PIVOT_ROOT = 165, 166, 155
_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _FSPICK = 428, 429, 430, 431, 432, 433
_OPEN_TREE_ATTR = 467
_RDONLY, _NOSUID, _REMOUNT, _MOVE, _SHARED = 0x1, 0x2, 0x20, 0x2000, 1 << 20
_EMPTY_PATH = 4  # MOVE_MOUNT_F_EMPTY_PATH
_SET_FLAG, _SET_STRING, _CREATE, _RECONFIGURE = 0, 1, 6, 7
ATTEMPTS = Attempts()


def _call(number: int, *arguments: object) -> int:
    given = [a.encode() if isinstance(a, str) else a for a in arguments]
    return check(LIBC.syscall(number, *given))


def mount(source: str | None, target: str, kind: str | None, flags: int = 0) -> None:
    """mount(2)."""
    _call(_MOUNT, source, target, kind, flags, None)


def umount(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _call(_UMOUNT2, target, flags)


def unshare(*, private: bool) -> None:
    """Get a mount namespace of one's own, cut off from the host's or as clone leaves it."""
    check(LIBC.unshare(CLONE_NEWNS))
    if private:
        mount(None, "/", None, MS_PRIVATE | MS_REC)


@ATTEMPTS.add
def mount_new(path: str) -> None:
    mount("none", path, "tmpfs", _NOSUID)


@ATTEMPTS.add
def mount_new_by_descriptor(path: str) -> None:
    fs = _call(_FSOPEN, "tmpfs", 0)
    _call(_FSCONFIG, fs, _SET_STRING, "source", "none", 0)
    _call(_FSCONFIG, fs, _CREATE, None, None, 0)
    tree = _call(_FSMOUNT, fs, 0, _NOSUID)
    _call(_MOVE_MOUNT, tree, "", AT_FDCWD, path, _EMPTY_PATH)


@ATTEMPTS.add
def mount_subtype(path: str) -> None:
    """By a name of the type that the kernel only reads in part; there is nobody to serve the files."""
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0"
    _call(_MOUNT, "none", path, "fuse.enforcer-test", 0, options)


@ATTEMPTS.add
def mount_relative(path: str) -> None:
    os.chdir(path)
    mount("none", ".", "tmpfs")


@ATTEMPTS.add
def mount_by_link(path: str) -> None:
    link = f"/tmp/to-{os.getpid()}"
    os.symlink(path, link)
    mount("none", link, "tmpfs")


@ATTEMPTS.add
def bind(path: str) -> None:
    mount(f"{path}.source", path, None, MS_BIND)


def _bind_from(path: str, size: int, last: str) -> None:
    """By a source of *size* bytes at least that begins below PATH.source and ends with *last*."""
    source = f"{path}.source/"
    while len(source) + len(last) + 2 <= size:
        source += "./"
    source += "/" * (size - len(source) - len(last))
    mount(source + last, path, None, MS_BIND)


@ATTEMPTS.add
def bind_longest_source(path: str) -> None:
    """As long as a source that rules can see may be."""
    _bind_from(path, 255, "")


@ATTEMPTS.add
def bind_longer_source(path: str) -> None:
    _bind_from(path, 256, "")


@ATTEMPTS.add
def bind_above_by_long_source(path: str) -> None:
    """The way out is behind what rules can see."""
    _bind_from(path, 300, "../object.other")


@ATTEMPTS.add
def bind_above(path: str) -> None:
    _bind_from(path, 0, "../object.other")


@ATTEMPTS.add
def bind_by_descriptor(path: str) -> None:
    tree = _call(_OPEN_TREE, AT_FDCWD, f"{path}.source", 1)  # OPEN_TREE_CLONE
    _call(_MOVE_MOUNT, tree, "", AT_FDCWD, path, _EMPTY_PATH)


def has_new_namespaces() -> bool:
    """Can the kernel mount in a namespace that it makes for that?"""
    context = LIBC.syscall(_FSOPEN, b"tmpfs", 0)
    if context < 0 or LIBC.syscall(_FSCONFIG, context, _CREATE, None, None, 0):
        return False
    namespace = LIBC.syscall(_FSMOUNT, context, 2, 0)
    os.close(context)
    if namespace < 0:
        return False
    os.close(namespace)
    return True


@ATTEMPTS.add
def tree_in_new_namespace(path: str) -> None:
    """Bind in a mount namespace that is made for it, and go there; no move_mount follows."""
    namespace = _call(_OPEN_TREE, AT_FDCWD, path, 2)  # OPEN_TREE_NAMESPACE
    check(LIBC.setns(namespace, CLONE_NEWNS))


@ATTEMPTS.add
def tree_attr_in_new_namespace(path: str) -> None:
    """The same by the newer call, with no attributes to be set."""
    namespace = _call(_OPEN_TREE_ATTR, AT_FDCWD, path, 2, None, 0)
    check(LIBC.setns(namespace, CLONE_NEWNS))


@ATTEMPTS.add
def mount_in_new_namespace(path: str) -> None:
    """Do so with a new file system, which has *path* for its source."""
    fs = _call(_FSOPEN, "tmpfs", 0)
    _call(_FSCONFIG, fs, _SET_STRING, "source", path, 0)
    _call(_FSCONFIG, fs, _CREATE, None, None, 0)
    namespace = _call(_FSMOUNT, fs, 2, _NOSUID)  # FSMOUNT_NAMESPACE
    check(LIBC.setns(namespace, CLONE_NEWNS))


@ATTEMPTS.add
def remount(path: str) -> None:
    mount(None, path, None, _REMOUNT | _RDONLY)


@ATTEMPTS.add
def remount_by_descriptor(path: str) -> None:
    fs = _call(_FSPICK, AT_FDCWD, path, 0)
    _call(_FSCONFIG, fs, _SET_FLAG, "ro", None, 0)
    _call(_FSCONFIG, fs, _RECONFIGURE, None, None, 0)


@ATTEMPTS.add
def remount_this_mount(path: str) -> None:
    mount(None, path, None, _REMOUNT | MS_BIND | _RDONLY)


@ATTEMPTS.add
def share(path: str) -> None:
    mount(None, path, None, _SHARED)


@ATTEMPTS.add
def move_away(path: str) -> None:
    _call(_MOVE_MOUNT, AT_FDCWD, path, AT_FDCWD, f"{path}.other", 0)


@ATTEMPTS.add
def move_away_by_name(path: str) -> None:
    mount(path, f"{path}.other", None, _MOVE)


@ATTEMPTS.add
def move_here(path: str) -> None:
    _call(_MOVE_MOUNT, AT_FDCWD, f"{path}.other", AT_FDCWD, path, 0)


@ATTEMPTS.add
def unmount(path: str) -> None:
    umount(path)


@ATTEMPTS.add
def unmount_lazily(path: str) -> None:
    umount(path, MNT_DETACH)


@ATTEMPTS.add
def pivot(path: str) -> None:
    """In a namespace of its own; the mark that it leaves tells whether the root changed."""
    unshare(private=True)
    mount("none", path, "tmpfs")
    os.chdir(path)
    _call(_PIVOT_ROOT, ".", ".")
    umount(".", MNT_DETACH)
    if os.listdir("/"):
        raise OSError(1, "the root is still the old one")


# ---- What takes a protected name away ----------------------------------------------------------


@ATTEMPTS.add
def cover_directory(path: str) -> None:
    mount("none", os.path.dirname(path), "tmpfs")


@ATTEMPTS.add
def cover_file(path: str) -> None:
    mount("/etc/hostname", path, None, MS_BIND)


@ATTEMPTS.add
def unmount_own_copy(path: str) -> None:
    unshare(private=True)
    umount(path, MNT_DETACH)


@ATTEMPTS.add
def unmount_shared_copy(path: str) -> None:
    unshare(private=False)
    umount(path, MNT_DETACH)


@ATTEMPTS.add
def remove_mount_point(path: str) -> None:
    unshare(private=True)
    umount(path, MNT_DETACH)
    os.rmdir(path)


@ATTEMPTS.add
def replace_mount_point(path: str) -> None:
    unshare(private=True)
    umount(path, MNT_DETACH)
    os.mkdir(f"{path}.new")
    os.rename(f"{path}.new", path)


@ATTEMPTS.add
def pivot_the_host(path: str) -> None:
    del path
    _call(_PIVOT_ROOT, "/run", "/run")


main = ATTEMPTS.main

if __name__ == "__main__":
    sys.exit(main())
