# SPDX-License-Identifier: MIT
"""
Messages with the line that each is about, and a caret below the place, as compilers print them.

A line is read again when it is shown, so what has vanished since is not shown. What a terminal would obey, or
nobody would see, is escaped. A line that is wider than the terminal is cut around the place.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Final, Literal

import attrs
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from enforcer import places
from enforcer.cli.folding import folded, width_of
from enforcer.colours import are_forced, are_unwanted
from enforcer.policy.text.characters import is_unreadable
from enforcer.policy.text.foreign_files import foreign_bytes
from enforcer.policy.text.loader import MAX_BYTES, kept_input
from enforcer.policy.text.yaml_errors import BREAK
from enforcer.safe_text import neutral

if TYPE_CHECKING:
    from enforcer.span import Span

__all__ = ["Excerpts", "cut"]

_TAB: Final = "    "
_CUT: Final = "…"
_LEAST: Final = 20  # columns of a line that are shown on the narrowest terminal
_STYLES: Final = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}


def _console() -> Console:
    # What is forced is in the colours that every terminal has.
    system: Literal["auto", "standard"] = "standard" if are_forced(os.environ) else "auto"
    return Console(
        stderr=True,
        force_terminal=True,
        color_system=None if are_unwanted(os.environ) else system,
        highlight=False,
        markup=False,
        emoji=False,
    )


@attrs.define(eq=False, repr=False)
class Excerpts:
    """Writes messages as they look on the terminal of standard error; each file is read once."""

    console: Console = attrs.field(factory=_console)
    _files: dict[str, list[str]] = attrs.field(factory=dict)

    def write(self, line: str, span: Span | None, severity: str) -> str:
        """Return the message *line*, and below it the place of *span* if it can be shown."""
        style = _STYLES[severity]
        with self.console.capture() as written:
            self._message(line, span, severity)
            source = self._line(span) if span is not None else None
            if span is not None and source:
                number = f"{span.line:>5}"
                room = max(self.console.width - len(number) - 4, _LEAST)
                shown, before = cut(source, span.column - 1, room)
                self._print((f"{number} | ", "dim"), (shown, ""))
                self._print((f"{' ' * len(number)} | ", "dim"), (f"{' ' * before}^", style))
        return written.get()

    def _message(self, line: str, span: Span | None, severity: str) -> None:
        place = str(span) if span is not None else ""
        first, *more = folded(neutral(line), width_of(sys.stderr), deeper=_TAB)
        before, found, after = first.partition(place) if place else ("", "", first)
        word = f": {severity}" if after.startswith(f": {severity}: ") else ""
        rest = after.removeprefix(word)
        self._print((before, ""), (found, "bold"), (word, _STYLES[severity]), (rest, ""))
        for part in more:
            self._print((part, ""))

    def _print(self, *parts: tuple[str, str]) -> None:
        # Whatever is in a message is for its reader to see.
        text = Text.assemble(*((neutral(part), style) for part, style in parts))
        self.console.print(text, soft_wrap=True)

    def _line(self, span: Span) -> str | None:
        if span.file not in self._files:
            self._files[span.file] = _lines(span.file)
        lines = self._files[span.file]
        return lines[span.line - 1].rstrip() if 0 < span.line <= len(lines) else None


# ---- The text ----------------------------------------------------------------------------------


def cut(line: str, at: int, room: int) -> tuple[str, int]:
    """
    Return *line* as it is shown in *room* columns, and the column of its character *at* there.

    Where it is cut, there is a sign.
    """
    at = min(at, len(line))
    # No character is narrower than nothing: more of them than columns are never shown.
    first, last = max(at - room, 0), min(at + room, len(line))
    before = [_shown(each) for each in line[first:at]]
    after = [_shown(each) for each in line[at:last]]
    kept_before, kept_after = sum(map(cell_len, before)), sum(map(cell_len, after))
    is_whole = first == 0 and last == len(line) and kept_before + kept_after <= room
    if is_whole:
        return "".join(before + after).rstrip(), kept_before
    # A third in front of the place, or more if less is behind it.
    most = max(room // 3, room - kept_after - 1) if last == len(line) else room // 3
    head, tail = _CUT if first else "", ""
    while before and kept_before + len(head) > most:
        kept_before -= cell_len(before.pop(0))
        head = _CUT
    space = room - kept_before - len(head)
    if kept_after > space or last < len(line):
        tail = _CUT
        while after and kept_after + len(tail) > space:
            kept_after -= cell_len(after.pop())
    return f"{head}{''.join(before)}{''.join(after)}{tail}", len(head) + kept_before


def _shown(character: str) -> str:
    if character == "\t":
        return _TAB
    if neutral(character) == character and is_unreadable(character):
        return f"\\u{ord(character):04x}"
    return neutral(character)


def _lines(file: str) -> list[str]:
    content = kept_input() if file == places.STDIN_NAME else _content(file)
    if content is None or foreign_bytes(content) is not None:
        return []
    return BREAK.split(content.decode("utf-8", "backslashreplace").removeprefix("\ufeff"))


def _content(file: str) -> bytes | None:
    """Return what is in *file*; None if it is gone, or something else by now."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as opened:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            return opened.read(MAX_BYTES + 1)
    except (OSError, ValueError):
        return None
