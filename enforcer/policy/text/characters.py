# SPDX-License-Identifier: MIT
"""
Characters that a reader of a file cannot see, or that move what stands beside them.

A path with one of them looks like another path, and the two YAML parsers take some of them differently. What they
are is a property of Unicode: control and format characters, line breaks that editors do not show, and what programs
may ignore.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from enforcer.safe_text import IGNORABLE_ANYWHERE

__all__ = ["describe_character", "find_unreadable", "is_unreadable"]

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories: control, format, surrogate, and separators of lines and paragraphs."""

_LAYOUT: Final = "\t\n\r"

_NOTHING_TO_SEE: Final = re.compile(f"[{IGNORABLE_ANYWHERE}\ufffe\uffff]")
"""What programs may ignore, and what is no character."""


_PRESENTATION: Final = ("\ufe0e", "\ufe0f")
"""Whether the character before is drawn as text or as a picture, as in most warning signs."""

_COMMENT: Final = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


def find_unreadable(text: str) -> int:
    """
    Return where in *text* the first such character stands, or -1.

    Lines of comment may say how a sign is drawn.
    """
    if any(each in text for each in _PRESENTATION):
        text = _COMMENT.sub(_as_drawn, text)
    # There are far fewer characters than places.
    found = [each for each in set(text) if is_unreadable(each)]
    return min(map(text.index, found), default=-1)


def _as_drawn(comment: re.Match[str]) -> str:
    return re.sub(f"[{''.join(_PRESENTATION)}]", " ", comment[0])


def describe_character(character: str) -> str:
    """Return the code point of *character*, with its name if it has one."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}{f' ({name})' if name else ''}"


def is_unreadable(character: str) -> bool:
    """Tell whether *character* cannot be seen, or moves what stands beside it."""
    if character in _LAYOUT:
        return False
    return (
        unicodedata.category(character) in _HIDDEN
        or _NOTHING_TO_SEE.fullmatch(character) is not None
    )
