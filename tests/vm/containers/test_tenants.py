# SPDX-License-Identifier: MIT
"""Policies of one namespace, with pods as containerd makes them for a kubelet: from the first instruction, and nowhere else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import runtimes
from cri import CriError
from engine import Engine, attempt, running
from patience import scaled
from runtimes import Cri, Podman, Running

from enforcer import places
from enforcer.runtime.control.answers import Status
from enforcer.runtime.control.protocol import STATUS, Client

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: closed, namespace: prod}
spec:
  rules: [{name: touch, exec: {}, match: {path: /bin/touch}, action: deny}]
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: everything, namespace: dev}
spec:
  rules: [{name: all, file: write, match: {path: /**}, action: deny}]
  default: {exec: deny, network: deny}
"""
TRIES = "/bin/touch /data/first; echo $? >/data/left; exec /bin/sh /serve"
TRIED = (Cri("systemd"), Cri("cgroupfs"))
of_each = pytest.mark.parametrize("runtime", TRIED, ids=lambda each: each.name)


class Known:
    """Waits until the engine's image has the pod that begins now."""

    def __init__(self) -> None:
        self._before = self._ask()["generation"]

    def __call__(self) -> None:
        """Wait."""
        runtimes.until(self._is_there, "the pod is not known")

    def _is_there(self) -> bool:
        now = self._ask()
        return now["generation"] > self._before and not now["unknownContainers"]

    def _ask(self) -> Status:
        with Client.connect(places.SOCKET, timeout=scaled(60)) as client:
            return client.ask(STATUS)["status"]


@contextlib.contextmanager
def _started(runtime, name: str, **how: Any) -> Iterator[Running]:
    container = runtime.start(name, command=("/bin/sh", "-c", TRIES), **how)
    try:
        yield container
    finally:
        container.remove()


def _first(container: Running) -> bool:
    """Whether what its first program started has run."""
    left = container.root / "data/left"
    runtimes.until(lambda: left.exists() and left.read_text() != "", f"no {left}", 240)
    return (container.root / "data/first").exists()


@of_each
def test_without_policies_the_first_program_may_start_any(ready, runtime):
    """The control."""
    with _started(ready(runtime), f"free-{runtime.name}") as container:
        assert _first(container)


@pytest.fixture(scope="module")
def on(packages, tmp_path_factory) -> Iterator[Engine]:
    """The engine, before any pod."""
    with running(POLICY, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@of_each
def test_its_own_pods_from_the_first_instruction(on, ready, runtime):
    """The kubelet's folder tells whose a pod is before its first container begins."""
    with _started(ready(runtime), f"own-{runtime.name}", between=Known()) as container:
        assert not _first(container)
        event = on.wait_for(
            lambda e: e.get("policy") == "prod/closed" and e["container"]["id"] == container.id
        )
        assert event["onError"] is False
        assert ("prod", f"own-{runtime.name}") == (event["pod"]["namespace"], event["pod"]["name"])


def test_a_hostile_tenant_keeps_nobody_else(on, ready):
    """Neither containers outside of pods, nor the host, from their first instruction on."""
    podman = Podman("crun", "systemd")
    with _started(ready(podman), "elsewhere") as container:
        assert _first(container)
    made = Path("/run/vm/by-the-host")
    assert 0 == attempt("/usr/bin/touch", str(made)).returncode
    assert made.exists()
    assert not [event for event in on.events() if event.get("policy") == "dev/everything"]


def test_a_hostile_tenant_keeps_its_own(on, ready):
    """It cannot even begin: what runc does in the pod's cgroup before the first program is refused, too."""
    with pytest.raises(CriError, match="OCI runtime create failed"):
        ready(TRIED[0]).start("theirs", is_meant=False, between=Known())
    on.wait_for(lambda e: e.get("policy") == "dev/everything" and e["pod"]["name"] == "theirs")
