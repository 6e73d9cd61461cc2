# SPDX-License-Identifier: MIT
"""
The slow lane: records for followers and for outputs that the fast lane does not serve.

They get all records in order, each made in full, in the time that the fast lane leaves. The queue is
bounded. Records that do not fit are counted, and each reader is told how many.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.types import Lost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enforcer.events.types import Record
    from enforcer.libbpf.batch import Batch
    from enforcer.runtime.ports import Audience
    from enforcer.sinks.fanout import Fanout, Outlet

__all__ = ["Behind"]

LIMIT: Final = 4 << 20
_RECORD_BYTES: Final = 4096  # about what a record that was made holds


@attrs.frozen
class _Range:
    """Records in a batch, not made yet."""

    batch: Batch
    start: int
    end: int
    number: int

    @property
    def size(self) -> int:
        return self.end - self.start


@attrs.define(eq=False, repr=False)
class Behind:
    """
    Takes what the fast lane wrote, and what Python made meanwhile, and hands both on in order.

    Attributes:
        fanout: writes to outputs.
        outlets: those of them that are not on the fast lane.
        audience: its followers get everything too.
        make: makes the record of bytes that the fast lane wrote.
        limit: bytes that may wait.
        dropped: records that the bound cost.
    """

    fanout: Fanout
    outlets: Sequence[Outlet]
    audience: Audience
    make: Callable[[bytes], Record | Lost]
    wall_ns: Callable[[], int] = time.time_ns
    clock: Callable[[], float] = time.monotonic
    limit: int = LIMIT
    dropped: int = attrs.field(default=0, init=False)
    _untold: int = attrs.field(default=0, init=False)
    _held: int = attrs.field(default=0, init=False)
    _queue: deque[_Range | Record | Lost] = attrs.field(factory=deque, init=False)

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_wanted(self) -> bool:
        """Whether there is a reader."""
        return bool(self.outlets) or self.audience.is_following

    def hold(self, batch: Batch, start: int, end: int, number: int) -> None:
        """Accept the *number* records from the place *start* to the place *end* of *batch*."""
        if self.is_wanted:
            self._append(_Range(batch, start, end, number))

    def write(self, record: Record | Lost) -> None:
        """Accept a record that was made already."""
        if self._queue:
            self._append(record)
        elif self.is_wanted:
            self._hand_over(record)

    def serve(self, seconds: float) -> int:
        """Hand over what waits, for about *seconds*; returns how many records that were."""
        served, end = 0, self.clock() + seconds
        self._tell()
        while self._queue:
            served += self._one()
            if served % 8 == 0 and self.clock() >= end:
                break
        return served

    def _one(self) -> int:
        first = self._queue.popleft()
        self._held -= _size(first)
        # The fast lane wrote it, so it can be made. If it cannot be after all, or an output cannot take
        # it, that is one more lost, and never the loop.
        try:
            self._hand_over(self._next_of(first) if isinstance(first, _Range) else first)
        except Exception:  # noqa: BLE001
            self._lose(1)
        return 1

    def _next_of(self, waiting: _Range) -> Record | Lost:
        raw, start = waiting.batch.at(waiting.start)
        if start < waiting.end:
            rest = attrs.evolve(waiting, start=start, number=waiting.number - 1)
            self._queue.appendleft(rest)
            self._held += rest.size
        return self.make(raw)

    def abandon(self) -> None:
        """Nothing can be handed over any more: what waits is lost."""
        for item in self._queue:
            self._lose(item.number if isinstance(item, _Range) else 1)
        self._queue.clear()
        self._held = 0
        self._tell()

    def _hand_over(self, record: Record | Lost) -> None:
        self.fanout.write(record, self.outlets)
        self.audience.publish(record)

    def _append(self, item: _Range | Record | Lost) -> None:
        self._queue.append(item)
        self._held += _size(item)
        while self._held > self.limit and len(self._queue) > 1:
            oldest = self._queue.popleft()
            self._held -= _size(oldest)
            self._lose(oldest.number if isinstance(oldest, _Range) else 1)

    def _lose(self, number: int) -> None:
        self.dropped += number
        self._untold += number
        for outlet in self.outlets:
            outlet.sink.miss(number)  # which tells it in the output itself

    def _tell(self) -> None:
        if self._untold:
            self.audience.publish(Lost(time_ns=self.wall_ns(), dropped=self._untold))
            self._untold = 0


def _size(item: _Range | Record | Lost) -> int:
    return item.size if isinstance(item, _Range) else _RECORD_BYTES
