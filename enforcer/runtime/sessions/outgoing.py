# SPDX-License-Identifier: MIT
"""A session that was replaced: its last records and counts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import attrs

from enforcer.kernel.image_map import boot_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from enforcer.events.enrich import Origins
    from enforcer.events.types import Origin
    from enforcer.kernel.leftover import Leftover
    from enforcer.kernel.maps import Notes
    from enforcer.kernel.session import Session
    from enforcer.runtime.ports import Hits
    from enforcer.runtime.sessions.counts import Ledger

__all__ = ["Outgoing"]

_IN_FLIGHT = 0.2  # seconds that a program which was running when it was detached may take


class _Source(Protocol):
    def drain(self) -> Sequence[bytes]: ...
    def stats(self) -> dict[str, int]: ...
    def close(self) -> None: ...


class _Counter(Protocol):
    def __call__(self) -> Iterable[tuple[Sequence[Origin], Iterable[Hits]]]: ...


@attrs.define(eq=False, repr=False)
class Outgoing:
    """
    One session on its way out.

    Attributes:
        source: records and counters.
        hits: counts with what they are of.
        since_ns: when its daemon looked last, CLOCK_BOOTTIME; 0 if it is this process.
        reported: losses that its daemon had reported.
        taken: records that were taken from it.
        rest: returns records that are there besides, once its programs have ended.
    """

    source: _Source
    hits: _Counter
    since_ns: int = 0
    reported: int = 0
    taken: int = 0
    rest: Callable[[], Sequence[bytes]] = tuple
    _has_rest: bool = attrs.field(default=True, init=False)
    _quiet_at: float = attrs.field(factory=lambda: time.monotonic() + _IN_FLIGHT)

    @property
    def is_done(self) -> bool:
        """Whether programs that were running at its end have ended, too."""
        return time.monotonic() >= self._quiet_at

    @classmethod
    def of_session(cls, session: Session, origins: Origins) -> Outgoing:
        """One of this process, detached."""
        now = session.generation
        retired = session.retired_hits()
        tables = {now: origins.table(now)}
        if retired is not None:
            tables[retired[0]] = origins.table(retired[0])

        def hits() -> Iterable[tuple[Sequence[Origin], Iterable[Hits]]]:
            yield tables[now], session.hits()
            before = session.retired_hits()
            if before is not None and before[0] in tables:
                yield tables[before[0]], before[1]

        return cls(session, hits)

    @classmethod
    def of_leftover(
        cls, left: Leftover, tables: dict[int, Sequence[Origin]], notes: Notes
    ) -> Outgoing:
        """What another daemon left; *tables*: the rows of the image that counted, and of that before; *notes*: its own."""

        def hits() -> Iterable[tuple[Sequence[Origin], Iterable[Hits]]]:
            for generation, origins in tables.items():
                if generation == left.generation:
                    yield origins, left.hits()
                else:
                    yield origins, left.retired_hits(generation, len(origins))

        reported = notes.lost_decisions + notes.lost_activity
        return cls(_Removed(left), hits, notes.alive_ns, reported, rest=left.last_records)

    def drain(self) -> Sequence[bytes]:
        """
        Take a batch of its records; empty when there are no more.

        Raises:
            KernelError: they cannot be read.
        """
        batch = self.source.drain()
        if not batch and self._has_rest and self.is_done:
            self._has_rest = False
            batch = self.rest()
        self.taken += len(batch)
        return batch

    def count(self, ledger: Ledger) -> None:
        """
        Add its counts to *ledger*.

        Raises:
            KernelError: they cannot be read.
        """
        for origins, hits in self.hits():
            ledger.add(origins, hits)

    def farewell(self) -> str | None:
        """Report what happened while no daemon ran, if anything."""
        if not self.since_ns:
            return None
        counted = self.source.stats()
        lost = counted.get("LOST_DECISIONS", 0) + counted.get("LOST_ACTIVITY", 0) - self.reported
        away = (boot_time() - self.since_ns) / 1e9
        return (
            f"took over from a daemon that last read records {away:.0f} s ago; enforcement went "
            f"on: {self.taken:,} records were waiting, {max(0, lost):,} were lost"
        )


@attrs.define(eq=False, repr=False)
class _Removed:
    """A leftover whose end is its removal."""

    left: Leftover

    def drain(self) -> Sequence[bytes]:
        return self.left.drain()

    def stats(self) -> dict[str, int]:
        return self.left.stats()

    def close(self) -> None:
        self.left.remove()
