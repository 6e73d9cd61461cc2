# SPDX-License-Identifier: MIT
"""
Nodes, a server and who sums up, in virtual time, for ``simulate_cluster.py``.

What a node reports and when, and what is made of it, is the code of the agent. The server only counts, and takes
its time as :class:`World` says.
"""

from __future__ import annotations

import heapq
import json
import time
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any

import attrs
from kube_load import policy

from enforcer.cluster.agent import aggregator, reporter
from enforcer.cluster.agent.aggregator import Aggregator
from enforcer.cluster.agent.engine_results import FileResult, Results
from enforcer.cluster.agent.errors import UnreachableError
from enforcer.cluster.agent.node_object import NodeObject
from enforcer.cluster.agent.node_status import NodeStatus
from enforcer.cluster.agent.overview import Keeper, Overview
from enforcer.cluster.agent.policy_state import PolicyObject
from enforcer.cluster.agent.reporter import Reporter
from enforcer.cluster.agent.resource import NODES, Found, News
from enforcer.cluster.agent.troubles import Troubles

FOLDER = Path("/policies")


@attrs.frozen
class World:
    """
    What is not simulated, in seconds.

    Attributes:
        writes: statuses that the server and its store take in a second, all clients together.
        event: of the server, for one event of one watch.
        cores: of the server, that send events.
        network: between two machines, from and to.
        file: until the agent has written a file.
        quiet: until the engine has seen that the file is there and quiet, from and to.
        reload: until the engine has compiled and swapped all policies.
        managed: bytes that the server adds to each policy of a report, to say who wrote its fields; 117 if it knew policies by name.
    """

    writes: float = 250.0
    event: float = 20e-6
    cores: int = 4
    network: tuple[float, float] = (0.001, 0.05)
    file: float = 0.05
    quiet: tuple[float, float] = (0.5, 0.8)
    reload: float = 0.5
    managed: int = 0


