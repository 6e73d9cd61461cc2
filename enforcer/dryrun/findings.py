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
from enforcer.identity.cgroup import unit_of
from enforcer.policy.language.vocabulary import SubjectFlag
from enforcer.policy.model.policy import Verb
from enforcer.safe_text import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.runtime.ports import Hits

__all__ = ["Deed", "DryRun", "Finding", "Subject", "Timeline"]

_DISTINCT: Final = 1000  # different processes or objects kept by rule; more are counted as "others"
_DOERS: Final = 200  # kept by rule
_SAMPLES: Final = 5  # deeds kept of each
_MOMENTS: Final = 64  # times kept of each, the first ones
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


@attrs.frozen
class Deed:
    """One operation, as a sample, with its record."""

    time_ns: int
    operation: str
    on: str
    command: str
    record: Record | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen
class Subject:
    """
    Who did it: the same program, started by the same one, for the same user, in the same unit.

    Attributes:
        above: executables of the ancestors, the parent first, as they were at the first deed.
    """

    exe: str
    parent: str
    user: str
    unit: str
    container: str
    flags: int
    above: tuple[str, ...] = attrs.field(default=(), eq=False)

    @classmethod
    def of(cls, record: Record) -> Subject:
        """Tell who *record* is about."""
        event = record.event
        above = tuple(each.exe or each.name for each in record.ancestors if each.exe or each.name)
        return cls(
            exe=record.process.exe or record.process.name,
            parent=above[0] if above else "",
            user=record.user if record.user is not None else str(event.uid),
            unit=(unit_of(record.cgroup) or "") if record.cgroup else "",
            container=record.container_id or "",
            flags=event.subj_flags & (SubjectFlag.FILELESS | SubjectFlag.SCRIPT),
            above=above,
        )


_NOBODY: Final = Subject(_OTHERS, "", "", "", "", 0)


@attrs.define
class Doing:
    """What one doer did."""

    count: int = 0
    kills: int = 0
    first_ns: int = 0
    last_ns: int = 0
    moments: list[int] = attrs.field(factory=list)
    samples: list[Deed] = attrs.field(factory=list)

    def observe(self, record: Record) -> None:
        """Add *record*."""
        times = record.event.times
        self.count += times
        self.kills += times if record.event.action is Verb.KILL else 0
        self.first_ns = min(self.first_ns or record.time_ns, record.time_ns)
        self.last_ns = max(self.last_ns, until_ns(record))
        if len(self.moments) < _MOMENTS:
            self.moments.append(record.time_ns)
        # What is run, where that is known; else what runs.
        words = tuple(map(readable, record.event.args)) or record.process.cmdline
        deed = Deed(
            record.time_ns,
            OPERATIONS[record.event.op].full,
            target(record.event),
            " ".join(words) if words else record.process.exe or record.process.name,
            record,
        )
        if len(self.samples) < _SAMPLES and not any(
            (each.on, each.command) == (deed.on, deed.command) for each in self.samples
        ):
            self.samples.append(deed)


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
    doers: dict[Subject, Doing] = attrs.field(factory=dict)
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
        doer = Subject.of(record)
        if doer not in self.doers and len(self.doers) >= _DOERS:
            doer = _NOBODY
        self.doers.setdefault(doer, Doing()).observe(record)

    @property
    def total(self) -> int:
        """Operations that would have been refused."""
        return self.would_deny + self.would_kill


def _count(counter: Counter[str], key: str, number: int) -> None:
    counter[key if key in counter or len(counter) < _DISTINCT else _OTHERS] += number


@attrs.define
class DryRun:
    """A sink that sums up."""

    name: str = "dry-run"
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
            self._findings[row] = Finding(record.origin, row, record.time_ns, record.time_ns)
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
