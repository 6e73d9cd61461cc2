# SPDX-License-Identifier: MIT
"""
Marks by number, and limits of records.

A mark keeps its number from one image to the next as long as some rule sets it, since tasks carry its
time. A number that is given to another mark carries the time of that; older times do not count. Numbers
of the active image are not given to other marks, since its programs may set them until the commit.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.compiler import layout, limits
from enforcer.compiler.atoms import Term, TermKind
from enforcer.compiler.sections import pack_all
from enforcer.compiler.subjects import NumbersExhaustedError
from enforcer.errors import PolicyError
from enforcer.policy.model.policy import Limit, Mode, OnError, Scope, Verb

if TYPE_CHECKING:
    from enforcer.policy.model.policy import Mark, Policy, Rule, Within
    from enforcer.span import Span

__all__ = ["MarkInfo", "Marks", "asked_by", "mark_key"]

_SCOPE_HEADS: Final = {
    Scope.TREE: "tree_marks",
    Scope.CONTAINER: "container_marks",
    Scope.HOST: "host_marks",
}


@attrs.frozen
class MarkInfo:
    """One mark of an image."""

    number: int
    scope: Scope
    born_ns: int


def mark_key(policy: str, name: str, scope: Scope) -> str:
    """Name a mark the same way in every image."""
    return f"{policy}/{name}@{scope.value}"


@attrs.define(eq=False, repr=False)
class Marks:
    """
    All marks and limits of one image.

    *before*: numbers of the active image, with their births. *now_ns*: CLOCK_BOOTTIME. *favouring*: marks
    on which a permission or the end of a refusal hangs, or another mark, as a mask.
    """

    before: Mapping[str, tuple[int, int]]
    now_ns: int
    limits: list[Limit] = attrs.field(factory=list)
    _known: dict[tuple[str, str], MarkInfo] = attrs.field(factory=dict)
    _longest_ns: int = 0
    _refusing: int = 0
    favouring: int = 0

    def learn(self, policy: Policy) -> None:
        """Give the marks that rules of *policy* set their numbers."""
        for rule in policy.rules:
            if rule.mark is not None and (policy.name, rule.mark.name) not in self._known:
                self._known[policy.name, rule.mark.name] = self._new(policy, rule.mark, rule.span)

    def _new(self, policy: Policy, mark: Mark, span: Span) -> MarkInfo:
        known = self.before.get(mark_key(policy.name, mark.name, mark.scope))
        if known is not None:
            return MarkInfo(known[0], mark.scope, known[1])
        taken = {number for number, _ in self.before.values()}
        taken |= {info.number for info in self._known.values()}
        number = next(n for n in itertools.count() if n not in taken)
        if number >= limits.LIMITS["ENF_MAX_MARKS"] and self.before:
            raise NumbersExhaustedError
        limits.check("ENF_MAX_MARKS", number + 1, "distinct marks", span)
        return MarkInfo(number, mark.scope, self.now_ns)

    def number_of(self, policy: Policy, rule: Rule) -> int:
        """Return what a row of *rule* says of its mark: the number plus 1, or 0."""
        return self._known[policy.name, rule.mark.name].number + 1 if rule.mark else 0

    def terms(self, policy: Policy, rule: Rule) -> tuple[Term, ...]:
        """
        Return what *rule* asks about marks.

        Raises:
            PolicyError: no policy sets one of them.
        """
        return tuple(self._term(policy, rule, asked) for asked in rule.within)

    def _term(self, policy: Policy, rule: Rule, asked: Within) -> Term:
        info = self._known.get((asked.policy or policy.name, asked.mark))
        if info is None:
            msg = (
                f"rule {rule.name!r} of policy {policy.name!r} asks about the mark "
                f"{asked.policy}/{asked.mark}, which no active rule sets: add the policy "
                f"{asked.policy!r}, or a rule with this mark to it"
            )
            raise PolicyError(msg, asked.span or rule.span)
        if info.scope is Scope.CONTAINER:
            self._longest_ns = max(self._longest_ns, asked.last_ns)
        # Without the mark the operation would be permitted, so what sets it must not happen without it.
        ends_permission = asked.negate and _is_exception(policy, rule)
        if policy.mode is Mode.ENFORCE and (rule.on_error is OnError.DENY or ends_permission):
            self._refusing |= 1 << info.number
        if rule.only_marks or (rule.action.verb >= Verb.DENY) == asked.negate:
            self.favouring |= 1 << info.number
        return Term(info.number, 0, TermKind.WITHIN, int(asked.negate), asked.last_ns, 0)

    def limit_of(self, rule: Rule) -> int:
        """Return what a row of *rule* says of its limit: the number plus 1, or 0."""
        if rule.limit is None:
            return 0
        if rule.limit not in self.limits:
            limits.check(
                "ENF_MAX_LIMITS", len(self.limits) + 1, "different limits of records", rule.span
            )
            self.limits.append(rule.limit)
        return self.limits.index(rule.limit) + 1

    def is_needed(self, mark: int) -> bool:
        """Tell whether a refusal hangs on what a row calls *mark*."""
        return bool(mark and self._refusing >> (mark - 1) & 1)

    @property
    def numbers(self) -> dict[str, tuple[int, int]]:
        """What the next image must keep."""
        return {
            mark_key(policy, name, info.scope): (info.number, info.born_ns)
            for (policy, name), info in self._known.items()
        }

    def pack_limits(self) -> bytes:
        """Return the table of limits."""
        return pack_all(
            layout.LIMIT, ((each.per_ns, each.records, each.by_process) for each in self.limits)
        )

    def head(self) -> dict[str, int]:
        """Return the fields of the image's head."""
        found = list(self._known.values())
        head = dict.fromkeys(_SCOPE_HEADS.values(), 0)
        for info in found:
            if field := _SCOPE_HEADS.get(info.scope):
                head[field] |= 1 << info.number
            head[f"mark_born[{info.number}]"] = info.born_ns
        return head | {
            "refuse_marks": self._refusing,
            "favour_marks": self.favouring,
            "longest_ns": self._longest_ns,
            "n_marks": max((info.number + 1 for info in found), default=0),
            "n_limits": len(self.limits),
        }


def _is_exception(policy: Policy, rule: Rule) -> bool:
    """Tell whether *rule* permits what *policy* refuses otherwise, by a rule below or by its default."""
    if rule.only_marks or rule.action.verb >= Verb.DENY:
        return False
    default = policy.defaults.get(rule.event)
    below = itertools.dropwhile(lambda each: each.name != rule.name, policy.rules)
    return (default is not None and default.verb >= Verb.DENY) or any(
        each.action.verb >= Verb.DENY
        and each.event == rule.event
        and not set(each.operations).isdisjoint(rule.operations)
        for each in below
    )


def asked_by(policy: Policy, rule: Rule | None) -> tuple[str, ...]:
    """Name the marks that *rule* asks about, in the order of its terms; a default asks about none."""
    within = rule.within if rule is not None else ()
    return tuple(f"{asked.policy or policy.name}/{asked.mark}" for asked in within)
