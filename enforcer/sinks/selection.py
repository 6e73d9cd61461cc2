# SPDX-License-Identifier: MIT
"""Which records an output wants: by action, policy, operation and severity."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.operations import OPERATIONS
from enforcer.events.types import Lost
from enforcer.policy.model import Verb
from enforcer.policy.rules import SEVERITIES

if TYPE_CHECKING:
    from enforcer.events.types import Record

__all__ = ["ACTIONS", "OPERATION_WORDS", "Selection"]

ACTIONS: Final = tuple(verb.name.lower() for verb in Verb)

OPERATION_WORDS: Final = tuple(
    dict.fromkeys(word for names in OPERATIONS.values() for word in (names.event, names.full))
)
"""What a selection may name: classes of operations (``file``) and operations (``file.write``)."""


@attrs.frozen
class Selection:
    """
    All parts must hold; one that is empty holds always. What is lost is told to everybody.

    Attributes:
        actions: words of :data:`ACTIONS`.
        policies: names, or patterns with ``*`` and ``?``.
        operations: words of :data:`OPERATION_WORDS`.
        severity: the least one of :data:`~enforcer.policy.rules.SEVERITIES`.
    """

    actions: frozenset[str] = frozenset()
    policies: tuple[str, ...] = ()
    operations: frozenset[str] = frozenset()
    severity: str | None = None

    def wants(self, record: Record | Lost) -> bool:
        """Whether *record* is for this output."""
        if isinstance(record, Lost):
            return True
        return (
            self._wants_action(record)
            and self._wants_severity(record)
            and self._wants_operation(record)
            and self._wants_policy(record)
        )

    def _wants_action(self, record: Record) -> bool:
        return not self.actions or record.event.action.name.lower() in self.actions

    def _wants_severity(self, record: Record) -> bool:
        if self.severity is None:
            return True
        return SEVERITIES.index(record.origin.severity) >= SEVERITIES.index(self.severity)

    def _wants_operation(self, record: Record) -> bool:
        names = OPERATIONS[record.event.op]
        return (
            not self.operations or names.event in self.operations or names.full in self.operations
        )

    def _wants_policy(self, record: Record) -> bool:
        name = record.origin.policy
        return not self.policies or any(fnmatch.fnmatchcase(name, p) for p in self.policies)
