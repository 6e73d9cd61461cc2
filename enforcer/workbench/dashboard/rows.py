# SPDX-License-Identifier: MIT
"""
Rows of a frame: pieces of text with a style, fitted to cells.

All text that processes or policies chose goes through :func:`clean` before it gets into a row. A row is
never parsed for markup, so its text cannot act as markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from enforcer.safe_text import neutral

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console, ConsoleOptions

__all__ = ["Frame", "Glyphs", "Piece", "Row", "clean", "fit", "fitted", "fold", "side_by_side"]

Piece = tuple[str, str]
"""Text, and the name of a style in :data:`STYLES`."""

Row = list[Piece]

STYLES = {
    "": Style.null(),
    "title": Style(bold=True),
    "rule": Style(dim=True),
    "dim": Style(dim=True),
    "key": Style(bold=True),
    "name": Style(bold=True),
    "good": Style(color="green"),
    "bad": Style(color="red", bold=True),
    "warn": Style(color="yellow"),
    "chosen": Style(reverse=True),
    "killed": Style(color="red", bold=True),
    "denied": Style(color="yellow"),
    "logged": Style(color="cyan"),
    "allowed": Style(color="green"),
    "audited": Style(color="magenta"),
}
"""What a word of the panels looks like; without colours only weight is left."""


@attrs.frozen
class Glyphs:
    """Characters that not every terminal has."""

    bars: str = "▁▂▃▄▅▆▇█"
    rule: str = "─"
    dot: str = "·"
    more: str = "…"
    below: str = "»"
    marker: str = "▸"

    @classmethod
    def plain(cls) -> Glyphs:
        """Return those of ASCII."""
        return cls(bars="_.:-=+*#", rule="-", dot="|", more="~", below=">", marker=">")


def clean(text: object) -> str:
    """Make *text* safe to show: nothing in it moves the cursor, reorders or hides."""
    return neutral(str(text))


def fit(
    text: str, width: int, glyphs: Glyphs, *, right: bool = False, keep_end: bool = False
) -> str:
    """Cut or pad *text* to *width* cells; *keep_end*: what is cut is cut from its beginning."""
    if width <= 0:
        return ""
    cells = len(text) if text.isascii() else cell_len(text)
    if cells <= width:
        return " " * (width - cells) + text if right else text + " " * (width - cells)
    if width == 1:
        return glyphs.more
    if not keep_end:
        return set_cell_size(text, width - 1) + glyphs.more
    kept = text[-(width - 1) :]
    while cell_len(kept) > width - 1:
        kept = kept[1:]
    return glyphs.more + kept + " " * (width - 1 - cell_len(kept))


def fitted(row: Iterable[Piece], width: int, glyphs: Glyphs) -> Row:
    """Cut or pad a whole row to *width* cells."""
    out: Row = []
    room = width
    for text, style in row:
        cells = len(text) if text.isascii() else cell_len(text)
        if cells > room:
            out.append((fit(text, room, glyphs), style))
            return out
        out.append((text, style))
        room -= cells
    if room:
        out.append((" " * room, ""))
    return out


def side_by_side(blocks: Sequence[tuple[Sequence[Row], int]], glyphs: Glyphs) -> list[Row]:
    """Put blocks of rows beside each other, each fitted to its width, one cell between them."""
    height = max(len(rows) for rows, _ in blocks)
    out: list[Row] = []
    for line in range(height):
        joined: Row = []
        for number, (rows, width) in enumerate(blocks):
            if number:
                joined.append((" ", ""))
            joined += fitted(rows[line] if line < len(rows) else [], width, glyphs)
        out.append(joined)
    return out


def fold(text: str, width: int) -> list[str]:
    """Break *text* into lines of at most *width* cells, at blanks where there are any."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if cell_len(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while cell_len(line) > width:
            head = line[:width]
            while cell_len(head) > width:
                head = head[:-1]
            head = head or line[:1]
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line]


@attrs.frozen
class Frame:
    """A screen full of rows, each as wide as the screen. A renderable of rich."""

    rows: tuple[Row, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Yield the pieces, a line for each row."""
        end = Segment.line()
        for row in self.rows:
            for text, style in row:
                yield Segment(text, STYLES[style])
            yield end
