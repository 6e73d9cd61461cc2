# SPDX-License-Identifier: MIT
"""
The accesses of a recording, in order.

An object that is reached through another mount namespace has two names. The kernel side decides on both
and takes the stricter verdict. Both are recorded, one after the other, by the same thread and with the
same time. Here they become one access again. Accesses of others in between come after it: the order of
the journal counts.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.policy.language.vocabulary import ObjectFlag
from enforcer.workbench.replay.heads import ACCESS, HeadReader
from enforcer.workbench.replay.journal import BlockKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enforcer.workbench.replay.heads import Credentials
    from enforcer.workbench.replay.journal import Journal

__all__ = ["Accesses", "RecordedAccess"]

_WAITING: Final = 4096  # accesses behind one whose second view may still come


@attrs.frozen
class RecordedAccess:
    """
    One access.

    Attributes:
        views: its records: one, or the namespace's and then the host's.
        line: the program that acted.
    """

    views: tuple[bytes, ...]
    time_ns: int
    tid: int
    line: int
    op: int
    code: int
    who: Credentials


@attrs.define
class Accesses:
    """
    Reads accesses.

    Attributes:
        malformed: records that do not fit together.
    """

    reader: HeadReader = attrs.field(factory=HeadReader)
    malformed: int = 0
    _waiting: deque[RecordedAccess] = attrs.field(factory=deque)
    _halves: dict[int, RecordedAccess] = attrs.field(factory=dict)

    def of(self, journal: Journal) -> Iterator[RecordedAccess]:
        """Yield the accesses of *journal*."""
        return self.each(journal.records(BlockKind.ACCESSES))

    def each(self, records: Iterable[bytes]) -> Iterator[RecordedAccess]:
        """Yield the accesses that *records* tell."""
        read, at = self.reader.read, self.reader.at
        kind, flags = at["kind"], at["obj_flags"]
        for raw in records:
            head = read(raw)
            if head is None or head[kind] != ACCESS:
                self.malformed += 1
                continue
            access = self._access(head, raw)
            half = self._halves.pop(access.tid, None) if self._halves else None
            if half is not None and half.time_ns == access.time_ns:
                self._complete(half, raw)
            else:
                if head[flags] & ObjectFlag.NSVIEW:
                    self._halves[access.tid] = access
                self._waiting.append(access)
            yield from self._complete_ones()
        self._halves.clear()
        yield from self._complete_ones()

    def _complete(self, half: RecordedAccess, raw: bytes) -> None:
        """Put the second view to the first, where that is."""
        whole = attrs.evolve(half, views=(*half.views, raw))
        for at, each in enumerate(self._waiting):
            if each is half:
                self._waiting[at] = whole

    def _complete_ones(self) -> Iterator[RecordedAccess]:
        waiting, halves = self._waiting, self._halves
        while waiting:
            first = waiting[0]
            if halves.get(first.tid) is first:
                if len(waiting) <= _WAITING:
                    return
                del halves[first.tid]
            yield waiting.popleft()

    def _access(self, head: tuple[Any, ...], raw: bytes) -> RecordedAccess:
        at = self.reader.at
        return RecordedAccess(
            (raw,),
            head[at["time_ns"]],
            head[at["tid"]],
            head[at["line"]],
            head[at["op"]],
            head[at["code"]],
            self.reader.who(head, raw),
        )
