# SPDX-License-Identifier: MIT
"""
What a few agents cost a real API server, and what one request costs it: the figures of docs/kubernetes.md.

    python tests/kube/measure_agents.py [--nodes 8] [--policies 200] [--pods 30]

Each agent is the process of a node, with the role of the manifests. A stand-in of the engine says at once that
every policy is active as its file says. All connections are on loopback, through a relay that counts bytes.
What costs time is told in seconds of a processor, since this machine may have other work.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

sys.path.insert(0, str(Path(__file__).parents[1]))

from kube_load import pod, policy
from kube_relay import Relay
from kube_server import Cluster, define, running

from enforcer.cluster.agent.access import Access
from enforcer.cluster.agent.client import Client
from enforcer.cluster.agent.errors import KubeError
from enforcer.identity.naming import boot_id

API = "/apis/enforcer.dev/v1"
TICK = os.sysconf("SC_CLK_TCK")
LONGEST = 300.0  # seconds for anything to happen


@attrs.define(eq=False)
class Node:
    """The files and the process of an agent."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    _digests: dict[str, tuple[int, str]] = attrs.field(factory=dict)
    _said: object = None

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir()

    @property
    def policies(self) -> set[str]:
        with contextlib.suppress(FileNotFoundError):
            return {path.name for path in (self.folder / "policies").glob("*.yaml")}
        return set()

    def engine(self) -> None:
        """Say of each file that it is active."""
        for name in self.policies:
            path = self.folder / "policies" / name
            with contextlib.suppress(FileNotFoundError):
                changed = path.stat().st_mtime_ns
                if self._digests.get(name, (0, ""))[0] != changed:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    self._digests[name] = (changed, digest)
        if dict(self._digests) == self._said:
            return
        self._said = dict(self._digests)
        rest = {"state": "active", "reason": "", "message": "", "denials": 0, "name": "x"}
        told = [
            {**rest, "file": str(self.folder / "policies" / name), "digest": digest}
            for name, (_, digest) in self._digests.items()
        ]
        head = {
            "version": 1,
            "enforcer": "1.0",
            "kernel": "6.12.1",
            "boot": boot_id(),
            "time": time.time() + 600,
        }
        document = {**head, "generation": 1, "mode": "enforce", "lost": 0, "policies": told}
        (self.folder / "results.new").write_text(json.dumps(document))
        (self.folder / "results.new").replace(self.folder / "results.json")


@attrs.define(eq=False)
class Bench:
    """A server, its agents, and what was measured."""

    cluster: Cluster
    folder: Path
    admin: Client
    relay: Relay
    nodes: list[Node]
    found: dict[str, Any] = attrs.field(factory=dict)
    is_over: threading.Event = attrs.field(factory=threading.Event)

    def engines(self) -> None:
        while not self.is_over.wait(0.1):
            for node in self.nodes:
                node.engine()

    def start(self, node: Node) -> None:
        """Start the agent of *node*."""
        words = [f"--node={node.name}", f"--folder={node.folder}", "--namespace=shop"]
        words += [f"--server=https://localhost:{self.relay.port}"]
        words += [f"--token-file={self.folder / 'agent'}", f"--ca-file={self.cluster.authority}"]
        words += [f"--results={node.folder / 'results.json'}"]
        with (node.folder / "log").open("wb") as log:
            argv = [sys.executable, "-m", "enforcer", "kube", *words]
            node.process = subprocess.Popen(argv, cwd=node.folder, stdout=log, stderr=log)

    def totals(self) -> dict[str, float]:
        """Return what the server has done since it runs."""
        text = self.admin_text("/metrics")
        asked = {"requests": 0.0, "patches": 0.0}
        for line in text.splitlines():
            if line.startswith("apiserver_request_total{"):
                count = float(line.rpartition(" ")[2])
                asked["requests"] += count
                asked["patches"] += count * ('verb="APPLY"' in line or 'verb="PATCH"' in line)
        server, store = (processor_of(pid) for pid in self.cluster.pids)
        moved = {"sent": float(self.relay.sent), "received": float(self.relay.received)}
        agents = sum(processor_of(node.process.pid) for node in self.nodes if node.process)
        return {**asked, **moved, "server": server, "store": store, "agents": agents}

    def admin_text(self, path: str) -> str:
        return self.cluster.do("get", f"--raw={path}")

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[dict[str, Any]]:
        """Measure what happens meanwhile."""
        before, began = self.totals(), time.monotonic()
        told: dict[str, Any] = {}
        yield told
        took = time.monotonic() - began
        after = self.totals()
        told |= {key: round(after[key] - before[key], 2) for key in after}
        told["seconds"] = round(took, 1)
        self.found[name] = told
        print(f"{name}: {json.dumps(told)}", flush=True)


