# SPDX-License-Identifier: MIT
"""
Whether conditions that must all hold exclude each other: conservative, "no" when in doubt.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator

import attrs

from enforcer.policy.language.vocabulary import BITS, Dim, Kind
from enforcer.policy.model.coverage import accepts_all
from enforcer.policy.model.glob_match import accepts, literal_directory
from enforcer.policy.model.policy import (
    Address,
    CapabilityMask,
    Condition,
    Interval,
    Mask,
    Text,
    TextKind,
    Value,
)
from enforcer.policy.model.workloads import LABELS

__all__ = ["excluding"]

Resolve = Callable[[bytes], bytes]
"""Where the symbolic links of a path lead."""

_FILES = (Dim.PATH, Dim.EXE)
_LITERAL_TAIL = re.compile(rb"[^*?\[\]\\]*\Z")
_SPECIAL = re.compile(rb"[*?\[\\]")


def excluding(
    conditions: Iterable[Condition], resolve: Resolve = os.path.realpath
) -> Iterator[Condition]:
    """
    Yield of each field whose conditions cannot hold together the last one.

    Args:
        conditions: of one object or one process; all must hold.
        resolve: used for paths, which the compiler takes with their symbolic links and without.
    """
    by_field: dict[tuple[object, ...], list[Condition]] = {}
    for condition in conditions:
        key = (condition.field.name, condition.index, condition.operand)
        by_field.setdefault(key, []).append(condition)
    for together in by_field.values():
        if len(together) > 1 and _exclude(together, resolve):
            yield together[-1]


def _exclude(together: list[Condition], resolve: Resolve) -> bool:
    """Tell whether one of the conditions has only values that others exclude."""
    if together[0].field.kind in BITS:
        return _bits_exclude([v for c in together for v in c.values])
    prepared = [_Prepared.of(condition, resolve) for condition in together]
    return any(
        all(
            any(other.excludes(variants) for other in prepared if other is not one)
            for variants in one.variants
        )
        for one in prepared
        if not one.condition.negate
    )


def _bits_exclude(values: list[Value]) -> bool:
    masks = [value for value in values if isinstance(value, CapabilityMask)]
    none = 0
    for mask in masks:
        none |= mask.mask if mask.how == "none" else 0
    return any(
        (mask.how == "all" and mask.mask & none) or (mask.how == "any" and not mask.mask & ~none)
        for mask in masks
    )


@attrs.frozen
class _Prepared:
    """
    A condition, ready to be compared.

    *variants*: of each of its values what it may be. *exact* are those of all variants that are one text,
    *rest* the others. *is_single*: an operation has one value of the field.
    """

    condition: Condition
    variants: tuple[list[Value], ...]
    exact: frozenset[bytes]
    rest: tuple[Value, ...]
    is_path: bool
    is_single: bool

    @classmethod
    def of(cls, condition: Condition, resolve: Resolve) -> _Prepared:
        """Prepare *condition*."""
        field = condition.field
        variants = tuple(_variants(value, condition, resolve) for value in condition.values)
        values = [value for several in variants for value in several]
        is_any = field.kind is Kind.ARGS and condition.index is None
        return cls(
            condition,
            variants,
            frozenset(v.value for v in values if _is_exact(v) and isinstance(v, Text)),
            tuple(v for v in values if not _is_exact(v)),
            field.kind in (Kind.PATH, Kind.CGROUP, Kind.UNIT),
            field is not LABELS and not field.counts_as and not is_any,
        )

    def excludes(self, variants: list[Value]) -> bool:
        """Tell whether what is any of *variants* never satisfies the condition."""
        if self.condition.negate:
            return all(self._accepts(value) for value in variants)
        return self.is_single and all(self._is_apart(value) for value in variants)

    def _accepts(self, value: Value) -> bool:
        if isinstance(value, Text) and _is_exact(value) and value.value in self.exact:
            return True
        return accepts_all(self.rest, value, is_path=self.is_path)

    def _is_apart(self, value: Value) -> bool:
        exact = (Text(TextKind.EXACT, text) for text in self.exact)
        return all(_are_apart(value, other, is_path=self.is_path) for other in (*self.rest, *exact))


def _is_exact(value: Value) -> bool:
    return isinstance(value, Text) and value.kind is TextKind.EXACT


def _variants(value: Value, condition: Condition, resolve: Resolve) -> list[Value]:
    """Return *value*, and for a path what it is behind symbolic links."""
    if not isinstance(value, Text) or condition.field.dim not in _FILES:
        return [value]
    head = value.value if value.kind is TextKind.EXACT else literal_directory(value)
    if head is None or not head.startswith(b"/") or b"\0" in head:
        return [value]
    behind = resolve(head)
    if behind == head:
        return [value]
    return [value, attrs.evolve(value, value=behind + value.value[len(head) :])]


def _are_apart(one: Value, other: Value, *, is_path: bool) -> bool:
    """Tell whether surely nothing is both."""
    if isinstance(one, Text) and isinstance(other, Text):
        return _texts_are_apart(one, other, is_path=is_path)
    if isinstance(one, Interval | Address) and isinstance(other, Interval | Address):
        return one.high < other.low or other.high < one.low
    if isinstance(one, Mask) and isinstance(other, Mask):
        both = one.mask & other.mask
        return (
            one.value is not None
            and other.value is not None
            and bool((one.value ^ other.value) & both)
        )
    if isinstance(one, Mask):
        one, other = other, one
    if isinstance(one, Interval) and isinstance(other, Mask) and one.low == one.high:
        found = one.low & other.mask
        return not found if other.value is None else found != other.value
    return False


def _texts_are_apart(one: Text, other: Text, *, is_path: bool) -> bool:
    if is_path:  # some file systems find a name by any case of its letters
        one = attrs.evolve(one, value=one.value.lower())
        other = attrs.evolve(other, value=other.value.lower())
    if one.kind is TextKind.EXACT:
        return not accepts(other, one.value, is_path=is_path)
    if other.kind is TextKind.EXACT:
        return not accepts(one, other.value, is_path=is_path)
    heads, tails = (_head(one), _head(other)), (_tail(one), _tail(other))
    return not (
        (heads[0].startswith(heads[1]) or heads[1].startswith(heads[0]))
        and (tails[0].endswith(tails[1]) or tails[1].endswith(tails[0]))
    )


def _head(value: Text) -> bytes:
    """Return what every text that *value* accepts begins with."""
    if value.kind is TextKind.PREFIX:
        return value.value
    if value.kind is not TextKind.GLOB:
        return b""
    special = _SPECIAL.search(value.value)
    return value.value[: special.start()] if special else value.value


def _tail(value: Text) -> bytes:
    """Return what every text that *value* accepts ends in."""
    if value.kind is TextKind.SUFFIX:
        return value.value
    found = _LITERAL_TAIL.search(value.value) if value.kind is TextKind.GLOB else None
    return found[0] if found else b""
