# SPDX-License-Identifier: MIT
"""What the roles of the manifests let their holders do on a real API server, and what not."""

from __future__ import annotations

import json
from itertools import chain

import pytest
from kube_server import ROLES

AGENT, CLUSTER, TEAM, READER = (
    "enforcer-agent",
    "enforcer-cluster-admin",
    "enforcer-namespace-admin",
    "enforcer-reader",
)


def policy(kind, name):
    metadata = {"name": name} | ({"namespace": "shop"} if kind == "EnforcerPolicy" else {})
    return json.dumps(
        {
            "apiVersion": "enforcer.dev/v1",
            "kind": kind,
            "metadata": metadata,
            "spec": {"rules": [{"exec": {}, "action": "log"}]},
        }
    )


def lease(name):
    return json.dumps(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"leaseDurationSeconds": 15},
        }
    )


def event(name, namespace="shop"):
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {"kind": "Pod", "name": "web", "namespace": namespace},
            "reason": "Denied",
        }
    )


def rolled(text):
    """Return the policy that *text* is, with a rollout."""
    found = json.loads(text)
    found["metadata"]["annotations"] = {"enforcer.dev/rollout-mode": "audit"}
    return json.dumps(found)


MACHINE = '{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"a": "b"}}}'
OWN, WHOLE = policy("EnforcerPolicy", "roles"), policy("ClusterEnforcerPolicy", "roles")
OTHER = OWN.replace("enforcer.dev/v1", "cilium.io/v1alpha1").replace("Enforcer", "Tetragon")
NODE = '{"apiVersion": "enforcer.dev/v1", "kind": "EnforcerNode", "metadata": {"name": "n1"}, "spec": {}}'
STATUS = NODE.replace('"spec": {}', '"status": {"version": "1.0"}')
OWN_STATUS = json.dumps({**json.loads(OWN), "status": {"denials": 0}})
APPLY = ("apply", "--server-side", "--field-manager=test", "--force-conflicts", "-f", "-")

