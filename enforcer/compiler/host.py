# SPDX-License-Identifier: MIT
"""
What the compiler asks the host about names: symbolic links, hard links and mounts.

Nothing here needs privileges; a name that may not be looked at is taken as written.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Protocol

import attrs

__all__ = ["BareHost", "Host", "LocalHost", "Mount", "parse_mountinfo"]


@attrs.frozen
class Mount:
    """
    One line of mountinfo.

    Attributes:
        device: of the superblock, as the kernel encodes it (major << 20 | minor).
        root: the directory of the superblock that is shown.
        point: where it is shown.
    """

    device: int
    root: bytes
    point: bytes


class Host(Protocol):
    """The questions."""

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """All mounts of the host's namespace, oldest first."""
        ...

    def link(self, path: bytes) -> bytes | None:
        """Return the target if *path* itself is a symbolic link."""
        ...

    def hard_linked(self, path: bytes) -> tuple[int, int] | None:
        """Return device and inode if *path* is a regular file with several names."""
        ...


@attrs.frozen
class BareHost:
    """A host of which nothing is known: names mean themselves."""

    mounts: tuple[Mount, ...] = ()

    def link(self, path: bytes) -> bytes | None:  # noqa: ARG002 - the protocol's form
        """Know no link."""
        return None

    def hard_linked(self, path: bytes) -> tuple[int, int] | None:  # noqa: ARG002 - as above
        """Know no file."""
        return None


@attrs.define
class LocalHost:
    """This machine."""

    mounts: tuple[Mount, ...]
    _missing: set[bytes] = attrs.field(factory=set)

    @classmethod
    def read(cls, mountinfo: Path = Path("/proc/self/mountinfo")) -> LocalHost:
        """Read the table of mounts; names are looked up when asked for."""
        try:
            return cls(parse_mountinfo(mountinfo.read_bytes()))
        except FileNotFoundError:
            # No /proc: bind mounts cannot be seen, the names as written still hold.
            return cls(())

    def link(self, path: bytes) -> bytes | None:
        """Read the link; what is missing or hidden is none."""
        parent = path.rpartition(b"/")[0]
        if parent in self._missing:
            self._missing.add(path)
            return None
        try:
            if stat.S_ISLNK(os.lstat(path).st_mode):
                return os.readlink(path)  # noqa: PTH115 - names are bytes here
        except OSError:
            self._missing.add(path)
        return None

    def hard_linked(self, path: bytes) -> tuple[int, int] | None:
        """Look the file up, following links."""
        if path in self._missing:
            return None
        try:
            found = os.lstat(path)
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode) or found.st_nlink < 2:
            return None
        return os.major(found.st_dev) << 20 | os.minor(found.st_dev), found.st_ino


_ESCAPE = re.compile(rb"\\([0-7]{3})")


def parse_mountinfo(text: bytes) -> tuple[Mount, ...]:
    """Read the lines of ``/proc/PID/mountinfo``."""
    out = []
    for line in text.splitlines():
        _, _, device, root, point, *_ = line.split(b" ")
        major, _, minor = device.partition(b":")
        out.append(Mount(int(major) << 20 | int(minor), _plain(root), _plain(point)))
    return tuple(out)


def _plain(name: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 8),)), name)
