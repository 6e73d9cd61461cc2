# SPDX-License-Identifier: MIT
"""Counts of records by outcome and rule, and of malformed ones: the daemon's own, not the kernel's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.events.types import Event, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OUTCOMES", "Stats", "outcome", "outcome_of"]

_NAMES: Final = 1 << 16


@attrs.define
class Stats:
    """
    Records since the start.

    Attributes:
        by_rule: by policy, rule and outcome; of rules that have any. Of more names than :data:`_NAMES` it has one count
            for each outcome, under empty names: whoever writes policies chooses names.
    """

    records: int = 0
    malformed: int = 0
    last_malformed: str | None = None
    by_outcome: Counter[str] = attrs.field(factory=Counter)
    by_rule: Counter[tuple[str, str, str]] = attrs.field(factory=Counter)

    def observe(self, record: Record, number: int = 1) -> None:
        """Count *record*, or so many like it."""
        self.records += number
        word = outcome(record.event)
        self.by_outcome[word] += number
        key = record.origin.policy, record.origin.rule, word
        if len(self.by_rule) >= _NAMES and key not in self.by_rule:
            key = "", "", word
        self.by_rule[key] += number

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
