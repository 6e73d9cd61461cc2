# SPDX-License-Identifier: MIT
"""
How many conditions one value may meet at once, of which the kernel side has room for a number.

The answer is never too small: of a pattern only what it begins with counts.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING

from enforcer.policy.model.glob_match import beginning
from enforcer.policy.model.policy import Address, Interval, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.policy.model.policy import Condition

__all__ = ["most_met"]


def most_met(conditions: Iterable[Condition]) -> int:
    """Return how many of *conditions* the value meets that meets the most."""
    texts: list[tuple[bytes, bool, int]] = []
    numbers: dict[str, list[tuple[int, int, int]]] = {}
    for number, condition in enumerate(conditions):
        # What is neither is compared by itself, and takes no room of others.
        for value in condition.values:
            if isinstance(value, Text):
                texts.append((*beginning(value), number))
            elif isinstance(value, (Interval, Address)):
                spans = numbers.setdefault(condition.field.name, [])
                spans.append((value.low, value.high, number))
    return max([_most_by_texts(texts), *map(_most_by_numbers, numbers.values())])


def _most_by_texts(texts: list[tuple[bytes, bool, int]]) -> int:
    """Sorted, all that begin alike stand behind what they begin with."""
    most, met = 0, Counter[int]()
    open_: list[tuple[bytes, bool, int]] = []
    for text in sorted(texts, key=lambda each: (each[0], not each[1])):
        while open_ and not _covers(open_[-1], text[0]):
            _leave(met, open_.pop()[2])
        open_.append(text)
        met[text[2]] += 1
        most = max(most, len(met))
    return most


def _covers(text: tuple[bytes, bool, int], value: bytes) -> bool:
    start, is_longer, _ = text
    return value.startswith(start) if is_longer else value == start


def _most_by_numbers(spans: list[tuple[int, int, int]]) -> int:
    """At one of the places where a span begins the most are met."""
    most, met = 0, Counter[int]()
    open_: list[tuple[int, int]] = []  # a heap: what ends first is left first
    for low, high, number in sorted(spans):
        while open_ and open_[0][0] < low:
            _leave(met, heapq.heappop(open_)[1])
        heapq.heappush(open_, (high, number))
        met[number] += 1
        most = max(most, len(met))
    return most


def _leave(met: Counter[int], number: int) -> None:
    met[number] -= 1
    if not met[number]:
        del met[number]
