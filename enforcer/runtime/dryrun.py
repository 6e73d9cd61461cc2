# SPDX-License-Identifier: MIT
"""What policies would have done: records of audit verdicts summed up by rule."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

from enforcer.events.document import rfc3339, target
from enforcer.events.operations import OPERATIONS
from enforcer.events.types import Lost, Origin, Record
from enforcer.policy.model import Verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.runtime.ports import Hits

__all__ = ["DryRun", "Finding"]

_DISTINCT = 1000  # different processes or objects kept by rule; more are counted as "others"
_OTHERS = "(others)"


@attrs.define
class Finding:
    """One rule that would have acted."""

    origin: Origin
    row: int
    first_ns: int
    last_ns: int
    would_deny: int = 0
    would_kill: int = 0
    processes: Counter[str] = attrs.field(factory=Counter)
    objects: Counter[str] = attrs.field(factory=Counter)
    unrecorded: int = 0

    def observe(self, record: Record) -> None:
        """Add *record*."""
        if record.event.action is Verb.KILL:
            self.would_kill += 1
        else:
            self.would_deny += 1
        self.first_ns = min(self.first_ns, record.time_ns)
        self.last_ns = max(self.last_ns, record.time_ns)
        _count(self.processes, record.process.exe or record.process.name)
        _count(self.objects, f"{OPERATIONS[record.event.op].full} {target(record.event)}")


def _count(counter: Counter[str], key: str) -> None:
    counter[key if key in counter or len(counter) < _DISTINCT else _OTHERS] += 1


@attrs.define
class DryRun:
    """A sink that sums up."""

    name: str = "dry-run"
    dropped: int = 0
    permitted: int = 0
    lost: int = 0
    _findings: dict[int, Finding] = attrs.field(factory=dict, init=False)

    def write(self, record: Record | Lost) -> None:
        """Take *record* into account."""
        if isinstance(record, Lost):
            self.lost += record.decisions + record.activity + record.malformed
        elif record.event.action < Verb.DENY:
            self.permitted += 1
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
        """Nothing is held back."""

    def reopen(self) -> None:
        """There is no file."""

    def close(self) -> None:
        """Nothing is owned."""

    def findings(self, hits: Sequence[Hits]) -> list[Finding]:
        """List the rules in the order of the policies; *hits* tells what records cannot."""
        for row, finding in self._findings.items():
            recorded = finding.would_deny + finding.would_kill
            finding.unrecorded = max(0, hits[row].audited - recorded) if row < len(hits) else 0
        return [self._findings[row] for row in sorted(self._findings)]


def as_document(dry_run: DryRun, findings: Sequence[Finding], seconds: float) -> dict[str, Any]:
    """Make the JSON object that ``dry-run --json`` prints."""
    return {
        "version": 1,
        "seconds": round(seconds, 1),
        "wouldDeny": sum(f.would_deny for f in findings),
        "wouldKill": sum(f.would_kill for f in findings),
        "permitted": dry_run.permitted,
        "lostRecords": dry_run.lost,
        "rules": [
            {
                "policy": f.origin.policy,
                "rule": f.origin.rule,
                "place": f.origin.place,
                "wouldDeny": f.would_deny,
                "wouldKill": f.would_kill,
                "unrecorded": f.unrecorded,
                "processes": dict(f.processes.most_common()),
                "objects": dict(f.objects.most_common()),
                "first": rfc3339(f.first_ns),
                "last": rfc3339(f.last_ns),
            }
            for f in findings
        ],
    }
