# SPDX-License-Identifier: MIT
"""
Items that were accepted but not yet handed over, up to a bound.

Beyond the bound, whole items are dropped, the oldest first, and counted: new records are worth more to a
reader than old ones. An item that is partly handed over is finished. Lines may arrive many in one piece;
they are still dropped one by one.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import attrs

__all__ = ["LIMIT", "Backlog"]

LIMIT = 4 << 20
"""Bytes that an output may hold back unless it is told otherwise."""


@attrs.define(eq=False, repr=False)
class Backlog:
    """
    Items in order.

    Attributes:
        limit: bytes; one item is held whatever its size.
        held: bytes of the items.
        sent: bytes of the first piece that were handed over already.
        dropped: items that the bound cost.
    """

    limit: int = LIMIT
    held: int = attrs.field(default=0, init=False)
    sent: int = attrs.field(default=0, init=False)
    dropped: int = attrs.field(default=0, init=False)
    _pieces: deque[bytes] = attrs.field(factory=deque, init=False)
    _counts: deque[int] = attrs.field(factory=deque, init=False)

    def __len__(self) -> int:
        return len(self._pieces)

    def append(self, piece: bytes, count: int = 1) -> None:
        """Accept an item, or *count* lines in one piece."""
        self._pieces.append(piece)
        self._counts.append(count)
        self.held += len(piece)
        while self.held > self.limit and (len(self._pieces) > 1 or self._counts[0] > 1):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        # The reader has seen the beginning of what is half sent.
        at = 1 if self.sent else 0
        for place in range(at + 1):
            if self._counts[place] > 1:
                self._part(place)
                return
        self.held -= len(self._pieces[at])
        del self._pieces[at], self._counts[at]
        self.dropped += 1

    def _part(self, place: int) -> None:
        """Take the piece at *place* apart into its lines."""
        lines = [line + b"\n" for line in self._pieces[place].split(b"\n")[:-1]]
        both: tuple[tuple[deque[Any], list[Any]], ...] = (
            (self._pieces, lines),
            (self._counts, [1] * len(lines)),
        )
        for parts, items in both:
            parts.rotate(-place)
            parts.popleft()
            parts.extendleft(reversed(items))
            parts.rotate(place)
        self.advance(0)

    def first(self) -> bytes:
        """Return the first item, whole."""
        return self._pieces[0]

    def chunk(self, size: int) -> bytes | memoryview:
        """Return what comes next: the rest of the first item and whole ones, about *size* bytes."""
        first = self._pieces[0]
        if len(first) - self.sent >= size:
            return memoryview(first)[self.sent :]
        chunk = bytearray(first[self.sent :])
        for piece in itertools.islice(self._pieces, 1, None):
            if len(chunk) >= size:
                break
            chunk += piece
        return bytes(chunk)

    def advance(self, handed: int) -> None:
        """Note that so many bytes were handed over."""
        self.sent += handed
        while self._pieces and self.sent >= len(self._pieces[0]):
            self.sent -= len(self._pieces[0])
            self.held -= len(self._pieces.popleft())
            self._counts.popleft()

    def pop(self) -> None:
        """Remove the first item: it was handed over."""
        self.advance(len(self._pieces[0]) - self.sent)

    def discard(self) -> None:
        """Drop the first item: it can never be handed over."""
        self.pop()
        self.dropped += 1

    def rewind(self) -> None:
        """Start the first item again: its reader is gone."""
        self.sent = 0

    def abandon(self) -> None:
        """Drop everything: nothing can be handed over any more."""
        self.dropped += sum(self._counts)
        if self._counts and self._counts[0] > 1:
            self.dropped -= self._pieces[0].count(b"\n", 0, self.sent)
        self._pieces.clear()
        self._counts.clear()
        self.held = self.sent = 0
