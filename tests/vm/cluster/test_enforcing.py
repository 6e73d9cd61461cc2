# SPDX-License-Identifier: MIT
"""Policies that are applied with kubectl, and pods that a kubelet runs: what is forbidden does not run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from node import until
from workload import FORBIDDEN, Pod, applied, pods, policy


@pytest.fixture(scope="module")
def shop(installed) -> Pod:
    """A pod of the namespace that has policies."""
    with pods(installed.kubectl, "shop", "web-1") as made:
        yield made[0]


@pytest.fixture(scope="module")
def other(installed) -> Pod:
    """A pod of another namespace, for the same."""
    with pods(installed.kubectl, "other", "web-1") as made:
        yield made[0]


def status(installed, name):
    """Return the status of a policy of the shop, and its conditions by their types."""
    path = f"/apis/enforcer.dev/v1/namespaces/shop/enforcerpolicies/{name}"
    found = (installed.api.get(path) or {}).get("status", {})
    return found, {each["type"]: each for each in found.get("conditions", ())}


@pytest.mark.parametrize("action", ["deny", "kill"])
def test_what_is_forbidden_does_not_run(installed, shop, other, action):
    """By neither name; in another namespace, and before and after the policy, it does."""
    name = f"no-bash-{action}"
    assert [True, True] == [shop.attempt(each) for each in FORBIDDEN]

    with applied(installed.kubectl, policy(name, "shop", action)):
        assert [False, False] == [shop.attempt(each) for each in FORBIDDEN]
        assert other.attempt()

    until(shop.attempt, "the policy is deleted, and still in force")
    lines = [each for each in installed.log() if f'policy="shop/{name}"' in each]
    assert lines
    for line in lines:
        said = (f"action={action}", "prevented=true", 'pod_name="web-1"', 'pod_namespace="shop"')
        assert [] == [each for each in said if f" {each}" not in line], line


def test_the_status_says_what_became_of_it(installed, shop):
    """From the node by way of the agent that sums up, for the generation that was applied, denials included."""
    with applied(installed.kubectl, policy("counted", "shop", "deny")):
        assert not shop.attempt()
        until(lambda: status(installed, "counted")[0].get("denials"), "no denial is counted", 300)
        found, conditions = status(installed, "counted")

    assert {"Accepted": "True", "Enforced": "True", "Degraded": "False"} == {
        name: each["status"] for name, each in conditions.items()
    }
    assert {1} == {each["observedGeneration"] for each in conditions.values()}
    assert (1, 1) == (found["nodes"]["total"], found["nodes"]["active"])


def test_a_change_that_is_wrong_leaves_what_was_there(installed, shop):
    """A key that nobody knows reaches the node as it is, is refused with its place, and loosens nothing."""
    document = policy("changed", "shop", "deny")
    with applied(installed.kubectl, document):
        wrong = json.loads(json.dumps(document))
        wrong["spec"]["rules"][0]["acton"] = "log"
        installed.kubectl.do("apply", "--validate=false", "-f", "-", given=json.dumps(wrong))

        def accepted() -> dict[str, Any]:
            return status(installed, "changed")[1].get("Accepted", {})

        until(lambda: accepted().get("status") == "False", lambda: str(accepted()))
        assert not shop.attempt()
        said = accepted()

    assert 2 == said["observedGeneration"]
    assert "acton" in said["message"]
