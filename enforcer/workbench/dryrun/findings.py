# SPDX-License-Identifier: MIT
"""What policies would have done: records of audit verdicts summed up by rule, and by who did it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.object import target
from enforcer.events.operations import OPERATIONS
from enforcer.events.repeats import until_ns
from enforcer.events.types import EventFlag, Lost, Origin, Record
from enforcer.policy.model.policy import Verb
from enforcer.workbench.dryrun.doers import Doers
from enforcer.workbench.dryrun.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.runtime.ports import Hits

__all__ = ["DISTINCT", "DryRun", "Finding", "Timeline"]

DISTINCT: Final = 1000
"""Different executables, and different objects, whose counts a rule keeps: the first ones, by name."""

_OTHERS: Final = "(others)"
_SECOND: Final = 1_000_000_000


@attrs.define
class Timeline:
    """How often something happened, in at most :data:`SLOTS` steps that grow with the time covered."""

    SLOTS = 120

    step_ns: int = _SECOND
    counts: Counter[int] = attrs.field(factory=Counter)

    def add(self, time_ns: int, number: int = 1) -> None:
        """Count one at *time_ns*, or more."""
        self.counts[time_ns // self.step_ns] += number
        while max(self.counts) - min(self.counts) >= self.SLOTS:
            self.step_ns *= 2
            wider: Counter[int] = Counter()
            for slot, count in self.counts.items():
                wider[slot // 2] += count
            self.counts = wider

    def points(self) -> list[tuple[int, int]]:
        """List the beginnings of steps, in nanoseconds, with their counts; steps with none are left out."""
        return [(slot * self.step_ns, count) for slot, count in sorted(self.counts.items())]


@attrs.define
class Finding:
    """One rule that would have acted."""

    origin: Origin
    row: int
    first_ns: int
    last_ns: int
    would_deny: int = 0
    would_kill: int = 0
    on_error: int = 0
    processes: Counter[str] = attrs.field(factory=Counter)
    objects: Counter[str] = attrs.field(factory=Counter)
    doers: Doers = attrs.field(factory=Doers)
    timeline: Timeline = attrs.field(factory=Timeline)
    unrecorded: int = 0

    def observe(self, record: Record) -> None:
        """Add *record*."""
        times = record.event.times
        if record.event.action is Verb.KILL:
            self.would_kill += times
        else:
            self.would_deny += times
        self.on_error += times if record.event.flags & EventFlag.ON_ERROR else 0
        self.first_ns = min(self.first_ns, record.time_ns)
        self.last_ns = max(self.last_ns, until_ns(record))
        self.timeline.add(record.time_ns, times)
        _count(self.processes, record.process.exe or record.process.name, times)
        _count(self.objects, f"{OPERATIONS[record.event.op].full} {target(record.event)}", times)
        self.doers.observe(record)

    @property
    def total(self) -> int:
        """Operations that would have been refused."""
        return self.would_deny + self.would_kill


def _count(counter: Counter[str], key: str, number: int) -> None:
    counter[key if key in counter or len(counter) < DISTINCT else _OTHERS] += number


@attrs.define
class DryRun:
    """A sink that sums up; *programs* knows the files of the machine where it happens."""

    name: str = "dry-run"
    programs: Programs = attrs.field(factory=Programs)
    held: int = 0
    dropped: int = 0
    permitted: int = 0
    lost: int = 0
    _findings: dict[int, Finding] = attrs.field(factory=dict, init=False)

    def write(self, record: Record | Lost) -> None:
        """Take *record* into account."""
        if isinstance(record, Lost):
            self.lost += record.decisions + record.activity + record.malformed
        elif record.event.attempt is not None:
            return  # the kernel refused it, whatever policies would have said
        elif record.event.action < Verb.DENY:
            self.permitted += record.event.times
        else:
            self._finding(record).observe(record)

    def _finding(self, record: Record) -> Finding:
        row = record.event.row
        if row not in self._findings:
            self._findings[row] = Finding(
                record.origin, row, record.time_ns, record.time_ns, doers=Doers(self.programs)
            )
        return self._findings[row]

    def miss(self, number: int) -> None:
        """Count what was dropped before it came here."""
        self.dropped += number

    def flush(self) -> None:
        """There is nothing to hand over."""

    def reopen(self) -> None:
        """There is no file to reopen."""

    def close(self) -> None:
        """There is nothing to close."""

    def findings(self, hits: Sequence[Hits]) -> list[Finding]:
        """List the rules in the order of the policies; *hits* are exact counts, also without records."""
        for row, finding in self._findings.items():
            finding.unrecorded = max(0, hits[row].audited - finding.total) if row < len(hits) else 0
        return [self._findings[row] for row in sorted(self._findings)]
