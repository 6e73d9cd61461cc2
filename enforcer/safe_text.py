# SPDX-License-Identifier: MIT
"""
Text that processes chose, made safe to show.

File names, arguments and process names may hold any byte. They must not control a terminal, split a log
line, or change the order in which text is shown.
"""

from __future__ import annotations

import unicodedata

__all__ = ["neutral", "readable"]

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that move the cursor, reorder, hide or have no meaning."""


def readable(raw: bytes) -> str:
    r"""Decode *raw* as UTF-8; bytes that are not are written ``\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


def neutral(text: str) -> str:
    r"""Replace what a terminal or a log reader could obey by ``\n``, ``\xNN`` or ``\uNNNN``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _UNSAFE else c for c in text)


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
