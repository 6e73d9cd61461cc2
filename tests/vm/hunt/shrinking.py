# SPDX-License-Identifier: MIT
"""Makes a sequence of steps small that has an effect: delta debugging of its lines, then smaller dice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["shrink"]

Lines = list[str]


def shrink(lines: Sequence[str], holds: Callable[[Lines], bool]) -> Lines:
    """Return those of *lines* without none of which it *holds*, with dice as small as they may be."""
    return _smaller_dice(_fewer(list(lines), holds), holds)


def _fewer(lines: Lines, holds: Callable[[Lines], bool]) -> Lines:
    size = max(1, len(lines) // 2)
    while True:
        at, has_shrunk = 0, False
        while at < len(lines):
            rest = lines[:at] + lines[at + size :]
            if holds(rest):
                lines, has_shrunk = rest, True
            else:
                at += size
        if size == 1 and not has_shrunk:
            return lines
        size = max(1, size // 2)


def _smaller_dice(lines: Lines, holds: Callable[[Lines], bool]) -> Lines:
    for number, line in enumerate(lines):
        words = line.split()
        for at in range(1, len(words)):
            tried = [*words[:at], "0", *words[at + 1 :]]
            attempt = [*lines[:number], " ".join(tried), *lines[number + 1 :]]
            if words[at] != "0" and holds(attempt):
                words, lines = tried, attempt
    return lines
