# SPDX-License-Identifier: MIT
"""
How many conditions one value may meet at once, of which the kernel side has room for a number.

The answer is never too small: of a pattern only what it begins with counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from enforcer.policy.model.policy import Address, Interval, Text, TextKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enforcer.policy.model.policy import Condition

__all__ = ["most_met"]

_SPECIAL: Final = re.compile(rb"[*?\[\\]")


def most_met(conditions: Iterable[Condition]) -> int:
    """Return how many of *conditions* the value meets that meets the most."""
    texts: list[tuple[bytes, bool, int]] = []
    numbers: dict[str, list[tuple[int, int, int]]] = {}
    for number, condition in enumerate(conditions):
        # What is neither is compared by itself, and takes no room of others.
        for value in condition.values:
            if isinstance(value, Text):
                texts.append((*_beginning(value), number))
            elif isinstance(value, (Interval, Address)):
                spans = numbers.setdefault(condition.field.name, [])
                spans.append((value.low, value.high, number))
    found = [len(met) for met in _met_by_texts(texts)]
    for spans in numbers.values():
        found += [len(met) for met in _met_by_numbers(spans)]
    return max(found, default=0)


def _beginning(text: Text) -> tuple[bytes, bool]:
    """Return what everything begins with that *text* accepts, and whether more may follow."""
    if text.kind is TextKind.EXACT:
        return text.value, False
    if text.kind is TextKind.PREFIX:
        return text.value, True
    if text.kind is TextKind.GLOB:
        special = _SPECIAL.search(text.value)
        return (text.value[: special.start()], True) if special else (text.value, False)
    return b"", True


def _met_by_texts(texts: list[tuple[bytes, bool, int]]) -> Iterator[set[int]]:
    """Yield what is met at each beginning. Sorted, all that begin alike stand behind what they begin with."""
    open_: list[tuple[bytes, bool, int]] = []
    for text in sorted(texts, key=lambda each: (each[0], not each[1])):
        while open_ and not _covers(open_[-1], text[0]):
            open_.pop()
        open_.append(text)
        yield {number for _, _, number in open_}


def _covers(text: tuple[bytes, bool, int], value: bytes) -> bool:
    beginning, is_longer, _ = text
    return value.startswith(beginning) if is_longer else value == beginning


def _met_by_numbers(spans: list[tuple[int, int, int]]) -> Iterator[set[int]]:
    """Yield what is met where each span begins: at one of these places the most are."""
    open_: list[tuple[int, int, int]] = []
    for span in sorted(spans):
        open_ = [each for each in open_ if each[1] >= span[0]]
        open_.append(span)
        yield {number for _, _, number in open_}
