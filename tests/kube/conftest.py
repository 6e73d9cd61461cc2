# SPDX-License-Identifier: MIT
"""
A real API server on loopback, with etcd, for the tests of what it makes of definitions and objects.

``scripts/kube/build-server.py`` makes the programs. ``ENFORCER_KUBE_SERVER`` names another folder of them.
"""

from __future__ import annotations

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
from patience import scaled

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(os.environ.get("ENFORCER_KUBE_SERVER") or ROOT / "build/kube")
MISSING = f"{PROGRAMS} has no API server: scripts/kube/build-server.py build/kube makes one"

USERS = """\
- {token: admin, user: admin, groups: [system:masters], rules: []}
"""


@attrs.frozen
class Cluster:
    """An API server that answers, with a client of its administrator."""

    port: int
    config: Path

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


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server with no definitions and a namespace."""
    if not all((PROGRAMS / name).exists() for name in ("etcd", "kube-apiserver", "kubectl")):
        pytest.skip(MISSING)
    folder = tmp_path_factory.mktemp("kube")
    port, store, peers = _free_ports(3)
    store_at, peers_at = (f"http://127.0.0.1:{each}" for each in (store, peers))
    (folder / "users.yaml").write_text(USERS)
    commands = (
        ["etcd", "--data-dir=etcd", "--unsafe-no-fsync", f"--initial-cluster=default={peers_at}"]
        + [f"--{word}-client-urls={store_at}" for word in ("listen", "advertise")]
        + [f"--{word}-peer-urls={peers_at}" for word in ("listen", "initial-advertise")],
        ["kube-apiserver", f"-etcd={store_at}", f"-port={port}", "-users=users.yaml"],
    )
    running = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.log").open("wb") as log:
                program = [PROGRAMS / command[0], *command[1:]]
                running.append(subprocess.Popen(program, cwd=folder, stdout=log, stderr=log))
            if command[0] == "etcd":
                _wait(f"{store_at}/health", running[-1], folder)
        cluster = Cluster(port, folder / "config")
        cluster.config.write_text(json.dumps(_config(port)))
        _wait_ready(cluster, running[-1], folder)
        cluster.do("create", "namespace", "shop")
        yield cluster
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait()


def _free_ports(number: int) -> list[int]:
    """Return ports that nobody has; all are held until the last is found, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def _config(port: int) -> dict[str, Any]:
    address = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": address}],
        "users": [{"name": "admin", "user": {"token": "admin"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    }


def _wait(address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + scaled(60)
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError as error:
            _still(process, until, folder, str(error))
        else:
            return


def _wait_ready(cluster: Cluster, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + scaled(120)
    while (done := cluster.run("get", "--raw=/readyz")).returncode:
        _still(process, until, folder, done.stderr)


def _still(process: subprocess.Popen[bytes], until: float, folder: Path, said: str) -> None:
    """Go on waiting, unless nothing can come of it."""
    if process.poll() is not None or time.monotonic() > until:
        logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
        pytest.fail(f"the API server did not start: {said}\n{logs}")
    time.sleep(0.2)
