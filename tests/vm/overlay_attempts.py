# SPDX-License-Identifier: MIT
# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH106, PTH108, PTH211
"""
Attempts on a directory by way of an overlay that has it as a layer: ``overlay_attempts.py NAME DIRECTORY``.

The directory becomes the upper layer of an overlay in a mount namespace of the process's own, and the attempt
is made on what the overlay shows. ``read`` has it as the lower one. What was read goes to standard output; the
exit code is the errno that stopped it. Standalone, as file_attempts.py is.

Some are followed by what is done to the file ``log``, by a descriptor that was opened to append.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import (
    LIBC,
    MS_BIND,
    STRANGER,
    Attempts,
    become,
    check,
    mount,
    own_mounts,
    own_users,
)

ATTEMPTS = Attempts()


def overlaid(upper: str, *, more: str = "") -> str:
    """Show *upper* as the upper layer of an overlay; return where."""
    work = tempfile.mkdtemp(dir=os.path.dirname(upper), prefix="work-")  # noqa: PTH120
    lower, merged = tempfile.mkdtemp(dir="/tmp"), tempfile.mkdtemp(dir="/tmp")
    options = f"lowerdir={lower},upperdir={upper},workdir={work}{more}"
    mount("none", merged, "overlay", 0, options)
    return merged


def _shown(upper: str) -> str:
    own_mounts()
    return overlaid(upper)


@ATTEMPTS.add
def read(lower: str) -> None:
    own_mounts()
    merged, empty = tempfile.mkdtemp(dir="/tmp"), tempfile.mkdtemp(dir="/tmp")
    mount("none", merged, "overlay", 0, f"lowerdir={lower}:{empty}")
    os.write(1, os.read(os.open(f"{merged}/read", os.O_RDONLY), 100))


@ATTEMPTS.add
def run(upper: str) -> None:
    program = _shown(upper) + "/run"
    os.execv(program, [program])


@ATTEMPTS.add
def write(upper: str) -> None:
    os.write(os.open(_shown(upper) + "/write", os.O_WRONLY), b"changed")


@ATTEMPTS.add
def truncate(upper: str) -> None:
    os.truncate(_shown(upper) + "/truncate", 1)


@ATTEMPTS.add
def chmod(upper: str) -> None:
    os.chmod(_shown(upper) + "/chmod", 0o711)


@ATTEMPTS.add
def chown(upper: str) -> None:
    os.chown(_shown(upper) + "/chown", STRANGER, STRANGER)


@ATTEMPTS.add
def unlink(upper: str) -> None:
    os.unlink(_shown(upper) + "/unlink")


@ATTEMPTS.add
def rmdir(upper: str) -> None:
    os.rmdir(_shown(upper) + "/rmdir")


@ATTEMPTS.add
def rename(upper: str) -> None:
    merged = _shown(upper)
    os.rename(merged + "/rename", merged + "/renamed")


@ATTEMPTS.add
def replace(upper: str) -> None:
    merged = _shown(upper)
    os.rename(merged + "/source", merged + "/replace")


@ATTEMPTS.add
def create(upper: str) -> None:
    os.close(os.open(_shown(upper) + "/created", os.O_WRONLY | os.O_CREAT, 0o600))


@ATTEMPTS.add
def mkdir(upper: str) -> None:
    os.mkdir(_shown(upper) + "/made")


@ATTEMPTS.add
def mkfifo(upper: str) -> None:
    os.mkfifo(_shown(upper) + "/fifo")


@ATTEMPTS.add
def symlink(upper: str) -> None:
    os.symlink("anywhere", _shown(upper) + "/symlinked")


@ATTEMPTS.add
def link(upper: str) -> None:
    merged = _shown(upper)
    os.link(merged + "/link", merged + "/linked")


@ATTEMPTS.add
def move_directory(upper: str) -> None:
    merged = _shown(os.path.dirname(upper))  # noqa: PTH120
    name = os.path.basename(upper)  # noqa: PTH119
    os.rename(f"{merged}/{name}", f"{merged}/{name}.moved")


@ATTEMPTS.add
def empty_work_directory(upper: str) -> None:
    """An overlay empties what is named so below its *workdir*, as it is mounted."""
    own_mounts()
    lower, merged = tempfile.mkdtemp(dir="/tmp"), tempfile.mkdtemp(dir="/tmp")
    other = tempfile.mkdtemp(dir=os.path.dirname(upper), prefix="work-")  # noqa: PTH120
    options = f"lowerdir={lower},upperdir={other},workdir={upper}"
    mount("none", merged, "overlay", 0, options)


@ATTEMPTS.add
def unlink_as_user(upper: str) -> None:
    become(STRANGER)
    own_users()
    os.unlink(overlaid(upper, more=",userxattr") + "/unlink-as-user")


@ATTEMPTS.add
def hidden(upper: str) -> None:
    """All of it in a file system that the host does not show, below the same names."""
    own_mounts()
    place = tempfile.mkdtemp(dir="/tmp")
    mount("none", place, "tmpfs")
    os.makedirs(place + upper)
    merged = overlaid(place + upper)
    os.close(os.open(merged + "/created", os.O_WRONLY | os.O_CREAT, 0o600))
    os.rename(merged + "/created", merged + "/write")
    os.chmod(merged + "/write", 0o711)
    os.unlink(merged + "/write")
    os.write(1, b"done")


# ---- Opened to append -----------------------------------------------------------------------------


def _append(fd: int) -> None:
    os.write(fd, b"added")


def _map(fd: int) -> None:
    mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)[:7] = b"changed"


def _unset(fd: int) -> None:
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    os.pwrite(fd, b"changed", 0)


def _punch(fd: int) -> None:
    check(LIBC.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(7)))  # PUNCH_HOLE | KEEP_SIZE


_DEEDS = {"append": _append, "map": _map, "unset": _unset, "punch": _punch}


def _do(directory: str, deed: str) -> None:
    _DEEDS[deed](os.open(directory + "/log", os.O_RDWR | os.O_APPEND))


@ATTEMPTS.add
def directly(directory: str, deed: str) -> None:
    """Without an overlay of one's own."""
    _do(directory, deed)


@ATTEMPTS.add
def bound(directory: str, place: str, deed: str) -> None:
    """The same by another name in a mount namespace of one's own, as a container has its files."""
    own_mounts()
    mount(directory, place, flags=MS_BIND)
    _do(place, deed)


@ATTEMPTS.add
def shown(upper: str, deed: str) -> None:
    _do(_shown(upper), deed)


@ATTEMPTS.add
def shown_to_user(upper: str, deed: str) -> None:
    become(STRANGER)
    own_users()
    _do(overlaid(upper, more=",userxattr"), deed)


main = ATTEMPTS.main

if __name__ == "__main__":
    sys.exit(main())
