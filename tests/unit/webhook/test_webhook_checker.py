# SPDX-License-Identifier: MIT
"""What the webhook says of an object: what the engine of a node would, and on nothing else."""

from __future__ import annotations

import attrs
import pytest
from kube_objects import BROKEN, READER, broken, shipped

from enforcer.cluster.agent.errors import GarbageError
from enforcer.cluster.agent.policy_text import policy_text
from enforcer.cluster.agent.resource import POLICIES, key_of
from enforcer.cluster.agent.rollout import MODE, NODES, SHARE
from enforcer.cluster.webhook import checker, node_facts
from enforcer.cluster.webhook.checker import decide
from enforcer.cluster.webhook.review import Review
from enforcer.cluster.webhook.verdict import Outcome
from enforcer.policy.kernel_types.operand_path import NoTypes, PointError
from enforcer.policy.language.kube import CLUSTER_POLICY, FOREIGN_KINDS, POLICY, TETRAGON_POLICY
from enforcer.runtime.policies import namespace_shares
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import Order, make
from enforcer.runtime.policies.namespace_shares import Share
from enforcer.runtime.policies.runtime_changes import Overlay

GOOD = {"rules": [{"exec": {}, "match": {"path": "/bin/sh"}, "action": "deny"}]}
WRONG = {"rules": [{"exec": {}, "match": {"paht": "/bin/sh"}, "action": "deny"}]}
WHY = "spec.rules[0].match.paht: 'paht' is not a field of exec; did you mean 'path'?"
RESOURCES = {each.kind: each for each in POLICIES}


def review(new, old=None, *, operation="", kind=POLICY, subresource=""):
    return Review(
        "u",
        operation or ("UPDATE" if old else "CREATE"),
        (kind.group, kind.version, kind.kind),
        subresource,
        new,
        old,
    )


def item(spec, kind=POLICY, notes=None, **more):
    meta = {"name": "web", "uid": "1-2", **more.pop("metadata", {})}
    if kind.namespaced:
        meta["namespace"] = "shop"
    if notes:
        meta["annotations"] = notes
    head = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}
    return {**head, "spec": spec, **more}


def of_node(found, tmp_path):
    """Return what the engine of a node refuses in the file of an object, as a tolerant start reads it."""
    resource = RESOURCES[found["kind"]]
    (tmp_path / "p.yaml").write_bytes(policy_text(found, key_of(found, resource), resource))
    sources = Sources((tmp_path,), is_tolerant=True, may_be_empty=True)
    refused = make(Order(sources, Overlay(), generation=1)).now.refused
    return [error for each in refused for error in each.errors]


@pytest.mark.parametrize("kind", [POLICY, CLUSTER_POLICY], ids=lambda kind: kind.kind)
def test_shipped_policies_are_allowed_as_nodes_take_them(kind, tmp_path):
    """Each of policies/, in a namespace and in the cluster."""
    for found in shipped(kind):
        verdict = decide(review(found, kind=kind))

        assert [] == of_node(found, tmp_path)
        assert Outcome.ALLOWED is verdict.outcome, verdict.message


@pytest.mark.parametrize("what", [what for what, (_, who) in BROKEN.items() if who == READER])
def test_broken_policies_are_refused_as_nodes_refuse_them(what, tmp_path):
    """For the same first reason, with the field in place of the line."""
    found = broken(BROKEN[what][0])
    kind = {POLICY.kind: POLICY, CLUSTER_POLICY.kind: CLUSTER_POLICY}[found["kind"]]

    verdict = decide(review(found, kind=kind))

    assert Outcome.REFUSED is verdict.outcome
    reason = of_node(found, tmp_path)[0].split(": ", 1)[1]
    assert reason in verdict.message
    assert verdict.message.startswith(verdict.field)
    assert verdict.field.split(".")[0].split("[")[0] in found


@pytest.mark.parametrize("what", BROKEN)
def test_the_webhook_is_never_stricter_than_nodes(what, tmp_path):
    """What it refuses, nodes refuse, whoever else does."""
    found = broken(BROKEN[what][0])
    kind = {POLICY.kind: POLICY, CLUSTER_POLICY.kind: CLUSTER_POLICY}[found["kind"]]
    try:
        refused = bool(of_node(found, tmp_path))
    except GarbageError:  # so an agent takes it
        refused = True

    assert refused is (not decide(review(found, kind=kind)).is_allowed)


def test_the_article():
    """TetragonPolicy is the same language; kinds of others are not looked at."""
    spec = {"rules": [{"syscall": {"name": "execve"}, "action": "log"}]}

    assert (
        Outcome.ALLOWED is decide(review(item(spec, TETRAGON_POLICY), kind=TETRAGON_POLICY)).outcome
    )
    other = decide(review(item(spec, FOREIGN_KINDS[0]), kind=FOREIGN_KINDS[0]))
    assert Outcome.UNDECIDED is other.outcome
    assert other.is_allowed
    assert "security.kubearmor.com/v1/KubeArmorPolicy is no policy of enforcer" in other.warnings[0]


