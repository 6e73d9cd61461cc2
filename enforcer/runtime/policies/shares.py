# SPDX-License-Identifier: MIT
"""Room that many share: each gets as much as the others, and what one leaves is theirs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["fitting", "sharer"]


def sharer(file: str) -> Hashable:
    """
    Return who shares room by *file*: ``NAMESPACE.NAME.KIND.yaml`` is how an agent names them.

    Of policies of the cluster it is the kind and what their names begin with. Nobody can name a file for another
    namespace, and whatever else names of files mean, it is a share.
    """
    first, *rest = file.rpartition("/")[2].split(".")
    return first, rest[-2] if len(rest) > 1 else ""


def fitting(items: Sequence[tuple[Hashable, int]], room: int) -> list[bool]:
    """
    Tell of each of *items*, a sharer and what is to be kept of it, whether there is *room* for it.

    What each sharer has is filled up evenly, in the order of its items.
    """
    levels: Counter[Hashable] = Counter()
    order = []
    for place, (whose, size) in enumerate(items):
        levels[whose] += size
        order.append((levels[whose], place))
    found = [False] * len(items)
    for _, place in sorted(order):
        room -= items[place][1]
        if room < 0:
            break
        found[place] = True
    return found
