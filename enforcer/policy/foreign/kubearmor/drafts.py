# SPDX-License-Identifier: MIT
"""Drafts of rules: what an item means by itself, and how it becomes a rule of its policy."""

from __future__ import annotations

from typing import Self

import attrs

from enforcer.policy.foreign.kubearmor.settings import Settings
from enforcer.policy.language.syscall_table import Syscall
from enforcer.policy.language.vocabulary import EVENTS
from enforcer.policy.model.exclusion import excluding
from enforcer.policy.model.policy import Action, Condition, OnError, Process, Rule, Subject, Verb
from enforcer.policy.readers.syscalls import CALL
from enforcer.span import Span

__all__ = ["Draft", "Item"]


@attrs.frozen
class Item:
    """
    One item of a list as far as all lists have it.

    Attributes:
        name: section, list and number: where a reader finds it.
        source: conditions on the subject, from ``fromSource``.
    """

    name: str
    section: str
    span: Span
    settings: Settings
    source: tuple[Condition, ...] = ()


@attrs.frozen
class Draft:
    """
    One rule to be.

    *beside_allow*: only where its section has rules that allow or that it lifts, since else nothing is missing.
    """

    item: Item
    event: str
    operations: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    verb: Verb | None = None
    suffix: str = ""
    syscall: str | None = None
    calls: tuple[Syscall, ...] = ()
    beside_allow: bool = False

    @property
    def decided(self) -> Verb:
        """What a match means: the item's action unless the draft has its own."""
        return self.item.settings.verb if self.verb is None else self.verb

    @property
    def is_of_source(self) -> bool:
        """It is about what some programs do: there, such rules are looked up before those for everybody."""
        return bool(self.item.source)

    @property
    def refuses_everybody(self) -> bool:
        """It refuses, whichever program acts."""
        return self.decided is Verb.DENY and not self.is_of_source

    @property
    def lifts(self) -> bool:
        """It lifts what is refused to everybody; what is only audited lifts nothing there."""
        is_audited = self.item.settings.verb is Verb.LOG
        return self.is_of_source and self.decided is Verb.ALLOW and not is_audited

    def may_meet(self, other: Self) -> bool:
        """Tell whether both may match one operation."""
        if self.event != other.event:
            return False
        together = (self.conditions + other.conditions, self.item.source + other.item.source)
        return not any(condition for each in together for condition in excluding(each))

    def rule(self) -> Rule:
        """Return the rule."""
        settings, verb = self.item.settings, self.decided
        known = {CALL.name: CALL} if self.calls else EVENTS[self.event].operations
        # What is allowed makes no alert there, and here no record unless it has a message.
        message = settings.message if verb is not Verb.ALLOW else None
        return Rule(
            name=self.item.name + self.suffix,
            event=self.event,
            operations=tuple(known[word] for word in self.operations),
            action=Action(verb, message=message),
            span=self.item.span,
            conditions=self.conditions,
            subject=Subject(process=Process(self.item.source)),
            # What refuses must not be escaped by making an operand unreadable; the rest must not refuse.
            on_error=OnError.DENY if verb >= Verb.DENY else OnError.SKIP,
            syscall=self.syscall,
            calls=self.calls,
            severity=settings.severity,
            tags=settings.tags,
        )
