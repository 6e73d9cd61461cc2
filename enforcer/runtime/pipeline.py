# SPDX-License-Identifier: MIT
"""From the kernel's ring buffers to the sinks: drain, decode, enrich, count, hand over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from enforcer.events.decode import Decoder, MalformedEventError
from enforcer.events.stats import LostMeter, Stats
from enforcer.sinks.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.events.enrich import Enricher
    from enforcer.events.types import Lost, Record
    from enforcer.runtime.ports import KernelSession
    from enforcer.sinks.fanout import Fanout

__all__ = ["Pipeline"]

_TURN = 0.1  # seconds per readiness, so that a flood cannot keep signals and control waiting


@attrs.define
class Pipeline:
    """
    Moves records.

    *listen* is told of every record besides the sinks (the followers of the control socket);
    *redactor* hides arguments from both.
    """

    session: KernelSession
    decoder: Decoder
    enricher: Enricher
    fanout: Fanout
    listen: Callable[[Record | Lost], None]
    stats: Stats = attrs.field(factory=Stats)
    lost: LostMeter = attrs.field(factory=LostMeter)
    redactor: Redactor = attrs.field(factory=Redactor)

    def pump(self, seconds: float = _TURN, clock: Callable[[], float] = time.monotonic) -> int:
        """Move what waits, for about *seconds*; returns how many records that were."""
        moved, end = 0, clock() + seconds
        while batch := self.session.drain():
            for raw in batch:
                self._take(raw)
            moved += len(batch)
            if clock() >= end:
                break
        self.fanout.flush()
        return moved

    def empty(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Move everything that waits; gives up after *seconds* if it never ends."""
        end = clock() + seconds
        while self.pump() and clock() < end:
            pass

    def _take(self, raw: bytes) -> None:
        # Processes choose what is in a record. Should one find a way to trip its making, that costs
        # this record, which is counted, and never the loop: its end would be enforcement's.
        try:
            record = self.enricher.enrich(self.decoder.decode(raw))
            self._hand_over(record)
        except MalformedEventError as error:
            self.stats.observe_malformed(str(error))
        except Exception as error:  # noqa: BLE001
            self.stats.observe_malformed(f"{type(error).__name__}: {error}")
        else:
            self.stats.observe(record)

    def _hand_over(self, record: Record | Lost) -> None:
        record = self.redactor.apply(record)
        self.fanout.write(record)
        self.listen(record)

    def check_losses(self) -> None:
        """Make a record of what was lost since the last call, and follow steps of the clock."""
        self.enricher.clock.adjust()
        counted = self.session.stats()
        lost = self.lost.advance(
            self.enricher.clock.now(),
            decisions=counted.get("LOST_DECISIONS", 0),
            activity=counted.get("LOST_ACTIVITY", 0),
            malformed=self.stats.malformed,
            reason=self.stats.last_malformed,
        )
        if lost is not None:
            self._hand_over(lost)
        self.fanout.flush()
