# SPDX-License-Identifier: MIT
"""Bytes of a keyboard to names of keys."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Keyboard"]

_ESCAPE = "\x1b"
_NAMES = {
    "\r": "enter",
    "\n": "enter",
    "\t": "tab",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x0c": "redraw",
    "\x03": "interrupt",
    "\x04": "interrupt",
}
_SEQUENCES = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "H": "home",
    "F": "end",
    "Z": "tab",
    "1~": "home",
    "7~": "home",
    "4~": "end",
    "8~": "end",
    "5~": "pageup",
    "6~": "pagedown",
}
_INTRODUCERS = "[O"


@attrs.define
class Keyboard:
    """
    Names keys as their bytes come, which may be in pieces.

    An escape at the end of what came is the key, or the beginning of a sequence whose rest is on its
    way: it is held back until more comes, or until :meth:`settle` says that nothing does.
    """

    _decoder: codecs.IncrementalDecoder = attrs.field(
        factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    _held: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def keys(self, data: bytes) -> Iterator[str]:
        """Yield the names of the keys in *data*; a character that has no name is its own."""
        text, self._held = self._held + self._decoder.decode(data), ""
        at = 0
        while at < len(text):
            one = text[at]
            if one == _ESCAPE:
                end = _sequence_end(text, at)
                if end is None:
                    self._held = text[at:]
                    return
                name = "escape" if end == at + 1 else _SEQUENCES.get(text[at + 2 : end])
                at = end
                if name is not None:
                    yield name
                continue
            at += 1
            if one in _NAMES:
                yield _NAMES[one]
            elif one.isprintable():
                yield one

    def settle(self) -> Iterator[str]:
        """Yield what was held back: an escape is the key then, half a sequence is nothing."""
        if self._held == _ESCAPE:
            yield "escape"
        self._held = ""


def _sequence_end(text: str, at: int) -> int | None:
    """Return where the sequence that begins at *at* ends; None if more of it must come first."""
    if at + 1 == len(text):
        return None
    if text[at + 1] not in _INTRODUCERS:
        return at + 1
    end = at + 2
    while end < len(text) and not "@" <= text[end] <= "~":
        end += 1
    return end + 1 if end < len(text) else None
