# SPDX-License-Identifier: MIT
"""
The slow lane: records for followers and for outputs that the fast lane does not serve.

They get all records in order, each made in full, in the time that the fast lane leaves. What waits is
bounded. Records that do not fit are counted, and each reader is told how many. What repeats goes first,
then the firsts of what is only logged: a flood of these costs no reader a denial.
"""

from __future__ import annotations

import enum
import itertools
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.types import Lost, Record
from enforcer.events.weight import weight
from enforcer.libbpf import abi
from enforcer.libbpf.batch import Batch
from enforcer.policy.model.policy import Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from enforcer.runtime.ports import Audience
    from enforcer.sinks.fanout import Fanout, Outlet

__all__ = ["Behind"]

LIMIT: Final = 8 << 20
_LOST_BYTES: Final = 512  # about what tells of a loss
_ACTION: Final = abi.offsetof("enf_event", "action")
_DENY: Final = int(Verb.DENY)


class _Worth(enum.IntEnum):
    """What is dropped first, and what last."""

    REPEATED = 0  # the fast lane wrote it: a record of its shape was made
    FIRST = 1
    DENIED = 2


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

    def parts(self) -> Iterator[tuple[bool, _Range]]:
        """Part it into ranges of records that are all denials, or none of which is: tells which, and the range."""
        start = at = self.start
        number, is_denied = 0, False
        for action, after in self.batch.peek(self.start, self.end, _ACTION):
            if (action >= _DENY) != is_denied:
                if number:
                    yield is_denied, self._part(start, at, number)
                start, number, is_denied = at, 0, not is_denied
            at, number = after, number + 1
        if number:
            yield is_denied, self._part(start, at, number)

    def _part(self, start: int, end: int, number: int) -> _Range:
        # With bytes of its own: a denial that is kept would hold the whole batch, of which all else was dropped.
        if end - start == len(self.batch.packed):
            return _Range(self.batch, start, end, number)
        return _Range(Batch(self.batch.packed[start:end]), 0, end - start, number)

    def without(self, size: int) -> _Range:
        """Leave out the first records, of *size* bytes or a little more."""
        at, number = self.start, self.number
        while at < self.start + size and number:
            at, number = self.batch.at(at)[1], number - 1
        return _Range(self.batch, at, self.end, number)


_Item = _Range | Record | Lost


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
    _order: Iterator[int] = attrs.field(factory=itertools.count, init=False)
    _queues: list[deque[tuple[int, _Item]]] = attrs.field(
        factory=lambda: [deque() for _ in _Worth], init=False
    )

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    @property
    def is_wanted(self) -> bool:
        """Whether there is a reader."""
        return bool(self.outlets) or self.audience.is_following

    def hold(self, batch: Batch, start: int, end: int, number: int) -> None:
        """Accept the *number* records from the place *start* to the place *end* of *batch*."""
        if self.is_wanted:
            for is_denied, part in _Range(batch, start, end, number).parts():
                self._append(part, _Worth.DENIED if is_denied else _Worth.REPEATED)

    def write(self, record: Record | Lost) -> None:
        """Accept a record that was made already."""
        if len(self):
            is_logged = isinstance(record, Record) and record.event.action < Verb.DENY
            self._append(record, _Worth.FIRST if is_logged else _Worth.DENIED)
        elif self.is_wanted:
            self._hand_over(record)

    def serve(self, seconds: float) -> int:
        """Hand over what waits, for about *seconds*; returns how many records that were."""
        served, end = 0, self.clock() + seconds
        self._tell()
        while len(self):
            served += self._one()
            if served % 8 == 0 and self.clock() >= end:
                break
        return served

    def _one(self) -> int:
        # What came first, whatever it is worth.
        queue = min((each for each in self._queues if each), key=lambda each: each[0][0])
        order, first = queue.popleft()
        self._held -= _size(first)
        raw = b""
        if isinstance(first, _Range):
            raw, start = first.batch.at(first.start)
            if start < first.end:
                rest = _Range(first.batch, start, first.end, first.number - 1)
                queue.appendleft((order, rest))
                self._held += rest.size
        # The fast lane wrote it, so it can be made. If it cannot be after all, or an output cannot take
        # it, that is one more lost, and never the loop.
        try:
            self._hand_over(self.make(raw) if isinstance(first, _Range) else first)
        except Exception:  # noqa: BLE001
            self._lose(1)
        return 1

    def abandon(self) -> None:
        """Nothing can be handed over any more: what waits is lost."""
        for queue in self._queues:
            for _, item in queue:
                self._lose(_number(item))
            queue.clear()
        self._held = 0
        self._tell()

    def _hand_over(self, record: Record | Lost) -> None:
        self.fanout.write(record, self.outlets)
        self.audience.publish(record)

    def _append(self, item: _Item, worth: _Worth) -> None:
        self._queues[worth].append((next(self._order), item))
        self._held += _size(item)
        while self._held > self.limit and len(self) > 1:
            self._drop(self._held - self.limit)

    def _drop(self, size: int) -> None:
        """Drop the oldest of what is worth least: of a range, no more than makes *size* bytes."""
        queue = next(each for each in self._queues if each)
        order, oldest = queue.popleft()
        self._held -= _size(oldest)
        rest = oldest.without(size) if isinstance(oldest, _Range) and oldest.size > size else None
        if rest is not None and rest.number:
            queue.appendleft((order, rest))
            self._held += rest.size
        self._lose(_number(oldest) - (rest.number if rest is not None else 0))

    def _lose(self, number: int) -> None:
        self.dropped += number
        self._untold += number
        for outlet in self.outlets:
            outlet.sink.miss(number)  # which tells it in the output itself

    def _tell(self) -> None:
        if self._untold:
            self.audience.publish(Lost(time_ns=self.wall_ns(), dropped=self._untold))
            self._untold = 0


def _size(item: _Item) -> int:
    if isinstance(item, _Range):
        return item.size
    return weight(item) if isinstance(item, Record) else _LOST_BYTES


def _number(item: _Item) -> int:
    return item.number if isinstance(item, _Range) else 1
