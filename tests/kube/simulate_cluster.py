# SPDX-License-Identifier: MIT
"""
Thousands of nodes without any: what they ask of an API server, and how long a policy takes to all of them.

    python tests/kube/simulate_cluster.py [--nodes 5000] [--policies 200] [--pods 30] [--minutes 10]

The reports, what decides when one is due, and all that sums them up are the code of the agent, in virtual time:
each report is made, written as JSON, read by the one who sums up, and counted. Lists and watches are counted,
from the lengths of the same objects. What the server, the network and the engine take are numbers of
``virtual_cluster.World``, which ``measure_agents.py`` and docs/benchmarks.md gave. Nothing opens a connection.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource as limits
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

sys.path.insert(0, str(Path(__file__).parents[1]))

from kube_load import pod, policy
from virtual_cluster import (
    FOLDER,
    Clock,
    Node,
    Queue,
    Server,
    Totals,
    World,
    in_virtual_time,
    sums_up,
)

from enforcer.cluster.agent.aggregator import Aggregator
from enforcer.cluster.agent.engine_results import FileResult
from enforcer.cluster.agent.overview import Keeper, Overview
from enforcer.cluster.agent.policy_state import PolicyObject, Version
from enforcer.cluster.agent.policy_text import file_name
from enforcer.cluster.agent.resource import NODES, POLICIES, Deleted, Found, Listed
from enforcer.cluster.agent.watcher import Pace

OWN = POLICIES[0]
MEMORY = 4 << 30
DIGEST = "0" * 64
ACTIVE = FileResult("active", "", "", DIGEST, 0)
OF_SERVER = 1500
"""Bytes that a server adds to an object: uid, times, and who wrote which field."""
PIECES = 6
"""Events of a pod from its making to its end: made, bound, three statuses, gone."""


def objects(number: int) -> list[tuple[str, PolicyObject]]:
    """Return what an agent knows of its policies."""
    made = []
    for each in range(number):
        meta = policy(each)["metadata"]
        key = (meta["namespace"], meta["name"])
        made.append((file_name(key, OWN), PolicyObject(*key, OWN.word, {DIGEST: Version(1)})))
    return sorted(made)


def results(known: list[tuple[str, PolicyObject]]) -> dict[str, FileResult]:
    """Return what an engine says of them."""
    return {str(FOLDER / name): ACTIVE for name, _ in known}


def kept(number: int) -> Found:
    """Return the news of a policy, for who sums up."""
    made = policy(number)
    made["metadata"]["generation"] = 1
    key = (made["metadata"]["namespace"], made["metadata"]["name"])
    return Found(OWN, key, Keeper().kept(made, OWN))


def memory() -> float:
    """Return the resident megabytes of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@attrs.define(eq=False)
