# SPDX-License-Identifier: MIT
"""
The text of ``--help``: prose as wide as the terminal, up to what is easy to read, and examples in two columns.

A parser's description and epilogue are written in lines of any length. Lines that begin with blanks are rows of a table:
what to type, then two blanks or more, then what it means.
"""

from __future__ import annotations

import argparse
import itertools
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["HelpFormatter"]

_WIDEST: Final = 100
_NARROWEST: Final = 16
_MARGIN: Final = 2
_OPTIONS_AT: Final = {False: 24, True: 34}
"""In which column the meaning of options begins, by whether there is plenty of room."""

_MEANING: Final = re.compile(r" {2,}")
_INDENT: Final = "  "
_ONLY_MEANING: Final = " " * 12


class HelpFormatter(argparse.HelpFormatter):
    """As its base, in a width that fits."""

    def __init__(self, prog: str, **options: Any) -> None:
        import shutil

        width = min(shutil.get_terminal_size().columns, _WIDEST + _MARGIN) - _MARGIN
        place = _OPTIONS_AT[width >= _WIDEST]
        super().__init__(prog, **{"width": width, "max_help_position": place, **options})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Lay out a description or an epilogue; argparse has no public name for this."""
        if indent:  # of a group of options, which is prose
            return super()._fill_text(text, width, indent)
        blocks = re.split(r"\n\s*\n", text.strip("\n"))
        laid = ("\n".join(_laid_out(block.splitlines(), width)) for block in blocks)
        return "\n\n".join(laid)


def _laid_out(lines: Iterable[str], width: int) -> Iterator[str]:
    for is_table, some in itertools.groupby(lines, lambda line: line.startswith(_INDENT)):
        if is_table:
            yield from _table(some, width)
        else:
            yield from _wrap(" ".join(line.strip() for line in some), width)


def _table(lines: Iterable[str], width: int) -> Iterator[str]:
    rows = _rows(lines)
    most = width // 2
    explained = [len(what) for what, means in rows if means and len(what) <= most]
    column = max(explained, default=0) + 2 * len(_INDENT)
    for what, means in rows:
        first, *more = _wrap(means, max(width - column, _NARROWEST)) or [""]
        if len(_INDENT + what) + len(_INDENT) > column and first:
            yield f"{_INDENT}{what}"
            yield f"{'':{column}}{first}"
        else:
            yield f"{_INDENT}{what:{max(0, column - len(_INDENT))}}{first}".rstrip()
        yield from (f"{'':{column}}{line}" for line in more)


def _rows(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Read what is to be typed, and what it means, which may go on below."""
    rows: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith(_ONLY_MEANING) and rows:
            what, means = rows[-1]
            rows[-1] = what, f"{means} {line.strip()}".strip()
        else:
            what, _, means = _MEANING.sub("\0", line.strip(), count=1).partition("\0")
            rows.append((what, means))
    return rows


def _wrap(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
