# SPDX-License-Identifier: MIT
"""
What is enforced stays while all that brought it fails, and while somebody tries without a pause.

The attacker is the only process of a pod, and counts in its own files what it has tried, and what has run.
"""

from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from installed import first_process
from node import IMAGE, until
from workload import Pod, applied, pods, policy

ROUNDS = int(os.environ.get("ENFORCER_CLUSTER_ROUNDS", "3"))
"""Times that each is killed."""
MANY = int(os.environ.get("ENFORCER_CLUSTER_POLICIES", "50"))
"""Policies that come at once."""

REPORTED = 5000
"""Policies that a node reports (docs/kubernetes.md)."""

MOST = 64
"""Policies that a namespace may have (``tenantQuota``, docs/service.md)."""

PLACE = "/apis/enforcer.dev/v1/namespaces/hostile/enforcerpolicies"
FOLDER = Path("/var/lib/enforcer/kube/policies")
"""Of the agent, on the host."""

# A loop of a shell that is not forbidden. Each try is a line of its own, so none is lost by a rewrite.
ATTACK = "while :; do /bin/bash -c 'echo >>/tmp/ran'; echo >>/tmp/tried; done 2>/dev/null"
SHARE = "200m"
"""Of a processor, for the attacker: an API server that is emulated comes back late beside a loop that has all."""
_TRIES = 3
"""Tries that must come between two faults, so that each is met by some."""
_REST = 5.0
"""Seconds between two looks at a report, which has up to a megabyte."""
_CHECKS = 5
"""Times that is looked while a pod is replaced."""


@pytest.fixture(scope="module")
def attacker(installed) -> Iterator[Pod]:
    with pods(installed.kubectl, "hostile", "attacker", script=ATTACK, cpu=SHARE) as made:
        yield made[0]


@pytest.fixture(scope="module")
def files(attacker: Pod) -> Path:
    """The root of the attacker, as the host sees it: no API server is asked."""
    uid = attacker.kubectl.get("-n", attacker.namespace, "pod", attacker.name)["metadata"]["uid"]
    return until(lambda: _root(uid), f"no process of {uid} has tried anything")


def _root(uid: str) -> Path | None:
    for folder in Path("/sys/fs/cgroup/kubepods").glob(f"**/pod{uid}/*"):
        for line in (folder / "cgroup.procs").read_text().split() if folder.is_dir() else ():
            root = Path(f"/proc/{line}/root")
            if (root / "tmp/tried").exists():
                return root
    return None


