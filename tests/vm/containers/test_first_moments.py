# SPDX-License-Identifier: MIT
"""
The first moments of a container: how long it is not known, what is decided meanwhile, and whose the runtime's own steps are.

What was measured is printed, and left in ``/run/vm/unknown.json``. Times are those of an emulated processor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import runtimes
from engine import Engine, running
from runtimes import Running, left, started

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: strict}
spec:
  selector: {container: {name: strict-*}}
  rules:
    - {name: secret, file: read, match: {path: /data/secret}, action: deny}
    - {name: lenient, file: read, match: {path: /data/pod}, action: deny, onError: allow}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: steps}
spec:
  selector: {container: {id: "*"}}
  rules:
    - {name: passwd, file: read, match: {path: /etc/passwd}, action: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: host}
spec:
  rules:
    - name: seen
      file: read
      match: {path: "/run/containerd/io.containerd.runtime.v2.task/*/*/rootfs/etc/passwd"}
      action: log
"""
# Attempts are the shell's own, without a fork; the clock is that of /proc/uptime.
WAITS = (
    "read began x </proc/uptime; n=0; "
    "until read x </data/secret; do n=$((n+1)); /bin/sleep 0.1; done 2>/dev/null; "
    "read ended x </proc/uptime; echo $began $ended $n >/data/known; exec /bin/sh /serve"
)
ATTACKS = (
    "passed=0; more=0; while [ $more -lt 200 ]; do "
    "read x </data/secret && passed=$((passed+1)); read x </data/pod || more=$((more+1)); "
    "done 2>/dev/null; echo $passed >/data/attacked; exec /bin/sh /serve"
)
TRIED = tuple(
    each for each in runtimes.ALL if each.name in {"crun-systemd", "cri-systemd", "nspawn", "lxc"}
)
_OWN_STEPS = {"cri-systemd": ("runc:[2:INIT]",)}
"""What reads /etc/passwd in a container before its first program, by the names of processes."""
_RESULTS = Path("/run/vm/unknown.json")

of_each = pytest.mark.parametrize("runtime", TRIED, ids=lambda each: each.name)


@pytest.fixture(scope="module")
def on(packages, tmp_path_factory) -> Iterator[Engine]:
    """The engine, before any container."""
    with running(POLICY, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def _is_of(
    event: dict[str, Any], container: Running, rule: str, process: str | None = None
) -> bool:
    if event.get("rule") != rule or event["container"]["id"] != container.id:
        return False
    return process in {None, event["process"]["name"]}


def _records(engine: Engine, container: Running, rule: str) -> list[dict[str, Any]]:
    """What the rule refused in the container, as far as records have come."""
    return [event for event in engine.events() if _is_of(event, container, rule)]


@of_each
def test_how_long_it_is_unknown(on, ready, runtime):
    """Rules that refuse meet it by onError until it is known that they are about others, and then no more."""
    with started(
        ready(runtime), f"waits-{runtime.name}", command=("/bin/sh", "-c", WAITS)
    ) as container:
        began, ended, refused = map(float, left(container, "known"))
        assert container.reads("/data/secret")
        secret = _records(on, container, "secret")
        assert all(event["onError"] for event in secret)
        assert bool(secret) == bool(refused)
    measured = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    measured[runtime.name] = {"seconds": round(ended - began, 2), "refused": int(refused)}
    _RESULTS.write_text(json.dumps(measured, indent=2) + "\n")
    print(runtime.name, measured[runtime.name])


@of_each
def test_an_attacker_from_the_first_instruction(on, ready, runtime):
    """Nothing passes in a container that the rule means, known or not yet; onError: allow lets pass until it is known."""
    with started(
        ready(runtime), f"strict-{runtime.name}", command=("/bin/sh", "-c", ATTACKS)
    ) as container:
        assert ["0"] == left(container, "attacked")
        assert not container.reads("/data/pod")


@pytest.mark.parametrize("runtime", TRIED[:2], ids=lambda each: each.name)
def test_steps_of_the_runtime(on, ready, runtime):
    """What runc does in the container's cgroup before the first program is not the container's doing."""
    with started(
        ready(runtime), f"steps-{runtime.name}", command=("/bin/sh", "-c", "exec /bin/sh /serve")
    ) as container:
        assert not container.reads("/etc/passwd")
        for name in _OWN_STEPS.get(runtime.name, ()):
            step = on.wait_for(lambda event, name=name: _is_of(event, container, "seen", name))
            assert "runtime" in step["process"]["flags"]
        refused = on.wait_for(lambda event: _is_of(event, container, "passwd", "sh"))
        assert "runtime" not in refused["process"]["flags"]
        found = {event["process"]["name"] for event in _records(on, container, "passwd")}

        assert {"sh"} == found
