# SPDX-License-Identifier: MIT
"""
What is removed as the page says leaves nothing in force, and nothing behind but its folders.

It is the last file by its name: the cluster has no enforcer afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from node import until
from workload import Pod, pods, policy

_PINS = Path("/sys/fs/bpf/enforcer")
_KINDS = ("enforcerpolicies", "clusterenforcerpolicies", "enforcernodes")


@pytest.fixture
def last(installed) -> Pod:
    with pods(installed.kubectl, "last", "web") as made:
        yield made[0]


def engines() -> list[str]:
    """Return what runs on the node in the name of enforcer."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            found.append(path.read_text().strip())
        except OSError:
            continue  # it has ended
    return [each for each in found if each == "enforcer"]


def test_it_is_removed_as_the_page_says(installed, last):
    """First the pins' persistence, then the pods, then the definitions, which take all policies along."""
    kubectl = installed.kubectl
    document = policy("no-bash", "last", "deny")
    meta = document["metadata"]
    kubectl.do("apply", "-f", "-", given=json.dumps(document))
    which = (f"enforcerpolicy.enforcer.dev/{meta['name']}", "-n", meta["namespace"])
    kubectl.do("wait", "--for=condition=Enforced", "--timeout=300s", *which)
    assert not last.attempt()

    installed.apply("engine.persist=false")
    assert not last.attempt()
    assert engines()

    kubectl.do("delete", "-n", installed.namespace, "-f", "-", given=installed.render())
    until(lambda: not engines(), "processes of enforcer run on", 300)
    assert last.attempt()
    assert not _PINS.exists()

    kubectl.do("delete", "customresourcedefinition", *(f"{each}.enforcer.dev" for each in _KINDS))
    until(lambda: installed.api.text("/apis/enforcer.dev/v1") is None, "the definitions are served")
