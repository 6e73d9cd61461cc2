# SPDX-License-Identifier: MIT
"""
The verdicts of policies on one access, and the strictest of them.

The order is that of the language: in a policy the first match decides, over all policies the strictest.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from enforcer.compiler import Host, LocalHost
from enforcer.compiler.atoms import Atoms
from enforcer.compiler.implied import freed_when_detached, guard_ops, linked_guard_ops
from enforcer.compiler.lower import default_ops, descriptor_ops, rule_ops, strict_behind
from enforcer.compiler.paths import Names
from enforcer.policy.language.vocabulary import ObjectFlag, Op
from enforcer.policy.model.loaders import is_asked, loaded_ops
from enforcer.policy.model.policy import (
    Action,
    Mode,
    OnError,
    Policy,
    PolicySet,
    Rule,
    Verb,
    default_name,
)
from enforcer.policy.readers.attempts import attempted, left_out
from enforcer.workbench.explain.conditions import Part, Parts
from enforcer.workbench.explain.logic import Gap, Truth, every, seen_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.span import Span
    from enforcer.workbench.explain.access import Facts

__all__ = ["Answer", "Entry", "Judge", "Kind"]


class Kind(enum.Enum):
    """What of a policy speaks."""

    RULE = "rule"
    DETACHED = "detached"
    """Of what is mounted nowhere yet, as far as the rule can be met then."""
    GUARD = "guard"
    ATTEMPT = "attempt"
    """Of what the kernel itself refuses."""
    DEFAULT = "default"


@attrs.frozen
class Entry:
    """
    One thing that a policy says of operations.

    Attributes:
        rule: None for a default.
        is_linked: a guard of those names only whose files have others.
    """

    policy: Policy
    kind: Kind
    ops: frozenset[Op]
    action: Action
    on_error: OnError
    event: str
    rule: Rule | None = None
    is_linked: bool = False

    @property
    def name(self) -> str:
        """The rule's, as records have it."""
        return self.rule.name if self.rule is not None else default_name(self.event)

    @property
    def span(self) -> Span:
        """Where it stands."""
        return self.rule.span if self.rule is not None else self.policy.span


@attrs.frozen
class Answer:
    """What one entry says of the access: its parts, and whether all of them hold."""

    entry: Entry
    parts: tuple[Part, ...]
    holds: Truth

    @property
    def matches(self) -> bool:
        """Whether it decides: also by ``onError``, if an operand could not be read."""
        if self.holds is Truth.UNKNOWN:
            return self.entry.on_error is not OnError.SKIP
        return self.holds is Truth.TRUE

    @property
    def verb(self) -> Verb:
        """What it says if it decides."""
        if self.holds is Truth.UNKNOWN:
            return Verb.LOG if self.entry.on_error is OnError.LOG else Verb.DENY
        return self.entry.action.verb

    @property
    def failing(self) -> list[Part]:
        """The parts that do not hold."""
        return [part for part in self.parts if part.holds is Truth.FALSE]


@attrs.define
class Judge:
    """Knows how names are spelled on a host."""

    _atoms: Atoms

    @classmethod
    def on(cls, host: Host | None = None) -> Judge:
        """Judge for *host*; by default this machine."""
        return cls(Atoms(Names(host if host is not None else LocalHost.read())))

    def answers(self, policy: Policy, facts: Facts) -> list[Answer]:
        """Return the answer of every entry of *policy* on the operation, in order."""
        parts = Parts(facts, self._atoms)
        found = []
        entries = list(_entries(policy))
        for place, entry in enumerate(entries):
            if entry.ops & facts.ops and _is_there(entry, facts):
                of_entry = _parts(parts, entry, favours=_favours(entry, entries[place + 1 :]))
                found.append(Answer(entry, of_entry, every(part.holds for part in of_entry)))
        return found

    def first(self, policy: Policy, facts: Facts) -> Answer | None:
        """Return what *policy* says: its first entry that matches."""
        return next((a for a in self.answers(policy, facts) if a.matches), None)

    def strictest(self, policies: PolicySet, facts: Facts, mode: Mode) -> Answer | None:
        """Return what all *policies* of one *mode* say together."""
        said = [self.first(p, facts) for p in policies.policies if p.mode is mode]
        found = [answer for answer in said if answer is not None]
        return max(found, key=lambda answer: answer.verb, default=None)


