# SPDX-License-Identifier: MIT
"""
What ``/proc`` says about a process when its event is read.

The process may be gone (a killed one mostly is), and its number may be another's by then: an answer
is used only if the start time is the one that the kernel side recorded. All of this is for readers of
records; no verdict depends on it.
"""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from enforcer.identity.cache import Cache

__all__ = ["UNKNOWN", "ProcessFacts", "Processes"]

_CMDLINE_BYTES = 4096
_START_FIELD = 19  # field 22 of /proc/PID/stat, counted after the closing parenthesis


@attrs.frozen
class ProcessFacts:
    """What could be learned; None is unknown."""

    exe: bytes | None = None
    cmdline: tuple[bytes, ...] | None = None
    cgroup: bytes | None = None


UNKNOWN = ProcessFacts()


@attrs.define
class Processes:
    """Facts on processes, each read once."""

    proc: Path = Path("/proc")
    limit: int = 4096
    ticks_per_second: int = attrs.field(factory=lambda: os.sysconf("SC_CLK_TCK"))
    _known: Cache[tuple[int, int, int], ProcessFacts] = attrs.field(init=False)

    @_known.default
    def _make_cache(self) -> Cache[tuple[int, int, int], ProcessFacts]:
        return Cache(self.limit)

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

    def _read(self, pid: int, start_ns: int) -> ProcessFacts:
        folder = self.proc / str(pid)
        if not self._is_same(folder, start_ns):
            return UNKNOWN
        found = ProcessFacts(_exe(folder), _cmdline(folder), _cgroup(folder))
        # The number may have changed hands between the reads.
        return found if self._is_same(folder, start_ns) else UNKNOWN

    def _is_same(self, folder: Path, start_ns: int) -> bool:
        raw = _read_some(folder / "stat")
        if raw is None:
            return False
        fields = raw.rpartition(b")")[2].split()
        if len(fields) <= _START_FIELD or not fields[_START_FIELD].isdigit():
            return False
        ticks = start_ns * self.ticks_per_second // 1_000_000_000
        return abs(int(fields[_START_FIELD]) - ticks) <= 1


def _exe(folder: Path) -> bytes | None:
    try:
        return os.fsencode((folder / "exe").readlink())
    except OSError:
        return None


def _cmdline(folder: Path) -> tuple[bytes, ...] | None:
    raw = _read_some(folder / "cmdline")
    if not raw:
        return None
    return tuple(raw.removesuffix(b"\0").split(b"\0"))


def _cgroup(folder: Path) -> bytes | None:
    raw = _read_some(folder / "cgroup")
    for line in (raw or b"").splitlines():
        if line.startswith(b"0::"):
            return line[3:]
    return None


def _read_some(path: Path) -> bytes | None:
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(_CMDLINE_BYTES)
    except OSError:
        return None
