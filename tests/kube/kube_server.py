# SPDX-License-Identifier: MIT
"""
A real API server on loopback, with etcd, for the tests of what it makes of definitions and objects.

``scripts/kube/build-server.py`` makes the programs. ``ENFORCER_KUBE_SERVER`` names another folder of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml
from patience import scaled

from enforcer.policy.language.kube import KINDS, TETRAGON_POLICY

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(os.environ.get("ENFORCER_KUBE_SERVER") or ROOT / "build/kube")
MISSING = f"{PROGRAMS} has no API server: scripts/kube/build-server.py build/kube makes one"

MANIFESTS = list(yaml.safe_load_all((ROOT / "packaging/kubernetes/enforcer.yaml").read_text()))
ROLES = {
    name: [
        rule
        for found in MANIFESTS
        if found["kind"] in {"ClusterRole", "Role"} and found["metadata"]["name"] == name
        for rule in found["rules"]
    ]
    for name in [m["metadata"]["name"] for m in MANIFESTS if m["kind"] == "ClusterRole"]
}
"""
Rules of each role of the manifests, with those of the role of that name in their own namespace.

The server does not know where a role holds: in these tests each holds everywhere.
"""

USERS = [
    {"token": "admin", "user": "admin", "groups": ["system:masters"], "rules": []},
    *({"token": name, "user": name, "rules": rules} for name, rules in ROLES.items()),
]
"""Whoever has the name of a role as a token has the role, in all namespaces."""


LEASES = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "leases.coordination.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
    },
    "spec": {
        "group": "coordination.k8s.io",
        "scope": "Namespaced",
        "names": {
            "kind": "Lease",
            "listKind": "LeaseList",
            "plural": "leases",
            "singular": "lease",
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "holderIdentity": {"type": "string", "minLength": 1},
                                    "leaseDurationSeconds": {"type": "integer", "minimum": 1},
                                    "acquireTime": {"type": "string", "format": "date-time"},
                                    "renewTime": {"type": "string", "format": "date-time"},
                                    "leaseTransitions": {"type": "integer", "minimum": 0},
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}
"""
Leases, which this server has not by itself: their names, fields and limits are those of Kubernetes.

What makes them fit for an election, that only the newest version can be replaced, is the server's own for every kind.
"""


@attrs.frozen
class Cluster:
    """An API server that answers, with a client of its administrator."""

    port: int
    config: Path
    pids: tuple[int, int]
    """Of the server, and of its store."""

    @property
    def authority(self) -> Path:
        """The certificate by which the server is known, as localhost."""
        return self.config.parent / "certificates/apiserver.crt"

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl with *words*, and *given* as its input."""
        return subprocess.run(
            [PROGRAMS / "kubectl", f"--kubeconfig={self.config}", *words],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=scaled(120),
            env={**os.environ, "HOME": str(self.config.parent)},
        )

    def do(self, *words: str, given: str = "") -> str:
        """Run kubectl, which must succeed, and return what it prints."""
        done = self.run(*words, given=given)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    def get(self, *words: str) -> Any:
        """Return what kubectl gets, as JSON."""
        return json.loads(self.do("get", "--output=json", *words))

    def may(self, role: str, *words: str, given: str = "") -> bool:
        """Tell whether somebody with *role* may do what kubectl does for *words*."""
        done = self.run(*words, "--user=nobody", f"--token={role}", given=given)
        assert 0 == done.returncode or "is forbidden" in done.stderr, done.stderr
        return done.returncode == 0


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Run an API server, whose files are in *folder*, with no definitions and the namespace shop."""
    port, store, peers = free_ports(3)
    store_at, peers_at = (f"http://127.0.0.1:{each}" for each in (store, peers))
    (folder / "users.yaml").write_text(json.dumps(USERS))
    commands = (
        ["etcd", "--data-dir=etcd", "--unsafe-no-fsync", f"--initial-cluster=default={peers_at}"]
        + [f"--{word}-client-urls={store_at}" for word in ("listen", "advertise")]
        + [f"--{word}-peer-urls={peers_at}" for word in ("listen", "initial-advertise")],
        ["kube-apiserver", f"-etcd={store_at}", f"-port={port}", "-users=users.yaml"],
    )
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.log").open("wb") as log:
                program = [PROGRAMS / command[0], *command[1:]]
                processes.append(subprocess.Popen(program, cwd=folder, stdout=log, stderr=log))
            if command[0] == "etcd":
                wait_for(f"{store_at}/health", processes[-1], folder)
        cluster = Cluster(port, folder / "config", (processes[1].pid, processes[0].pid))
        cluster.config.write_text(json.dumps(config_of(port)))
        wait_ready(cluster, processes[-1], folder)
        cluster.do("create", "namespace", "shop")
        yield cluster
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def define(cluster: Cluster) -> None:
    """Let the server know our kinds, and leases."""
    for folder in ("crds", "crds-of-others"):
        cluster.do("apply", "--server-side", "-f", str(ROOT / "packaging/kubernetes" / folder))
    cluster.do("apply", "--server-side", "-f", "-", given=json.dumps(LEASES))
    names = [*(kind.resource for kind in (*KINDS, TETRAGON_POLICY)), LEASES["metadata"]["name"]]
    cluster.do("wait", "--for=condition=Established", "crd", *names)
    cluster.do("wait", "--for=condition=NamesAccepted", "crd", *names)


def free_ports(number: int) -> list[int]:
    """Return ports that nobody has; all are held until the last is found, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def config_of(port: int) -> dict[str, Any]:
    """Return what kubectl needs to know of the server."""
    address = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": address}],
        "users": [{"name": "admin", "user": {"token": "admin"}}, {"name": "nobody", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    }


def wait_for(address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until something answers at *address*."""
    until = time.monotonic() + scaled(60)
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError as error:
            _still(process, until, folder, str(error))
        else:
            return


def wait_ready(cluster: Cluster, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the API server says that it is ready."""
    until = time.monotonic() + scaled(120)
    while (done := cluster.run("get", "--raw=/readyz")).returncode:
        _still(process, until, folder, done.stderr)


def _still(process: subprocess.Popen[bytes], until: float, folder: Path, said: str) -> None:
    """Go on waiting, unless nothing can come of it."""
    if process.poll() is not None or time.monotonic() > until:
        logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
        pytest.fail(f"the API server did not start: {said}\n{logs}")
    time.sleep(0.2)