def _is_there(entry: Entry, facts: Facts) -> bool:
    """Tell whether the entry is asked: a rule on a point on the one that was passed, others always."""
    if entry.kind is Kind.DETACHED:
        return not isinstance(facts.flags, Gap) and bool(facts.flags & ObjectFlag.DETACHED)
    if entry.kind is Kind.ATTEMPT:
        return entry.rule is not None and _is_asked(entry.rule, facts)
    point = entry.rule.point if entry.rule is not None else None
    return point is None or (facts.passing is not None and facts.passing.point == point)


def _is_asked(rule: Rule, facts: Facts) -> bool:
    """Tell whether *rule* is about what was attempted and about the error."""
    if facts.attempt is None or rule.attempts is None:
        return False
    ops, error = facts.attempt
    wanted = rule.attempts.errors
    is_meant = error in wanted if wanted else error not in left_out(rule)
    return bool(attempted(rule) & ops) and is_meant


def _parts(parts: Parts, entry: Entry, *, favours: bool) -> tuple[Part, ...]:
    if entry.rule is None:
        found = parts.of_default(entry.policy)
    elif entry.kind is Kind.GUARD:
        found = parts.of_guard(entry.policy, entry.rule, is_linked=entry.is_linked, favours=favours)
    else:
        found = parts.of_rule(entry.policy, entry.rule, favours=favours)
    return tuple(
        attrs.evolve(part, holds=seen_by(part.holds, favours=favours))
        if part.holds is Truth.CLAIMED
        else part
        for part in found
    )


def _favours(entry: Entry, behind: list[Entry]) -> bool:
    """Tell whether a match is in favour of the subject, as ``compiler/favours.py`` does."""
    if entry.action.verb is Verb.LOG:
        return any(e.action.verb >= Verb.DENY and entry.ops & e.ops for e in behind)
    return entry.action.verb is Verb.ALLOW


# ---- What a policy says, in order -----------------------------------------------------------------


def _entries(policy: Policy) -> Iterator[Entry]:
    by_loader = is_asked(policy)
    for rule, behind in zip(policy.rules, strict_behind(policy), strict=True):
        if rule.only_marks:
            continue  # decides nothing
        is_strict = rule.action.verb >= Verb.DENY
        ops = rule_ops(rule) | loaded_ops(rule, asked=by_loader)
        yield Entry(policy, Kind.RULE, ops, rule.action, rule.on_error, rule.event, rule)
        if rule.attempts is not None:
            log, ops = attrs.evolve(rule.action, verb=Verb.LOG), frozenset((Op.ATTEMPT,))
            yield Entry(policy, Kind.ATTEMPT, ops, log, OnError.LOG, rule.event, rule)
        through = descriptor_ops(rule) & behind
        if through and not is_strict and not rule.strict:
            # What may be opened may be used, even if a later rule is strict with others.
            silent = attrs.evolve(rule.action, verb=Verb.ALLOW)
            yield Entry(policy, Kind.RULE, through, silent, OnError.SKIP, rule.event, rule)
        if (free := freed_when_detached(rule)) is not None:
            silent = attrs.evolve(rule.action, verb=Verb.ALLOW)
            ops = frozenset((Op.MOUNT,))
            yield Entry(policy, Kind.DETACHED, ops, silent, OnError.SKIP, rule.event, free)
        if kept := guard_ops(rule):
            action = attrs.evolve(rule.action, verb=Verb.DENY if is_strict else Verb.ALLOW)
            plain = Entry(policy, Kind.GUARD, kept, action, rule.on_error, rule.event, rule)
            yield plain
            if linked := linked_guard_ops(rule):
                yield attrs.evolve(plain, ops=linked, is_linked=True)
    for event, action in policy.defaults.items():
        on_error = OnError.DENY if action.verb >= Verb.DENY else OnError.SKIP
        ops = default_ops(policy, event)
        yield Entry(policy, Kind.DEFAULT, ops, action, on_error, event)
