# SPDX-License-Identifier: MIT
"""Records that are kept to be looked at: bounded by their number, and by the memory that they take."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.events.types import Record

__all__ = ["Shelf"]


@attrs.define(eq=False, repr=False)
class Shelf:
    """
    The newest records, in order.

    Attributes:
        number: how many at most.
        room: bytes that they may take, but for the newest, which is there in any case.
        held: bytes that they take.
        is_full: whether there was no room for more, of either kind.
    """

    number: int
    room: int
    held: int = attrs.field(default=0, init=False)
    is_full: bool = attrs.field(default=False, init=False)
    _records: deque[tuple[Record, int]] = attrs.field(factory=deque, init=False)

    def append(self, record: Record, size: int) -> None:
        """Keep *record*, which takes *size* bytes."""
        self._records.append((record, size))
        self.held += size
        while len(self._records) > self.number or (self.held > self.room and len(self) > 1):
            self.held -= self._records.popleft()[1]
            self.is_full = True
        self.is_full |= len(self) == self.number

    def __iter__(self) -> Iterator[Record]:
        return (record for record, _ in self._records)

    def __len__(self) -> int:
        return len(self._records)