DEEDS = {
    "lists pods": (("get", "--raw=/api/v1/pods?fieldSelector=spec.nodeName%3Dn1"), ""),
    "lists nodes": (("get", "nodes"), ""),
    "follows its node": (
        ("get", "--raw=/api/v1/nodes?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dn1"),
        "",
    ),
    "labels its node": ((*APPLY, "--dry-run=server"), MACHINE),
    "writes the status of its node": ((*APPLY, "--subresource=status"), MACHINE),
    "makes a machine": (("create", "-f", "-", "--dry-run=server"), MACHINE.replace("n1", "n2")),
    "removes its machine": (("delete", "--raw=/api/v1/nodes/n1"), ""),
    "rolls a policy out": ((*APPLY, "--dry-run=server"), rolled(OWN)),
    "rolls a policy of the cluster out": ((*APPLY, "--dry-run=server"), rolled(WHOLE)),
    "lists events": (("get", "events", "-A"), ""),
    "writes an event": (APPLY, event("roles")),
    "reads an event": (("get", "event", "roles", "-n", "shop"), ""),
    "replaces an event": (("replace", "-f", "-", "--dry-run=server"), event("roles")),
    "removes an event": (("delete", "event", "roles", "-n", "shop", "--dry-run=server"), ""),
    "writes a pod": (
        APPLY,
        json.dumps(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "shop"}}
        ),
    ),
    "reads one pod": (("get", "pod", "web", "-n", "shop"), ""),
    "removes a pod": (("delete", "pod", "web", "-n", "shop"), ""),
    "reads definitions": (("get", "crd"), ""),
    "lists policies": (("get", "ep", "-A"), ""),
    "lists policies of the cluster": (("get", "cep"), ""),
    "lists policies of the other kind": (("get", "tetragonpolicies", "-A"), ""),
    "writes a policy of the other kind": (APPLY, OTHER),
    "reads one policy": (("get", "ep", "there", "-n", "shop"), ""),
    "writes a policy": (APPLY, OWN),
    "writes a policy of the cluster": (APPLY, WHOLE),
    "removes a policy": (("delete", "ep", "there", "-n", "shop", "--dry-run=server"), ""),
    "removes a policy of the cluster": (("delete", "cep", "there", "--dry-run=server"), ""),
    "writes the status of a policy": ((*APPLY, "--subresource=status"), OWN_STATUS),
    "writes the status of a policy of the cluster": (
        (*APPLY, "--subresource=status"),
        json.dumps({**json.loads(WHOLE.replace("roles", "there")), "status": {"denials": 0}}),
    ),
    "writes the status of a policy of the other kind": (
        (*APPLY, "--subresource=status"),
        json.dumps({**json.loads(OTHER), "status": {"denials": 0}}),
    ),
    "makes a lease": (("create", "-f", "-", "--dry-run=server"), lease("any")),
    "reads its lease": (("get", "lease", "enforcer-totals", "-n", "shop"), ""),
    "renews its lease": (("replace", "-f", "-", "--dry-run=server"), lease("enforcer-totals")),
    "reads another lease": (("get", "lease", "another", "-n", "shop"), ""),
    "renews another lease": (("replace", "-f", "-", "--dry-run=server"), lease("another")),
    "lists leases": (("get", "leases", "-A"), ""),
    "removes its lease": (
        ("delete", "lease", "enforcer-totals", "-n", "shop", "--dry-run=server"),
        "",
    ),
    "lists what nodes report": (("get", "enforcernodes"), ""),
    "makes a node": (APPLY, NODE.replace("n1", "n2")),
    "reports": ((*APPLY, "--subresource=status"), STATUS),
    "removes a node": (("delete", "enforcernode", "n1", "--dry-run=server"), ""),
}
POLICIES = {
    "lists policies",
    "lists policies of the other kind",
    "reads one policy",
    "writes a policy",
    "writes a policy of the other kind",
    "removes a policy",
    "rolls a policy out",
}
MAY = {
    AGENT: {
        "lists pods",
        "lists nodes",
        "follows its node",
        "lists policies",
        "lists policies of the cluster",
        "lists policies of the other kind",
        "writes the status of a policy",
        "writes the status of a policy of the cluster",
        "writes the status of a policy of the other kind",
        "makes a lease",
        "reads its lease",
        "renews its lease",
        "lists what nodes report",
        "makes a node",
        "reports",
        "writes an event",
    },
    CLUSTER: {
        *POLICIES,
        "lists policies of the cluster",
        "writes a policy of the cluster",
        "removes a policy of the cluster",
        "rolls a policy of the cluster out",
        "lists what nodes report",
        "removes a node",
    },
    TEAM: POLICIES,
    READER: {
        "lists policies",
        "lists policies of the cluster",
        "lists policies of the other kind",
        "reads one policy",
        "lists what nodes report",
    },
}
"""What each may do; what is not here, it may not."""


@pytest.fixture(scope="module")
def filled(cluster):
    """A server with a policy of each kind, and a node."""
    for text in (policy("EnforcerPolicy", "there"), policy("ClusterEnforcerPolicy", "there"), NODE):
        cluster.do("apply", "--server-side", "-f", "-", given=text)
    for text in (OWN, OTHER, event("roles"), *map(lease, ("enforcer-totals", "another"))):
        cluster.do("apply", "--server-side", "-f", "-", given=text)
    yield cluster
    cluster.do("delete", "-f", "-", given=event("roles"))


def test_all_roles_are_tried():
    """A new one needs its lines here."""
    assert MAY.keys() == ROLES.keys()


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("role", MAY)
def test_roles(filled, role, deed):
    """Everything that one may do is tried, and everything else, too."""
    words, given = DEEDS[deed]
    filled.run("delete", "enforcernode", "n2", "--ignore-not-found")

    assert (deed in MAY[role]) is filled.may(role, *words, given=given)


def test_no_role_has_everything():
    """Words that stand for all others are in none of them, nor is what somebody else made secret."""
    rules = [rule for role in ROLES.values() for rule in role]

    assert rules
    for rule in rules:
        assert {"apiGroups", "resources", "verbs"} == rule.keys() - {"resourceNames"}
        assert {"*", "secrets", "escalate", "bind"}.isdisjoint(chain.from_iterable(rule.values()))
        if "nodes" in rule["resources"]:
            assert (["nodes"], ["list", "watch"]) == (rule["resources"], rule["verbs"])
