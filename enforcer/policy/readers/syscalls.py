# SPDX-License-Identifier: MIT
"""
System calls without an LSM hook: which ones a rule names, and their arguments, compared as passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

from enforcer.errors import PolicyError
from enforcer.policy.language.casts import cast_arguments
from enforcer.policy.language.kinds import Dim, FieldSpec, Kind, Op, OpSpec
from enforcer.policy.language.operations import OPERATION_TABLE
from enforcer.policy.language.syscall_table import CLASSES, SYSCALLS, ArgKind, Syscall
from enforcer.policy.model.policy import Condition, Interval, Mask, Value
from enforcer.policy.readers.context import Context
from enforcer.policy.text.nodes import Entry, List, Map, Node, Scalar, describe, shorten
from enforcer.policy.text.problems import suggest
from enforcer.span import Span

__all__ = [
    "CALL",
    "NAMED",
    "NUMBER_OPERATORS",
    "PASSED",
    "WIDTHS",
    "Number",
    "as_cast",
    "named",
    "numbers_of",
    "read_names",
    "read_numbers",
]

_ROW = OPERATION_TABLE[Op.SYSCALL]

CALL = OpSpec("call", (_ROW.op,), _ROW.operands, _ROW.phrase)
"""The only operation of the event ``syscall``, where it stays one."""

NUMBER_OPERATORS = ("equal", "notEqual", "in", "notIn", "range", "mask")

NAMED = FieldSpec("call", Kind.NUMBER, "Number of the system call.", Dim.CODE)
PASSED = FieldSpec("argument", Kind.NUMBER, "An argument as it is passed.", Dim.N0)


@attrs.frozen
class Number:
    """How a number that is compared lies in the kernel; *names* are words for some, in lower case."""

    bits: int
    signed: bool
    names: Mapping[str, int] = attrs.field(factory=dict, eq=False)


WIDTHS = {ArgKind.S32: 32, ArgKind.U32: 32, ArgKind.U16: 16, ArgKind.LONG: 64}
"""How many bits the call looks at."""

_KEYS = ("name", "list", "class")
_SIGNED = {ArgKind.S32, ArgKind.LONG}
_WIDE = 1 << 64
_SIGN = 1 << 31
_NUMBER = re.compile(r"-?(?:0x[0-9a-fA-F]{1,16}|0o[0-7]{1,22}|0|[1-9][0-9]{0,19})")
_RANGE = re.compile(r"(-?[^-]+)-(-?[^-]+)")
_NEGATIVE = frozenset(("notEqual", "notIn"))
_RANGED = frozenset(("in", "notIn", "range"))


def read_names(entry: Entry, context: Context) -> tuple[str, ...]:
    """
    Read ``syscall: NAME``, ``[NAME…]``, ``{name: NAME}``, ``{list: [NAME…]}`` or ``{class: WORD}``.

    Returns nothing after an error.
    """
    node = entry.value
    if not isinstance(node, Map):
        return _listed(node, context)
    for part in node:
        if part.key not in _KEYS:
            context.unknown(part, "key of syscall", _KEYS, {})
    given = [part for part in node if part.key in _KEYS]
    if len(given) != 1:
        context.add("syscall must have exactly one of name, list and class", node.span)
        return ()
    (key,) = given
    if key.key == "class":
        words = key.value.items if isinstance(key.value, List) else (key.value,)
        if not words:
            context.add("class is an empty list: name some", key.value.span)
        found = [context.word(word, "class of system calls", CLASSES) for word in words]
        return tuple(dict.fromkeys(name for word in found if word for name in CLASSES[word]))
    if key.key == "name" and isinstance(key.value, List):
        context.add("name is one name: write list for several", key.value.span)
        return ()
    return _listed(key.value, context)


def _listed(node: Node, context: Context) -> tuple[str, ...]:
    items = node.items if isinstance(node, List) else (node,)
    if not items:
        context.add("syscall has an empty list: name some", node.span)
    found: dict[str, None] = {}
    for item in items:
        text = item.text if isinstance(item, Scalar) and not item.is_null else ""
        if text in found:
            context.add(f"system call {text} is given twice", item.span)
        elif text in SYSCALLS:
            found[text] = None
        else:
            context.add(
                f"{describe(item)} is not a system call{suggest(text, SYSCALLS)}", item.span
            )
    return tuple(found)


def named(calls: tuple[Syscall, ...], span: Span) -> Condition:
    """Return the condition that the call is one of *calls*."""
    numbers = tuple(Interval(call.number, call.number) for call in calls)
    return Condition(NAMED, numbers, span=span)


def numbers_of(entry: Entry, index: int, kind: ArgKind, context: Context) -> tuple[Condition, ...]:
    """Read ``{operator: values}`` of argument *index*, compared as a number of *kind*."""
    number = Number(WIDTHS[kind], kind in _SIGNED)
    found = read_numbers(entry, f"argument {index}", number, context)
    return tuple(attrs.evolve(condition, index=index) for condition in found)


def as_cast(condition: Condition, calls: Iterable[Syscall]) -> Condition:
    """
    Return *condition* for *calls* of which one casts the argument to int for some of its commands.

    Numbers from 2**31 on are negative there, and mean these, too.
    """
    index = condition.index
    if index is None or not any(index in cast_arguments(call.name) for call in calls):
        return condition
    values = list(condition.values)
    for value in condition.values:
        if not isinstance(value, Interval):
            continue
        low, high = max(value.low, _SIGN), min(value.high, 2 * _SIGN - 1)
        negative = Interval(low + _WIDE - 2 * _SIGN, high + _WIDE - 2 * _SIGN)
        if low <= high and not any(_holds(known, negative) for known in values):
            values.append(negative)
    return attrs.evolve(condition, values=tuple(values))


def _holds(value: Value, numbers: Interval) -> bool:
    return isinstance(value, Interval) and value.low <= numbers.low and numbers.high <= value.high


def read_numbers(entry: Entry, what: str, kind: Number, context: Context) -> tuple[Condition, ...]:
    """Read ``{operator: values}`` of *what*, compared as a number of *kind*."""
    assert isinstance(entry.value, Map)  # noqa: S101 - the caller made it
    found: tuple[Condition, ...] = ()
    for part in entry.value:
        if part.key not in NUMBER_OPERATORS:
            context.add(
                (
                    f"{what} is a number: compare it with {', '.join(NUMBER_OPERATORS)}, not with "
                    f"{part.key}"
                ),
                part.span,
            )
            continue
        values: list[Value] = []
        items = part.value.items if isinstance(part.value, List) else (part.value,)
        if not items:
            context.add(
                f"{what} {part.key} is an empty list, which nothing can match", part.value.span
            )
        for item in items:
            with context.problems.catching():
                values += _value(item, part.key, kind)
        if values:
            negate = part.key in _NEGATIVE
            found += (Condition(PASSED, tuple(values), negate, span=part.span),)
    return found


def _value(item: Node, operator: str, kind: Number) -> list[Value]:
    text = item.text if isinstance(item, Scalar) and not isinstance(item.value, bool) else ""
    if operator == "mask":
        bits, sign, wanted = text.partition("=")
        mask = _pattern(bits.strip(), kind, item)
        if not mask:
            raise PolicyError("the mask has no bits", item.span)
        if not sign:
            return [Mask(mask)]
        if not wanted.strip():
            raise PolicyError(
                f"{describe(item)} has nothing behind =: write MASK, or MASK=VALUE", item.span
            )
        value = _pattern(wanted.strip(), kind, item)
        if value & ~mask:
            raise PolicyError("the value has bits outside the mask", item.span)
        return [Mask(mask, value)]
    low, high = text, text
    parts = _RANGE.fullmatch(text) if operator in _RANGED else None
    if parts is not None:
        low, high = parts[1].strip(), parts[2].strip()
    elif operator == "range":
        raise PolicyError(f"{describe(item)} is not a range: write it as low-high", item.span)
    return list(_between(_number(low, kind, item), _number(high, kind, item), item))


def _between(low: int, high: int, item: Node) -> tuple[Interval, ...]:
    """Return the numbers from *low* to *high* as the kernel side orders them: unsigned."""
    if low > high:
        raise PolicyError("the range is backwards", item.span)
    if low < 0 <= high:
        return Interval(low + _WIDE, _WIDE - 1), Interval(0, high)
    return (Interval(low % _WIDE, high % _WIDE),)


def _number(text: str, kind: Number, item: Node) -> int:
    value = kind.names.get(text.lower())
    value = _plain(text, item) if value is None else value
    bits = kind.bits
    least = -(1 << bits - 1) if kind.signed else 0
    most = (1 << bits) - 1
    if not least <= value <= most:
        raise PolicyError(
            f"{shorten(text)} is not a number of {bits} bits, as the argument is",
            item.span,
        )
    if kind.signed and value > most >> 1 and (bits < 64 or text.startswith("0x")):
        return value - (1 << bits)  # 0xffffffff is how people write -1
    return value


def _pattern(text: str, kind: Number, item: Node) -> int:
    """Read bits: as written, not widened by a sign."""
    value = _plain(text, item)
    if not 0 <= value < 1 << kind.bits:
        raise PolicyError(f"{shorten(text)} has bits that are not compared", item.span)
    return value


def _plain(text: str, item: Node) -> int:
    if not _NUMBER.fullmatch(text):
        raise PolicyError(f"{describe(item)} is not a number", item.span)
    return int(text, 0)
