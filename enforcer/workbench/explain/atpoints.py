# SPDX-License-Identifier: MIT
"""An allow rule for a passing of a point of the kernel, and how the language writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import yaml

from enforcer.policy.model.points import RETURNS
from enforcer.policy.writers.points import spell_operand, spell_point
from enforcer.workbench.explain.values import exact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.policy.model.policy import Condition, Rule
    from enforcer.workbench.explain.access import Facts

__all__ = ["args_at", "compared_at", "event_at", "returns_at"]

_ONE_LINE = 1 << 16


def compared_at(rule: Rule, facts: Facts) -> Iterator[Condition]:
    """Yield conditions on everything that *rule* compares, with the recorded values, as far as known."""
    seen = set()
    for condition in rule.conditions:
        operand = condition.operand
        value = facts.operand(condition)
        if operand is None or (operand, condition.field.name) in seen:
            continue
        seen.add((operand, condition.field.name))
        # Of an empty text the language has no way to ask.
        if isinstance(value, bytes | int) and value != b"":
            values = (exact(value, condition.field),)
            yield attrs.evolve(condition, values=values, negate=False, span=None)


def event_at(rule: Rule) -> str:
    """Return what stands behind the event of a rule on a point; nothing for other rules."""
    return "" if rule.point is None else _written(spell_point(rule.point)[1])


def args_at(rule: Rule) -> Iterator[str]:
    """Yield the items of ``args`` of a rule on a point."""
    return (text for is_result, text in _operands_at(rule) if not is_result)


def returns_at(rule: Rule) -> Iterator[str]:
    """Yield what a rule on a point says of ``returns``."""
    return (text for is_result, text in _operands_at(rule) if is_result)


def _operands_at(rule: Rule) -> Iterator[tuple[bool, str]]:
    """Yield what is compared, and whether it is the result of the function."""
    for condition in rule.conditions:
        if condition.operand is not None:
            text = _written(spell_operand(condition, condition.operand))
            yield condition.operand.index == RETURNS, text


def _written(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=_ONE_LINE, sort_keys=False)
    return text.removesuffix("...\n").strip()
