# SPDX-License-Identifier: MIT
"""
The accesses of a recording, in order.

An object that is reached through another mount namespace has two names; the kernel side decides both and
takes the stricter verdict. Both views are recorded, one after the other by the same thread and with the
same time, and here they are one access.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.policy.vocabulary import ObjectFlag
from enforcer.replay.heads import ACCESS, HeadReader
from enforcer.replay.journal import BlockKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enforcer.replay.heads import Who
    from enforcer.replay.journal import Journal

__all__ = ["Accesses", "RecordedAccess"]

_WAITING: Final = 4096  # threads whose second view may still come


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
    who: Who


@attrs.define
class Accesses:
    """
    Reads accesses.

    Attributes:
        malformed: records that do not fit together.
    """

    reader: HeadReader = attrs.field(factory=HeadReader)
    malformed: int = 0
    _waiting: dict[int, RecordedAccess] = attrs.field(factory=dict)

    def of(self, journal: Journal) -> Iterator[RecordedAccess]:
        """Yield the accesses of *journal*."""
        return self.each(journal.records(BlockKind.ACCESSES))

    def each(self, records: Iterable[bytes]) -> Iterator[RecordedAccess]:
        """Yield the accesses that *records* tell."""
        read, at = self.reader.read, self.reader.at
        kind, flags, tid = at["kind"], at["obj_flags"], at["tid"]
        for raw in records:
            head = read(raw)
            if head is None or head[kind] != ACCESS:
                self.malformed += 1
                continue
            access = self._access(head, raw)
            before = self._waiting.pop(head[tid], None) if self._waiting else None
            if before is not None:
                if before.time_ns == access.time_ns:
                    yield attrs.evolve(access, views=(*before.views, raw))
                    continue
                yield before
            if head[flags] & ObjectFlag.NSVIEW:
                self._waiting[access.tid] = access
                if len(self._waiting) > _WAITING:
                    yield self._waiting.pop(next(iter(self._waiting)))
            else:
                yield access
        yield from self._waiting.values()
        self._waiting.clear()

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
