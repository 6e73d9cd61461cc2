# SPDX-License-Identifier: MIT
"""Counts of what passed through, and of what did not: the daemon's own, not the kernel's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

from enforcer.events.types import Event, Lost, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OUTCOMES", "LostMeter", "Stats", "outcome", "outcome_of"]


@attrs.define
class Stats:
    """Records by outcome since the start."""

    records: int = 0
    malformed: int = 0
    last_malformed: str | None = None
    by_outcome: Counter[str] = attrs.field(factory=Counter)

    def observe(self, record: Record, number: int = 1) -> None:
        """Count *record*, or so many like it."""
        self.records += number
        self.by_outcome[outcome(record.event)] += number

    def observe_malformed(self, reason: str) -> None:
        """Count bytes that made no event."""
        self.malformed += 1
        self.last_malformed = reason


OUTCOMES = {
    ("allow", True): "allowed",
    ("log", True): "logged",
    ("deny", True): "denied",
    ("kill", True): "killed",
    ("allow", False): "would allow",
    ("log", False): "would log",
    ("deny", False): "would deny",
    ("kill", False): "would kill",
    ("attempt", False): "attempted",
}
"""What became of a verdict, by action and by whether it was enforced; what the kernel itself refused has none."""


def outcome(event: Event) -> str:
    """Name what became of *event*'s verdict."""
    word = event.action.name.lower() if event.attempt is None else "attempt"
    return OUTCOMES[word, event.is_enforced]


def outcome_of(document: Mapping[str, Any]) -> str:
    """Name the same of a record as JSON has it."""
    word = "attempt" if "attempt" in document else document["action"]
    return OUTCOMES[word, document["enforced"]]


@attrs.define
class LostMeter:
    """Tells what was lost since it was last asked, so that the loss itself becomes a record."""

    decisions: int = 0
    activity: int = 0
    malformed: int = 0

    def advance(
        self, time_ns: int, *, decisions: int, activity: int, malformed: int, reason: str | None
    ) -> Lost | None:
        """Compare totals with those of the last call; None if nothing was lost between."""
        lost = Lost(
            time_ns=time_ns,
            decisions=decisions - self.decisions,
            activity=activity - self.activity,
            malformed=malformed - self.malformed,
            reason=reason if malformed > self.malformed else None,
        )
        self.decisions, self.activity, self.malformed = decisions, activity, malformed
        return lost if lost.decisions or lost.activity or lost.malformed else None
