# SPDX-License-Identifier: MIT
"""
The most frequent values of late, in bounded memory and at a fixed cost per record.

Processes choose names, and can choose a new one each time. A table that has grown to twice its bound
is cut back to the most frequent values, which have high counts by then.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Tops"]

_BOUND = 256  # names kept by window
_WINDOWS = 5

K = TypeVar("K", bound="Hashable")


@attrs.define(eq=False, repr=False)
class Tops(Generic[K]):
    """Counts of the last windows; :meth:`turn` begins the next one, once a minute or so."""

    bound: int = _BOUND
    _now: Counter[K] = attrs.field(factory=Counter, init=False)
    _past: deque[Counter[K]] = attrs.field(factory=lambda: deque(maxlen=_WINDOWS - 1), init=False)

    def count(self, key: K, number: int = 1) -> None:
        """Count *key*."""
        now = self._now
        now[key] += number
        if len(now) > 2 * self.bound:
            self._now = Counter(dict(now.most_common(self.bound)))

    def turn(self) -> None:
        """Begin the next window; the oldest is forgotten."""
        self._past.append(Counter(dict(self._now.most_common(self.bound))))
        self._now = Counter()

    def most(self, number: int) -> list[tuple[K, int]]:
        """Return the *number* most frequent keys with their counts."""
        total = Counter(self._now)
        for window in self._past:
            total.update(window)
        return total.most_common(number)