@attrs.define(eq=False)
class Clock:
    """Virtual time, and what is to happen."""

    now: float = 1_000_000.0
    _due: list[tuple[float, int, Callable[[], None]]] = attrs.field(factory=list)
    _count: int = 0

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Let *what* happen at *when*."""
        self._count += 1
        heapq.heappush(self._due, (max(when, self.now), self._count, what))

    def run(self, until: float, *, stops: Callable[[], bool] = lambda: False) -> None:
        """Let everything happen that is due *until* then, or until *stops* says so."""
        while not stops() and self._due and self._due[0][0] <= until:
            when, _, what = heapq.heappop(self._due)
            self.now = max(self.now, when)
            what()
        if not stops():
            self.now = max(self.now, until)


@attrs.define(eq=False)
class Server:
    """
    Counts what is asked of it.

    Attributes:
        counts: requests, and bytes each way, by what they are about.
        seconds: writes in each second.
    """

    clock: Clock
    world: World
    nodes: int
    counts: Counter[str] = attrs.field(factory=Counter)
    seconds: Counter[int] = attrs.field(factory=Counter)
    follower: Callable[[bytes, float], None] = lambda *_: None
    free_at: float = 0.0
    longest: float = 0.0

    def write(self, what: str, body: int, whole: int) -> float:
        """A status is written, and the whole object is the answer; returns when it is there."""
        self.free_at = max(self.free_at, self.clock.now) + 1 / self.world.writes
        wait = self.free_at - self.clock.now
        self.longest = max(self.longest, wait)
        self.count(what, 1, body, whole)
        self.seconds[int(self.free_at)] += 1
        return self.free_at

    def count(self, what: str, requests: float, received: float, sent: float) -> None:
        self.counts[f"{what}: requests"] += requests
        self.counts[f"{what}: bytes in"] += received
        self.counts[f"{what}: bytes out"] += sent


@attrs.define(eq=False)
class Reports:
    """The client of a reporter."""

    server: Server
    seen: dict[int, float] = attrs.field(factory=dict)
    """When the first report with so many policies was written."""

    def apply(self, path: str, manager: str, document: dict[str, Any]) -> dict[str, Any]:
        body = len(json.dumps(document))
        status = document.get("status")
        if status is None:
            self.server.write("owners", body, body + 400)
            return {}
        policies = len(status["policies"])
        text = json.dumps(document, separators=(",", ":")).encode()
        whole = len(text) + 400 + policies * self.server.world.managed
        due = self.server.write("reports", body, whole)
        if due - self.server.clock.now > 30:
            raise UnreachableError("nothing came in time")
        self.seen.setdefault(policies, due)
        self.server.count("events of reports", 0, 0, whole)
        self.server.clock.at(due, lambda: self.server.follower(text, due))
        return {}


@attrs.define(eq=False)
class Node:
    """
    A node: which policies are active on it, and its reporter.

    Attributes:
        files: what its engine says of each.
        known: what its agent has written.
        changed_at: when it had something to report, beside counts.
        begins: the tick of its reporter.
        is_gone: it says nothing any more.
    """

    clock: Clock
    server: Server
    name: str
    files: dict[str, FileResult]
    known: list[tuple[str, PolicyObject]]
    begins: float
    generation: int = 1
    changed_at: float = 0.0
    is_gone: bool = False
    reporter: Reporter = attrs.field(init=False)
    _next: float = attrs.field(default=float("inf"), init=False)

    def __attrs_post_init__(self) -> None:
        own = NodeObject(FOLDER, self.name)
        own.uid = self.name
        self.reporter = Reporter(
            self.name,
            Reports(self.server),
            self,
            types.SimpleNamespace(all=lambda: self.known),
            NodeStatus(FOLDER, lambda: self.clock.now),
            Troubles(lambda _: None, lambda: self.clock.now),
            own,
        )
        self.changed(self.begins)

    def results(self) -> Results:
        """Return what the engine says."""
        return Results("1.0", "6.12.1", self.clock.now, self.generation, "enforce", 0, self.files)

    def changed(self, when: float) -> None:
        """There is something to report."""
        self.changed_at = when
        self.schedule(max(when, self.reporter._not_before))

    def counted(self) -> None:
        """Something is to be counted, and to be reported later."""
        self.generation += 1
        made = self.reporter
        self.schedule(max(self.clock.now, made._not_before, made._sent_at + made.tempo.counts))

    def schedule(self, when: float) -> None:
        """Look at the first tick from *when* on, unless that is to happen earlier: between, nothing is due."""
        every = self.reporter.tempo.look
        tick = when + (self.begins - when) % every
        if self.clock.now < self._next <= tick:
            return
        self._next = tick
        self.clock.at(tick, lambda: self._look(tick))

    def _look(self, tick: float) -> None:
        if tick != self._next or self.is_gone:
            return
        self._next = float("inf")
        made = self.reporter
        made.look()
        next_tick = self.clock.now + 0.001
        if made._sent is None or made._sent_at < self.changed_at:
            self.schedule(max(next_tick, made._not_before))
        elif made._sent["generation"] != self.generation:
            self.schedule(max(next_tick, made._not_before, made._sent_at + made.tempo.counts))
        else:
            self.schedule(max(next_tick, made._alive_at))


# ---- Who sums up ---------------------------------------------------------------------------------


@attrs.define(eq=False)
class Pause:
    """The event for which who sums up waits: virtual time passes meanwhile."""

    clock: Clock

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.clock.run(self.clock.now + seconds)
        return False


@attrs.define(eq=False)
class Queue:
    """The queue of who sums up. Reading and making smaller is its own work, so it is timed."""

    clock: Clock
    keeper: Keeper = attrs.field(factory=Keeper)
    waiting: list[Any] = attrs.field(factory=list)
    busy: float = 0.0

    def report(self, text: bytes, _: float) -> None:
        began = time.process_time()
        item = json.loads(text)
        kept = self.keeper.kept(item, NODES)
        self.busy += time.process_time() - began
        self.waiting.append(Found(NODES, ("", item["metadata"]["name"]), kept))

    def get(self, timeout: float) -> Any:
        self.clock.run(self.clock.now + timeout, stops=lambda: bool(self.waiting))
        return self.get_nowait()

    def get_nowait(self) -> Any:
        if not self.waiting:
            raise Empty
        return self.waiting.pop(0)


@attrs.define(eq=False)
class Totals:
    """The client of who sums up: each status is an event for every agent."""

    server: Server
    written: list[tuple[float, str, dict[str, Any]]] = attrs.field(factory=list)

    def apply(self, path: str, manager: str, document: dict[str, Any]) -> dict[str, Any]:
        body = len(json.dumps(document))
        spec = len(json.dumps(policy(0)))
        whole = body + spec + 1800  # who wrote which field, of spec and of status
        self.server.write("totals", body, whole)
        self.server.count("events of policies", 0, 0, whole * (self.server.nodes + 1))
        name = document["metadata"]["name"]
        self.written.append((self.server.clock.now, name, document["status"]))
        return {}


@attrs.define(eq=False, repr=False)
class TimedOverview(Overview):
    """An overview that knows how long it has taken."""

    busy: float = 0.0
    news: int = 0

    def take(self, news: News) -> None:
        began = time.process_time()
        super().take(news)
        self.busy += time.process_time() - began
        self.news += 1

    def touched(self) -> Any:
        began = time.process_time()
        found = super().touched()
        self.busy += time.process_time() - began
        return found

    def wanted(self, place: Any) -> Any:
        began = time.process_time()
        found = super().wanted(place)
        self.busy += time.process_time() - began
        return found


def sums_up(clock: Clock, server: Server) -> tuple[Aggregator, Queue, Totals]:
    """Make who sums up: the agent's own, with a client, a queue and pauses of virtual time."""
    made = Aggregator(None, "holder", "shop", Troubles(lambda _: None), lambda _: None)
    made.election = types.SimpleNamespace(is_held=True)
    made._client = totals = Totals(server)
    made._ending = Pause(clock)
    made._overview = TimedOverview(clock=lambda: clock.now, wall=lambda: clock.now)
    queue = Queue(clock)
    server.follower = queue.report
    return made, queue, totals


def in_virtual_time(clock: Clock) -> None:
    """Let the agent's modules take *clock* for the time, and a node for the file of its engine."""
    for module in (reporter, aggregator):
        module.time = types.SimpleNamespace(monotonic=lambda: clock.now)
    reporter.read_results = lambda node, _: node.results()
