# SPDX-License-Identifier: MIT
"""Lines on a terminal: folded between words, so that none is broken where the screen ends. Pipes get them whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["folded", "width_of"]

_DEEPER: Final = "  "


def width_of(stream: TextIO) -> int | None:
    """Return the columns of the terminal that *stream* leads to; None if it is none."""
    if not stream.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def folded(line: str, width: int | None, *, deeper: str = _DEEPER) -> Iterator[str]:
    """
    Yield *line* in lines of at most *width* columns, what follows the first indented *deeper*.

    A word that is longer, such as a path, stays whole.
    """
    if width is None or len(line) <= width:
        yield line
        return
    import textwrap

    text = line.lstrip(" ")
    indent = line[: len(line) - len(text)]
    yield from textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + deeper,
        break_long_words=False,
        break_on_hyphens=False,
    )
