# SPDX-License-Identifier: MIT
"""
Every record to every sink, each failing for itself.

A sink that fails is left alone for a growing while and then tried again. The operator reads one
sentence when it starts failing and one when it works again, never one per record.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from enforcer.events.types import Lost, Record
    from enforcer.sinks.base import Sink

__all__ = ["Fanout", "Outlet"]

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_SLOW_READER_PAUSE = 0.02


@attrs.define
class Outlet:
    """One sink with the history of its failures."""

    sink: Sink
    failures: int = 0
    pause: float = 0.0
    due: float = 0.0
    is_reported: bool = False

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed."""
        return self.pause > 0


@attrs.define
class Fanout:
    """Hands records to *outlets* and reports on them through *report*."""

    outlets: list[Outlet]
    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def to(cls, sinks: Iterable[Sink], report: Callable[[str], None]) -> Fanout:
        """Spread over *sinks*."""
        return cls([Outlet(sink) for sink in sinks], report)

    def write(self, record: Record | Lost) -> None:
        """Give *record* to all sinks; nothing is handed over before :meth:`flush`."""
        for outlet in self.outlets:
            outlet.sink.write(record)

    def flush(self) -> None:
        """Let each sink hand over that is not pausing after a failure. Never raises OSError."""
        now = self.clock()
        for outlet in self.outlets:
            if outlet.due <= now:
                self._flush_one(outlet, now)

    def _flush_one(self, outlet: Outlet, now: float) -> None:
        try:
            outlet.sink.flush()
        except BlockingIOError:
            # A slow reader is no failure; what it costs is counted as dropped.
            outlet.pause = _SLOW_READER_PAUSE
            outlet.due = now + outlet.pause
        except OSError as error:
            outlet.failures += 1
            outlet.pause = min(max(_FIRST_PAUSE, outlet.pause * 2), _LONGEST_PAUSE)
            outlet.due = now + outlet.pause
            if not outlet.is_reported:
                outlet.is_reported = True
                self.report(
                    f"{outlet.sink.name}: {error.strerror or error}: records are kept in memory, "
                    "the oldest dropped when there are too many, and writing is tried again"
                )
        else:
            if outlet.is_reported:
                self.report(f"{outlet.sink.name}: works again, {outlet.sink.dropped} records lost")
            outlet.pause, outlet.due, outlet.is_reported = 0.0, 0.0, False

    def next_due(self) -> float | None:
        """When a failing sink wants to be tried again, on the clock; None if none does."""
        return min((o.due for o in self.outlets if o.is_failing), default=None)

    def reopen(self) -> None:
        """Let each sink go on in a new file after a rotation; what cannot keeps the old one."""
        for outlet in self.outlets:
            try:
                outlet.sink.reopen()
            except OSError as error:
                self.report(
                    f"{outlet.sink.name}: cannot be opened anew, records still go to the old file: "
                    f"{error.strerror or error}"
                )
            else:
                outlet.due = 0.0  # what made the old file fail may be over
        self.flush()

    def close(self) -> None:
        """Close all sinks; what could not be handed over is reported."""
        for outlet in self.outlets:
            outlet.sink.close()
            if outlet.sink.dropped:
                self.report(f"{outlet.sink.name}: {outlet.sink.dropped} records were lost")
