# SPDX-License-Identifier: MIT
"""Plain tables: columns aligned with spaces, one line for each row, for people and for awk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["columns"]

_LEAST = 8  # characters of a last column that still say something


def columns(
    heads: Sequence[str], rows: Iterable[Sequence[str | int]], width: int | None = None
) -> Iterator[str]:
    """
    Yield the lines of a table; numbers stand at the right of their column.

    *width*: of the terminal, if it is one. What does not fit loses the beginning of its last column, since paths differ
    at their ends.
    """
    given = list(rows)
    cells = [tuple(heads), *(tuple(_cell(value) for value in row) for row in given)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rights = [
        bool(column) and all(isinstance(value, int) for value in column)
        for column in (zip(*given, strict=True) if given else [()] * len(heads))
    ]
    for row in cells:
        placed = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, rights, strict=True)
        ]
        line = "  ".join(placed).rstrip()
        room = None if width is None else width - len("  ".join(placed[:-1])) - len("  ")
        if room is not None and _LEAST < room < len(row[-1]):
            line = "  ".join([*placed[:-1], f"…{row[-1][1 - room :]}"])
        yield line


def _cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value
