# SPDX-License-Identifier: MIT
"""
File systems that accept several spellings of one name: in another case, or a short one.

The kernel side recognises them by the superblock and decides by all spellings (``bpf/include/fold.bpf.h``).
It cannot do that for file systems that user space implements.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import functools
import os
from pathlib import Path
from typing import Final

from enforcer.mountinfo import parse_mountinfo

__all__ = ["folded_by", "is_seen"]

_FOLDING: Final = frozenset(
    (
        b"vfat",
        b"msdos",
        b"exfat",
        b"ntfs",
        b"ntfs3",
        b"hfs",
        b"hfsplus",
        b"cifs",
        b"smb3",
        b"fuseblk",
    )
)
_UNSEEN: Final = "fuseblk"  # ntfs-3g and the like
_GET_FLAGS: Final = 0x80086601  # FS_IOC_GETFLAGS
_CASEFOLD: Final = 0x40000000  # FS_CASEFOLD_FL


def folded_by(path: bytes) -> str | None:
    """Return what folds names where *path* is, or would be: the type of the file system; else None."""
    folder = path
    while not os.path.isdir(folder) and folder not in {b"", b"/"}:  # noqa: PTH112 - bytes
        folder = os.path.dirname(folder)  # noqa: PTH120 - bytes
    if not folder.startswith(b"/"):
        return None
    kind = _kind_at(folder)
    return kind.decode(errors="replace") if kind in _FOLDING or _is_casefolded(folder) else None


def is_seen(kind: str) -> bool:
    """Tell whether the kernel side knows that file systems of type *kind* take several spellings."""
    return kind != _UNSEEN


def _kind_at(folder: bytes) -> bytes:
    at = folder
    while True:
        if at in _kinds():
            return _kinds()[at]
        if at in {b"", b"/"}:
            return b""
        at = os.path.dirname(at)  # noqa: PTH120 - bytes


@functools.cache
def _kinds() -> dict[bytes, bytes]:
    """Return the type of the file system that is mounted at each place; none if that is not known."""
    with contextlib.suppress(OSError):
        mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
        return {mount.point: mount.type for mount in mounts}
    return {}


def _is_casefolded(folder: bytes) -> bool:
    """Ask the directory itself, as of ext4, f2fs and tmpfs; if it does not say, it is not."""
    flags = array.array("l", [0])
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.ioctl(fd, _GET_FLAGS, flags, True)
    except OSError:
        return False
    finally:
        os.close(fd)
    return bool(flags[0] & _CASEFOLD)
