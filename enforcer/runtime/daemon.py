# SPDX-License-Identifier: MIT
"""
The daemon: an active session, a loop around it, an orderly end.

The kernel decides with or without this loop. A failure here can cost records, never a verdict.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from typing import TYPE_CHECKING

import attrs

from enforcer.errors import EnforcerBug, EnforcerError, KernelError
from enforcer.runtime.control.beats import Beats
from enforcer.runtime.control.overview import Overview
from enforcer.runtime.control.report import status
from enforcer.runtime.control.server import ControlServer
from enforcer.runtime.notify import Notifier
from enforcer.runtime.reactor import Reactor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from enforcer.events.types import Lost, Record
    from enforcer.runtime.control.answers import DaemonState, SourcesDocument
    from enforcer.runtime.control.first_denials import FirstDenials
    from enforcer.runtime.control.stop_answer import StopAnswer
    from enforcer.runtime.instance.lock import InstanceLock
    from enforcer.runtime.ports import Hits, KernelSession, PolicyControl
    from enforcer.runtime.protection.gate import Gate
    from enforcer.runtime.records.pipeline import Pipeline

__all__ = ["Daemon", "Ending"]

_ENDING = (signal.SIGINT, signal.SIGTERM)
_TICK = 1.0
_BACKLOG = 0.05
_UNREADABLE = 5.0
_NOTHING_LEFT = "ended, nothing is enforced any more"
_LAST_RECORDS = 2.0  # seconds that moving the last records may take


@attrs.frozen
class Ending:
    """What there is to say when it is over; *stays* if enforcement is not."""

    seconds: float
    outcomes: dict[str, int]
    lost: int
    hits: tuple[Hits, ...]
    stays: bool


@attrs.define(eq=False, repr=False)
class Daemon:
    """
    Runs until told to stop by a signal, by the control socket or by :meth:`stop`.

    Attributes:
        policies: carries out changes that are asked for; None if there can be none.
        notifier: tells the service manager how things are.
        hangup: called at SIGHUP after the logs were reopened.
        confirm: called at SIGUSR2.
        persists: leave enforcement active at the end.
        overview: what dashboards are shown.
        denials: what is told of first denials; None: nobody asks.
        sources: describes the sources of the active policies; None if nobody may ask.
        on_ended: called when another daemon may take this one's place.
        gate: decides who may change the active policies; None: everybody who may ask.
        outlives_signals: leave enforcement active at SIGINT and SIGTERM: only the key ends it.
        lock: says where enforcement is pinned; None: nowhere.
    """

    session: KernelSession
    policies: PolicyControl | None = None
    notifier: Notifier = attrs.field(factory=Notifier)
    hangup: Callable[[], None] | None = None
    confirm: Callable[[], None] = lambda: None
    persists: bool = False
    reactor: Reactor = attrs.field(factory=Reactor)
    overview: Overview = attrs.field(factory=Overview)
    denials: FirstDenials | None = None
    sources: Callable[[], SourcesDocument] | None = None
    on_ended: Callable[[], None] = lambda: None
    gate: Gate | None = None
    outlives_signals: bool = False
    lock: InstanceLock | None = None
    control: ControlServer | None = attrs.field(default=None, init=False)
    _started: float = attrs.field(factory=time.monotonic, init=False)
    _pipeline: Pipeline | None = attrs.field(default=None, init=False)
    _is_armed: bool = attrs.field(default=False, init=False)
    _watched: int = attrs.field(default=-1, init=False)
    _has_backlog: bool = attrs.field(default=False, init=False)
    _beats: Beats | None = attrs.field(default=None, init=False)
    _beaten: float = attrs.field(default=0.0, init=False)
    _told: str = attrs.field(default="", init=False)

    def listen(self, path: Path) -> None:
        """
        Serve commands at *path*.

        Raises:
            OSError: the socket cannot be made.
        """
        self.control = ControlServer(
            path,
            self.reactor,
            self.status,
            self._farewell,
            policies=self.policies,
            report=self._report,
            overview=self.overview,
            sources=self.sources,
            gate=self.gate,
        )
        self.control.open()

    def observe(self, record: Record | Lost) -> None:
        """Keep *record* in mind."""
        self.overview.observe(record)
        if self.denials is not None:
            self.denials.observe(record)

    def count(self, record: Record, number: int) -> None:
        """Keep in mind that *number* records like *record* came."""
        self.overview.count(record, number)
        if self.denials is not None:
            self.denials.count(record, number)

    @property
    def is_following(self) -> bool:
        """Whether anybody follows."""
        return self.control is not None and self.control.has_followers

    def publish(self, record: Record | Lost) -> None:
        """Send *record* to all followers."""
        if self.control is not None:
            self.control.publish(record)

    def stop(self) -> None:
        """Leave the loop after this round."""
        self.reactor.stop()

    def _farewell(self) -> StopAnswer:
        """End because somebody asks for it, who is told what that leaves."""
        self.stop()
        own = self.lock.pins if self.lock is not None else None
        noted = self.lock.noted if self.lock is not None else None
        return {
            "pid": os.getpid(),
            "pinned": str(own) if own is not None else None,
            "elsewhere": [str(each) for each in noted or () if each != own],
            "persists": self._stays,
        }

    @property
    def _stays(self) -> bool:
        """Whether enforcement outlives this process: not where names that were pinned are gone."""
        return self.persists and self.session.is_kept

    def _obey(self) -> None:
        """End at a signal, which may be anybody's."""
        self.persists |= self.outlives_signals
        self.stop()

    def run(
        self, pipeline: Pipeline, *, ready: Callable[[], None], is_last: bool = False
    ) -> Ending:
        """
        Serve until stopped, then end enforcement; *ready* is called when the loop is about to.

        With *is_last* the process ends with it, and nobody changes how by asking twice.

        Raises:
            EnforcerBug: something that nobody caught ended the loop.
            KernelError: the kernel refuses to end enforcement, or to leave it.
        """
        self._pipeline = pipeline
        calls: dict[int, Callable[[], None]] = {
            signal.SIGINT: self._obey,
            signal.SIGTERM: self._obey,
            signal.SIGHUP: self._hang_up,
            signal.SIGUSR1: pipeline.fanout.reopen,
            signal.SIGUSR2: self.confirm,
        }
        with self.reactor.signals(calls, spent=_ENDING if is_last else ()):
            self._watch_records()
            self._follow_backlog()
            self.reactor.every(_TICK, self._tick)
            if self.notifier.interval is not None:
                self.reactor.every(self.notifier.interval, self.notifier.alive)
            ready()
            self._told = self._posture()
            self.notifier.ready(self._told or None)
            self._serve()
            return self._end(pipeline)

    def _serve(self) -> None:
        # What was served until now can be served again. By an error's own exit code, nobody would try: a start that
        # meets it is one that the user or the kernel refuses.
        try:
            self.reactor.run()
        except (OSError, EnforcerError) as error:
            raise EnforcerBug(f"the loop ended: {type(error).__name__}: {error}") from error

    def _hang_up(self) -> None:
        """Reopen the logs, then call :attr:`hangup`."""
        self.notifier.reloading()
        self._running().fanout.reopen()
        if self.hangup is not None:
            self.hangup()
        self.notifier.ready()

    def _posture(self) -> str:
        return self.policies.posture().line if self.policies is not None else ""

    def _tell_manager(self) -> None:
        """Tell the service manager what is enforced, if that is something else than what it was told."""
        said = self._posture()
        if said != self._told:
            self._told = said
            self.notifier.status(said)

    def follow(self) -> None:
        """
        Something else is enforced: say so.

        Watch the ring buffers of the session, too: a change may have replaced them, with records left in the old ones.
        """
        if self._pipeline is not None:
            self._tell_manager()
            self._watch_records()
            self._pump(selectors.EVENT_READ)

    def idle(self) -> None:
        """Do what cannot wait while something takes long."""
        if self._pipeline is not None:
            self._watch_records()
            self._pump(selectors.EVENT_READ)
        self.notifier.alive()
        self._beat()

    def _watch_records(self) -> None:
        if self._watched >= 0:
            self.reactor.forget(self._watched)
        self._watched = self.session.fileno()
        self.reactor.watch(self._watched, selectors.EVENT_READ, self._pump)

    def _pump(self, _: int) -> None:
        try:
            self._running().pump()
        except KernelError as error:
            # The kernel decides on without us: keep enforcing, and look again later.
            self._running().fanout.report(f"records cannot be read, trying again: {error}")
            self.reactor.forget(self._watched)
            self.reactor.after(_UNREADABLE, self._watch_records)
        else:
            self._follow_backlog()
        self._arm_retry()

    def _follow_backlog(self) -> None:
        is_behind = self._running().is_behind
        if (is_behind or self.session.has_backlog) and not self._has_backlog:
            self._has_backlog = True
            self.reactor.after(0 if is_behind else _BACKLOG, self._look_back)

    def _look_back(self) -> None:
        self._has_backlog = False
        self._pump(selectors.EVENT_READ)

    def _tick(self) -> None:
        try:
            pipeline = self._running()
            pipeline.pump()  # what waits outside of the rings makes no descriptor readable
            pipeline.check_losses()
            self.session.heartbeat(
                lost_decisions=pipeline.lost.decisions, lost_activity=pipeline.lost.activity
            )
        except KernelError as error:
            self._running().fanout.report(f"records and counters cannot be read: {error}")
        self._tell_manager()  # files may be refused, and names of pins removed, without a change
        self._beat()
        self._arm_retry()

    def _beat(self) -> None:
        """Tell dashboards how things are, once a second; also while a change takes long."""
        now = time.monotonic()
        if self._pipeline is None or now < self._beaten + _TICK / 2:
            return
        self._beaten = now
        self._pipeline.settle()
        self.overview.tick()
        if self._beats is None:
            self._beats = Beats(
                self.session, self._running(), self.policies, self.overview, self._uptime
            )
        if self.control is not None and self.control.has_watchers:
            self.control.beat(self._beats.line())

    def _arm_retry(self) -> None:
        due = self._running().fanout.next_due()
        if due is not None and not self._is_armed:
            self._is_armed = True
            self.reactor.after(max(0.0, due - time.monotonic()), self._retry)

    def _retry(self) -> None:
        self._is_armed = False
        self._running().fanout.flush()
        self._arm_retry()

    def _end(self, pipeline: Pipeline) -> Ending:
        """Take the last records, end enforcement, and only then let go of everybody who listens."""
        self.notifier.stopping()
        self.reactor.forget(self._watched)
        hits: tuple[Hits, ...] = ()
        counted: dict[str, int] = {}
        try:
            pipeline.empty(_LAST_RECORDS)
            pipeline.check_losses()
            hits = tuple(self.session.hits())
            counted = self.session.stats()
        except KernelError as error:
            pipeline.fanout.report(f"the last records cannot be read: {error}")
        stays = self._stays
        if (
            self.persists
        ):  # also if not all of it stays: whoever removed a name has ended no more than that
            self.session.leave()
        elif left := self.session.end():
            pipeline.fanout.report(left)
        # From here on nothing is enforced any more, or nobody can change it: who waits for that need not
        # wait for the kernel, which takes a tenth of a second to take a program from its hook.
        self.notifier.status("ended, enforcement stays active" if stays else _NOTHING_LEFT)
        if self.control is not None:
            self.control.close()
        pipeline.fanout.close()
        self.on_ended()
        if not self.persists:
            self._release()
        lost = counted.get("LOST_DECISIONS", 0) + counted.get("LOST_ACTIVITY", 0)
        return Ending(
            seconds=self._uptime(),
            outcomes=dict(pipeline.stats.by_outcome),
            lost=lost + pipeline.stats.malformed,
            hits=hits,
            stays=stays,
        )

    def _release(self) -> None:
        """Take the programs from their hooks, which permit everything by now; the end of the process does it, too."""
        try:
            self.session.close()
        except KernelError as error:
            self._report(f"enforcement has ended, but not everything of it could be freed: {error}")

    def status(self) -> DaemonState:
        """Describe the active policies and what they did; raises KernelError."""
        return status(self.session, self._running(), self.policies, self._uptime())

    def _uptime(self) -> float:
        return time.monotonic() - self._started

    def _report(self, sentence: str) -> None:
        self._running().fanout.report(sentence)

    def _running(self) -> Pipeline:
        if self._pipeline is None:
            raise RuntimeError("the loop has not begun")
        return self._pipeline
