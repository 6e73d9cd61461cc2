# SPDX-License-Identifier: MIT
"""
The check for rules that never decide, or only in doubt, because an earlier rule matches all that they match.

Comparing every pair would take too long for large policies: a rule whose conditions name exact
values is only compared with rules that name one of the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator

import attrs

from enforcer.policy.language.vocabulary import Op
from enforcer.policy.lint.issues import Host, Issue, check, info, warning
from enforcer.policy.model.coverage import covers
from enforcer.policy.model.decided import decided_operations, settled_operations
from enforcer.policy.model.loaders import is_asked
from enforcer.policy.model.policy import (
    Condition,
    Interval,
    OnError,
    Policy,
    Rule,
    Subject,
    Text,
    TextKind,
    Verb,
)

__all__ = ["shadowed_rule"]

MAX_WIDE = 200
_CALL = "call"
"""The field that says which system call or point it is, which is never in doubt."""


@attrs.define(eq=False, repr=False)
class _Earlier:
    """The rules above, found by an exact value that they name; *wide* are those without, by operations."""

    by_loader: bool
    exact: dict[Hashable, list[tuple[frozenset[Op], Rule]]] = attrs.field(factory=dict)
    wide: list[tuple[frozenset[Op], Rule]] = attrs.field(factory=list)
    left_out: int = 0

    def add(self, rule: Rule) -> None:
        condition = next(filter(_is_exact, rule.conditions), None)
        settled = settled_operations(rule, by_loader=self.by_loader)
        if condition is not None:
            for value in condition.values:
                self.exact.setdefault((condition.field.name, value), []).append((settled, rule))
        elif len(self.wide) < MAX_WIDE:
            self.wide.append((settled, rule))
        else:
            self.left_out += 1

    def candidates(self, rule: Rule) -> Iterator[Rule]:
        """Yield those that are asked wherever *rule* is, and that may match what it matches."""
        asked = decided_operations(rule, by_loader=self.by_loader)
        named = (
            self.exact.get((condition.field.name, condition.values[0]), ())
            for condition in rule.conditions
        )
        for settled, other in itertools.chain(self.wide, *named):
            if settled >= asked:
                yield other


def _is_exact(condition: Condition) -> bool:
    return not condition.negate and all(
        value.kind is TextKind.EXACT
        if isinstance(value, Text)
        else isinstance(value, Interval) and value.low == value.high
        for value in condition.values
    )


def _hides(above: Rule, rule: Rule) -> bool:
    """Tell whether *above* matches all that *rule* matches, and leaves it no names to keep or attempts to record."""
    if above.span == rule.span:
        return False  # parts of one
    refuse = min(rule.action.verb, above.action.verb) >= Verb.DENY
    if (refuse and rule.guard and not above.guard) or rule.attempts not in {None, above.attempts}:
        return False
    return covers(above, rule)


def _is_left_doubt(rule: Rule, above: Rule, policy: Policy) -> bool:
    """Tell whether *rule* decides where it is in doubt whether *above* matches."""
    asked = [condition for condition in above.conditions if condition.field.name != _CALL]
    if not (asked or above.flags or above.subject != Subject() or policy.selector):
        return False
    # A permission holds for the host's own names only, and on descriptors only for what is known.
    is_permission = above.action.verb < Verb.DENY <= rule.action.verb
    skips = above.on_error is OnError.SKIP or rule.strict > above.strict
    return is_permission or (skips and rule.on_error is not OnError.SKIP)


@check
def shadowed_rule(policy: Policy, host: Host) -> Iterator[Issue]:
    """A rule below one that is as wide or wider."""
    del host
    earlier = _Earlier(is_asked(policy))
    for rule in policy.rules:
        above = (other for other in earlier.candidates(rule) if _hides(other, rule))
        if (first := next(above, None)) is not None:
            several = itertools.chain((first,), above)
            whole = (o for o in several if not _is_left_doubt(rule, o, policy))
            yield warning(rule.span, _said(rule, first, next(whole, None)))
        earlier.add(rule)
    if earlier.left_out:
        yield info(
            policy.span,
            f"{earlier.left_out} of the rules without exact values were not compared with the rules "
            "below them",
        )


def _said(rule: Rule, first: Rule, whole: Rule | None) -> str:
    """Name what comes first, or *whole*, which leaves no doubt."""
    above = whole or first
    when = "never decides" if whole else "decides only in doubt"
    rest = "" if whole else ", unless that is unknown or is no name of the host"
    return (
        f"rule {rule.name!r} {when}: rule {above.name!r} in line {above.span.line} comes first and "
        f"matches all that it matches{rest}"
    )
