# SPDX-License-Identifier: MIT
"""
From the kernel's ring buffers to the sinks: drain, decode, enrich, count, hand over.

Outputs that take every record as a line of JSON use the fast lane (:mod:`enforcer.runtime.records.fast_lane`).
If there is one, all other outputs use the slow lane (:mod:`enforcer.runtime.records.slow_lane`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from enforcer.events.decode import Decoder, MalformedEventError
from enforcer.events.losses import LostMeter
from enforcer.events.stats import Stats
from enforcer.libbpf.batch import Batch
from enforcer.libbpf.lane import End
from enforcer.runtime.records.fast_lane import Express, plain_outlets
from enforcer.runtime.records.slow_lane import Behind
from enforcer.sinks.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enforcer.events.enrich import Enricher
    from enforcer.events.types import Lost, Record
    from enforcer.libbpf.lane import Run
    from enforcer.runtime.ports import Audience, KernelSession
    from enforcer.sinks.fanout import Fanout

__all__ = ["Pipeline"]

_TURN = 0.1  # seconds per readiness, so that a flood cannot keep signals and control waiting
_SLICE = 0.002  # of them for those who are behind, before the rings are looked at again
_SETTLE = 0.1  # seconds from one count of what the fast lane wrote to the next
_MUCH = 1 << 17  # bytes of lines
_SHARE = 0.01  # for them in a turn that the rings fill


@attrs.define(eq=False, repr=False)
class Pipeline:
    """
    Moves records.

    *audience* is told of every record besides the sinks; *redactor* hides arguments from both.
    """

    session: KernelSession
    decoder: Decoder
    enricher: Enricher
    fanout: Fanout
    audience: Audience
    _stats: Stats = attrs.field(factory=Stats)
    lost: LostMeter = attrs.field(factory=LostMeter)
    redactor: Redactor = attrs.field(factory=Redactor)
    _express: Express | None = attrs.field(init=False)
    _behind: Behind = attrs.field(init=False)
    _settled: float = attrs.field(default=0.0, init=False)
    _unwritten: int = attrs.field(default=0, init=False)

    @_express.default
    def _fast_lane(self) -> Express | None:
        plain = plain_outlets(self.fanout.outlets)
        return Express(plain, self.enricher, self.redactor) if plain else None

    @_behind.default
    def _all_others(self) -> Behind:
        fast = self._express.outlets if self._express is not None else []
        others = [outlet for outlet in self.fanout.outlets if outlet not in fast]
        return Behind(self.fanout, others, self.audience, self._make)

    def pump(self, seconds: float = _TURN, clock: Callable[[], float] = time.monotonic) -> int:
        """Move what waits, for about *seconds*; returns how many records that were."""
        moved, end = 0, clock() + seconds
        while True:
            if batch := self.session.drain():
                moved += self._move(batch)
            elif self._behind:
                moved += self._behind.serve(_SLICE)
            else:
                break
            if clock() >= end:
                self._behind.serve(_SHARE)
                break
        if time.monotonic() >= self._settled + _SETTLE:
            self.settle()
        self._unwritten = 0
        self.fanout.flush()
        return moved

    @property
    def stats(self) -> Stats:
        """What passed through, up to now."""
        self.settle()
        return self._stats

    @property
    def is_behind(self) -> bool:
        """Whether some have not got everything that was moved."""
        return bool(self._behind)

    def empty(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Move everything that waits; gives up after *seconds* if it never ends, and counts what is left."""
        end = clock() + seconds
        while self.pump() and clock() < end:
            pass
        self._behind.abandon()
        self.fanout.flush()

    def _move(self, batch: Sequence[bytes]) -> int:
        if self._express is None:
            for raw in batch:
                self._take(raw)
            return len(batch)
        packed = batch if isinstance(batch, Batch) else Batch.of(batch)
        moved = at = 0
        while at < len(packed.packed):
            run = self._express.run(packed, at)
            if run.lines:
                self._behind.hold(packed, at, run.at, run.lines)
                self._write_out(len(run.text))
                moved += run.lines
            at = run.at
            if run.end not in {End.DONE, End.FULL}:
                raw, at = packed.at(at)
                self._take(raw, run)
                moved += 1
        return moved

    def _write_out(self, more: int) -> None:
        """Let the fast lane's outputs write when much waits: a backlog is for what cannot be written."""
        self._unwritten += more
        if self._express is not None and self._unwritten >= _MUCH:
            self._unwritten = 0
            self.fanout.flush(self._express.outlets)

    def _take(self, raw: bytes, run: Run | None = None) -> None:
        # Processes choose what is in a record. Should one find a way to trip its making, that costs
        # this record, which is counted, and never the loop: its end would be enforcement's.
        try:
            record = self._make(raw)
            self._hand_over(record)
            if run is not None and self._express is not None:
                self._express.heed(raw, record, run.end, run.template)
        except MalformedEventError as error:
            self._stats.observe_malformed(str(error))
        except Exception as error:  # noqa: BLE001
            self._stats.observe_malformed(f"{type(error).__name__}: {error}")
        else:
            self._stats.observe(record, record.event.times)

    def _make(self, raw: bytes) -> Record:
        return self.redactor.apply(self.enricher.enrich(self.decoder.decode(raw)))

    def _hand_over(self, record: Record | Lost) -> None:
        if self._express is not None:
            self.fanout.write(record, self._express.outlets)
        self.audience.observe(record)
        self._behind.write(record)

    def settle(self) -> None:
        """Count what the fast lane has written since the last time."""
        self._settled = time.monotonic()
        if self._express is not None:
            for record, number in self._express.counts():
                self._stats.observe(record, number)
                self.audience.count(record, number)

    def check_losses(self) -> None:
        """Make a record of what was lost since the last call, and follow steps of the clock."""
        self.enricher.clock.adjust()
        counted = self.session.stats()
        lost = self.lost.advance(
            self.enricher.clock.now(),
            decisions=counted.get("LOST_DECISIONS", 0),
            activity=counted.get("LOST_ACTIVITY", 0),
            malformed=self._stats.malformed,
            reason=self._stats.last_malformed,
        )
        if lost is not None:
            self._hand_over(lost)
        self.fanout.flush()
