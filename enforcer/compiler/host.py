# SPDX-License-Identifier: MIT
"""
What the compiler reads about names on the host: symbolic links, hard links and mounts.

Nothing here needs privileges. A name that this process may not look up is taken as written.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import attrs

from enforcer import _abi
from enforcer.mountinfo import Mount, parse_mountinfo
from enforcer.policy.text.trust import is_by_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.policy.model.workloads import Workload

__all__ = ["BareHost", "Host", "LocalHost", "Mount"]

_NODE = _abi.ENF_NODE  # in the place of the device that a file lies on


class Host(Protocol):
    """The questions."""

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """All mounts of the host's namespace, oldest first."""
        ...

    @property
    def workloads(self) -> Sequence[Workload]:
        """Containers and pods that are known."""
        ...

    def link(self, path: bytes) -> bytes | None:
        """Return the target if *path* itself is a symbolic link."""
        ...

    def is_by_root(self, path: bytes) -> bool:
        """Tell whether nobody but root can have put what *path*, free of links above it, itself is."""
        ...

    def hard_linked(self, path: bytes) -> tuple[int, int] | None:
        """Return device and inode if *path* is a regular file with several names."""
        ...

    def node(self, path: bytes) -> tuple[int, int] | None:
        """Return what the kernel side knows a device by, if *path* is a node of one."""
        ...


@attrs.frozen
class BareHost:
    """A host of which nothing is known: names mean themselves."""

    mounts: tuple[Mount, ...] = ()
    workloads: Sequence[Workload] = ()

    def link(self, path: bytes) -> bytes | None:  # noqa: ARG002 - the protocol's form
        """Know no link."""
        return None

    def is_by_root(self, path: bytes) -> bool:  # noqa: ARG002 - as above
        """Know nobody else."""
        return True

    def hard_linked(self, path: bytes) -> tuple[int, int] | None:  # noqa: ARG002 - as above
        """Know no file."""
        return None

    def node(self, path: bytes) -> tuple[int, int] | None:  # noqa: ARG002 - as above
        """Know no device."""
        return None


@attrs.define(eq=False, repr=False)
class LocalHost:
    """
    This machine, as its first process sees it.

    The kernel side names objects by that view. Ours may be another: a service manager hides folders
    from its services and shows them others, a container has its own. *root* leads from ours there.
    """

    mounts: tuple[Mount, ...]
    root: bytes = b""
    workloads: Sequence[Workload] = ()
    _missing: set[bytes] = attrs.field(factory=set)
    _found: dict[bytes, os.stat_result | None] = attrs.field(factory=dict)

    @property
    def on_top(self) -> dict[bytes, Mount]:
        """The mounts that are seen, by their place."""
        return {mount.point: mount for mount in self.mounts}

    @classmethod
    def read(
        cls,
        ours: Path = Path("/proc/self"),
        first: Path = Path("/proc/1"),
        *,
        workloads: Sequence[Workload] = (),
    ) -> LocalHost:
        """Read the table of mounts; names are looked up when asked for, *workloads* are given."""
        is_elsewhere = _is_elsewhere(ours, first)
        process, root = (first, os.fsencode(first / "root")) if is_elsewhere else (ours, b"")
        try:
            return cls(parse_mountinfo((process / "mountinfo").read_bytes()), root, workloads)
        except FileNotFoundError:
            # No /proc: bind mounts cannot be seen, the names as written still hold.
            return cls((), workloads=workloads)

    def link(self, path: bytes) -> bytes | None:
        """Read the link; what is missing or hidden is none."""
        parent = path.rpartition(b"/")[0]
        if parent in self._missing:
            self._missing.add(path)
            return None
        there = self.root + path
        try:
            if stat.S_ISLNK(os.lstat(there).st_mode):
                return os.readlink(there)  # noqa: PTH115 - names are bytes here
        except OSError:
            self._missing.add(path)
        return None

    def is_by_root(self, path: bytes) -> bool:
        """Look at its owner, and at the directories above."""
        return is_by_root(path, self._status)

    def hard_linked(self, path: bytes) -> tuple[int, int] | None:
        """Look the file up, following links."""
        found = self._status(path)
        if found is None or not stat.S_ISREG(found.st_mode) or found.st_nlink < 2:
            return None
        return _number(found.st_dev), found.st_ino

    def node(self, path: bytes) -> tuple[int, int] | None:
        """Look the node up, following links above it."""
        found = self._status(path)
        if found is None or not (stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)):
            return None
        return _NODE, stat.S_IFMT(found.st_mode) << 32 | _number(found.st_rdev)

    def _status(self, path: bytes) -> os.stat_result | None:
        if path in self._missing:
            return None
        if path not in self._found:
            try:
                self._found[path] = os.lstat(self.root + path)
            except OSError:
                self._found[path] = None
        return self._found[path]


def _number(device: int) -> int:
    """Return *device* as the kernel encodes it for itself."""
    return os.major(device) << 20 | os.minor(device)


def _is_elsewhere(ours: Path, first: Path) -> bool:
    """Tell whether the first process has another mount namespace; if it does not tell, not."""
    try:
        return (ours / "ns/mnt").stat().st_ino != (first / "ns/mnt").stat().st_ino
    except OSError:
        return False  # the kernel side then takes our namespace for the host's, too
