# SPDX-License-Identifier: MIT
"""Policies of one namespace, with pods as containerd makes them for a kubelet: from the first instruction, and nowhere else."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import runtimes
from cri import CriError
from engine import Engine, attempt, running
from patience import scaled
from runtimes import Cri, Podman, Running, left, started

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
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: only, namespace: listed}
spec:
  rules: [{name: shell, exec: {}, match: {path: /bin/busybox}, action: allow}]
  default: {exec: deny}
"""
TRIES = "/bin/touch /data/first; echo $? >/data/left; exec /bin/sh /serve"
TRIED = (Cri("systemd"), Cri("cgroupfs"))
of_each = pytest.mark.parametrize("runtime", TRIED, ids=lambda each: each.name)


def _begin(on: Engine, runtime: Cri, name: str, namespace: str, policy: str) -> Running:
    """Make a pod, wait until the engine knows it, and start a container in it."""
    before = _met(on, policy)
    sandbox = runtime.sandbox(name, namespace)
    runtimes.until(
        lambda: _met(on, policy) > before or _poked(sandbox[1]), f"{policy} does not know {name}"
    )
    number = runtime.begin(sandbox, name, runtimes.IMAGE, ("/bin/sh", "-c", TRIES))
    return Running(runtime, name, number, runtimes.first_process(number), pod=sandbox[1])


def _met(on: Engine, policy: str) -> int:
    return sum(event.get("policy") == policy for event in on.events())


def _poked(container: str) -> bool:
    """Let the pod's first container try what each of the policies refuses; it may have been refused itself."""
    with contextlib.suppress(AssertionError, OSError):
        root = Path(f"/proc/{runtimes.first_process(container)}/root")
        with (root / "ctl/ask").open("r+b", buffering=0) as ask:
            ask.write(b"/bin/touch /data/poked\n")
            time.sleep(scaled(0.5))  # else the line is lost; then it is tried again
    return False


def _first(container: Running) -> bool:
    """Whether what its first program started has run."""
    left(container, "left")
    return (container.root / "data/first").exists()


@of_each
def test_without_policies_the_first_program_may_start_any(ready, runtime):
    """The control."""
    with started(
        ready(runtime), f"free-{runtime.name}", command=("/bin/sh", "-c", TRIES)
    ) as container:
        assert _first(container)


@pytest.fixture(scope="module")
def on(packages, tmp_path_factory) -> Iterator[Engine]:
    """The engine, before any pod."""
    with running(POLICY, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@of_each
def test_its_own_pods_from_the_first_instruction(on, ready, runtime):
    """The kubelet's folder tells whose a pod is before its first container begins."""
    container = _begin(on, ready(runtime), f"own-{runtime.name}", "prod", "prod/closed")
    try:
        assert not _first(container)
        event = on.wait_for(
            lambda e: e.get("policy") == "prod/closed" and e["container"]["id"] == container.id
        )
        assert event["onError"] is False
        assert ("prod", f"own-{runtime.name}") == (event["pod"]["namespace"], event["pod"]["name"])
    finally:
        container.remove()


def test_a_hostile_tenant_keeps_nobody_else(on, ready):
    """Neither containers outside of pods, nor the host, from their first instruction on."""
    podman = Podman("crun", "systemd")
    with started(ready(podman), "elsewhere", command=("/bin/sh", "-c", TRIES)) as container:
        assert _first(container)
    made = Path("/run/vm/by-the-host")
    assert 0 == attempt("/usr/bin/touch", str(made)).returncode
    assert made.exists()
    assert not [event for event in on.events() if event.get("policy") == "dev/everything"]


def test_a_tenant_lists_what_may_run_as_its_containers_call_it(on, ready):
    """The runtime's steps in the cgroup are none of theirs, a copy of itself that it runs there included."""
    container = _begin(on, ready(TRIED[0]), "listed", "listed", "listed/only")
    try:
        assert not _first(container)
        assert _traces()
        event = on.wait_for(
            lambda e: e.get("policy") == "listed/only" and e["container"]["id"] == container.id
        )
        assert "/bin/touch" == _inside(event)
    finally:
        container.remove()


def test_a_hostile_tenant_keeps_its_own(on, ready):
    """It refuses its own first program; whether the runtime says so depends on which of them it was."""
    before = _traces()
    with contextlib.suppress(CriError, AssertionError):  # it has ended, or not even begun
        _begin(on, ready(TRIED[0]), "theirs", "dev", "dev/everything")
    # The pod may be gone before the daemon could ask whose the record is.
    event = on.wait_for(lambda e: e.get("policy") == "dev/everything")
    assert ("exec", "busybox") == (event["operation"], Path(event["object"]["path"]).name)
    assert set(_traces()) <= set(before)  # those of earlier tests go when containerd removes them


def _inside(event: dict[str, Any]) -> str:
    """Return what was run, as the container calls it."""
    return str(event["object"]["path"]).removeprefix(event["container"]["root"])


def _traces() -> list[Path]:
    """Return what first programs have left in containers of containerd that are there."""
    return sorted(Path("/var/lib/containerd").glob("*/snapshots/*/fs/data/left"))
