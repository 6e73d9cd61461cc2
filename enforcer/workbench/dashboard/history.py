# SPDX-License-Identifier: MIT
"""Counts over time, and the rates between them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["SPAN", "History", "outcomes_of", "spark"]

SPAN = 300.0
"""Seconds that a sparkline shows."""

ROWS = ("killed", "denied", "logged", "allowed", "audited")
"""What became of verdicts; in audit mode, whatever it would have been, it is ``audited``."""

_LIKE = {"attempted": "logged"}


def outcomes_of(totals: Mapping[str, int]) -> dict[str, int]:
    """Sum up *totals* by the rows that are shown."""
    found = dict.fromkeys(ROWS, 0)
    for name, count in totals.items():
        found[_LIKE.get(name, name if name in found else "audited")] += count
    return found


@attrs.define
class History:
    """Points in time with the sums that were known then."""

    points: deque[tuple[float, dict[str, int]]] = attrs.field(
        factory=lambda: deque(maxlen=int(SPAN) + 2)
    )

    def begin(self, points: Iterable[tuple[float, Mapping[str, int]]]) -> None:
        """Start over with *points*, oldest first."""
        self.points.clear()
        for at, totals in points:
            self.add(at, totals)

    def add(self, at: float, totals: Mapping[str, int]) -> None:
        """Know that *totals* held at *at*, which is later than anything before."""
        self.points.append((at, outcomes_of(totals)))

    def copy(self) -> History:
        """Return an independent copy."""
        return History(self.points.copy())

    @property
    def totals(self) -> dict[str, int]:
        """What is known last."""
        return self.points[-1][1] if self.points else dict.fromkeys(ROWS, 0)

    def rate(self, name: str, seconds: float = 2.5) -> float:
        """Return how many there were per second of late."""
        if len(self.points) < 2:
            return 0.0
        last, after = self.points[-1]
        for at, before in reversed(self.points):
            first, start = at, before
            if last - at >= seconds:
                break
        return (after[name] - start[name]) / (last - first) if last > first else 0.0

    def rates(self, name: str, bins: int) -> list[float]:
        """
        Return the rates of *bins* equal parts of the last :data:`SPAN` seconds, the newest last.

        Parts begin at multiples of their length, so that what was shown moves but does not change.
        """
        if not self.points or bins < 1:
            return [0.0] * max(0, bins)
        length = SPAN / bins
        newest = int(self.points[-1][0] / length)
        sums = [0.0] * bins
        before: tuple[float, dict[str, int]] | None = None
        for at, totals in self.points:
            if before is not None:
                place = int(at / length) - newest + bins - 1
                if 0 <= place < bins:
                    sums[place] += max(0, totals[name] - before[1][name])
            before = (at, totals)
        # The newest part has only begun; its first point tells of the second before.
        begun = self.points[-1][0] - newest * length + 1.0
        return [count / length for count in sums[:-1]] + [sums[-1] / min(length, begun)]


def spark(rates: Iterable[float], bars: str) -> str:
    """Draw *rates*, the highest as the highest bar; nothing is a blank, anything is a bar."""
    values = list(rates)
    top = max(values, default=0.0)
    if top <= 0:
        return " " * len(values)
    steps = len(bars)
    return "".join(
        " " if value <= 0 else bars[min(steps - 1, int(value / top * steps))] for value in values
    )
