# SPDX-License-Identifier: MIT
"""
Frames to bytes for a terminal: only the lines that have changed.

A terminal that cannot move its cursor gets each frame below the previous one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from rich.console import Console

    from enforcer.workbench.dashboard.rows import Frame

__all__ = ["ENTER", "LEAVE", "Painter"]

ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l"
"""Another screen, no cursor, no wrapping."""

LEAVE = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
"""All of that back."""


@attrs.define
class Painter:
    """
    Remembers what is on the screen.

    *console* says which colours there are and what text is encoded in; nothing is printed by it.
    """

    console: Console
    can_move: bool = True
    _lines: list[str] = attrs.field(factory=list, init=False)

    def paint(self, frame: Frame) -> bytes:
        """Return the bytes that turn the screen into *frame*; empty if nothing changed."""
        with self.console.capture() as captured:
            self.console.print(frame, end="", crop=False, soft_wrap=True)
        lines = captured.get().split("\n")[: len(frame.rows)]
        if self.can_move:
            text = "".join(
                f"\x1b[{number};1H{line}"
                for number, line in enumerate(lines, start=1)
                if number > len(self._lines) or line != self._lines[number - 1]
            )
        else:
            text = "\n".join((*(line.rstrip() for line in lines), "", ""))
        self._lines = lines
        # What the terminal's encoding has not is written as its number, never an error.
        return text.encode(self.console.encoding, "backslashreplace")

    def forget(self) -> bytes:
        """Start over; returns the bytes that clear the screen."""
        self._lines = []
        return b"\x1b[0m\x1b[2J" if self.can_move else b""