def processor_of(pid: int) -> float:
    """Return the seconds of a processor that a process has used."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / TICK


def memory_of(pid: int) -> float:
    """Return the resident megabytes of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def until(holds: Callable[[], Any]) -> Any:
    """Wait until *holds* returns something true."""
    end = time.monotonic() + LONGEST
    while not (found := holds()):
        if time.monotonic() > end:
            raise TimeoutError("it does not happen")
        time.sleep(0.05)
    return found


def reported(bench: Bench, label: str) -> list[str]:
    """Return which nodes report the policy *label* as active."""
    items = bench.admin.get(f"{API}/enforcernodes", {})["items"]
    return [
        item["metadata"]["name"]
        for item in items
        if any(
            (each["name"], each["state"]) == (label, "active")
            for each in item.get("status", {}).get("policies", ())
        )
    ]


def answers(bench: Bench, path: str) -> dict[str, Any] | None:
    """Return a list of what is at *path*, once the server knows its kind and has read its store."""
    with contextlib.suppress(KubeError):
        return bench.admin.get(path, {"limit": "1"})
    return None


# ---- What is measured ----------------------------------------------------------------------------


def fill(bench: Bench, policies: int, pods: int) -> None:
    """Make the objects."""
    create = bench.admin.create
    for path in (
        "/api/v1/pods",
        "/api/v1/nodes",
        f"{API}/enforcerpolicies",
        f"{API}/enforcernodes",
    ):
        until(lambda path=path: answers(bench, path))
    for number in range(20):
        create("/api/v1/namespaces", {"metadata": {"name": f"team-{number}"}})
    for number in range(policies):
        made = policy(number)
        create(f"{API}/namespaces/{made['metadata']['namespace']}/enforcerpolicies", made)
    for node in bench.nodes:
        create("/api/v1/nodes", {"metadata": {"name": node.name, "labels": {"pool": "main"}}})
        for number in range(pods):
            create("/api/v1/namespaces/shop/pods", pod(node.name, number))


def begin(bench: Bench, policies: int) -> None:
    """Start all agents: until each has all files, and has reported."""
    last = policy(policies - 1)["metadata"]
    label = f"{last['namespace']}/{last['name']}"
    with bench.phase("start"):
        for node in bench.nodes:
            bench.start(node)
        until(lambda: all(len(node.policies) == policies for node in bench.nodes))
        until(lambda: len(reported(bench, label)) == len(bench.nodes))


def idle(bench: Bench, seconds: float) -> None:
    """Nothing happens."""
    with bench.phase("idle"):
        time.sleep(seconds)


