# SPDX-License-Identifier: MIT
"""A place in a file: in policies, cases and the configuration."""

from __future__ import annotations

import re
from typing import Final

import attrs

from enforcer.safe_text import neutral

__all__ = ["Span"]

_PLACED: Final = re.compile(r"(.+?):([1-9]\d*):([1-9]\d*): ")


@attrs.frozen
class Span:
    """A place in a policy file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{neutral(self.file)}:{self.line}:{self.column}"

    @classmethod
    def before(cls, text: str) -> Span | None:
        """Return the place with which *text* begins, as messages do; None if it begins otherwise."""
        found = _PLACED.match(text)
        return cls(found[1], int(found[2]), int(found[3])) if found else None
