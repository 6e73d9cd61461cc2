# SPDX-License-Identifier: MIT
"""
Whether everything that one rule matches is matched by another: conservative, "no" when in doubt.
"""

from __future__ import annotations

from collections.abc import Iterable

from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.vocabulary import Dim, Kind, Op
from enforcer.policy.model.glob_match import accepts
from enforcer.policy.model.policy import (
    Address,
    Condition,
    Flag,
    Interval,
    Process,
    Rule,
    Subject,
    Text,
    TextKind,
    Value,
)

__all__ = ["accepts_all", "covers", "describes_all", "kernel_operations"]

_PARTS = SUBJECT_PARTS.values()
_FOLLOWS_FROM = {
    part.attribute: tuple(other.attribute for other in _PARTS if part.follows_from(other))
    for part in _PARTS
}
"""Of each part of a subject those that it follows from, if they describe the same."""


def kernel_operations(rule: Rule) -> frozenset[Op]:
    """Return the operations that *rule* is decided at."""
    if (
        not rule.calls
        and not rule.point
        and any(c.field.dim is Dim.ARG_ANY for c in rule.conditions)
    ):
        return frozenset({Op.EXEC_ARGV})
    if any(f.field.name == "fileCapabilities" for f in rule.flags):
        return frozenset({Op.EXEC_CREDS})
    return frozenset(op for operation in rule.operations for op in operation.ops)


def covers(wide: Rule, narrow: Rule) -> bool:
    """Tell whether *wide* surely matches whatever *narrow* matches, where both are asked."""
    if wide.only_marks or not set(wide.within) <= set(narrow.within):
        return False
    return (
        _conditions(wide.conditions, narrow.conditions)
        and _flags(wide.flags, narrow.flags)
        and _subject(wide.subject, narrow.subject)
    )


def _conditions(wide: tuple[Condition, ...], narrow: tuple[Condition, ...]) -> bool:
    return all(any(_implied(w, n) for n in narrow) for w in wide)


def _implied(wide: Condition, narrow: Condition) -> bool:
    if (wide.field, wide.index, wide.negate) != (narrow.field, narrow.index, narrow.negate):
        return False
    if wide.operand != narrow.operand:
        return False
    is_path = wide.field.kind in (Kind.PATH, Kind.CGROUP, Kind.UNIT)
    if wide.negate:  # outside a larger set is inside the complement of a smaller one
        wide, narrow = narrow, wide
    return all(accepts_all(wide.values, value, is_path=is_path) for value in narrow.values)


def accepts_all(wide: Iterable[Value], narrow: Value, *, is_path: bool) -> bool:
    """Tell whether one of *wide* surely accepts all that *narrow* accepts."""
    return any(_accepts(value, narrow, is_path=is_path) for value in wide)


def _accepts(wide: Value, narrow: Value, *, is_path: bool) -> bool:
    if isinstance(wide, Text) and isinstance(narrow, Text):
        return wide == narrow or _text(wide, narrow, is_path=is_path)
    if isinstance(wide, Interval) and isinstance(narrow, Interval):
        return wide.low <= narrow.low and narrow.high <= wide.high
    if isinstance(wide, Address) and isinstance(narrow, Address):
        return wide.low <= narrow.low and narrow.high <= wide.high
    return wide == narrow


def _text(wide: Text, narrow: Text, *, is_path: bool) -> bool:
    if narrow.kind is TextKind.EXACT:
        return accepts(wide, narrow.value, is_path=is_path)
    if narrow.kind not in (TextKind.GLOB, TextKind.PREFIX):
        return False
    if wide.kind is TextKind.PREFIX:
        head = wide.value
    elif is_path and wide.kind is TextKind.GLOB and wide.value.endswith(b"/**"):
        head = wide.value[:-2]
    else:
        return False
    special = any(c in head for c in b"*?[\\")
    return not special and narrow.value.startswith(head) and narrow.value != head


def describes_all(wide: Process, narrow: Process) -> bool:
    """Tell whether *wide* surely describes every process that *narrow* describes."""
    return _conditions(wide.conditions, narrow.conditions) and _flags(wide.flags, narrow.flags)


def _flags(wide: tuple[Flag, ...], narrow: tuple[Flag, ...]) -> bool:
    return set(wide) <= set(narrow)


def _subject(wide: Subject, narrow: Subject) -> bool:
    for part in _PARTS:
        outer: Process = getattr(wide, part.attribute)
        inner: list[Process] = [getattr(narrow, name) for name in _FOLLOWS_FROM[part.attribute]]
        follows = outer in inner if part.negate else any(describes_all(outer, one) for one in inner)
        if outer and not follows:
            return False
    return True
