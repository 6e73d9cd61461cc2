# SPDX-License-Identifier: MIT
"""
What was accepted and not yet handed over, up to a bound.

Beyond the bound whole items are dropped, the oldest first, and counted: what happens now is worth more
to a reader than what happened long ago. An item that is half handed over is finished.
"""

from __future__ import annotations

from collections import deque

import attrs

__all__ = ["LIMIT", "Backlog"]

LIMIT = 4 << 20
"""Bytes that an output may hold back unless it is told otherwise."""


@attrs.define
class Backlog:
    """
    Items in order.

    Attributes:
        limit: bytes; one item is held whatever its size.
        held: bytes of the items.
        sent: bytes of the first item that were handed over already.
        dropped: items that the bound cost.
    """

    limit: int = LIMIT
    held: int = attrs.field(default=0, init=False)
    sent: int = attrs.field(default=0, init=False)
    dropped: int = attrs.field(default=0, init=False)
    _items: deque[bytes] = attrs.field(factory=deque, init=False)

    def __len__(self) -> int:
        return len(self._items)

    def append(self, item: bytes) -> None:
        """Accept *item*."""
        self._items.append(item)
        self.held += len(item)
        while self.held > self.limit and len(self._items) > 1:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        # The reader has seen the beginning of what is half sent.
        at = 1 if self.sent else 0
        self.held -= len(self._items[at])
        del self._items[at]
        self.dropped += 1

    def first(self) -> bytes:
        """Return the first item, whole."""
        return self._items[0]

    def chunk(self, size: int) -> bytes:
        """Return what comes next: the rest of the first item and whole ones, about *size* bytes."""
        items = iter(self._items)
        chunk = bytearray(next(items)[self.sent :])
        for item in items:
            if len(chunk) >= size:
                break
            chunk += item
        return bytes(chunk)

    def advance(self, handed: int) -> None:
        """So many bytes of what came next were handed over."""
        self.sent += handed
        while self._items and self.sent >= len(self._items[0]):
            self.sent -= len(self._items[0])
            self.held -= len(self._items.popleft())

    def pop(self) -> None:
        """The first item was handed over."""
        self.advance(len(self._items[0]) - self.sent)

    def discard(self) -> None:
        """The first item can never be handed over."""
        self.pop()
        self.dropped += 1

    def rewind(self) -> None:
        """Whoever had the beginning of the first item is gone: it begins anew."""
        self.sent = 0

    def abandon(self) -> None:
        """Nothing can be handed over any more."""
        self.dropped += len(self._items)
        self._items.clear()
        self.held = self.sent = 0
