# SPDX-License-Identifier: MIT
"""
Text that processes chose, made safe to show.

File names, arguments and process names may hold any byte. They must not control a terminal, split a log
line, or change the order in which text is shown.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["IGNORABLE", "IGNORABLE_ANYWHERE", "neutral", "readable"]

IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0"
)
"""Default_Ignorable_Code_Point of Unicode, of the first plane, as ranges of a regular expression."""

IGNORABLE_ANYWHERE: Final = (
    f"{IGNORABLE}\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""The same of all planes, those included that are kept for later: some of them are letters or marks to Python."""

_UNSEEN: Final = re.compile(f"[{IGNORABLE_ANYWHERE}\u2800]")
"""With the sign of braille that has no dots."""


def readable(raw: bytes) -> str:
    r"""Decode *raw* as UTF-8; bytes that are not are written ``\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


def neutral(text: str) -> str:
    r"""
    Replace what a terminal or a log reader could obey, and what nobody sees, by ``\n``, ``\xNN`` or ``\uNNNN``.

    Not printable are, to Python, the categories Cc, Cf, Cs, Co and Cn, which move the cursor, reorder, hide or have no
    meaning, and Zl, Zp and Zs but for the space.
    """
    if text.isprintable():
        return text if text.isascii() else _UNSEEN.sub(_escaped, text)
    shown = "".join(c if c.isprintable() else _escape(c) for c in text)
    return _UNSEEN.sub(_escaped, shown)


def _escaped(found: re.Match[str]) -> str:
    return _escape(found[0])


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if named is not None:
        return named
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8 (PEP 383)
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