def count(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


@pytest.fixture(scope="module")
def forbidden(installed, attacker, files) -> Iterator[Callable[[], None]]:
    """A policy that refuses what the attacker tries; the check that nothing of it has run since, though it tried."""
    ran = files / "tmp/ran"
    until(lambda: count(ran) > 0, "the attacker runs nothing, without any policy")
    with applied(installed.kubectl, policy("no-bash", "hostile", "deny")):
        tried, before = files / "tmp/tried", None

        def settled() -> bool:
            """What had begun before the policy was active has ended."""
            nonlocal before
            last, before = before, count(ran)
            begin = count(tried)
            until(lambda: count(tried) > begin + _TRIES, "the attacker tries nothing")
            return last == before

        until(settled, "the attacker goes on to run what is forbidden")

        def check() -> None:
            begin = count(tried)
            until(lambda: count(tried) > begin + _TRIES, "the attacker tries nothing any more")
            assert before == count(ran)

        yield check
    until(lambda: count(ran) > (before or 0), "the policy is gone, and nothing runs")


@pytest.fixture
def show(capsys) -> Callable[[str], None]:
    """Shows what has begun, as each part takes minutes."""

    def printed(what: str) -> None:
        with capsys.disabled():
            print(f"\n{time.strftime('%H:%M')} {what}", end=" ", flush=True)

    return printed


@pytest.fixture
def rounds(show) -> Iterator[int]:
    """Numbers of rounds."""

    def begun() -> Iterator[int]:
        for number in range(1, ROUNDS + 1):
            show(f"round {number} of {ROUNDS}")
            yield number

    return begun()


def test_the_api_server_is_killed_and_comes_back(node, installed, forbidden, rounds):
    for _ in rounds:
        node.kill("kube-apiserver")
        forbidden()
        node.start_unit("kube-apiserver")
        forbidden()
        node.wait_for_server()
    forbidden()
    assert installed.node()["policies"]


@pytest.mark.parametrize("which", ["tetragon", "agent"])
def test_a_container_of_the_pod_is_killed(installed, forbidden, which, rounds):
    """A kubelet starts it again, and the engine takes over what its pins have kept in force."""
    for _ in rounds:
        before = restarts(installed, which)
        os.kill(first_process(installed.containers()[which]), signal.SIGKILL)
        forbidden()
        until(
            lambda before=before: restarts(installed, which) > before and installed.is_ready(),
            installed.why,
            600,
        )
        forbidden()


def test_the_store_is_restored_from_a_backup(node, installed, forbidden):
    """What is in the backup stays in force all the time; what came after it goes."""
    node.save_store()
    forbidden()
    node.wait_for_server()
    later = policy("later", "hostile", "log")
    installed.kubectl.do("apply", "-f", "-", given=json.dumps(later))
    until(lambda: written("later"), "the agent does not write a policy that came later")

    node.restore_store()
    forbidden()
    node.wait_for_server()

    until(lambda: not written("later"), "a policy that is not in the backup stays", 900)
    assert written("no-bash")
    forbidden()
    assert not installed.kubectl.has("enforcerpolicies.enforcer.dev", "-n", "hostile", "later")


def test_many_policies_come_at_once(node, installed, forbidden, show):
    """As many as a namespace may have are active, those that were among them; the others are refused, and no try succeeds."""

    def made(number: int) -> dict[str, Any]:
        found = policy(f"many-{number}", "hostile", "deny")
        found["spec"]["rules"][0]["match"] = {"path": f"/nowhere/{number}"}
        return found

    before = len(installed.node()["policies"])
    assert before + MANY <= REPORTED, (
        f"{MANY} and the {before} that are there have no room in a report"
    )
    show(f"{MANY} policies are made")
    node.api.create(PLACE, map(made, range(MANY)))
    try:
        show("they are waited for")
        forbidden()
        until(
            lambda: len(states(installed)) >= before + MANY,
            lambda: f"{len(states(installed))} of {before + MANY} policies are reported",
            60 + 2 * MANY,
            _REST,
        )
        forbidden()
        found = states(installed)
    finally:
        show("they are deleted")
        node.api.delete(PLACE, (f"many-{number}" for number in range(MANY)))
    until(
        lambda: len(states(installed)) == before,
        "what was deleted is still reported",
        60 + MANY,
        _REST,
    )
    forbidden()

    assert "active" == found["hostile/no-bash"]
    counts = collections.Counter(
        state for name, state in found.items() if name.startswith("hostile/")
    )
    assert {"active": min(1 + MANY, MOST), "refused": max(0, 1 + MANY - MOST)} == {
        each: counts[each] for each in ("active", "refused")
    }


def test_the_image_is_replaced(installed, forbidden):
    """A DaemonSet ends its pod before it makes the next: what the pins keep is all that there is meanwhile."""
    next_one = f"{IMAGE.partition(':')[0]}:next"
    subprocess.check_call(["ctr", "-n", "k8s.io", "images", "tag", IMAGE, next_one])
    before = installed.containers()[installed.container]["containerID"]
    manifests = installed.render("image.tag=next")
    installed.kubectl.do("apply", "-n", installed.namespace, "-f", "-", given=manifests)
    for _ in range(_CHECKS):
        forbidden()
    until(installed.is_ready, installed.why, 900)
    forbidden()

    assert before != installed.containers()[installed.container]["containerID"]
    # Its status may say another name of the same image.
    assert {next_one} == {each["image"] for each in installed.pod()["spec"]["containers"]}


def written(name: str) -> bool:
    """Whether the agent has a file of the policy of that name."""
    return any(FOLDER.glob(f"hostile*{name}*"))


def states(installed) -> dict[str, str]:
    """Return what the node reports of each policy."""
    return {each["name"]: each["state"] for each in installed.node().get("policies", ())}


def restarts(installed, which: str) -> int:
    return int(installed.containers().get(which, {}).get("restartCount", 0))
