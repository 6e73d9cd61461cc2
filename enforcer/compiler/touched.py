# SPDX-License-Identifier: MIT
"""
How many conditions one operation may satisfy at once, of which the kernel side has room for a number.

The answer is never too small, but for programs with several arguments, each of which satisfies others: what a caller
makes of its own arguments is unknown to nobody else.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from enforcer.compiler import glob, strings
from enforcer.compiler.atoms import FOLDED, dim_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from enforcer.compiler.dfa import Dfa

__all__ = ["most_touched"]


def most_touched(
    meanings: Mapping[strings.Key, strings.Meaning],
    dfas: Iterable[Dfa],
    intervals: Iterable[tuple[int, int]],
    listed: Sequence[int],
) -> int:
    """
    Return the most conditions that one operation may satisfy.

    Args:
        meanings: of strings.
        dfas: each may accept something of one text.
        intervals: first and count, in *listed*, of what the numbers of each satisfy.
        listed: the atom list.
    """
    numbers = (_by_dim(listed[first : first + count]) for first, count in intervals)
    parts = [_most(numbers), _most(_of_strings(meanings, listed))]
    parts += (_most(map(_by_dim, set(dfa.accepts))) for dfa in dfas)
    # What two of them yield may be the same atoms: there are no more than there are.
    return (sum(parts, Counter()) & _by_dim(listed)).total()


def _by_dim(entries: Iterable[int]) -> Counter[int]:
    """Count the atoms of each dimension; the same in small letters is no other one."""
    return Counter(map(dim_of, {entry & ~FOLDED for entry in entries if not entry & glob.MAYBE}))


def _most(counts: Iterable[Counter[int]]) -> Counter[int]:
    """Return the most of each dimension."""
    most: Counter[int] = Counter()
    for count in counts:
        most |= count
    return most


def _of_strings(
    meanings: Mapping[strings.Key, strings.Meaning], listed: Sequence[int]
) -> Iterable[Counter[int]]:
    """Yield what each string satisfies, with what holds below the directories above it."""
    below: dict[bytes, Counter[int]] = {}
    for (kind, text), (_, _, _, first, count) in meanings.items():
        if kind == strings.PATH and count:
            below[text] = _by_dim(listed[first : first + count])
    above: dict[bytes, Counter[int]] = {b"": Counter()}
    for (kind, text), (_, first, count, under, n_under) in meanings.items():
        exact = _by_dim(listed[first : first + count])
        if kind == strings.PATH:
            yield exact + _chain(text, below, above)
        else:
            yield exact + _by_dim(listed[under : under + n_under])


def _chain(
    text: bytes, below: Mapping[bytes, Counter[int]], known: dict[bytes, Counter[int]]
) -> Counter[int]:
    """Return what the path *text* and all above it have *below* them; *known* keeps it for others."""
    todo: list[bytes] = []
    at = text
    while at not in known:
        todo.append(at)
        at = _parent(at)
    found = known[at]
    for each in reversed(todo):
        if each in below:
            found = found + below[each]
        known[each] = found
    return found


def _parent(text: bytes) -> bytes:
    parent = text.rpartition(b"/")[0]
    return parent or (b"/" if text[:1] == b"/" != text else b"")
