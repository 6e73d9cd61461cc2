# SPDX-License-Identifier: MIT
"""
cgroup ids to paths.

The id of a version 2 cgroup is the inode number of its directory. A path is taken from the process's
own ``/proc/PID/cgroup`` when that directory has the id. Of a process that has ended, the kernel is asked for the
directory with that id. Where it may not be asked, the hierarchy is walked; that is costly, so it is done at most once a
second, and of containers that begin in a burst some have no name then.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from enforcer.identity import weight
from enforcer.identity.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Cgroups", "children", "unit_of"]

_WALK_EVERY = 1.0
_WALK_LIMIT = 20_000
_ROOM = 8 << 20  # bytes of memory for names, which users choose below what is theirs


@attrs.define(eq=False, repr=False)
class Cgroups:
    """
    Paths by id, as far as they are known.

    *open_by_id* opens the cgroup of an id as a place, by a descriptor in the hierarchy; None: nobody can.
    """

    root: Path = Path("/sys/fs/cgroup")
    open_by_id: Callable[[int, int], int] | None = None
    clock: Callable[[], float] = time.monotonic
    limit: int = 8192
    _paths: Cache[int, str] = attrs.field(init=False)
    _next_walk: float = attrs.field(default=0.0, init=False)

    @_paths.default
    def _make_cache(self) -> Cache[int, str]:
        return Cache(self.limit, _ROOM, lambda path: weight.OBJECT + weight.of_text(path))

    def path(self, cgroup_id: int, hint: bytes | None = None) -> str | None:
        """Name the cgroup; *hint* is what the process's own /proc entry says."""
        if not cgroup_id:
            return None
        known = self._paths.get(cgroup_id)
        if known is not None:
            return known
        found = self._check(cgroup_id, hint) if hint else None
        if found is None:
            found = self._asked(cgroup_id)
        if found is None and self.clock() >= self._next_walk:
            self._next_walk = self.clock() + _WALK_EVERY
            self._walk()
            found = self._paths.get(cgroup_id)
        if found is not None:
            self._paths.put(cgroup_id, found)
        return found

    def _check(self, cgroup_id: int, hint: bytes) -> str | None:
        path = os.fsdecode(hint)  # as the file system has it; shown as _shown makes it
        try:
            number = (self.root / path.lstrip("/")).stat().st_ino
        except (OSError, ValueError):
            return None
        return _shown(path) if number == cgroup_id else None

    def _asked(self, cgroup_id: int) -> str | None:
        if self.open_by_id is None:
            return None
        try:
            mount = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                place = self.open_by_id(mount, cgroup_id)
            finally:
                os.close(mount)
            try:
                path = Path(f"/proc/self/fd/{place}").readlink()
            finally:
                os.close(place)
            hint = Path("/", path.relative_to(self.root.resolve()))
        except (OSError, ValueError):
            return None  # it is gone, is none of what is shown here, or this process may not
        # Checked as any hint: one that is being removed has another name by now.
        return self._check(cgroup_id, os.fsencode(hint))

    def _walk(self) -> None:
        for number, path in self._directories():
            self._paths.put(number, _shown(path))

    def _directories(self) -> Iterator[tuple[int, str]]:
        """All cgroups, breadth first, so that a huge tree still gives its upper part."""
        pending = [""]
        seen = 0
        while pending and seen < _WALK_LIMIT:
            below = []
            for path in pending:
                for name, number in children(f"{self.root}{path}"):
                    below.append(f"{path}/{name}")
                    yield number, below[-1]
                    seen += 1
            pending = below
        try:
            yield self.root.stat().st_ino, "/"
        except OSError:
            return


def _shown(path: str) -> str:
    """Write *path* as text, whatever bytes its names have."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def children(folder: str) -> list[tuple[str, int]]:
    """List the cgroups below *folder*, with their numbers; one that vanished meanwhile has none."""
    try:
        # Directories of cgroups count those in them: most have none, which saves reading them.
        if os.stat(folder).st_nlink == 2:  # noqa: PTH116 - some hundred, several times a second
            return []
        with os.scandir(folder) as entries:
            return [(e.name, e.inode()) for e in entries if e.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def unit_of(path: str) -> str | None:
    """Name the systemd unit that a cgroup path lies in: its deepest service or scope."""
    for part in reversed(path.split("/")):
        if part.endswith((".service", ".scope")):
            return part
    return None
