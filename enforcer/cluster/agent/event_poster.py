# SPDX-License-Identifier: MIT
"""
Write events to the API server, in a thread of its own and within limits.

Nothing waits for it. What is beyond a limit waits here, and what finds no room is counted, told and left out: the status
of the policy and the engine's log have it.
"""

from __future__ import annotations

import random
import time
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.cluster.agent.errors import AnswerError, KubeError
from enforcer.cluster.agent.object_event import ObjectEvent, Told

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.cluster.agent.client import Client
    from enforcer.cluster.agent.troubles import Troubles

__all__ = ["MANAGER", "EventPoster", "Limits"]

MANAGER: Final = "enforcer-events"
"""Whose the events are, among those that write."""

_WHAT: Final = "events"
_ROOM: Final = "room for events"
_JOIN: Final = 2.0
_TOO_MANY: Final = 429


@attrs.frozen
class Limits:
    """
    How much is written.

    Attributes:
        look: seconds between two looks at what is due.
        burst: events that may be written at once.
        every: seconds after which one more may be.
        share_burst: the same, of one policy, and of one namespace.
        share_every: the same, of one policy, and of one namespace.
        again: seconds between two writings of one event.
        waiting: events that wait at most.
        known: events that are remembered, so that what was told is not told again.
        failed: seconds after a server that does not answer, from and to.
    """

    look: float = 1.0
    burst: int = 10
    every: float = 10.0
    share_burst: int = 10
    share_every: float = 60.0
    again: float = 600.0
    waiting: int = 200
    known: int = 2000
    failed: tuple[float, float] = (15.0, 45.0)


@attrs.define
class _Bucket:
    """What may be written now, and since when that is so."""

    left: float
    at: float

    def fill(self, now: float, burst: int, every: float) -> float:
        """Return what may be written now."""
        self.left = min(float(burst), self.left + max(0.0, now - self.at) / every)
        self.at = now
        return self.left


@attrs.define
class _Known:
    """What was written of one event, and when."""

    told: Told
    message: str
    at: float


@attrs.define(eq=False, repr=False)
class EventPoster:
    """
    Takes events from any thread.

    Attributes:
        node: of this agent.
        clock: for limits.
        wall: seconds since 1970, for what is written.
    """

    client: Client
    node: str
    troubles: Troubles
    limits: Limits = attrs.field(factory=Limits)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    left_out: int = attrs.field(default=0, init=False)
    _waiting: dict[str, tuple[ObjectEvent, Told]] = attrs.field(factory=dict, init=False)
    _known: dict[str, _Known] = attrs.field(factory=dict, init=False)
    _shared: dict[str, _Bucket] = attrs.field(factory=dict, init=False)
    _all: _Bucket = attrs.field(init=False)
    _not_before: float = attrs.field(default=0.0, init=False)
    _lock: Lock = attrs.field(factory=Lock, init=False)
    _ending: Event = attrs.field(factory=Event, init=False)
    _thread: Thread | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._all = _Bucket(self.limits.burst, self.clock())

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread = Thread(target=self._run, name=_WHAT, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; what waits is left out. Idempotent."""
        self._ending.set()
        self.client.interrupt()
        if self._thread is not None:
            self._thread.join(_JOIN)

    def post(self, event: ObjectEvent, told: Told | None = None) -> None:
        """
        Have *event* written, or its count changed if it was.

        Args:
            event: what happened.
            told: how often; None: once more.
        """
        with self._lock:
            name = event.name
            old, known = self._waiting.get(name), self._known.get(name)
            before = old[1] if old is not None else known.told if known is not None else None
            if told is None:
                now = self.wall()
                told = Told(before.count + 1 if before is not None else 1, now, now)
            if before is not None:
                told = attrs.evolve(told, first=min(before.first, told.first))
            if known is not None and (known.told, known.message) == (told, event.message):
                return
            if old is None and known is None and not self._has_room():
                self._leave_out()
                return
            self._waiting[name] = event, told

    def _has_room(self) -> bool:
        """Whether one more new event may wait. Of those that were written once, as many wait as are known."""
        return sum(name not in self._known for name in self._waiting) < self.limits.waiting

    def _leave_out(self) -> None:
        # Towards silence: an event is a hint, and the server must not be stormed for it.
        self.left_out += 1
        self.troubles.failed(_ROOM, "more happens than may be told: some is left out")

    # ---- The thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._ending.wait(self.limits.look):
                self.look()
        except Exception as bug:  # noqa: BLE001 - events end, enforcement must not
            self.troubles.failed(_WHAT, f"no more events, which is a bug: {bug!r}")
        finally:
            self.client.close()

    def look(self) -> None:
        """Write what is due."""
        while not self._ending.is_set() and self.clock() >= self._not_before:
            found = self._take()
            if found is None or not self._write(*found):
                return

    def _take(self) -> tuple[ObjectEvent, Told] | None:
        """Take the next event that may be written now; None: there is none."""
        now, limits = self.clock(), self.limits
        with self._lock:
            if self._all.fill(now, limits.burst, limits.every) < 1:
                return None
            # What was never told comes first.
            for name in sorted(self._waiting, key=lambda name: name in self._known):
                event, told = self._waiting[name]
                known = self._known.get(name)
                if known is not None and now < known.at + limits.again:
                    continue
                buckets = [self._bucket(key, now) for key in self._shares(event)]
                if any(bucket.left < 1 for bucket in buckets):
                    continue
                for bucket in (self._all, *buckets):
                    bucket.left -= 1
                del self._waiting[name]
                return event, told
        return None

    def _shares(self, event: ObjectEvent) -> tuple[str, ...]:
        """Return whose shares *event* takes: those of its policy and, as one may have many, of its namespace."""
        return f"policy {event.about}", f"namespace {event.namespace}"

    def _bucket(self, key: str, now: float) -> _Bucket:
        burst, every = self.limits.share_burst, self.limits.share_every
        bucket = self._shared.get(key)
        if bucket is None:
            if len(self._shared) >= self.limits.known:
                # Those that are full again are as good as new ones.
                rest = {
                    key: each
                    for key, each in self._shared.items()
                    if each.fill(now, burst, every) < burst
                }
                self._shared = rest
            bucket = self._shared[key] = _Bucket(burst, now)
        bucket.fill(now, burst, every)
        return bucket

    def _write(self, event: ObjectEvent, told: Told) -> bool:
        """Write one event; returns whether the server answers, so that the next may be tried."""
        path = f"/api/v1/namespaces/{event.namespace}/events/{event.name}"
        try:
            self.client.apply(path, MANAGER, event.document(told, self.node))
        except KubeError as error:
            status, pause = 0, random.uniform(*self.limits.failed)  # noqa: S311 - a pause
            if isinstance(error, AnswerError):
                status, pause = error.status, max(pause, error.retry_after)
            if not self._ending.is_set():
                self.troubles.failed(_WHAT, error)
            if 400 <= status < 500 and status != _TOO_MANY:
                # There is no right to it, or its namespace goes. It would be refused the next time, too.
                self._remember(event, told)
                return True
            self._not_before = self.clock() + pause
            with self._lock:
                self._waiting.setdefault(event.name, (event, told))
            return False
        self.troubles.works(_WHAT)
        self._remember(event, told)
        return True

    def _remember(self, event: ObjectEvent, told: Told) -> None:
        with self._lock:
            self._known.pop(event.name, None)
            self._known[event.name] = _Known(told, event.message, self.clock())
            if len(self._known) > self.limits.known:
                del self._known[next(iter(self._known))]
