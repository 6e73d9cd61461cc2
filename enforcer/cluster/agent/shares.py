# SPDX-License-Identifier: MIT
"""Equal shares of room for namespaces: what one does not need is for the others, and nobody takes another's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["fair"]


def fair(things: Iterable[tuple[str, int, bool]], room: int) -> list[int]:
    """
    Return the places of those of *things* that fit into *room*, in their order.

    Of each is given its namespace, what it takes, and whether it comes last. Within one namespace, what takes little
    comes first.
    """
    known = list(things)
    taken: Counter[tuple[bool, str]] = Counter()
    ranks: list[tuple[bool, int, int]] = []
    for place in sorted(range(len(known)), key=lambda place: known[place][1]):
        namespace, size, is_last = known[place]
        taken[is_last, namespace] += size
        ranks.append((is_last, taken[is_last, namespace], place))
    found = []
    for *_, place in sorted(ranks):
        if (size := known[place][1]) <= room:
            room -= size
            found.append(place)
    return sorted(found)
