# SPDX-License-Identifier: MIT
"""What a real API server makes of the definitions, and of policies, broken ones and statuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from kube_objects import (
    BROKEN,
    FORMS,
    NAMESPACE,
    READER,
    SERVER,
    broken,
    for_reader,
    quoted,
    shipped,
)
from plain import documents

from enforcer.errors import PolicyErrors
from enforcer.policy.language.kube import CLUSTER_POLICY, KINDS, NODE, POLICY, TETRAGON_POLICY
from enforcer.policy.store import load_text

FOLDER = Path(__file__).parents[2] / "packaging/kubernetes"
EXPLAINED = {
    "ep.spec": "To whom it applies, and the rules.",
    "ep.spec.mode": "audit: decide the same, permit everything",
    "ep.spec.rules": "Tried from top to bottom",
    "ep.spec.rules.action": "allow, log, deny or kill",
    "ep.spec.rules.file": "A file is used.",
    "ep.spec.rules.match.path": "Path of the file, or of a unix socket.",
    "ep.spec.rules.match.notLineage.binary": "Executable, as resolved at exec.",
    "cep.spec.rules.kprobe.at": "entry return",
    "ep.status.nodes.active": "Nodes on which it decides",
    "ep.status.rollout": "Where it is enforced, by its annotations",
    "enforcernodes.status.policies.state": "what is active is what it was before",
}


def apply(cluster, text, *words):
    """Apply *text* as kubectl does by itself if its own checks are left out."""
    return cluster.run("apply", "--validate=ignore", *words, "-f", "-", given=text)


def stored(cluster, found):
    """Return what the server has of *found*."""
    metadata = found["metadata"]
    place = ["--namespace", metadata["namespace"]] if "namespace" in metadata else []
    return cluster.get(found["kind"].lower(), metadata["name"], *place)


def test_definitions_are_structural(cluster):
    """The server finds nothing wrong with their schemas."""
    names = {kind.resource for kind in (*KINDS, TETRAGON_POLICY)}
    for found in cluster.get("crd", *names)["items"]:
        conditions = {each["type"]: each["status"] for each in found["status"]["conditions"]}
        assert "NonStructuralSchema" not in conditions, found["status"]["conditions"]
        assert {"NamesAccepted": "True", "Established": "True"} == conditions


def test_definitions_can_be_applied_by_the_client(cluster):
    """And again, with nothing changed."""
    for _ in range(2):
        cluster.do("apply", "-f", str(FOLDER / "crds"))


@pytest.mark.parametrize("kind", [POLICY, CLUSTER_POLICY], ids=lambda kind: kind.kind)
def test_shipped_policies_are_taken_unchanged(cluster, kind):
    """With all checks of the client, too."""
    wanted = list(shipped(kind))
    items = {"apiVersion": "v1", "kind": "List", "items": wanted}

    cluster.do("apply", "-f", "-", given=json.dumps(items))

    for each in wanted:
        found = stored(cluster, each)
        assert each["spec"] == found["spec"]
        load_text(for_reader(found), "p.yaml") if kind is CLUSTER_POLICY else None
    cluster.do("delete", kind.plural, "--all", *(["-n", NAMESPACE] if kind.namespaced else []))


def test_every_form_is_kept(cluster):
    """What a client applies by the server is what the server has, with nothing left out."""
    (document,) = documents(f"rules: [{', '.join(FORMS)}]\n")
    found = {
        "apiVersion": CLUSTER_POLICY.api_version,
        "kind": CLUSTER_POLICY.kind,
        "metadata": {"name": "forms"},
        "spec": quoted(document),
    }

    done = apply(cluster, json.dumps(found), "--server-side")

    assert 0 == done.returncode, done.stderr
    assert found["spec"] == stored(cluster, found)["spec"]
    cluster.do("delete", CLUSTER_POLICY.plural, "forms")


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("by", ["client", "server"])
def test_broken_policies_are_refused(cluster, what, by):
    """By the server, or kept as they are and refused by the reader; whoever puts the object together."""
    text, who = BROKEN[what]
    found = broken(text)

    done = apply(cluster, text, f"--server-side={'true' if by == 'server' else 'false'}")

    if who == SERVER:
        assert done.returncode != 0
        return
    assert READER == who
    assert 0 == done.returncode, done.stderr
    kept = stored(cluster, found)
    cluster.do("delete", "-f", "-", given=text)
    assert {key: value for key, value in found.items() if key != "metadata"}.items() <= kept.items()
    with pytest.raises(PolicyErrors):
        load_text(for_reader(kept), "p.yaml")


@pytest.mark.parametrize("field", EXPLAINED)
def test_fields_are_explained(cluster, field):
    """As the tables have them."""
    printed = " ".join(cluster.do("explain", field).split())

    assert EXPLAINED[field] in printed


GOOD = """\
apiVersion: enforcer.dev/v1
kind: EnforcerPolicy
metadata: {name: good, namespace: shop}
spec: {mode: audit, rules: [{exec: {}, match: {path: /bin/sh}, action: deny}]}
"""


def status(found, **parts):
    """Return a status of the object *found*, as one manager applies it."""
    kept = {
        key: found["metadata"][key] for key in ("name", "namespace") if key in found["metadata"]
    }
    return json.dumps(
        {
            "apiVersion": found["apiVersion"],
            "kind": found["kind"],
            "metadata": kept,
            "status": parts,
        }
    )


def give(cluster, manager, text):
    """Apply a status as *manager*."""
    words = ("apply", "--server-side", "--subresource=status", f"--field-manager={manager}")
    return cluster.run(*words, "-f", "-", given=text)


def condition(kind, holds="True"):
    return {
        "type": kind,
        "status": holds,
        "reason": "Test",
        "message": "Why.",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }


def test_two_managers_share_a_status(cluster):
    """Each has its own conditions, and neither takes those of the other away. A status changes no spec."""
    cluster.do("apply", "-f", "-", given=GOOD)
    found = cluster.get("ep", "good", "-n", NAMESPACE)
    counts = {"total": 3, "active": 2, "degraded": 0, "refused": 1}

    first = give(cluster, "a", status(found, conditions=[condition("Accepted")], nodes=counts))
    second = give(cluster, "b", status(found, conditions=[condition("Degraded")], denials=7))
    again = give(
        cluster, "a", status(found, conditions=[condition("Accepted", "False")], nodes=counts)
    )

    assert [0, 0, 0] == [first.returncode, second.returncode, again.returncode], second.stderr
    after = cluster.get("ep", "good", "-n", NAMESPACE)
    assert found["spec"] == after["spec"]
    assert 1 == after["metadata"]["generation"]
    assert {"Accepted": "False", "Degraded": "True"} == {
        each["type"]: each["status"] for each in after["status"]["conditions"]
    }
    assert 7 == after["status"]["denials"]
    assert give(cluster, "b", status(found, conditions=[condition("Accepted")])).returncode != 0


def test_columns_of_policies(cluster):
    """Mode, rollout, nodes, denials, age."""
    cluster.do("apply", "-f", "-", given=GOOD)
    found = cluster.get("ep", "good", "-n", NAMESPACE)
    counts = {"total": 3, "active": 2, "enforcing": 1, "held": 1, "degraded": 0, "refused": 1}
    words = ("apply", "--server-side", "--subresource=status", "--force-conflicts", "-f", "-")
    cluster.do(*words, given=status(found, nodes=counts, rollout="25% of pool=canary", denials=7))

    head, line = cluster.do("get", "ep", "-n", NAMESPACE, "--no-headers=false").splitlines()

    columns = ["NAME", "MODE", "ROLLOUT", "ENFORCING", "ACTIVE", "NODES", "DENIALS", "AGE"]
    assert columns == head.split()
    assert re.fullmatch(r"good +audit +25% of pool=canary +1 +2 +3 +7 +\S+", line)


NODE_OBJECT = {
    "apiVersion": NODE.api_version,
    "kind": NODE.kind,
    "metadata": {"name": "node-1"},
    "spec": {},
}


def test_nodes_report(cluster):
    """A node has its policies by name, and its columns."""
    cluster.do("apply", "--server-side", "-f", "-", given=json.dumps(NODE_OBJECT))
    parts = {
        "version": "1.0",
        "kernel": "6.12.1",
        "generation": 3,
        "mode": "enforce",
        "lost": 0,
        "lastSeen": "2026-01-02T03:04:05Z",
        "policies": [
            {"name": "shop/good", "state": "active", "observedGeneration": 1, "denials": 2},
            {"name": "shop/new", "state": "audit", "rollout": "25% of pool=canary", "held": True},
            {
                "name": "vault",
                "state": "refused",
                "reason": "Unknown",
                "path": "spec.rules[0].acton",
            },
        ],
        "conditions": [condition("Ready")],
    }

    done = give(cluster, "node-1", status(NODE_OBJECT, **parts))

    assert 0 == done.returncode, done.stderr
    assert parts == cluster.get("enforcernodes", "node-1")["status"]
    head, line = cluster.do("get", "enforcernodes").splitlines()
    assert ["NAME", "READY", "MODE", "VERSION", "KERNEL", "LOST", "SEEN"] == head.split()
    assert ["node-1", "True", "enforce", "1.0", "6.12.1", "0"] == line.split()[:6]


@pytest.mark.parametrize(
    "parts",
    [
        {"policies": [{"name": "a", "state": "well"}]},
        {"policies": [{"state": "active"}]},
        {"conditions": [condition("Enforced")]},
        {"generation": -1},
        {"lastSeen": "yesterday"},
    ],
)
def test_a_report_that_is_wrong_is_refused(cluster, parts):
    """So that whoever reads statuses can rely on them."""
    cluster.do("apply", "--server-side", "-f", "-", given=json.dumps(NODE_OBJECT))

    assert give(cluster, "node-1", status(NODE_OBJECT, **parts)).returncode != 0


def test_the_article_applies(cluster):
    """With the kind that it has, and with the key that it has."""
    path = FOLDER.parents[1] / "policies/examples/detect-bash-exec.yaml"

    cluster.do("apply", "-n", NAMESPACE, "-f", str(path))

    found = cluster.get(TETRAGON_POLICY.plural, "detect-bash-exec", "-n", NAMESPACE)
    assert [{"syscall": {"name": "execve"}, "action": "Allow"}] == found["spec"]["திராட்சை"]
    (policy,) = load_text(for_reader(found), "p.yaml").policies
    assert "shop/detect-bash-exec" == policy.name
