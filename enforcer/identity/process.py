# SPDX-License-Identifier: MIT
"""
What ``/proc`` says about a process when its event is read.

The process may have exited (a killed one mostly has), and its number may belong to another one by then.
So an answer is used only if the start time is the one that the kernel side recorded. All of this is for
readers of records; no verdict depends on it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from enforcer.identity import weight
from enforcer.identity.cache import Cache
from enforcer.identity.patience import Readers
from enforcer.identity.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "CUT",
    "FOLDER_FRESH",
    "UNKNOWN",
    "ProcessFacts",
    "Processes",
    "Stat",
    "cgroup_in",
    "cgroup_of",
    "link",
    "read_some",
]

_CMDLINE_BYTES = 4096
FOLDER_FRESH = 0.2
"""Seconds for which a process is believed to be in the directory that it was in."""

CUT = "…".encode()
"""The end of what is cut."""

_ROOM, _FOLDER_ROOM = 8 << 20, 2 << 20  # bytes of memory for facts, and for directories
_PARENT_FIELD, _START_FIELD = 1, 19  # fields 4 and 22 of /proc/PID/stat, after the parenthesis


@attrs.frozen
class Stat:
    """What ``/proc/PID/stat`` says."""

    name: bytes
    parent: int
    start_ticks: int


def _packed(words: Iterable[bytes] | None) -> Words | None:
    return None if words is None else Words.of(words)


@attrs.frozen
class ProcessFacts:
    """What could be learned; None is unknown."""

    exe: bytes | None = None
    cmdline: Words | None = attrs.field(default=None, converter=_packed)
    cgroup: bytes | None = None

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes, with its arguments as text."""
        words = 2 * self.cmdline.weight if self.cmdline is not None else 0
        return weight.OBJECT + len(self.exe or b"") + len(self.cgroup or b"") + words


UNKNOWN = ProcessFacts()


@attrs.define(eq=False, repr=False)
class Processes:
    """
    Facts on processes, each read once.

    Only their arguments wait for what others hold; see :mod:`enforcer.identity.patience`.
    """

    proc: Path = Path("/proc")
    limit: int = 4096
    ticks_per_second: int = attrs.field(factory=lambda: os.sysconf("SC_CLK_TCK"))
    clock: Callable[[], float] = time.monotonic
    readers: Readers = attrs.field(factory=lambda: Readers(read_some))
    _silent: Cache[tuple[int, int], bool] = attrs.field(init=False)
    _known: Cache[tuple[int, int, int], ProcessFacts] = attrs.field(init=False)
    _folders: Cache[tuple[int, int], tuple[float, bytes | None]] = attrs.field(init=False)

    @_silent.default
    def _make_silent(self) -> Cache[tuple[int, int], bool]:
        return Cache(self.limit)

    @_known.default
    def _make_cache(self) -> Cache[tuple[int, int, int], ProcessFacts]:
        return Cache(self.limit, _ROOM, lambda facts: facts.weight)

    @_folders.default
    def _make_folders(self) -> Cache[tuple[int, int], tuple[float, bytes | None]]:
        return Cache(self.limit, _FOLDER_ROOM, lambda seen: weight.OBJECT + len(seen[1] or b""))

    def facts(self, pid: int, start_ns: int, exec_ns: int = 0) -> ProcessFacts:
        """
        Learn about *pid*, started at *start_ns* (CLOCK_BOOTTIME).

        *exec_ns* tells one program of a process from the next.
        """
        key = (pid, start_ns, exec_ns)
        known = self._known.get(key)
        if known is None:
            known = self._read(pid, start_ns)
            self._known.put(key, known)
        return known

    def working_directory(self, pid: int, start_ns: int) -> bytes | None:
        """Learn where *pid* is now, which it may change at any time."""
        now = self.clock()
        known = self._folders.get((pid, start_ns))
        if known is not None and now < known[0] + FOLDER_FRESH:
            return known[1]
        found = link(self.proc / str(pid) / "cwd")
        if found is None or not self._is_same(pid, start_ns):
            found = known[1] if known is not None else None
        self._folders.put((pid, start_ns), (now, found))
        return found

    def stat(self, pid: int) -> Stat | None:
        """Read the process that has the number *pid* now; None if there is none."""
        raw = read_some(self.proc / str(pid) / "stat")
        if raw is None:
            return None
        head, _, rest = raw.rpartition(b")")
        fields = rest.split()
        if len(fields) <= _START_FIELD or not fields[_START_FIELD].isdigit():
            return None
        name = head.partition(b"(")[2]
        return Stat(name, int(fields[_PARENT_FIELD]), int(fields[_START_FIELD]))

    def cmdline(self, pid: int, start_ticks: int, limit: int = _CMDLINE_BYTES) -> Words | None:
        """
        Read the arguments of *pid*, started at *start_ticks*; what is cut at *limit* bytes ends with ``…``.

        A process that does not answer is not asked again: None.
        """
        if self._silent.get((pid, start_ticks)):
            return None
        try:
            raw = self.readers.ask(self.proc / str(pid) / "cmdline", limit + 1)
        except TimeoutError:
            self._silent.put((pid, start_ticks), value=True)
            return None
        if not raw:
            return None
        if len(raw) > limit:
            raw = raw[:limit] + CUT
        return Words.ended(raw)

    def _read(self, pid: int, start_ns: int) -> ProcessFacts:
        folder = self.proc / str(pid)
        stat = self.stat(pid)
        if stat is None or not self._began(stat, start_ns):
            return UNKNOWN
        found = ProcessFacts(
            exe=link(folder / "exe"),
            cmdline=self.cmdline(pid, stat.start_ticks),
            cgroup=cgroup_of(folder),
        )
        # The number may have changed hands between the reads.
        return found if self._is_same(pid, start_ns) else UNKNOWN

    def _is_same(self, pid: int, start_ns: int) -> bool:
        found = self.stat(pid)
        return found is not None and self._began(found, start_ns)

    def _began(self, found: Stat, start_ns: int) -> bool:
        ticks = start_ns * self.ticks_per_second // 1_000_000_000
        return abs(found.start_ticks - ticks) <= 1


def link(path: Path) -> bytes | None:
    """Read where the link *path* leads; None if it cannot be read."""
    try:
        return os.fsencode(path.readlink())
    except OSError:
        return None


def cgroup_in(membership: bytes) -> bytes | None:
    """Return the path in the tree of version 2 that /proc/PID/cgroup says; None if it says none (cgroups(7))."""
    # Names of cgroups can have every character at which Python ends a line, but this one (cgroup_mkdir).
    for line in membership.split(b"\n"):
        if line.startswith(b"0::"):
            return line[3:]
    return None


def cgroup_of(folder: Path) -> bytes | None:
    """Return the path of the cgroup of the process that has *folder* in /proc; None if it is not shown."""
    return cgroup_in(read_some(folder / "cgroup") or b"")


def read_some(path: Path, limit: int = _CMDLINE_BYTES) -> bytes | None:
    """Read the first *limit* bytes of *path*; None if it cannot be read."""
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(limit)
    except OSError:
        return None
