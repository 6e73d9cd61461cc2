# SPDX-License-Identifier: MIT
"""Administrators of two namespaces who mean each other ill: neither reaches the other's pods, nor the host."""

from __future__ import annotations

import contextlib
import subprocess

import pytest
from node import until
from workload import Pod, applied, pods

NAMESPACES = ("red", "blue")
EVERYTHING = {
    "rules": [{"name": "all", "file": "write", "match": {"path": "/tmp/**"}, "action": "deny"}],
    "default": {"network": "deny"},
}


def document(namespace: str, name: str = "everything", **spec):
    return {
        "apiVersion": "enforcer.dev/v1",
        "kind": "EnforcerPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**EVERYTHING, **spec},
    }


@pytest.fixture(scope="module")
def both(installed) -> list[Pod]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(pods(installed.kubectl, each, "web"))[0] for each in NAMESPACES]


def writes(pod: Pod) -> bool:
    """Whether the pod can write where the policy says that nobody can."""
    pod.run("sh", "-c", "echo x >/tmp/written")
    found = pod.reads("/tmp/written") == "x\n"
    if found:
        pod.run("rm", "/tmp/written")
    return found


def host_writes(tmp_path) -> bool:
    file = tmp_path / "written"
    done = subprocess.run(["sh", "-c", f"echo x >{file}"], check=False)
    return done.returncode == 0 and file.read_text() == "x\n"


@pytest.mark.parametrize("mine", [0, 1], ids=NAMESPACES)
def test_a_policy_of_one_reaches_nobody_else(installed, both, tmp_path, mine):
    own, others = both[mine], both[1 - mine]
    assert writes(own)
    with applied(installed.kubectl, document(own.namespace)):
        assert not writes(own)
        assert writes(others)
        assert host_writes(tmp_path)
    until(lambda: writes(own), "the policy is deleted, and still in force")


@pytest.mark.parametrize(
    "selector",
    [{"pod": {"namespace": "blue"}}, {"unit": "containerd.service"}],
    ids=["the other's pods", "a service of the host"],
)
def test_a_policy_that_names_others_meets_nobody(installed, both, tmp_path, selector):
    """Who it names is none of its own, and its own are none of those that it names."""
    with applied(installed.kubectl, document("red", "reaching", selector=selector)):
        assert [True, True] == [writes(each) for each in both]
        assert host_writes(tmp_path)