@pytest.mark.parametrize(
    ("operation", "subresource"),
    [("DELETE", ""), ("CONNECT", ""), ("", ""), ("UPDATE", "status"), ("UPDATE", "scale")],
)
def test_what_decides_nothing_is_not_looked_at(operation, subresource):
    """A policy that is wrong can always be removed, and its status be written."""
    asked = review(item(WRONG), item(GOOD))

    asked = attrs.evolve(asked, operation=operation, subresource=subresource)

    assert Outcome.UNCHECKED is decide(asked).outcome


@pytest.mark.parametrize(
    "more",
    [
        {"status": {"denials": 7}},
        {"metadata": {"finalizers": ["a/b"], "deletionTimestamp": "2026-01-02T03:04:05Z"}},
        {"metadata": {"labels": {"a": "b"}, "resourceVersion": "9"}},
        {"notes": {"example.org/note": "x"}},
    ],
)
def test_a_change_of_something_else_is_not_looked_at(more):
    """A finalizer must go from a policy that is wrong, too."""
    assert Outcome.UNCHECKED is decide(review(item(WRONG, **more), item(WRONG))).outcome
    assert Outcome.REFUSED is decide(review(item(WRONG, **more), item(GOOD))).outcome


def test_only_what_a_change_brings_is_refused():
    """What was wrong before is a warning: a rollout can be taken back, whatever the rules are, and the other way round."""
    rules = decide(review(item(WRONG, notes={MODE: "audit"}), item(WRONG)))
    note = decide(
        review(
            item(GOOD, notes={SHARE: "half"}),
            item({**GOOD, "mode": "audit"}, notes={SHARE: "half"}),
        )
    )
    both = decide(review(item(WRONG, notes={SHARE: "half"}), item(GOOD)))

    assert Outcome.ALLOWED is rules.outcome
    assert (f"enforcer: nodes refuse it as before: {WHY}",) == rules.warnings
    assert Outcome.ALLOWED is note.outcome
    assert f"as before: metadata.annotations[{SHARE}]: 'half' is no share" in note.warnings[0]
    assert Outcome.REFUSED is both.outcome
    assert f"metadata.annotations[{SHARE}]" == both.field
    assert WHY in both.message


@pytest.mark.parametrize(
    ("notes", "why"),
    [
        ({MODE: "off"}, "is no mode of a rollout"),
        ({SHARE: "101%"}, "is no share"),
        ({NODES: "a in"}, ""),
        ({"enforcer.dev/rollout-shares": "5%"}, "there is no such annotation of a rollout"),
        ({"Enforcer.dev/rollout-mode": "audit"}, "there is no such annotation of a rollout"),
    ],
)
def test_rollouts_are_read_as_agents_do(notes, why):
    """With the path by which agents report them."""
    verdict = decide(review(item(GOOD, notes=notes)))

    (name,) = notes
    assert Outcome.REFUSED is verdict.outcome
    assert verdict.message.startswith(f"metadata.annotations[{name}]: ")
    assert why in verdict.message


def test_what_the_server_gives_a_new_object():
    """A uid by which a share goes, and a name that it makes, may not be there yet."""
    found = item(GOOD, notes={SHARE: "25%"})
    del found["metadata"]["uid"], found["metadata"]["name"]
    found["metadata"]["generateName"] = "web-"

    assert Outcome.ALLOWED is decide(review(found)).outcome


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"metadata": []},
        {"metadata": {"name": 7}},
        {"metadata": {"name": "web"}},
        {"metadata": {"name": "web", "namespace": "../etc"}},
    ],
)
def test_what_no_server_stores_is_refused(found):
    """Agents would take it for garbage, and hear of no other policy of the list."""
    assert Outcome.REFUSED is decide(review({**found, "spec": GOOD})).outcome


def test_a_question_without_an_object_is_not_decided():
    """It is allowed, and said."""
    verdict = decide(review(None))

    assert Outcome.UNDECIDED is verdict.outcome
    assert verdict.is_allowed
    assert "nodes will decide" in verdict.warnings[0]


def test_many_errors_are_told_in_part():
    """As many as the engine tells of a file."""
    verdict = decide(review(item({"rules": [WRONG["rules"][0]] * 12})))

    assert "and 2 more" in verdict.message


def test_many_errors_take_no_longer(monkeypatch):
    """The field of an error is found by a look at all lines, so that is not done for each."""
    looked = []
    monkeypatch.setattr(checker, "field_at", lambda text, line: looked.append(line) or "spec")

    verdict = decide(
        review(item({"rules": WRONG["rules"] * 3000}, CLUSTER_POLICY), kind=CLUSTER_POLICY)
    )

    assert verdict.message.endswith(" more")
    assert 10 <= len(looked) <= 20


