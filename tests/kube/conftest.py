# SPDX-License-Identifier: MIT
"""One API server for all tests of a run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from kube_server import (
    LEASES,
    MISSING,
    PROGRAMS,
    ROOT,
    USERS,
    Cluster,
    config_of,
    free_ports,
    wait_for,
    wait_ready,
)

from enforcer.policy.language.kube import KINDS, TETRAGON_POLICY


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server with no definitions and a namespace."""
    if not all((PROGRAMS / name).exists() for name in ("etcd", "kube-apiserver", "kubectl")):
        pytest.skip(MISSING)
    folder = tmp_path_factory.mktemp("kube")
    port, store, peers = free_ports(3)
    store_at, peers_at = (f"http://127.0.0.1:{each}" for each in (store, peers))
    (folder / "users.yaml").write_text(json.dumps(USERS))
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
                wait_for(f"{store_at}/health", running[-1], folder)
        cluster = Cluster(port, folder / "config")
        cluster.config.write_text(json.dumps(config_of(port)))
        wait_ready(cluster, running[-1], folder)
        cluster.do("create", "namespace", "shop")
        yield cluster
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait()


@pytest.fixture(scope="session")
def cluster(server: Cluster) -> Cluster:
    """A server with the definitions."""
    for folder in ("crds", "crds-of-others"):
        server.do("apply", "--server-side", "-f", str(ROOT / "packaging/kubernetes" / folder))
    server.do("apply", "--server-side", "-f", "-", given=json.dumps(LEASES))
    names = [*(kind.resource for kind in (*KINDS, TETRAGON_POLICY)), LEASES["metadata"]["name"]]
    server.do("wait", "--for=condition=Established", "crd", *names)
    server.do("wait", "--for=condition=NamesAccepted", "crd", *names)
    return server
