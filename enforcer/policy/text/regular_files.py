# SPDX-License-Identifier: MIT
"""Files that are named for reading: why one cannot be read, in words that lead to the right one."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import stat
from pathlib import Path
from typing import IO, Final

__all__ = ["irregular", "open_regular", "why_unreadable"]

_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_ALIKE: Final = 0.8
_KINDS: Final = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_regular(path: Path) -> IO[bytes]:
    """
    Open the regular file at *path* for reading. A FIFO or a device in its place is not waited for.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    fd = os.open(path, _READ)
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        raise OSError(errno.EINVAL, irregular(mode), os.fspath(path))
    return os.fdopen(fd, "rb")


def irregular(mode: int) -> str:
    """Say what something with *mode* is, which should be a file."""
    return f"not a regular file, but {_KINDS.get(stat.S_IFMT(mode), 'something else')}"


def why_unreadable(path: Path, error: OSError) -> str:
    """Say why *path* could not be opened, and which file was perhaps meant."""
    if error.errno == errno.ENXIO:
        with contextlib.suppress(OSError):
            return irregular(path.stat().st_mode)
    said = error.strerror or str(error)
    if error.errno != errno.ENOENT:
        return said
    try:
        return f"{said}: it is a link to {os.readlink(path)}"  # noqa: PTH115 - as it was written
    except OSError:
        pass  # mostly there is nothing, so something else was meant
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 - names only
    except OSError:
        return said
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=_ALIKE)
    return f"{said}; did you mean {path.parent / close[0]}?" if close else said
