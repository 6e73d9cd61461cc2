# SPDX-License-Identifier: MIT
"""
Numbers that arguments are compared with: as ranges, and as the kernel side orders them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import attrs

from enforcer.errors import PolicyError
from enforcer.policy.foreign.tracing.filters import Filter
from enforcer.policy.language.syscall_table import ArgKind
from enforcer.policy.model.policy import Interval
from enforcer.policy.readers.syscalls import WIDTHS
from enforcer.policy.text.nodes import Node, Scalar, describe

__all__ = ["NUMBER_OPERATORS", "Ranges", "bits", "number", "ordered", "passed", "ranges"]

NUMBER_OPERATORS = {
    "Equal": False,
    "NotEqual": True,
    "In": False,
    "NotIn": True,
    "InMap": False,
    "NotInMap": True,
    "InRange": False,
    "NotInRange": True,
    "GreaterThan": False,
    "GT": False,
    "LessThan": False,
    "LT": False,
    "Mask": False,
}
"""Operators of numbers, and whether they negate."""

_BELOW = ("LessThan", "LT")
_ABOVE = ("GreaterThan", "GT")
_WITH_RANGES = ("InRange", "NotInRange", "InMap", "NotInMap")
_INTEGER = re.compile(r"(-?)(?:0[xX]([0-9a-fA-F]{1,16})|0[oO]?([0-7]{1,22})|([0-9]{1,20}))")
_WIDE = 1 << 64


@attrs.frozen
class Ranges:
    """Numbers from low to high, both included; None is as far as there are numbers."""

    of: tuple[tuple[int | None, int | None], ...]


def number(item: Node, names: Callable[[str, Node], int | None] | None = None) -> int:
    """
    Read a number: decimal, ``0x`` hexadecimal, or octal with ``0`` in front.

    *names* is asked for what is none.

    Raises:
        PolicyError: it is none, and no name.
    """
    text = item.text if isinstance(item, Scalar) and not isinstance(item.value, bool) else ""
    found = _INTEGER.fullmatch(text)
    if found is None:
        named = names(text, item) if names and text else None
        if named is None:
            raise PolicyError(f"{describe(item)} is not a number", item.span)
        return named
    sign, hexadecimal, octal, decimal = found.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    return -value if sign else value


def ranges(filter_: Filter, names: Callable[[str, Node], int | None] | None = None) -> Ranges:
    """
    Read the values of *filter_*, whose operator is one of numbers but no mask.

    Raises:
        PolicyError: one of them is not what the operator takes.
    """
    return Ranges(tuple(_range(filter_.operator, item, names) for item in filter_.values))


def _range(
    operator: str, item: Node, names: Callable[[str, Node], int | None] | None
) -> tuple[int | None, int | None]:
    text = item.text if isinstance(item, Scalar) else ""
    low, colon, high = text.partition(":")
    if colon and operator in _WITH_RANGES and isinstance(item, Scalar):
        ends = [number(Scalar(part, plain=False, span=item.span), names) for part in (low, high)]
        if ends[0] > ends[1]:
            raise PolicyError("the range is backwards", item.span)
        return ends[0], ends[1]
    if operator in ("InRange", "NotInRange"):
        raise PolicyError(f"{describe(item)} is not a range: write it as min:max", item.span)
    value = number(item, names)
    if operator in _ABOVE:
        return value + 1, None
    if operator in _BELOW:
        return None, value - 1
    return value, value


def bits(filter_: Filter, width: int) -> Iterator[tuple[int, Node]]:
    """
    Yield the masks of *filter_* with their places.

    Raises:
        PolicyError: one has no bits, or such as the argument has not.
    """
    for item in filter_.values:
        mask = number(item)
        if not 0 < mask < 1 << width:
            raise PolicyError(f"a mask must have bits among the lowest {width}", item.span)
        yield mask, item


def passed(found: Ranges, kind: ArgKind, filter_: Filter, *, signed: bool) -> tuple[Interval, ...]:
    """
    Return *found* as an argument of *kind* is ordered: 64 bits without sign, its own sign extended.

    *signed*: whether the policy means numbers with a sign.

    Raises:
        PolicyError: a number has more bits than the call looks at.
    """
    return ordered(found, WIDTHS[kind], filter_, signed=signed, extends=kind is ArgKind.S32)


def ordered(
    found: Ranges, width: int, filter_: Filter, *, signed: bool, extends: bool
) -> tuple[Interval, ...]:
    """
    Return *found* as a number of *width* bits is ordered; *extends*: its sign is.

    Raises:
        PolicyError: a number has more bits than that.
    """
    least, most = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
    pieces: list[Interval] = []
    for (low, high), item in zip(found.of, filter_.values, strict=True):
        for end in (low, high):
            if end is not None and not -(1 << width - 1) <= end < 1 << width:
                raise PolicyError(
                    f"{describe(item)} has more than {width} bits, which is what is looked at",
                    item.span,
                )
        first = least if low is None else low
        last = most if high is None else high
        if first > last:
            raise PolicyError(f"no number is {filter_.operator} {describe(item)}", item.span)
        for piece in _patterns(first, last, width):
            pieces += _extended(piece, width, extends=extends)
    return tuple(dict.fromkeys(pieces))


def _patterns(low: int, high: int, width: int) -> Iterable[tuple[int, int]]:
    """Return numbers from *low* to *high* as bits."""
    modulus = 1 << width
    if low < 0 <= high:
        if high - low >= modulus:
            return ((0, modulus - 1),)
        return ((low + modulus, modulus - 1), (0, high))
    return ((low % modulus, high % modulus),)


def _extended(piece: tuple[int, int], width: int, *, extends: bool) -> Iterator[Interval]:
    low, high = piece
    sign = 1 << width - 1
    if not extends or high < sign:
        yield Interval(low, high)
        return
    if low < sign:
        yield Interval(low, sign - 1)
    yield Interval(max(low, sign) - (1 << width) + _WIDE, high - (1 << width) + _WIDE)
