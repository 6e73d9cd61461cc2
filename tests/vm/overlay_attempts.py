# SPDX-License-Identifier: MIT
# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH106, PTH108, PTH211
"""
Attempts on a directory by way of an overlay that has it as a layer: ``overlay_attempts.py NAME DIRECTORY``.

The directory becomes the upper layer of an overlay in a mount namespace of the process's own, and the attempt
is made on what the overlay shows. ``read`` has it as the lower one. What was read goes to standard output; the
exit code is the errno that stopped it. Standalone, as file_attempts.py is.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_PR_SET_DUMPABLE = 4
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
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


def _mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    words = (source.encode(), target.encode(), kind.encode())
    _check(_LIBC.mount(*words, ctypes.c_ulong(flags), options.encode()))


def _own_mounts(flags: int = 0) -> None:
    _check(_LIBC.unshare(_CLONE_NEWNS | flags))
    if flags & _CLONE_NEWUSER:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {STRANGER} 1")
        Path("/proc/self/gid_map").write_text(f"0 {STRANGER} 1")
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def overlaid(upper: str, *, more: str = "") -> str:
    """Show *upper* as the upper layer of an overlay; return where."""
    work = tempfile.mkdtemp(dir=os.path.dirname(upper), prefix="work-")  # noqa: PTH120
    lower, merged = tempfile.mkdtemp(dir="/tmp"), tempfile.mkdtemp(dir="/tmp")
    options = f"lowerdir={lower},upperdir={upper},workdir={work}{more}"
    _mount("none", merged, "overlay", 0, options)
    return merged


def _shown(upper: str) -> str:
    _own_mounts()
    return overlaid(upper)


@_attempt
def read(lower: str) -> None:
    _own_mounts()
    merged, empty = tempfile.mkdtemp(dir="/tmp"), tempfile.mkdtemp(dir="/tmp")
    _mount("none", merged, "overlay", 0, f"lowerdir={lower}:{empty}")
    os.write(1, os.read(os.open(f"{merged}/read", os.O_RDONLY), 100))


@_attempt
def write(upper: str) -> None:
    os.write(os.open(_shown(upper) + "/write", os.O_WRONLY), b"changed")


@_attempt
def truncate(upper: str) -> None:
    os.truncate(_shown(upper) + "/truncate", 1)


@_attempt
def chmod(upper: str) -> None:
    os.chmod(_shown(upper) + "/chmod", 0o711)


@_attempt
def chown(upper: str) -> None:
    os.chown(_shown(upper) + "/chown", STRANGER, STRANGER)


@_attempt
def unlink(upper: str) -> None:
    os.unlink(_shown(upper) + "/unlink")


@_attempt
def rmdir(upper: str) -> None:
    os.rmdir(_shown(upper) + "/rmdir")


@_attempt
def rename(upper: str) -> None:
    merged = _shown(upper)
    os.rename(merged + "/rename", merged + "/renamed")


@_attempt
def replace(upper: str) -> None:
    merged = _shown(upper)
    os.rename(merged + "/source", merged + "/replace")


@_attempt
def create(upper: str) -> None:
    os.close(os.open(_shown(upper) + "/created", os.O_WRONLY | os.O_CREAT, 0o600))


@_attempt
def mkdir(upper: str) -> None:
    os.mkdir(_shown(upper) + "/made")


@_attempt
def mkfifo(upper: str) -> None:
    os.mkfifo(_shown(upper) + "/fifo")


@_attempt
def symlink(upper: str) -> None:
    os.symlink("anywhere", _shown(upper) + "/symlinked")


@_attempt
def link(upper: str) -> None:
    merged = _shown(upper)
    os.link(merged + "/link", merged + "/linked")


@_attempt
def move_directory(upper: str) -> None:
    merged = _shown(os.path.dirname(upper))  # noqa: PTH120
    name = os.path.basename(upper)  # noqa: PTH119
    os.rename(f"{merged}/{name}", f"{merged}/{name}.moved")


@_attempt
def empty_work_directory(upper: str) -> None:
    """An overlay empties what is named so below its *workdir*, as it is mounted."""
    _own_mounts()
    lower, merged = tempfile.mkdtemp(dir="/tmp"), tempfile.mkdtemp(dir="/tmp")
    other = tempfile.mkdtemp(dir=os.path.dirname(upper), prefix="work-")  # noqa: PTH120
    options = f"lowerdir={lower},upperdir={other},workdir={upper}"
    _mount("none", merged, "overlay", 0, options)


@_attempt
def unlink_as_user(upper: str) -> None:
    os.setgid(STRANGER)
    os.setuid(STRANGER)
    _check(_LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))  # else its files in /proc are root's
    _own_mounts(_CLONE_NEWUSER)
    os.unlink(overlaid(upper, more=",userxattr") + "/unlink-as-user")


@_attempt
def hidden(upper: str) -> None:
    """All of it in a file system that the host does not show, below the same names."""
    _own_mounts()
    place = tempfile.mkdtemp(dir="/tmp")
    _mount("none", place, "tmpfs")
    os.makedirs(place + upper)
    merged = overlaid(place + upper)
    os.close(os.open(merged + "/created", os.O_WRONLY | os.O_CREAT, 0o600))
    os.rename(merged + "/created", merged + "/write")
    os.chmod(merged + "/write", 0o711)
    os.unlink(merged + "/write")
    os.write(1, b"done")


def main(name: str, directory: str) -> int:
    """Make one attempt; an errno is the exit code."""
    try:
        ATTEMPTS[name](directory)
    except OSError as error:
        os.write(2, str(error).encode())
        return error.errno or 255
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
