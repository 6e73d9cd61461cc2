# SPDX-License-Identifier: MIT
"""About how much memory something takes that processes can make long: what is kept of it is bounded in bytes."""

from __future__ import annotations

from typing import Final

__all__ = ["OBJECT", "of_text"]

OBJECT: Final = 320
"""Bytes that an object with a few short values takes."""

_WIDEST: Final = 4  # bytes for each character of a text, if one of its characters needs so many


def of_text(text: str | None) -> int:
    """Return the bytes of *text* alone."""
    if text is None:
        return 0
    return len(text) if text.isascii() else _WIDEST * len(text)
