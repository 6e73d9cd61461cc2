# SPDX-License-Identifier: MIT
"""Files that are replaced as a whole: whoever reads one has what it said before, or all that it says now."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["beside", "create", "replace", "settle"]


def beside(path: Path) -> Path:
    """Return where the next content of *path* is written first: in its folder, under a name that nobody reads."""
    return path.with_name(f"{path.name}.new")


def replace(path: Path, content: bytes, mode: int, *, is_lasting: bool) -> None:
    """
    Let *path* have *content*.

    Args:
        path: a file, or where none is yet; its folder exists.
        content: all that it says from now on.
        mode: its permissions, whatever the umask.
        is_lasting: wait for the disk, so that a crash of the machine leaves one content or the other; which
            one, :func:`settle` decides.

    Raises:
        OSError: it cannot be written; what it said before stays.
    """
    new = beside(path)
    with create(new, mode) as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        if is_lasting:
            os.fsync(file.fileno())
    new.replace(path)


def create(path: Path, mode: int) -> BinaryIO:
    """
    Make the file *path* anew, and open it for writing.

    Raises:
        OSError: no file can be made there.
    """
    path.unlink(missing_ok=True)  # of a crash, or a link or a pipe that somebody has put there
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb")


def settle(folder: Path) -> None:
    """
    Wait until the disk has the names in *folder* as they are now.

    Raises:
        OSError: it cannot be known.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