def test_quotas_of_one_policy():
    """What no namespace has room for is refused; what others use is not known here."""
    rules = [{"exec": {}, "match": {"path": f"/a{n}"}, "action": "log"} for n in range(257)]

    verdict = decide(review(item({"rules": rules})))

    assert Outcome.REFUSED is verdict.outcome
    assert "would have 257 rules and defaults together, the quota is 256" in verdict.message


def test_paths_that_are_too_deep_are_refused():
    """To make the patterns of their guards would take longer than a check may."""
    rules = [{"file": "read", "match": {"path": "/d" * 400}, "action": "deny"}]

    verdict = decide(review(item({"rules": rules})))

    assert Outcome.REFUSED is verdict.outcome
    assert "would have 400 directories in one path or pattern, the quota is 64" in verdict.message


def test_one_policy_does_not_take_the_patterns_of_all(tmp_path, monkeypatch):
    """It is refused as nodes refuse it. A policy of the cluster may have what there is."""
    small = Share(1, of=32)
    monkeypatch.setattr(checker, "OF_ONE", small)
    monkeypatch.setattr(namespace_shares, "OF_ONE", small)
    words = ["".join(chr(97 + (n * m) % 26) for m in range(1, 30)) for n in range(1, 151)]
    paths = [f"/d{n}/**/*{word}*{word[::-1]}*" for n, word in enumerate(words)]
    spec = {"rules": [{"file": "read", "match": {"path": {"glob": paths}}, "action": "deny"}]}
    found = item(spec)

    verdict = decide(review(found))

    assert Outcome.REFUSED is verdict.outcome
    assert "namespace shop would need more than 625000 steps" in verdict.message
    assert verdict.message in " ".join(of_node(found, tmp_path))
    of_cluster = decide(review(item(spec, CLUSTER_POLICY), kind=CLUSTER_POLICY))
    assert Outcome.ALLOWED is of_cluster.outcome


def test_marks_of_other_policies_may_be_there():
    """They are of objects that it does not see."""
    match = {"within": {"mark": "other/seen", "last": "5s"}}
    spec = {"rules": [{"exec": {}, "match": match, "action": "deny"}]}

    assert (
        Outcome.ALLOWED is decide(review(item(spec, CLUSTER_POLICY), kind=CLUSTER_POLICY)).outcome
    )


def test_users_of_nodes_are_not_known_here():
    """A warning, with the name; what can be no name anywhere is refused."""

    def of(user):
        match = {"path": "/bin/sh", "process": {"uid": user}}
        return decide(review(item({"rules": [{"exec": {}, "match": match, "action": "deny"}]})))

    assert () == of("root").warnings
    assert Outcome.ALLOWED is of("no-such-user-9").outcome
    assert ("enforcer: nodes that have no user or group 'no-such-user-9' refuse it",) == of(
        "no-such-user-9"
    ).warnings
    assert Outcome.REFUSED is of("-1").outcome


class Fewer:
    """A kernel without any of the points that are asked for."""

    def signature(self, point):
        raise PointError(f"this kernel has no {point.name}")

    def are_alike(self, one, other):
        return False

    def way(self, point, index, members, *, whole=False):
        raise PointError(f"this kernel has no {point.name}")


AT_POINT = {
    "rules": [
        {
            "lsm": "task_prctl",
            "match": {"args": [{"index": "option", "equal": 15}]},
            "action": "deny",
        }
    ]
}


@pytest.mark.parametrize("types", [Fewer(), NoTypes()], ids=["less", "silent"])
def test_kernels_differ(types, monkeypatch):
    """What only the kernel here does not have, or does not say, refuses nothing. Other mistakes are refused."""
    monkeypatch.setattr(node_facts, "local_types", lambda: types)
    monkeypatch.setattr(checker, "AskedTypes", lambda: node_facts.AskedTypes(lambda: types))
    wrong = {"rules": [{**AT_POINT["rules"][0], "acton": "kill"}]}

    verdict = decide(review(item(AT_POINT, CLUSTER_POLICY), kind=CLUSTER_POLICY))

    assert Outcome.ALLOWED is verdict.outcome
    assert "on the machine of this webhook, nodes may differ" in verdict.warnings[0]
    if isinstance(types, Fewer):
        assert (
            Outcome.REFUSED
            is decide(review(item(wrong, CLUSTER_POLICY), kind=CLUSTER_POLICY)).outcome
        )


def test_nesting_is_no_way_around():
    """Deeper than the language has it is refused, at once and with little memory."""
    deep = []
    for _ in range(9000):
        deep = [deep]

    verdict = decide(review(item({**GOOD, "x": deep})))

    assert Outcome.REFUSED is verdict.outcome
    assert "nested deeper than 64 levels" in verdict.message


def test_warnings_are_those_of_check():
    """What would lock everybody out is no error, and worth a sentence."""
    (found,) = (
        each for each in shipped(CLUSTER_POLICY) if each["metadata"]["name"] == "enforcer-itself"
    )

    (only,) = decide(review(found, kind=CLUSTER_POLICY)).warnings

    assert only.startswith("enforcer: spec.rules[0]: rule 'files' forbids everybody")
