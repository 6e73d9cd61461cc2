# SPDX-License-Identifier: MIT
"""
The ancestors of a process: who started it, who started that one, up to the first process.

Read from ``/proc`` when a record is made, and remembered: an ancestor that was seen once is still known
when it has gone. One that was never seen ends the line, and so does one that is beyond the bound.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from enforcer.identity.cache import Cache
from enforcer.identity.naming import ticks_of
from enforcer.identity.process import Processes, cmdline, link

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_DEPTH", "Ancestor", "Ancestry", "Lineage"]

MAX_DEPTH = 64
"""Ancestors that are looked for."""

_FRESH = 1.0  # seconds for which what is known of a living process is believed to be so still
_PARENT_BYTES, _OTHER_BYTES = 4096, 512


@attrs.frozen(kw_only=True)
class Ancestor:
    """One process, as far as it is known; *parent* is its parent's number at that time."""

    pid: int
    start_ticks: int
    name: bytes
    exe: bytes | None = None
    cmdline: tuple[bytes, ...] | None = None
    parent: int = 0


@attrs.frozen
class Ancestry:
    """Ancestors, the parent first; *is_complete* if the last one is the first process of all."""

    ancestors: tuple[Ancestor, ...] = ()
    is_complete: bool = False


@attrs.define
class Lineage:
    """Looks ancestors up, and remembers."""

    processes: Processes = attrs.field(factory=Processes)
    clock: Callable[[], float] = time.monotonic
    limit: int = 8192
    _known: Cache[tuple[int, int], tuple[float, Ancestor]] = attrs.field(init=False)

    @_known.default
    def _make_cache(self) -> Cache[tuple[int, int], tuple[float, Ancestor]]:
        return Cache(self.limit)

    def above(self, pid: int, start_ns: int) -> Ancestry:
        """
        Learn about the parent *pid*, started at *start_ns*, and those above it.

        A parent that cannot be found gives nothing.
        """
        found: list[Ancestor] = []
        at = self._one(pid, ticks_of(start_ns), _PARENT_BYTES)
        while at is not None and len(found) < MAX_DEPTH:
            found.append(at)
            if at.parent <= 0:
                return Ancestry(tuple(found), is_complete=True)
            at = self._parent_of(at)
        return Ancestry(tuple(found))

    def _parent_of(self, child: Ancestor) -> Ancestor | None:
        stat = self.processes.stat(child.parent)
        # Who started after the child has got the number of a parent that is gone.
        if stat is None or stat.start_ticks > child.start_ticks:
            return None
        return self._one(child.parent, stat.start_ticks, _OTHER_BYTES)

    def _one(self, pid: int, ticks: int, limit: int) -> Ancestor | None:
        now = self.clock()
        known = self._known.get((pid, ticks))
        if known is not None and now < known[0] + _FRESH:
            return known[1]
        read = self._read(pid, ticks, limit)
        if read is None:
            return known[1] if known is not None else None  # gone: what it was last
        self._known.put((pid, ticks), (now, read))
        return read

    def _read(self, pid: int, ticks: int, limit: int) -> Ancestor | None:
        before = self.processes.stat(pid)
        if before is None or abs(before.start_ticks - ticks) > 1:
            return None
        folder = self.processes.proc / str(pid)
        found = Ancestor(
            pid=pid,
            start_ticks=before.start_ticks,
            name=before.name,
            exe=link(folder / "exe"),
            cmdline=cmdline(folder, limit),
            parent=before.parent,
        )
        after = self.processes.stat(pid)
        # The number may have changed hands between the reads.
        return found if after is not None and after.start_ticks == before.start_ticks else None
