# SPDX-License-Identifier: MIT
"""
How the programs of a recording came to be.

A *line* is one program of one process, from its fork or exec to the next. Its record says which line it
came from, and the state of that at the moment. From this follow the parent and the ancestors that
conditions ask for, as the kernel side would have kept them, and their descriptions for users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer._abi import LineHow as How
from enforcer.workbench.replay.heads import CGROUP, LINE, Credentials, HeadReader
from enforcer.workbench.replay.journal import BlockKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enforcer.workbench.replay.journal import Journal

__all__ = ["How", "Line", "Lines"]

_MAX_DEPTH: Final = 100_000  # programs that one came from, one after the other; more are a ring


@attrs.frozen
class Line:
    """
    One beginning.

    Attributes:
        origin: the line it came from; 0: none.
        who: what that was then.
        pid, start_ns: the process that forked or ran a program; of what was found, that one itself.
        tid: likewise.
        time_ns: when it began.
    """

    how: How
    origin: int
    who: Credentials
    pid: int
    tid: int
    start_ns: int
    time_ns: int = 0


@attrs.define
class Lines:
    """
    All lines of a recording, and the paths of its cgroups.

    Attributes:
        cgroups: their paths.
        containers: of each, the cgroup of the container whose marks count in it; 0: it lies in none.
        malformed: records that do not fit together.
    """

    cgroups: dict[int, bytes] = attrs.field(factory=dict)
    containers: dict[int, int] = attrs.field(factory=dict)
    malformed: int = 0
    _lines: dict[int, Line] = attrs.field(factory=dict)
    _programs: dict[tuple[int, int], int] = attrs.field(factory=dict)
    _processes: dict[int, int] = attrs.field(factory=dict)

    @classmethod
    def of(cls, journal: Journal) -> Lines:
        """Read those of *journal*."""
        lines = cls()
        reader = HeadReader()
        at = reader.at
        kept: dict[Credentials, Credentials] = {}  # many processes are alike
        for raw in journal.records(BlockKind.LINES):
            head = reader.read(raw)
            kind = head[at["kind"]] if head is not None else None
            if head is None or kind not in {LINE, CGROUP}:
                lines.malformed += 1
            elif kind == CGROUP:
                lines.cgroups[head[at["cgroup"]]] = reader.path(head, raw)
                lines.containers[head[at["cgroup"]]] = head[at["ino"]]
            elif head[at["op"]] in set(How):
                who = reader.who(head, raw)
                line = Line(
                    how=How(head[at["op"]]),
                    origin=head[at["ino"]],
                    who=kept.setdefault(who, who),
                    pid=head[at["pid"]],
                    tid=head[at["tid"]],
                    start_ns=head[at["start_ns"]],
                    time_ns=head[at["time_ns"]],
                )
                lines.add(head[at["line"]], line)
            else:
                lines.malformed += 1
        return lines

    def add(self, number: int, line: Line) -> None:
        """Know *line* by *number*; of several the last counts."""
        self._lines[number] = line
        if line.how is How.EXEC:
            self._programs[line.origin, line.tid] = number

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, number: int) -> Line | None:
        """Look a line up; None if its record was lost."""
        return self._lines.get(number)

    def items(self) -> Iterable[tuple[int, Line]]:
        """Return all lines, by number."""
        return self._lines.items()

    def process(self, number: int) -> int:
        """Return the line that the process of line *number* began with: an exec begins none."""
        known = number
        for at, line in self.back(number):
            if at in self._processes:
                known = self._processes[at]
                break
            if line.how is not How.EXEC:
                known = at
                break
            known = line.origin  # where its record was lost, the number stands for it
        self._processes[number] = known
        return known

    def program_of(self, origin: int, tid: int) -> int | None:
        """Return the line that began when the thread *tid* of line *origin* ran a program."""
        return self._programs.get((origin, tid))

    def back(self, number: int) -> Iterator[tuple[int, Line]]:
        """Yield the line *number*, the one it came from, and so on; stops where one is not known."""
        for _ in range(_MAX_DEPTH):
            line = self._lines.get(number)
            if line is None:
                return
            yield number, line
            if not line.origin:
                return
            number = line.origin
