# SPDX-License-Identifier: MIT
"""
The check for rules that never decide because an earlier rule matches all that they match.

Comparing every pair would take too long for large policies: a rule whose conditions name exact
values is only compared with rules that name one of the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import attrs

from enforcer.policy.language.vocabulary import Op
from enforcer.policy.lint.issues import Host, Issue, check, info, warning
from enforcer.policy.model.coverage import covers, kernel_operations
from enforcer.policy.model.policy import Condition, Interval, Policy, Rule, Text, TextKind

__all__ = ["shadowed_rule"]

MAX_WIDE = 200


@attrs.define(eq=False, repr=False)
class _Earlier:
    """The rules above, found by an exact value that they name; *wide* are those without, by operations."""

    exact: dict[Hashable, list[Rule]] = attrs.field(factory=dict)
    wide: list[tuple[frozenset[Op], Rule]] = attrs.field(factory=list)
    left_out: int = 0

    def add(self, rule: Rule) -> None:
        condition = next(filter(_is_exact, rule.conditions), None)
        if condition is not None:
            for value in condition.values:
                self.exact.setdefault((condition.field.name, value), []).append(rule)
        elif len(self.wide) < MAX_WIDE:
            self.wide.append((kernel_operations(rule), rule))
        else:
            self.left_out += 1

    def candidates(self, rule: Rule) -> Iterator[Rule]:
        asked = kernel_operations(rule)
        yield from (other for operations, other in self.wide if operations >= asked)
        for condition in rule.conditions:
            yield from self.exact.get((condition.field.name, condition.values[0]), ())


def _is_exact(condition: Condition) -> bool:
    return not condition.negate and all(
        value.kind is TextKind.EXACT
        if isinstance(value, Text)
        else isinstance(value, Interval) and value.low == value.high
        for value in condition.values
    )


@check
def shadowed_rule(policy: Policy, host: Host) -> Iterator[Issue]:
    """A rule below one that is as wide or wider."""
    del host
    earlier = _Earlier()
    for rule in policy.rules:
        for other in earlier.candidates(rule):
            if covers(other, rule):
                yield warning(
                    rule.span,
                    f"rule {rule.name!r} never decides: rule {other.name!r} in line "
                    f"{other.span.line} comes first and matches all that it matches",
                )
                break
        earlier.add(rule)
    if earlier.left_out:
        yield info(
            policy.span,
            f"{earlier.left_out} of the rules without exact values were not compared with the rules "
            "below them",
        )
