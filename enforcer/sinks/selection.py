# SPDX-License-Identifier: MIT
"""Which records an output wants: by action, policy, operation and severity."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.operations import OPERATIONS
from enforcer.events.types import Lost
from enforcer.policy.model.policy import Verb
from enforcer.policy.readers.rules import SEVERITIES

if TYPE_CHECKING:
    from enforcer.events.types import GuardAct, Origin, Record
    from enforcer.policy.language.vocabulary import Op

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
        severity: the least one of :data:`~enforcer.policy.readers.rules.SEVERITIES`.
    """

    actions: frozenset[str] = frozenset()
    policies: tuple[str, ...] = ()
    operations: frozenset[str] = frozenset()
    severity: str | None = None

    def wants(self, record: Record | Lost) -> bool:
        """
        Whether *record* is for this output.

        It is if what some policy said of the access is: also where another policy decided. An access that is
        several operations, such as opening a file for reading and writing, is for whoever wants one of them.
        """
        if isinstance(record, Lost):
            return True
        event = record.event
        if not any(map(self._wants_operation, (event.op, *event.ops))):
            return False
        return self._wants(event.action, record.origin) or any(
            self._wants(said.match.action, said.origin) for said in record.said
        )

    def _wants(self, action: Verb, origin: Origin) -> bool:
        return (
            self._wants_action(action)
            and self._wants_severity(origin.severity)
            and self._wants_policy(origin.policy)
        )

    def _wants_action(self, action: Verb) -> bool:
        return not self.actions or action.name.lower() in self.actions

    def _wants_severity(self, severity: str) -> bool:
        if self.severity is None:
            return True
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.severity)

    def _wants_operation(self, op: Op | GuardAct) -> bool:
        names = OPERATIONS[op]
        return (
            not self.operations or names.event in self.operations or names.full in self.operations
        )

    def _wants_policy(self, name: str) -> bool:
        return not self.policies or any(fnmatch.fnmatchcase(name, p) for p in self.policies)
