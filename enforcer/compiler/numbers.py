# SPDX-License-Identifier: MIT
"""
Numbers by interval: the sorted boundaries that ``enf_match_number`` in ``bpf/include/match.h`` reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

__all__ = ["Span128", "cover"]

Span128 = tuple[int, int, int]
"""First number, last number, entry of the atom list."""


def cover(spans: Iterable[Span128], bits: int) -> list[tuple[int, tuple[int, ...]]]:
    """
    Cut the numbers of *bits* bits where the set of covering entries changes.

    Returns:
        Lower bound and sorted entries of each interval, ascending, the first at 0; empty without
        spans.
    """
    opens: dict[int, list[int]] = {}
    closes: dict[int, list[int]] = {}
    for first, last, entry in spans:
        opens.setdefault(first, []).append(entry)
        closes.setdefault(last + 1, []).append(entry)
    if not opens:
        return []
    active: Counter[int] = Counter()
    out: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    for bound in sorted({*opens, *closes}):
        for entry in closes.get(bound, ()):
            active[entry] -= 1
            if not active[entry]:
                del active[entry]
        active.update(opens.get(bound, ()))
        entries = tuple(sorted(active))
        if entries == out[-1][1] or bound >> bits:
            continue
        if bound == out[-1][0]:
            out[-1] = (bound, entries)
        else:
            out.append((bound, entries))
    return out