class Run:
    """One cluster, and what was seen of it."""

    arguments: argparse.Namespace
    clock: Clock
    server: Server
    world: World
    random: random.Random
    summer: Aggregator
    queue: Queue
    totals: Totals
    known: list[tuple[str, PolicyObject]]
    nodes: list[Node] = attrs.field(factory=list)
    found: dict[str, Any] = attrs.field(factory=dict)
    active_at: dict[str, float] = attrs.field(factory=dict)

    @property
    def size(self) -> int:
        return int(self.arguments.nodes)

    def join(self, name: str, begins: float) -> None:
        """A node begins."""
        self.nodes.append(
            Node(self.clock, self.server, name, results(self.known), self.known, begins)
        )
        self._churn(self.nodes[-1])

    def _churn(self, node: Node) -> None:
        """Replace a pod of *node* now and then."""
        mean = self.arguments.pod_life / self.arguments.pods

        def replaced() -> None:
            if node.is_gone:
                return
            size = len(json.dumps(pod(node.name, 1))) + OF_SERVER
            self.server.count("events of pods", 0, 0, PIECES * size)
            node.counted()
            self.clock.at(self.clock.now + self.random.expovariate(1 / mean), replaced)

        self.clock.at(self.clock.now + self.random.expovariate(1 / mean), replaced)

    def replace_nodes(self, every: float) -> None:
        """Every so often one node goes, and another comes."""

        def replaced() -> None:
            gone = self.nodes.pop(0)
            gone.is_gone = True
            self.queue.waiting.append(Deleted(NODES, ("", gone.name)))
            self.join(f"new-{self.clock.now:.0f}", self.clock.now)
            self.clock.at(self.clock.now + every, replaced)

        self.clock.at(self.clock.now + every, replaced)

    def lists(self, agents: float, what: str) -> None:
        """Count what *agents* ask when they list everything."""
        policies = sum(len(json.dumps(policy(n))) + OF_SERVER for n in range(len(self.known)))
        pods = self.arguments.pods * (len(json.dumps(pod("node", 1))) + OF_SERVER)
        pages = -(-len(self.known) // Pace().page)
        self.server.count(what, agents * (pages + 4), agents * 5 * 900, agents * (policies + pods))

    def until(self, end: float) -> None:
        """Let who sums up work, and everything else happen meanwhile, until *end*."""
        made = self.summer
        while self.clock.now < end:
            made._take(self.queue, made.rhythm.look)
            made._overview.look()
            made._write(self.queue)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Tell what happens meanwhile, for each second."""
        counts, began, written = self.server.counts.copy(), self.clock.now, len(self.totals.written)
        busy = self.queue.busy + self.summer._overview.busy
        self.server.longest = 0.0
        yield
        took = self.clock.now - began
        each = self.server.counts - counts
        busy = self.queue.busy + self.summer._overview.busy - busy
        self.found[name] = {
            "seconds": round(took),
            **{key: round(value / took, 3) for key, value in sorted(each.items())},
            "most writes in a second": max(
                (n for s, n in self.server.seconds.items() if s >= began), default=0
            ),
            "longest wait of a write": round(self.server.longest, 1),
            "totals written": len(self.totals.written) - written,
            "processor of who sums up": round(busy / took, 3),
        }
        print(name, json.dumps(self.found[name]), file=sys.stderr, flush=True)

    # ---- A policy is made ----------------------------------------------------------------------

    def apply(self) -> float:
        """Make one more policy; returns when."""
        began, number = self.clock.now, len(self.known)
        self.known = objects(number + 1)
        files = results(self.known)
        size = len(json.dumps(policy(number))) + OF_SERVER
        self.server.count("events of policies", 1, size, size * (self.size + 1))
        self.queue.waiting.append(kept(number))
        order = self.random.sample(self.nodes, len(self.nodes))
        for place, node in enumerate(order):
            sent = began + place * self.world.event / self.world.cores
            there = sent + self.random.uniform(*self.world.network) + self.world.file
            active = there + self.random.uniform(*self.world.quiet) + self.world.reload
            self.active_at[node.name] = active

            def is_active(node: Node = node, active: float = active) -> None:
                node.known, node.files = self.known, files
                node.generation += 1
                node.changed(active)

            self.clock.at(active, is_active)
        return began

    def told(self, began: float) -> dict[str, Any]:
        """Return how long the policy took: on the nodes, in reports, and in its status."""
        name = f"policy-{len(self.known) - 1}"
        written = [
            (when, status["nodes"]) for when, label, status in self.totals.written if label == name
        ]
        number = len(self.known)
        reports = [
            node.reporter.client.seen.get(number, float("inf")) - began for node in self.nodes
        ]
        active = [when - began for when in self.active_at.values()]
        seen = [when - began for when, nodes in written if nodes["active"] >= 0.99 * self.size]
        return {
            "active on half of the nodes": nth(active, 0.5),
            "active on 99 %": nth(active, 0.99),
            "reported by 99 %": nth(reports, 0.99),
            "99 % in the status": round(seen[0], 1) if seen else "not yet",
        }


def nth(values: list[float], share: float) -> float:
    """Return the value that *share* of *values* do not exceed."""
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 2)


def who_sums_up(size: int, known: list[tuple[str, PolicyObject]]) -> dict[str, float]:
    """Return what it takes to hold all nodes at once."""
    before = memory()
    keeper, overview = Keeper(), Overview()
    for number in range(size):
        entries = [
            {"name": item.label, "state": "active", "denials": 0, "observedGeneration": 1}
            for _, item in known
        ]
        text = json.dumps({"metadata": {"name": f"node-{number}"}, "status": {"policies": entries}})
        overview.take(Found(NODES, ("", f"node-{number}"), keeper.kept(json.loads(text), NODES)))
    return {"megabytes of all nodes": round(memory() - before)}


def main() -> None:
    """Simulate, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--policies", type=int, default=200)
    parser.add_argument("--pods", type=int, default=30)
    parser.add_argument("--pod-life", type=float, default=3600.0, help="seconds, on average")
    parser.add_argument("--node-change", type=float, default=60.0, help="seconds between two")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the quiet phase")
    parser.add_argument("--writes", type=float, default=World().writes, help="in a second")
    arguments = parser.parse_args()
    limits.setrlimit(limits.RLIMIT_AS, (MEMORY, MEMORY))
    known = objects(arguments.policies)
    alone = who_sums_up(arguments.nodes, known)
    clock, world = Clock(), World(writes=arguments.writes)
    in_virtual_time(clock)
    server = Server(clock, world, arguments.nodes)
    chance = random.Random(19)
    run = Run(arguments, clock, server, world, chance, *sums_up(clock, server), known)
    simulate(run)
    run.found["who sums up"] = alone
    run.found["megabytes of this process"] = round(memory())
    print(json.dumps(run.found, indent=1))


def simulate(run: Run) -> None:
    """All agents begin at once; then pods and nodes come and go; then a policy is made."""
    clock, arguments = run.clock, run.arguments
    overview = run.summer._overview
    for each in (NODES, *POLICIES):
        overview.take(Listed(each, {}))
    for number in range(arguments.policies):
        overview.take(kept(number))
    with run.phase("start"):
        run.lists(run.size, "lists")
        for number in range(run.size):
            run.join(f"node-{number}", clock.now + run.random.uniform(0, 30))
        run.until(clock.now + 300)
    run.replace_nodes(arguments.node_change)
    with run.phase("steady"):
        run.until(clock.now + 60 * arguments.minutes)
        # Everything is listed again now and then, and a bookmark comes each minute on each of five watches.
        share = 60 * arguments.minutes / (sum(Pace().anew) / 2)
        run.lists(run.size * share, "lists")
        watches = run.size * 5 * 60 * arguments.minutes
        run.server.count("watches", watches / (sum(Pace().watch) / 2), 0, watches / 60 * 250)
    with run.phase("apply"):
        began = run.apply()
        run.until(clock.now + 60)
    run.found["policy"] = run.told(began)


if __name__ == "__main__":
    main()
