# SPDX-License-Identifier: MIT
"""
Hand every record to every sink; a failure affects only its own sink.

A sink that fails is tried again after a growing delay. One whose reader is slow waits until its descriptor
is ready. The operator gets one sentence when a sink starts to fail and one when it works again, never one
per record.
"""

from __future__ import annotations

import random
import selectors
import time
from math import inf
from typing import TYPE_CHECKING

import attrs

from enforcer.sinks.base import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from enforcer.events.types import Lost, Record
    from enforcer.sinks.base import Loop, Sink

__all__ = ["Fanout", "Outlet"]

_SLOW_READER_PAUSE = 0.02
_TELL_DROPS_EVERY = 60.0

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_SPREAD = (
    0.05  # many machines whose one collector went away must not all come back in the same moment
)

_WAIT = "records wait in memory, and the oldest are dropped if there are too many"
_GO_ON = "records go on to the old file"


@attrs.define(eq=False, repr=False)
class Outlet:
    """
    One sink with the history of its failures.

    Attributes:
        waits_on: the descriptor that tells when its reader goes on; None if nothing does.
        in_a_row: failures since it last worked.
        is_stopped: the last failure left records, which wait for the next try.
    """

    sink: Sink
    failures: int = 0
    in_a_row: int = 0
    due: float = 0.0
    is_stopped: bool = True
    is_slow: bool = False
    is_reported: bool = False
    waits_on: int | None = None
    told_dropped: int = 0
    tell_at: float = 0.0

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed, or its reader is slow."""
        return self.in_a_row > 0 or self.is_slow

    def pause(self) -> float:
        """Say how many seconds to leave it alone after so many failures."""
        doubled = min(self.in_a_row - 1, 16)  # by then it is the longest
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << doubled))
        return pause + random.uniform(0, _SPREAD)  # noqa: S311 - a spread, no secret


@attrs.define(eq=False, repr=False)
class Fanout:
    """
    Hands records to *outlets* and reports on them through *report*.

    *loop* waits for slow readers; without one they are tried again soon.
    """

    outlets: list[Outlet]
    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    loop: Loop | None = None

    @classmethod
    def to(
        cls, sinks: Iterable[Sink], report: Callable[[str], None], loop: Loop | None = None
    ) -> Fanout:
        """Spread over *sinks*."""
        return cls([Outlet(sink) for sink in sinks], report, loop=loop)

    def write(self, record: Record | Lost, outlets: Iterable[Outlet] | None = None) -> None:
        """
        Give *record* to the sinks; nothing is handed over before :meth:`flush`.

        *outlets*: those meant, if not all.
        """
        for outlet in self.outlets if outlets is None else outlets:
            outlet.sink.write(record)

    def flush(self, outlets: Iterable[Outlet] | None = None) -> None:
        """
        Let each sink hand over that is not pausing after a failure. Never raises OSError.

        *outlets*: those meant, if not all.
        """
        now = self.clock()
        for outlet in self.outlets if outlets is None else outlets:
            if outlet.due <= now or not outlet.is_stopped:
                self._flush_one(outlet, now)
            self._tell_drops(outlet, now)

    def _flush_one(self, outlet: Outlet, now: float) -> None:
        try:
            outlet.sink.flush()
        except BlockingIOError as error:
            # A slow reader is not a failure; what it costs is counted as dropped.
            outlet.is_slow = outlet.is_stopped = True
            self._await_reader(outlet, error, now)
        except OSError as error:
            # What fails and holds nothing back writes on, to a log's old file: its records need not wait.
            outlet.is_stopped = outlet.sink.held > 0
            if outlet.due <= now:
                outlet.failures += 1
                outlet.in_a_row += 1
                outlet.due = now + outlet.pause()
            if not outlet.is_reported:
                outlet.is_reported = True
                meanwhile = _WAIT if outlet.is_stopped else _GO_ON
                self.report(
                    f"{outlet.sink.name}: {error.strerror or error}: trying again; {meanwhile}"
                )
        else:
            if outlet.is_reported:
                outlet.told_dropped = outlet.sink.dropped
                self.report(f"{outlet.sink.name}: works again, {outlet.sink.dropped} records lost")
            outlet.in_a_row, outlet.due = 0, 0.0
            outlet.is_reported = outlet.is_slow = False
            outlet.is_stopped = True

    def _await_reader(self, outlet: Outlet, error: BlockingIOError, now: float) -> None:
        if self.loop is None or not isinstance(error, NotReadyError):
            outlet.due = now + _SLOW_READER_PAUSE
            return
        outlet.waits_on, outlet.due = error.fd, inf
        self.loop.watch(error.fd, selectors.EVENT_WRITE, lambda _: self._goes_on(outlet))

    def _goes_on(self, outlet: Outlet) -> None:
        self._forget(outlet)
        self._flush_one(outlet, self.clock())

    def _forget(self, outlet: Outlet) -> None:
        if self.loop is not None and outlet.waits_on is not None:
            self.loop.forget(outlet.waits_on)
            outlet.waits_on, outlet.due = None, 0.0

    def _tell_drops(self, outlet: Outlet, now: float) -> None:
        dropped = outlet.sink.dropped
        if dropped > outlet.told_dropped and now >= outlet.tell_at:
            outlet.tell_at = now + _TELL_DROPS_EVERY
            self.report(
                f"{outlet.sink.name}: too slow: {dropped - outlet.told_dropped} more were "
                f"dropped, {dropped} in all"
            )
            outlet.told_dropped = dropped

    def next_due(self) -> float | None:
        """When a failing sink wants to be tried again, on the clock; None if none does."""
        dues = (o.due for o in self.outlets if o.is_failing and o.waits_on is None)
        return min(dues, default=None)

    def reopen(self) -> None:
        """Let each sink go on in a new file after a rotation; what cannot keeps the old one."""
        for outlet in self.outlets:
            self._forget(outlet)
            try:
                outlet.sink.reopen()
            except OSError as error:
                self.report(
                    f"{outlet.sink.name}: cannot be reopened, records still go to the old file: "
                    f"{error.strerror or error}"
                )
            else:
                outlet.due = 0.0  # what made the old file fail may be over
        self.flush()

    def close(self) -> None:
        """Close all sinks; what could not be handed over is reported."""
        for outlet in self.outlets:
            self._forget(outlet)
            outlet.sink.close()
            if outlet.sink.dropped:
                self.report(f"{outlet.sink.name}: {outlet.sink.dropped} records were lost")
