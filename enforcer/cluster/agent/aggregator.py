# SPDX-License-Identifier: MIT
"""
Sum up on each policy what the nodes report of it, on the one node whose agent holds the lease.

What fails here is told and tried again, and nothing that is enforced waits for it. Nothing is kept from one
holder to the next: a status is written where it differs from what the nodes say.
"""

from __future__ import annotations

import random
import time
import uuid
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.client import Client
from enforcer.cluster.agent.errors import AnswerError, KubeError
from enforcer.cluster.agent.lease import Election, Term
from enforcer.cluster.agent.overview import Keeper, Overview, Wanted
from enforcer.cluster.agent.resource import NODES, POLICIES
from enforcer.cluster.agent.watcher import Pace, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.cluster.agent.access import Access
    from enforcer.cluster.agent.resource import Key, News, Resource
    from enforcer.cluster.agent.troubles import Troubles

__all__ = ["Aggregator", "Rhythm"]

MANAGER: Final = "enforcer-totals"
"""Whose the totals are, among those that write a status."""

_WHAT: Final = "status of policies"
_JOIN: Final = 2.0
_ANSWER: Final = 4.0
"""
Seconds that a request may take. A lease holds five seconds longer than its holder believes, so what was sent
at the last moment does not come after what the next holder writes.
"""
_PASSES: Final = frozenset({404, 409})


@attrs.frozen
class Rhythm:
    """
    How often statuses are written, in seconds.

    Attributes:
        look: between two looks.
        least: between two writes of one policy.
        counts: between two writes of one policy of which only counts differ.
        rate: writes in a second, of all policies together.
        events: in a second, of all agents together. Each write is one for every agent, since all of them
            watch the policies.
        counting: the same, for writes of which only counts differ. With thousands of nodes some come and go
            all the time, each of which changes a count of every policy.
        failed: after a failure, from and to.
        silence: after which a node that has not reported does not count as active.
    """

    look: float = 1.0
    least: float = 5.0
    counts: float = 60.0
    rate: float = 5.0
    events: float = 5000.0
    counting: float = 500.0
    failed: tuple[float, float] = (15.0, 45.0)
    silence: float = 900.0


