# SPDX-License-Identifier: MIT
"""
``**`` beside other characters of a component, as in ``/etc/**.key``, written as globs of whole ``**``.

Readers of the language refuse it with these globs, and readers of other dialects take them instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["has_double_star_beside", "with_whole_double_stars"]

_PIECE = re.compile(r"\\.|\[[!^]?\]?(?:\\.|[^\]\\])*\]|\*+|.", re.DOTALL)
_STARS = re.compile(r"\*\*+")


def has_double_star_beside(component: str) -> bool:
    """Tell whether ``**`` stands beside other characters in *component*, or with a third star."""
    return component != "**" and any(map(_STARS.fullmatch, _PIECE.findall(component)))


def with_whole_double_stars(glob: str) -> Iterator[str]:
    """
    Yield globs of a path that match together what *glob* does, with each ``**`` as a whole component.

    There are two for each ``**`` with something in front of it in the last component or on both sides:
    their number doubles with each, so the caller has to stop.
    """
    components = glob.split("/")
    return map("/".join, _components(components, 0))


def _components(components: list[str], at: int) -> Iterator[list[str]]:
    if at == len(components):
        yield []
        return
    is_last = at + 1 == len(components)
    for these in _written(_PIECE.findall(components[at]), is_last=is_last):
        for rest in _components(components, at + 1):
            yield [*these, *rest]


def _written(pieces: list[str], *, is_last: bool) -> Iterator[list[str]]:
    """Yield the components that *pieces* of one become."""
    where = next((i for i, piece in enumerate(pieces) if _STARS.fullmatch(piece)), None)
    if where is None:
        yield ["".join(pieces)]
        return
    before, after = pieces[:where], pieces[where + 1 :]
    if not before and not after:
        yield ["**"]
    elif not before:
        for rest in _written(["*", *after], is_last=is_last):
            yield ["**", *rest]
    elif not after:
        head = "".join(before) + "*"
        if is_last:
            yield [head]
        yield [head, "**"]
    else:
        yield from _written([*before, "*", *after], is_last=is_last)
        for rest in _written(["*", *after], is_last=is_last):
            yield ["".join(before) + "*", "**", *rest]
