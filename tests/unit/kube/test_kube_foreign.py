# SPDX-License-Identifier: MIT
"""Policies of other engines: which nodes they are for, what their files say, and what becomes of them."""

from __future__ import annotations

import attrs
import kube_fakes
import pytest
from kube_fakes import MACHINES, POLICIES, SPEC, until

from enforcer.cluster.agent.foreign_object import LabelsUnknownError, for_node
from enforcer.cluster.agent.label_selector import read_selector
from enforcer.cluster.agent.node_object import NodeObject
from enforcer.cluster.agent.policy_folder import PolicyFolder
from enforcer.cluster.agent.policy_state import PolicyStates
from enforcer.cluster.agent.resource import FOREIGN, Found, Listed, node_of
from enforcer.cluster.agent.rollout import RolloutError
from enforcer.policy.store import Trust, load_policies

BY_KIND = {each.kind: each for each in FOREIGN}
POD = BY_KIND["KubeArmorPolicy"]
HOST = BY_KIND["KubeArmorHostPolicy"]
TRACING = BY_KIND["TracingPolicy"]

ARMOR = {"process": {"matchPaths": [{"path": "/bin/sh"}]}, "action": "Block"}
CONNECT = {
    "kprobes": [
        {
            "call": "tcp_connect",
            "syscall": False,
            "args": [{"index": 0, "type": "sock"}],
            "selectors": [{"matchActions": [{"action": "Sigkill"}]}],
        }
    ]
}
WORKER = {"pool": "worker"}


def item(key, resource, spec, **meta):
    namespace, name = key
    metadata = {"name": name, "resourceVersion": "7", "generation": 3, "uid": "u", **meta}
    if namespace:
        metadata["namespace"] = namespace
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
        "spec": spec,
    }


@attrs.define
class _Folder:
    """The folder of a node, and what is known of it."""

    folder: PolicyFolder
    states: PolicyStates
    node: NodeObject

    def labels(self, labels):
        meta = {"name": "node-1", "uid": "u", "labels": labels}
        if self.node.take(Found(node_of("node-1"), ("", "node-1"), {"metadata": meta})):
            self.folder.relabel()
        self.folder.write()

    def put(self, key, resource, spec, **meta):
        self.folder.take(Found(resource, key, item(key, resource, spec, **meta)))
        self.folder.write()

    @property
    def files(self):
        return sorted(path.name for path in self.folder.path.iterdir())

    def text(self, name):
        return (self.folder.path / name).read_text()


@pytest.fixture
def folder(tmp_path):
    states = PolicyStates(tmp_path / "state")
    node = NodeObject(tmp_path / "node", "node-1")
    made = _Folder(PolicyFolder(tmp_path / "policies", states, node), states, node)
    made.folder.open()
    return made


