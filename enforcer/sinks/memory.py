# SPDX-License-Identifier: MIT
"""Records kept in a list: for tests, and for callers that use enforcer as a library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from enforcer.events.types import Lost, Record

__all__ = ["Memory"]


@attrs.define
class Memory:
    """Keeps every record."""

    name: str = "memory"
    dropped: int = 0
    held: int = 0
    records: list[Record | Lost] = attrs.field(factory=list)

    def write(self, record: Record | Lost) -> None:
        """Keep *record*."""
        self.records.append(record)

    def miss(self, number: int) -> None:
        """Count what was dropped before."""
        self.dropped += number

    def flush(self) -> None:
        """There is nothing to hand over."""

    def reopen(self) -> None:
        """There is no file to reopen."""

    def close(self) -> None:
        """There is nothing to close."""
