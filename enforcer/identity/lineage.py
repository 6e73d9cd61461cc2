# SPDX-License-Identifier: MIT
"""
The ancestors of a process, up to the first process.

They are read from ``/proc`` when a record is made, and remembered: an ancestor that was seen once is still
known after it has exited. The list ends at one that was never seen, or at the bound.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from enforcer.identity import weight
from enforcer.identity.actor import Actor
from enforcer.identity.cache import Cache
from enforcer.identity.naming import process_id, ticks_of
from enforcer.identity.process import CUT, Processes, Stat, link
from enforcer.safe_text import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MAX_DEPTH", "Ancestry", "Lineage"]

MAX_DEPTH = 64
"""Ancestors that are looked for."""

_FRESH = 1.0  # seconds for which what is known of a living process is believed to be so still
_PARENT_BYTES, _OTHER_BYTES = 4096, 512  # of arguments, and of the path of the executable
_ROOM = 8 << 20  # bytes of memory for processes, and as many for lines of them

Key = tuple[int, int]
"""Number and start of a process, in ticks."""


@attrs.frozen
class Ancestry:
    """Ancestors, the parent first; *is_complete* if the last one is the first process of all."""

    ancestors: tuple[Actor, ...] = ()
    is_complete: bool = False

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return weight.OBJECT + sum(each.weight for each in self.ancestors)


@attrs.frozen
class _Snapshot:
    """One process as it was; *parent* is None if it is not known, *is_first* if there is none."""

    actor: Actor
    parent: Key | None
    is_first: bool
    until: float


@attrs.define(eq=False, repr=False)
class Lineage:
    """Looks ancestors up, and remembers."""

    processes: Processes = attrs.field(factory=Processes)
    clock: Callable[[], float] = time.monotonic
    limit: int = 8192
    _seen: Cache[Key, _Snapshot] = attrs.field(init=False)
    _lines: Cache[Key, tuple[float, Ancestry]] = attrs.field(init=False)

    @_seen.default
    def _make_seen(self) -> Cache[Key, _Snapshot]:
        return Cache(self.limit, _ROOM, lambda seen: weight.OBJECT + seen.actor.weight)

    @_lines.default
    def _make_lines(self) -> Cache[Key, tuple[float, Ancestry]]:
        return Cache(self.limit, _ROOM, lambda line: line[1].weight)

    def above(self, pid: int, start_ns: int) -> Ancestry:
        """
        Learn about the parent *pid*, started at *start_ns*, and those above it.

        A parent that cannot be found gives nothing.
        """
        key = (pid, ticks_of(start_ns))
        now = self.clock()
        known = self._lines.get(key)
        if known is not None and now < known[0]:
            return known[1]
        line = list(self._line(key))
        found = Ancestry(
            tuple(each.actor for each in line), is_complete=bool(line) and line[-1].is_first
        )
        # What is stale is not used again, and would keep ancestors as they were then.
        self._lines.drop_while(lambda line: line[0] <= now)
        self._lines.put(key, (now + _FRESH, found))
        return found

    def _line(self, key: Key | None) -> Iterator[_Snapshot]:
        limit = _PARENT_BYTES
        for _ in range(MAX_DEPTH):
            seen = self._one(key, limit) if key is not None else None
            if seen is None:
                return
            yield seen
            key, limit = seen.parent, _OTHER_BYTES

    def _one(self, key: Key, limit: int) -> _Snapshot | None:
        now = self.clock()
        known = self._seen.get(key)
        if known is not None and now < known.until:
            return known
        read = self._read(key, limit, now + _FRESH)
        if read is None:
            return known  # gone: what it was last
        if known is not None and known.actor == read.actor:
            read = attrs.evolve(read, actor=known.actor)  # one for all records that show it
        self._seen.put(key, read)
        return read

    def _read(self, key: Key, limit: int, until: float) -> _Snapshot | None:
        pid, ticks = key
        before = self.processes.stat(pid)
        if before is None or abs(before.start_ticks - ticks) > 1:
            return None
        folder = self.processes.proc / str(pid)
        exe = _cut(link(folder / "exe"), limit)
        words = self.processes.cmdline(pid, before.start_ticks, limit)
        parent = self._parent(before)
        after = self.processes.stat(pid)
        if after is None or after.start_ticks != before.start_ticks:
            return None  # the number has changed hands between the reads
        actor = Actor(
            id=process_id(pid, before.start_ticks),
            pid=pid,
            name=readable(before.name),
            exe=exe,
            cmdline=words.shown if words is not None else None,
        )
        return _Snapshot(actor, parent, before.parent <= 0, until)

    def _parent(self, child: Stat) -> Key | None:
        found = self.processes.stat(child.parent) if child.parent > 0 else None
        # Who started after the child has got the number of a parent that is gone.
        if found is None or found.start_ticks > child.start_ticks:
            return None
        return child.parent, found.start_ticks


def _cut(path: bytes | None, limit: int) -> bytes | None:
    """Keep the first *limit* bytes of *path*, as of arguments; what is cut ends with ``…``."""
    return path if path is None or len(path) <= limit else path[:limit] + CUT
