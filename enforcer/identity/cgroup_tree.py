# SPDX-License-Identifier: MIT
"""
The containers and pods that the tree of cgroups shows.

It is looked at several times a second. Of a folder in which nothing has changed, nothing is read anew but its listing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from enforcer.identity.cgroup import children
from enforcer.identity.container import container_of, pod_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enforcer.identity.container import Container

__all__ = ["CgroupTree", "ShownCgroup", "listed"]


@attrs.frozen
class ShownCgroup:
    """The cgroup of a container, or of the pod of *pod_uid*; *number*: its inode."""

    path: str
    number: int
    container: Container | None = None
    pod_uid: str | None = None


@attrs.frozen
class _Folder:
    """A folder by its listing; *below*: paths of those that may have others below them."""

    listing: bytes
    shown: tuple[ShownCgroup, ...] = ()
    below: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str, listing: bytes) -> _Folder:
        shown, below = [], []
        for entry in listing.split(b"\0")[:-1]:
            number, _, raw = entry.partition(b"/")
            name = os.fsdecode(raw)
            inside = f"{path}/{name}"
            if (container := container_of(inside)) is not None:
                shown.append(ShownCgroup(inside, int(number), container))
            elif not name.endswith((".service", ".scope")):
                if (pod := pod_of(inside)) is not None and pod[0] == inside:
                    shown.append(ShownCgroup(inside, int(number), pod_uid=pod[1]))
                below.append(inside)
        return cls(listing, tuple(shown), tuple(below))


def listed(folder: str) -> bytes:
    """List the directories in *folder* as ``INODE/NAME`` with a zero byte behind each."""
    return b"".join(b"%d/%b\0" % (number, os.fsencode(name)) for name, number in children(folder))


@attrs.define(eq=False, repr=False)
class CgroupTree:
    """
    The tree at *root*, with nothing below containers and services.

    *listed* lists the directories in a folder, as :func:`listed`.
    """

    root: Path
    listed: Callable[[str], bytes] = listed
    _folders: dict[str, _Folder] = attrs.field(factory=dict, init=False)

    def look(self) -> Iterator[ShownCgroup]:
        """Yield those that are there now."""
        before, self._folders = self._folders, {}
        pending = [""]
        while pending:
            path = pending.pop()
            listing = self.listed(f"{self.root}{path}")
            folder = before.get(path)
            if folder is None or folder.listing != listing:
                folder = _Folder.read(path, listing)
            self._folders[path] = folder
            yield from folder.shown
            pending += folder.below