def churn(bench: Bench, changes: int) -> None:
    """Pods are replaced, each in two steps: one goes, another comes."""
    path = "/api/v1/namespaces/shop/pods"
    with bench.phase("churn") as told:
        for number in range(changes):
            node = bench.nodes[number % len(bench.nodes)]
            place = f"{path}/{node.name}-pod-{number // len(bench.nodes)}"
            bench.admin._whole("DELETE", place, None, {})
            bench.admin.create(path, pod(node.name, number // len(bench.nodes), number + 1))
            time.sleep(0.2)
        told["changes"] = changes


def apply(bench: Bench, first: int, times: int) -> None:
    """A policy is made: until it is on each node, is reported, and is summed up."""
    took: dict[str, list[float]] = {"files": [], "reports": [], "totals": []}
    with bench.phase("apply") as told:
        for number in range(first, first + times):
            made = policy(number)
            namespace, name = made["metadata"]["namespace"], made["metadata"]["name"]
            file, path = (
                f"{namespace}.{name}.enforcerpolicy.yaml",
                f"{API}/namespaces/{namespace}/enforcerpolicies",
            )
            began = time.monotonic()
            bench.admin.create(path, made)
            until(lambda file=file: all(file in node.policies for node in bench.nodes))
            took["files"].append(round(time.monotonic() - began, 2))
            label = f"{namespace}/{name}"
            until(lambda label=label: len(reported(bench, label)) == len(bench.nodes))
            took["reports"].append(round(time.monotonic() - began, 2))

            def summed(place: str = f"{path}/{name}") -> bool:
                status = bench.admin.get(place, {}).get("status", {})
                return bool(status.get("nodes", {}).get("active") == len(bench.nodes))

            until(summed)
            took["totals"].append(round(time.monotonic() - began, 2))
        told.update(took)


def reports(bench: Bench, policies: int, times: int) -> None:
    """What a report costs the server, one after the other."""
    head = {"apiVersion": "enforcer.dev/v1", "kind": "EnforcerNode", "metadata": {"name": "probe"}}
    names = [policy(number)["metadata"] for number in range(policies)]
    rest = {"state": "active", "denials": 0, "observedGeneration": 1}
    entries = [{"name": f"{each['namespace']}/{each['name']}", **rest} for each in names]
    place = f"{API}/enforcernodes/probe"
    bench.admin.apply(place, "probe", {**head, "spec": {}})
    with bench.phase("reports") as told:
        for number in range(times):
            status = {"generation": number, "policies": entries}
            answer = bench.admin.apply(f"{place}/status", "probe", {**head, "status": status})
        told |= {"times": times, "body": len(json.dumps({**head, "status": status}))}
        told["object"] = len(json.dumps(answer, separators=(",", ":")))


def fan_out(bench: Bench, watchers: int, times: int) -> None:
    """What an event costs the server for each watch of policies, beside what the write itself costs."""
    path = f"{API}/namespaces/team-0/enforcerpolicies/policy-0/status"
    head = {key: value for key, value in policy(0).items() if key != "spec"}
    counts = [0] * watchers

    def follow(number: int) -> None:
        client = Client(bench.admin.access)
        version = client.get(f"{API}/enforcerpolicies", {"limit": "1"})["metadata"]
        query = {"watch": "true", "resourceVersion": version["resourceVersion"]}
        counts[number] = 1
        with contextlib.suppress(KubeError):
            for line in client.lines(f"{API}/enforcerpolicies", query, silence=120, longest=240):
                counts[number] += 1
                bench.found["event"] = len(line)
                if counts[number] > times:
                    return

    for name in ("writes", "events"):
        if name == "events":
            for number in range(watchers):
                threading.Thread(target=follow, args=(number,), daemon=True).start()
            until(lambda: all(counts))
            time.sleep(5)
        with bench.phase(name) as told:
            for number in range(times):
                status = {"denials": number + 1 + (name == "events") * times}
                bench.admin.apply(path, "probe", {**head, "status": status})
            if name == "events":
                until(lambda: min(counts) > times)
            told |= {"times": times, "watchers": watchers * (name == "events")}


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything, in *folder*."""
    (folder / "kube").mkdir()
    with running(folder / "kube") as cluster:
        define(cluster)
        for name, token in (("admin", "admin"), ("agent", "enforcer-agent")):
            (folder / name).write_text(token)
        access = Access("localhost", cluster.port, folder / "admin", cluster.authority)
        nodes = [Node(f"n{n}", folder / f"n{n}") for n in range(arguments.nodes)]
        bench = Bench(cluster, folder, Client(access), Relay(cluster.port), nodes)
        try:
            fill(bench, arguments.policies, arguments.pods)
            threading.Thread(target=bench.engines, daemon=True).start()
            begin(bench, arguments.policies)
            time.sleep(20)  # the lease, and the first totals, are no part of what is idle
            idle(bench, arguments.seconds)
            churn(bench, min(5, arguments.pods) * arguments.nodes)
            apply(bench, arguments.policies, 5)
            running_now = [node.process.pid for node in nodes if node.process]
            bench.found["memory"] = [round(memory_of(pid), 1) for pid in running_now]
            print("memory:", bench.found["memory"], flush=True)
            for node in nodes:
                if node.process is not None:
                    node.process.terminate()
                    node.process.wait()
                    node.process = None
            reports(bench, arguments.policies, 200)
            fan_out(bench, arguments.watchers, 20)
        finally:
            bench.is_over.set()
            for node in nodes:
                if node.process is not None:
                    node.process.kill()
                    node.process.wait()
    return bench.found


def main() -> None:
    """Measure, and print what was found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--policies", type=int, default=200)
    parser.add_argument("--pods", type=int, default=30)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120.0, help="for which nothing happens")
    with tempfile.TemporaryDirectory(prefix="enforcer-measure-") as folder:
        found = measure(Path(folder), parser.parse_args())
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
