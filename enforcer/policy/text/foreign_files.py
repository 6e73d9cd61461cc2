# SPDX-License-Identifier: MIT
"""What a file is that cannot be YAML in UTF-8, as far as its first bytes say: whoever named it meant another one."""

from __future__ import annotations

import codecs
import re
from typing import Final

__all__ = ["find_odd_indentation", "foreign_bytes", "foreign_text"]

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_PACKED: Final = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
"""How gzip, zip, bzip2, xz and zstd begin."""

_LOOKED_AT: Final = 512
_MARKUP: Final = re.compile(r"\s*<[!?a-zA-Z]")
_ODD_INDENTATION: Final = re.compile(r"^[ \t]*([^\S \t\r\n])", re.MULTILINE)


def foreign_bytes(content: bytes) -> str | None:
    """Say what *content* is if it is no text in UTF-8; None if it may be."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _of_encoding(encoding)
    if content.startswith(_PACKED):
        return "the file is compressed: unpack it first"
    head = content[: _LOOKED_AT & ~1]
    if b"\0" not in head:
        return None
    # Latin letters in UTF-16 have a NUL at every second place, and nowhere else.
    for some, others in ((head[::2], head[1::2]), (head[1::2], head[::2])):
        if b"\0" not in some and others.count(0) * 2 > len(others):
            return _of_encoding("UTF-16")
    return "the file is binary: it must be text in UTF-8"


def _of_encoding(name: str) -> str:
    return f"the file is {name}: save it as UTF-8"


def foreign_text(text: str) -> str | None:
    """Say what *text* is if no YAML of ours begins so; None if it may be YAML."""
    return "the file is HTML or XML, not YAML" if _MARKUP.match(text) else None


def find_odd_indentation(text: str) -> int:
    """Return where in *text* something that only looks like a space indents a line, or -1."""
    found = _ODD_INDENTATION.search(text)
    return found.start(1) if found else -1
