# SPDX-License-Identifier: MIT
"""
Conditions that mean together what one condition means.

A field takes each operator once. What must not be in one list, nor in another, must not be in both together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import attrs

from enforcer.policy.language.vocabulary import Kind
from enforcer.policy.model.policy import CapabilityMask, Condition, Text, TextKind

__all__ = ["united"]

_BITS = (Kind.CAPABILITY, Kind.FLAGS)
_EXACT = frozenset({TextKind.EXACT})
_GLOBS = frozenset({TextKind.EXACT, TextKind.GLOB})


def united(conditions: Iterable[Condition]) -> list[Condition]:
    """Return as few conditions as mean the same as *conditions*, which must all hold."""
    found: dict[Hashable, Condition] = {}
    for condition in conditions:
        key = _key(condition)
        found[key] = _both(found[key], condition) if key in found else condition
    return list(found.values())


def _key(condition: Condition) -> Hashable:
    """Return what conditions have in common that are one together; others have a key of their own."""
    plain = attrs.evolve(condition, values=())
    if condition.field.kind in _BITS and not condition.negate:
        how = {_how(value) for value in condition.values if isinstance(value, CapabilityMask)}
        return condition if how == {"any"} else (plain, *how)
    if not condition.negate:
        return condition
    kinds = frozenset(value.kind for value in condition.values if isinstance(value, Text))
    return plain, kinds if kinds == _EXACT or not kinds <= _GLOBS else _GLOBS


def _how(value: CapabilityMask) -> str:
    """Any of one is all of one."""
    return "all" if value.how == "any" and value.mask.bit_count() == 1 else value.how


def _both(one: Condition, other: Condition) -> Condition:
    if one == other:
        return one
    masks = [v for v in (*one.values, *other.values) if isinstance(v, CapabilityMask)]
    if not masks:
        return attrs.evolve(one, values=tuple(dict.fromkeys(one.values + other.values)))
    first, second = masks
    return attrs.evolve(one, values=(CapabilityMask(_how(first), first.mask | second.mask),))