@attrs.define(eq=False, repr=False)
class Aggregator:
    """
    Tries to hold the lease, and sums up while it does.

    Attributes:
        node: of this agent.
        namespace: in which the lease is.
        wrote: is told of each status that was written; it must not wait.
    """

    access: Access
    node: str
    namespace: str
    troubles: Troubles
    report: Callable[[str], None]
    pace: Pace = attrs.field(factory=Pace)
    term: Term = attrs.field(factory=Term)
    rhythm: Rhythm = attrs.field(factory=Rhythm)
    wrote: Callable[[Wanted], None] = lambda _: None
    election: Election = attrs.field(init=False)
    _client: Client = attrs.field(init=False)
    _ending: Event = attrs.field(factory=Event, init=False)
    _threads: list[Thread] = attrs.field(factory=list, init=False)
    _overview: Overview = attrs.field(factory=Overview, init=False)
    _not_before: dict[tuple[str, Key], float] = attrs.field(factory=dict, init=False)
    _written_at: dict[tuple[str, Key], float] = attrs.field(factory=dict, init=False)
    _counts_after: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._client = Client(self.access, silence=_ANSWER)
        self.election = Election(
            Client(self.access, silence=_ANSWER),
            self.namespace,
            # Two processes of one node are two: a pod that is replaced may still run.
            f"{self.node}_{uuid.uuid4().hex[:8]}",
            self.troubles,
            self._ending,
            lambda: self._overview.nodes,
            self.term,
        )

    def start(self) -> None:
        """Begin, in threads."""
        for name, run in (("lease", self.election.run), ("totals", self._run)):
            thread = Thread(target=self._guarded, args=(run,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """End, and let another have the lease. Idempotent."""
        self._ending.set()
        self._client.interrupt()
        end = time.monotonic() + _JOIN
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self.election.client.interrupt()

    def _guarded(self, run: Callable[[], None]) -> None:
        """Run *run*. What ends it ends all, so that another agent gets the lease."""
        try:
            run()
        except Exception as bug:  # noqa: BLE001 - totals end, enforcement must not
            self.troubles.failed(_WHAT, f"no more totals from here, which is a bug: {bug!r}")
            self._ending.set()

    # ---- While it is held ----------------------------------------------------------------------

    @property
    def _is_on(self) -> bool:
        return not self._ending.is_set() and self.election.is_held

    def _run(self) -> None:
        try:
            while not self._ending.wait(self.rhythm.look):
                if self.election.is_held:
                    self.report("this agent sums up what nodes report")
                    self._hold()
                    self.report("this agent does not sum up any more")
        finally:
            self._client.close()

    def _hold(self) -> None:
        """Follow nodes and policies, and write, until the lease is lost."""
        self._overview = Overview(self.rhythm.silence)
        self._not_before.clear()
        self._written_at.clear()
        news: SimpleQueue[News] = SimpleQueue()
        ending = Event()
        watchers = [self._watcher(each, news, ending) for each in (NODES, *POLICIES)]
        threads = [
            Thread(target=self._guarded, args=(each.run,), name=each.resource.word, daemon=True)
            for each in watchers
        ]
        for thread in threads:
            thread.start()
        try:
            while self._is_on:
                self._take(news, self.rhythm.look)
                self._overview.look()
                self._write(news)
        finally:
            ending.set()
            for watcher in watchers:
                watcher.client.interrupt()
            end = time.monotonic() + _JOIN
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
            self._overview = Overview()  # thousands of reports are let go

    def _watcher(self, resource: Resource, news: SimpleQueue[News], ending: Event) -> Watcher:
        what = f"totals: {resource.path}"
        return Watcher(
            resource,
            Client(self.access, silence=self.pace.answer),
            tell=news.put,
            failed=lambda error: self.troubles.failed(what, error),
            works=lambda: self.troubles.works(what),
            ending=ending,
            pace=self.pace,
            kept=Keeper().kept,
        )

    def _take(self, news: SimpleQueue[News], seconds: float) -> None:
        """Take all news that there are; wait for the first."""
        try:
            self._overview.take(news.get(timeout=seconds))
            while True:
                self._overview.take(news.get_nowait())
        except Empty:
            pass

    # ---- Statuses ------------------------------------------------------------------------------

    def _write(self, news: SimpleQueue[News]) -> None:
        """Write what differs and is due, one after the other."""
        for place, is_urgent in self._overview.touched():
            if not self._is_on:
                return
            now = time.monotonic()
            if not self._is_due(place, now, is_urgent=is_urgent):
                continue
            wanted = self._overview.wanted(place)
            if wanted is None:
                continue
            if not wanted.is_verdict:
                if now < self._counts_after:
                    if self._counts_after - now > self.rhythm.look:
                        self._overview.defer(place)
                    continue
                self._counts_after = now + self._overview.nodes / self.rhythm.counting
            self._written_at[place] = now
            if not self._send(place, wanted):
                return
            self._ending.wait(max(1 / self.rhythm.rate, self._overview.nodes / self.rhythm.events))
            self._take(news, 0)

    def _is_due(self, place: tuple[str, Key], now: float, *, is_urgent: bool) -> bool:
        if not is_urgent and now < self._counts_after:
            return False
        since = self.rhythm.least if is_urgent else self.rhythm.counts
        written = self._written_at.get(place)
        return now >= self._not_before.get(place, now) and (
            written is None or now >= written + since
        )

    def _send(self, place: tuple[str, Key], wanted: Wanted) -> bool:
        """Send one status; returns whether the server answers, so that the next may be tried."""
        try:
            self._client.apply(
                f"{wanted.resource.path_of(wanted.key)}/status", MANAGER, _document(wanted)
            )
        except KubeError as error:
            pause = random.uniform(*self.rhythm.failed)  # noqa: S311 - a pause
            status, least = 0, 0.0
            if isinstance(error, AnswerError):
                status, least = error.status, error.retry_after
            self._not_before[place] = time.monotonic() + max(pause, least)
            if status not in _PASSES:  # it is gone, or has changed: the watch tells
                if not self._ending.is_set():
                    self.troubles.failed(_WHAT, error)
                self._ending.wait(least)
            return status != 0
        self.troubles.works(_WHAT)
        self._overview.written(wanted)
        self.wrote(wanted)
        return True


def _document(wanted: Wanted) -> dict[str, Any]:
    namespace, name = wanted.key
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": wanted.resource.api_version,
        "kind": wanted.resource.kind,
        "metadata": meta,
        "status": wanted.status,
    }
