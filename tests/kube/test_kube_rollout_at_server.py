# SPDX-License-Identifier: MIT
"""A rollout at a real API server: annotations, labels of nodes, and who may change where a policy is enforced."""

from __future__ import annotations

import json
import time

import pytest
from test_kube_agent_at_server import following, policy, result, until

from enforcer.cluster.agent.rollout import MODE, NODES, SHARE
from enforcer.identity.naming import boot_id

AGENT = "enforcer-agent"
PLACE = ("ep", "agent", "-n", "shop")


@pytest.fixture
def filled(cluster):
    """A server with a policy for labelled nodes, and a node without the label."""
    machine = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    own = policy("EnforcerPolicy", "agent", namespace="shop", annotations={NODES: "pool=canary"})
    texts = [own, json.dumps(machine)]
    cluster.do("delete", "enforcernode", "--all")
    for text in texts:
        cluster.do("create", "--validate=false", "-f", "-", given=text)
    yield cluster
    for text in texts:
        cluster.do("delete", "--ignore-not-found", "-f", "-", given=text)
    cluster.do("delete", "enforcernode", "--all")


def engine(folder, **parts):
    """Let an engine say that the policy is active as its file says."""
    path = folder / "policies/shop.agent.enforcerpolicy.yaml"
    mode = json.loads(path.read_bytes())["spec"].get("mode")
    state = "audit" if mode == "audit" else "active"
    head = {"version": 1, "enforcer": "1.0", "kernel": "6.12.1", "time": time.time()}
    rest = {"boot": boot_id(), "generation": 3, "mode": "enforce", "lost": 0}
    document = {**head, **rest, "policies": [result(path, state=state, **parts)]}
    new = folder / "results.new"
    new.write_text(json.dumps(document))
    new.replace(folder / "results.json")
    return state


def test_a_policy_is_rolled_out(filled, tmp_path):
    """By label, back to audit, and to all; each step is in the status, and none is a new generation."""
    file = tmp_path / "policies/shop.agent.enforcerpolicy.yaml"

    def says(state, reason, rollout):
        """Wait until the file is so, and until the policy's status says that."""

        def said():
            if engine(tmp_path) != state:
                return None
            found = filled.get(*PLACE)
            status = found.get("status", {})
            (enforced,) = [e for e in status.get("conditions", []) if e["type"] == "Enforced"] or [
                {}
            ]
            is_so = (enforced.get("reason"), status.get("rollout")) == (reason, rollout)
            return found if is_so else None

        return until(said, tmp_path, f"it does not become {state}, {rollout}")

    with following(filled, tmp_path, AGENT, "--namespace=shop"):
        until(file.exists, tmp_path, "no policy")
        held = says("audit", "Rollout", "pool=canary")
        filled.do("label", "node", "n1", "pool=canary")
        reached = says("active", "Active", "pool=canary")
        filled.do("annotate", *PLACE, f"{MODE}=audit")
        says("audit", "Rollout", "audit")
        filled.do("annotate", *PLACE, f"{MODE}-", f"{NODES}-", f"{SHARE}=100%")
        last = says("active", "Active", "all")
        filled.do("annotate", *PLACE, "--overwrite", f"{SHARE}=much")
        wrong = says("active", "Rollout", "invalid")

    assert (0, 1) == tuple(held["status"]["nodes"][key] for key in ("enforcing", "held"))
    assert (1, 0) == tuple(reached["status"]["nodes"][key] for key in ("enforcing", "held"))
    (failure,) = wrong["status"]["failures"]
    assert ("n1", f"metadata.annotations[{SHARE}]") == (failure["node"], failure["path"])
    assert {1} == {each["metadata"]["generation"] for each in (held, reached, last, wrong)}
    assert {1} == {each["observedGeneration"] for each in wrong["status"]["conditions"]}
    uid = filled.get("node", "n1")["metadata"]["uid"]
    (owner,) = filled.get("enforcernode", "n1")["metadata"]["ownerReferences"]
    assert ("Node", "n1", uid) == (owner["kind"], owner["name"], owner["uid"])


def test_who_writes_a_status_rolls_nothing_out(filled):
    """So the token of a node cannot let a policy only record: the server takes no annotation with a status."""
    text = policy("EnforcerPolicy", "agent", namespace="shop", annotations={MODE: "audit"})
    found = {**json.loads(text), "status": {"denials": 1}}
    words = ("apply", "--server-side", "--field-manager=test", "--force-conflicts", "-f", "-")

    is_written = filled.may(AGENT, *words, "--subresource=status", given=json.dumps(found))
    is_rolled = filled.may(AGENT, *words, given=text)

    after = filled.get(*PLACE)
    assert (True, False) == (is_written, is_rolled)
    assert 1 == after["status"]["denials"]
    assert {NODES: "pool=canary"} == after["metadata"]["annotations"]
