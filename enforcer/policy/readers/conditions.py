# SPDX-License-Identifier: MIT
"""One field and its value to conditions and flags of the model."""

from __future__ import annotations

from enforcer.policy.language.vocabulary import OPERATORS, FieldSpec, Kind
from enforcer.policy.model.policy import Condition, Flag, Value
from enforcer.policy.readers import numbers
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.values import values
from enforcer.policy.text.nodes import Entry, List, Map, Node, Scalar
from enforcer.policy.text.problems import suggest

__all__ = ["LISTS", "NEGATIVE", "SINGLE", "read_conditions", "read_flag"]

NEGATIVE = frozenset({"notEqual", "notIn", "notPrefix", "notSuffix", "notContains", "notGlob"})
SINGLE = frozenset({"equal", "notEqual"})
LISTS = frozenset({"in", "notIn"})
_BITS = frozenset({Kind.CAPABILITY, Kind.FLAGS})


def read_conditions(
    field: FieldSpec, entry: Entry, context: Context, *, index: int | None = None
) -> tuple[Condition, ...]:
    """
    Read ``field: value``, ``field: [value…]`` or ``field: {operator: value…}``.

    Several operators must all hold: each becomes a condition.
    """
    node = entry.value
    if not isinstance(node, Map):
        return _condition(field, None, node, context, index)
    if not node.entries:
        context.add(f"{field.name} has no operator: {_known(field)}", node.span)
    found: tuple[Condition, ...] = ()
    for operator in node:
        if operator.key in OPERATORS[field.kind]:
            found += _condition(field, operator.key, operator.value, context, index)
        else:
            hint = suggest(operator.key, OPERATORS[field.kind]) or f": {_known(field)}"
            context.add(f"{operator.key!r} is not an operator of {field.name}{hint}", operator.span)
    return found


def read_flag(field: FieldSpec, entry: Entry, context: Context) -> tuple[Flag, ...]:
    """Read ``field: true`` or ``field: false``."""
    node = entry.value
    if isinstance(node, Map) and list(node.entries) == ["equal"]:
        node = node.entries["equal"].value
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return (Flag(field, node.value, entry.span),)
    context.boolean(node, field.name)  # which it is not
    return ()


def _known(field: FieldSpec) -> str:
    return f"known are {', '.join(OPERATORS[field.kind])}"


def _condition(
    field: FieldSpec, operator: str | None, node: Node, context: Context, index: int | None
) -> tuple[Condition, ...]:
    items = _items(field, operator, node, context)
    if items is None:
        return ()
    found: list[Value] = []
    with context.problems.catching():
        if field.kind in _BITS:
            found.append(numbers.bits(field, operator or "any", items))
    if field.kind not in _BITS:
        for item in items:
            with context.problems.catching():
                found += values(field, operator, item, context.resolver)
    if not found:
        return ()
    return (Condition(field, tuple(found), operator in NEGATIVE, index, node.span),)


def _items(
    field: FieldSpec, operator: str | None, node: Node, context: Context
) -> list[Node] | None:
    """Return the written values, or None after an error about their form."""
    where = field.name if operator is None else f"{field.name} {operator}"
    if isinstance(node, Map):
        context.add(f"{where} takes a value or a list of values, not a mapping", node.span)
        return None
    if not isinstance(node, List):
        if operator in LISTS:
            one = "equal" if operator == "in" else "notEqual"
            context.add(f"{where} takes a list: use {one} for a single value", node.span)
            return None
        return [node]
    if operator in SINGLE:
        many = "in" if operator == "equal" else "notIn"
        context.add(f"{where} takes a single value: use {many} for a list", node.span)
        return None
    if not node.items:
        context.add(f"{where} is an empty list, which nothing can match", node.span)
        return None
    return list(node.items)
