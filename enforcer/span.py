# SPDX-License-Identifier: MIT
"""A place in a file: in policies, cases and the configuration."""

from __future__ import annotations

import attrs

__all__ = ["Span"]


@attrs.frozen
class Span:
    """A place in a policy file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
