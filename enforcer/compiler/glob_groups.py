# SPDX-License-Identifier: MIT
"""Which globs are tried together in one automaton."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from enforcer.compiler import nfa
from enforcer.compiler.dfa import Entries
from enforcer.compiler.patterns import Glob, Wild

__all__ = ["groups_of"]

_GROUP_WEIGHT: Final = 12_000


def groups_of(patterns: Mapping[Glob, Entries]) -> Iterator[list[Glob]]:
    """
    Part what starts with a literal, or in a container, from what may start anywhere; these multiply each other.
    """
    anchored: list[tuple[bytes, Glob]] = []
    inside: list[Glob] = []
    floating: list[Glob] = []
    for pattern in patterns:
        first = pattern.tokens[0]
        if isinstance(first, bytes) and len(first) > 1:
            anchored.append((first, pattern))
        elif first is Wild.ROOT:
            inside.append(pattern)
        else:
            floating.append(pattern)
    anchored.sort(key=lambda pair: pair[0])
    yield from _by_weight([pattern for _, pattern in anchored])
    yield from _by_weight(sorted(inside, key=_behind_root))
    yield from _by_weight(floating)


def _behind_root(pattern: Glob) -> bytes:
    """Equal beginnings come together, so that they are the same nodes."""
    first = pattern.tokens[1]
    return first if isinstance(first, bytes) else b""


def _by_weight(patterns: Sequence[Glob]) -> Iterator[list[Glob]]:
    group: list[Glob] = []
    total = 0
    for pattern in patterns:
        weight = nfa.weight(pattern.tokens)
        if group and total + weight > _GROUP_WEIGHT:
            yield group
            group, total = [], 0
        group.append(pattern)
        total += weight
    if group:
        yield group
