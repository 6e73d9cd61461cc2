# SPDX-License-Identifier: MIT
"""Rules on points of the kernel, as the language has them."""

from __future__ import annotations

from typing import Any, Final

from enforcer.policy.model.points import RETURNS, Operand, OperandType, Point, PointKind
from enforcer.policy.model.policy import Condition, Rule
from enforcer.policy.readers.point_arguments import OTHER_TYPES
from enforcer.policy.writers.conditions import (
    needed_twice,
    spell_fields,
    spell_numbers,
    spell_values,
)
from enforcer.policy.writers.unions import united

__all__ = ["spell_operand", "spell_point", "spell_returned"]

_TYPES: Final = {kind: word for word, kind in OTHER_TYPES.items()}


def spell_point(point: Point) -> tuple[str, Any]:
    """Return the event key of a rule on *point*, and what stands behind it."""
    match point.kind:
        case PointKind.LSM:
            return "lsm", point.name
        case PointKind.KPROBE:
            return "kprobe", point.name
        case PointKind.KRETPROBE:
            return "kprobe", {"function": point.name, "at": "return"}
        case PointKind.RAW:
            return "tracepoint", {"event": point.name, "raw": True}
    return "tracepoint", point.name


def spell_operand(condition: Condition, operand: Operand) -> dict[str, object]:
    """Return an item of ``args``; of what is returned, what stands under ``returns``."""
    item: dict[str, object] = {} if operand.index == RETURNS else {"index": operand.index}
    if operand.type is OperandType.NUMBER:
        item["type"] = f"{'Int' if operand.signed else 'UInt'}{operand.bits}"
    else:
        item["type"] = _TYPES[operand.type]
    if operand.members:
        item["resolve"] = ".".join(operand.members)
    if operand.size is not None:
        item["size"] = operand.size
    if operand.type is OperandType.NUMBER:
        return item | spell_numbers(condition, signed=operand.signed)
    if operand.type.is_socket:
        ((name, value),) = spell_fields([condition], ())[0].items()
        return item | {"socketType" if name == "type" else name: value}
    return item | spell_values(condition)


def spell_returned(rule: Rule) -> dict[str, object]:
    """
    Return what stands under ``returns``; nothing if *rule* does not ask for it.

    Raises:
        PolicyError: one operator is needed twice.
    """
    conditions = [
        c for c in rule.conditions if c.operand is not None and c.operand.index == RETURNS
    ]
    for several in (conditions, united(conditions)):
        items = [spell_operand(c, c.operand) for c in several if c.operand is not None]
        together = {key: value for item in items for key, value in item.items()}
        if all(item.items() <= together.items() for item in items):
            return together
    raise needed_twice(conditions[-1])