# ---- Selectors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "is_selected"),
    [
        ({}, True),
        ({"matchLabels": {"pool": "worker"}}, True),
        ({"matchLabels": {"pool": "worker", "zone": "a"}}, False),
        ({"matchLabels": {"pool": "*"}}, True),
        ({"matchLabels": {"zone": "*"}}, False),
        ({"matchLabels": {"pool": "db, worker"}}, True),
        ({"matchExpressions": [{"key": "pool", "operator": "In", "values": ["worker"]}]}, True),
        ({"matchExpressions": [{"key": "pool", "operator": "NotIn", "values": ["worker"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "pool", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "pool", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": None, "matchExpressions": None}, True),
    ],
)
def test_selectors_of_objects(selector, is_selected):
    assert is_selected == read_selector(selector).matches(WORKER)


@pytest.mark.parametrize(
    "selector",
    [
        {"matchLabel": {}},
        {"matchLabels": {"pool": 7}},
        {"matchLabels": "pool"},
        {"matchExpressions": {"key": "pool"}},
        {"matchExpressions": ["pool"]},
        {"matchExpressions": [{"key": "pool"}]},
        {"matchExpressions": [{"key": 7, "operator": "Exists"}]},
        {"matchExpressions": [{"key": "pool", "operator": "Like", "values": ["a"]}]},
        {"matchExpressions": [{"key": "pool", "operator": "Exists", "values": ["a"]}]},
        {"matchExpressions": [{"key": "pool", "operator": "In", "values": []}]},
        {"matchExpressions": [{"key": "pool", "operator": "In", "values": "a"}]},
        {"matchExpressions": [{"key": "pool", "operator": ["In"], "values": ["a"]}]},
        {"matchExpressions": [{"key": "p", "operator": "In", "values": ["a"], "more": 1}]},
    ],
    ids=str,
)
def test_what_is_no_selector_is_left_for_the_engine_to_refuse(selector, folder):
    with pytest.raises(ValueError, match="no "):
        read_selector(selector)

    folder.labels(WORKER)
    whole = item(("", "a"), HOST, {**ARMOR, "nodeSelector": selector})
    assert whole == for_node(whole, folder.node)


def test_a_policy_of_the_cluster_is_for_the_nodes_that_it_selects(folder):
    """And follows the labels; its file says nothing of nodes, which the engine would compare by itself."""
    spec = {**CONNECT, "nodeSelector": {"matchLabels": WORKER}}
    folder.labels({})
    folder.put(("", "a"), TRACING, spec)
    assert [] == folder.files

    folder.labels(WORKER)
    assert ["a.tracingpolicy.yaml"] == folder.files
    assert "nodeSelector" not in folder.text("a.tracingpolicy.yaml")

    folder.labels({"pool": "db"})
    assert [] == folder.files
    assert [] == [name for name, _ in folder.states.all()]


def test_the_name_of_the_node_is_a_label(folder):
    folder.labels({})
    for number, name in enumerate(("node-1", "node-2")):
        selector = {"matchLabels": {"kubearmor.io/hostname": name}}
        folder.put(("", f"p{number}"), HOST, {**ARMOR, "nodeSelector": selector})

    assert ["p0.kubearmorhostpolicy.yaml"] == folder.files


def test_without_labels_all_stays_as_it_was(folder):
    """What is new is not begun, and what was there neither goes nor changes; both say why."""
    spec = {**ARMOR, "nodeSelector": {"matchLabels": WORKER}}
    folder.labels(WORKER)
    folder.put(("", "old"), HOST, spec)
    before = folder.text("old.kubearmorhostpolicy.yaml")
    folder.node.labels = None

    folder.put(("", "old"), HOST, {**spec, "action": "Audit"})
    folder.put(("", "new"), HOST, spec)
    with pytest.raises(LabelsUnknownError):
        for_node(item(("", "new"), HOST, spec), folder.node)

    assert ["old.kubearmorhostpolicy.yaml"] == folder.files
    assert before == folder.text("old.kubearmorhostpolicy.yaml")
    refusals = {state.label: state.refusal for _, state in folder.states.all()}
    assert {"spec.nodeSelector"} == {each.path for each in refusals.values()}

    folder.labels(WORKER)
    assert ["new.kubearmorhostpolicy.yaml", "old.kubearmorhostpolicy.yaml"] == folder.files
    assert before != folder.text("old.kubearmorhostpolicy.yaml")


# ---- Files -----------------------------------------------------------------------------------


def test_what_is_written_is_read(folder):
    """Each kind by the reader of its language; those of a namespace are tenants."""
    folder.labels({})
    folder.put(("shop", "no-sh"), POD, {**ARMOR, "selector": {"matchLabels": {"app": "web"}}})
    folder.put(("", "host"), HOST, ARMOR)
    folder.put(("", "any"), BY_KIND["KubeArmorClusterPolicy"], ARMOR)
    folder.put(("", "calls"), TRACING, CONNECT)
    folder.put(("shop", "calls"), BY_KIND["TracingPolicyNamespaced"], CONNECT)

    found = load_policies([folder.folder.path], trust=Trust()).policies

    assert [
        ("any", ""),
        ("calls", ""),
        ("host", ""),
        ("shop/calls", "shop"),
        ("shop/no-sh", "shop"),
    ] == sorted((policy.name, policy.namespace) for policy in found)


def test_annotations_that_decide_are_kept(folder):
    """Without its posture, a list of what is allowed would only record the rest. All others are the server's."""
    folder.labels({})
    notes = {"kubearmor-file-posture": "block", "kubectl.kubernetes.io/last-applied": "{}"}
    allow = {"process": {"matchPaths": [{"path": "/bin/sh"}]}, "action": "Allow"}
    folder.put(("shop", "list"), POD, allow, annotations=notes)

    (policy,) = load_policies([folder.folder.path], trust=Trust()).policies

    assert ["allow", "deny"] == [rule.action.verb.name.lower() for rule in policy.rules]
    assert "last-applied" not in folder.text("shop.list.kubearmorpolicy.yaml")


def test_they_have_no_rollout(folder):
    """Nothing tells them to record only. Taken for none, it would refuse at once what was to be tried."""
    folder.labels({})
    notes = {"enforcer.dev/rollout-mode": "audit"}
    folder.put(("", "a"), HOST, ARMOR, annotations=notes)

    assert [] == folder.files
    (_, state), *_ = folder.states.all()
    assert "metadata.annotations[enforcer.dev/rollout-mode]" == state.refusal.path
    with pytest.raises(RolloutError, match="no rollout"):
        for_node(item(("", "a"), HOST, ARMOR, annotations=notes), folder.node)


# ---- The agent -------------------------------------------------------------------------------


@pytest.fixture
def armor(monkeypatch, server):
    """The server has the kind KubeArmorHostPolicy."""
    monkeypatch.setattr("kube_fakes.KINDS", {**kube_fakes.KINDS, HOST.path: HOST.kind})
    server.store[HOST.path] = {}
    server.put(HOST.path, ("", "host"), spec=ARMOR)
    server.put(POLICIES, ("shop", "web"), spec=SPEC)
    server.put(MACHINES, ("", "node-1"))
    return server


def test_they_are_followed_where_somebody_asks(armor, begin, plan):
    agent = begin(attrs.evolve(plan, foreign=(HOST,)))

    assert until(lambda: {"host.kubearmorhostpolicy.yaml"} < set(agent.policies))
    armor.delete(HOST.path, ("", "host"))
    assert until(lambda: ["shop.web.enforcerpolicy.yaml"] == list(agent.policies))


def test_they_are_not_asked_for_otherwise(armor, begin):
    agent = begin()

    assert until(lambda: ["shop.web.enforcerpolicy.yaml"] == list(agent.policies))
    assert not any(path == HOST.path for _, path, _ in armor.requests)


def test_who_asks_no_more_has_them_no_more(armor, begin, plan):
    """Nobody would list them, and they would stay for good."""
    first = begin(attrs.evolve(plan, foreign=(HOST,)))
    assert until(lambda: len(first.policies) == 2)
    first.stop()

    second = begin()

    assert until(lambda: ["shop.web.enforcerpolicy.yaml"] == list(second.policies))


def test_a_list_of_one_kind_removes_no_other(folder):
    folder.labels({})
    folder.put(("", "a"), HOST, ARMOR)
    folder.put(("", "b"), TRACING, CONNECT)
    folder.folder.take(Listed(TRACING, {}))
    folder.folder.write()

    assert ["a.kubearmorhostpolicy.yaml"] == folder.files
