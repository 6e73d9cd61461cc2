# SPDX-License-Identifier: MIT
"""What an agent holds and writes of policies is bounded, and no namespace takes the room of another."""

from __future__ import annotations

import base64
import json
import os
from threading import Event

import pytest
from kube_fakes import SPEC

from enforcer.cluster.agent.node_object import NodeObject
from enforcer.cluster.agent.pod_facts import length_of
from enforcer.cluster.agent.pod_file import NAME, PodFile
from enforcer.cluster.agent.policy_folder import PolicyFolder
from enforcer.cluster.agent.policy_state import PolicyStates
from enforcer.cluster.agent.resource import (
    FOREIGN,
    POLICIES,
    Deleted,
    Found,
    Listed,
    node_of,
    pods_of,
)
from enforcer.cluster.agent.rollout import NODES
from enforcer.cluster.agent.room import FILES, LabelledPolicies, Places, pod_room, policy_room
from enforcer.cluster.agent.small_objects import left_out, size_of, small
from enforcer.cluster.agent.watcher import Watcher
from enforcer.identity.workload_files import pods_of_objects
from enforcer.runtime.policies.quotas import Quota

OWN, WHOLE, OTHER = POLICIES
ROOM = 200_000


def item(key, size, generation=1, **notes):
    """Return a policy with *size* bytes that nothing packs."""
    meta = {"name": key[1], "namespace": key[0], "generation": generation, "uid": "u"}
    meta |= {"annotations": notes, "resourceVersion": "7"}
    noise = base64.b85encode(os.urandom(size)).decode()
    return {"metadata": meta, "spec": {**SPEC, "more": noise}}


class Server:
    """A list in parts of ten."""

    def __init__(self, items):
        self.items = items

    def get_list(self, _path, query, kept):
        at = int(query.get("continue", 0))
        more = str(at + 10) if at + 10 < len(self.items) else ""
        page = {"metadata": {"resourceVersion": "9", "continue": more}}
        return page, [kept(each) for each in self.items[at : at + 10]]


def listed(items, room=ROOM, resource=OWN):
    told = []
    make = policy_room if resource == OWN else pod_room
    Watcher(
        resource,
        Server(items),
        told.append,
        print,
        lambda: None,
        Event(),
        kept=small,
        room=make(room),
    ).list()
    return told[0].objects


def test_a_list_has_a_bound_in_bytes_and_shares():
    """Whoever writes hundreds of large policies takes no room from others, and all of them are still there."""
    evil = [item(("evil", f"p{n}"), 10_000, n) for n in range(100)]
    good = [item(("shop", f"p{n}"), 3000) for n in range(20)]

    objects = listed([*evil[:50], *good, *evil[50:]])

    assert 120 == len(objects)
    assert sum(map(size_of, objects.values())) <= ROOM
    gone = {key: left for key, each in objects.items() if (left := left_out(each)) is not None}
    assert {"evil"} == {namespace for namespace, _ in gone}
    assert 80 < len(gone) < 100
    assert all(f"p{left.generation}" == key[1] for key, left in gone.items())


def test_what_has_room_is_all_kept():
    objects = listed([item(("shop", f"p{n}"), 3000) for n in range(50)])

    assert not [each for each in objects.values() if left_out(each) is not None]


@pytest.fixture
def folder(tmp_path):
    made = PolicyFolder(
        tmp_path / "policies",
        PolicyStates(tmp_path / "state"),
        NodeObject(tmp_path / "agent/node", "n1"),
        LabelledPolicies(ROOM),
        Places(3),
    )
    made.open()
    return made


def test_a_policy_without_room_stays_what_it_was(folder):
    """It is refused with a reason, and its file is not taken away."""
    key = ("evil", "p0")
    folder.take(Listed(OWN, {key: small(item(key, 100), OWN)}))
    folder.write()
    before = [path.read_bytes() for path in folder.path.iterdir()]

    folder.take(Listed(OWN, listed([item(key, 20_000, 2)], room=10_000)))
    folder.write()

    assert before == [path.read_bytes() for path in folder.path.iterdir()]
    ((_, known),) = folder.states.all()
    assert (2, "NoRoom") == (known.refusal.generation, known.refusal.reason)


def test_what_waits_for_labels_has_a_bound(folder):
    """It is kept for as long as the agent runs. What has no room says that it does not follow the labels."""
    folder.node.take(Found(node_of("n1"), ("", "n1"), {"metadata": {"labels": {"pool": "a"}}}))
    folder.places.most = FILES
    keys = [("evil", f"p{n:02}") for n in range(40)] + [("shop", "web")]
    for key in keys:
        one = item(key, 10_000, **{NODES: "pool=b"})
        folder.take(Found(OWN, key, small(one, OWN)))
    folder.write()

    refused = {known.label for _, known in folder.states.all() if known.refusal is not None}
    assert 20 <= len(refused) < 40
    assert "shop/web" not in refused
    folder.node.take(Found(node_of("n1"), ("", "n1"), {"metadata": {"labels": {"pool": "b"}}}))
    folder.relabel()
    folder.write()

    held = {path.name for path in folder.path.iterdir() if b'"mode": "audit"' in path.read_bytes()}
    assert {f"{label.replace('/', '.')}.enforcerpolicy.yaml" for label in refused} == held


def names(folder):
    return sorted(path.name.removesuffix(".enforcerpolicy.yaml") for path in folder.path.iterdir())


def refused(folder):
    return {
        known.label: (known.refusal.reason, known.refusal.generation)
        for _, known in folder.states.all()
        if known.refusal is not None
    }


def policies(*keys, generation=1):
    return {key: small(item(key, 10, generation), OWN) for key in keys}


def test_a_namespace_has_so_many_files_of_all_kinds(folder):
    """The rest is refused and not taken for gone. Other namespaces have theirs, and the cluster has no such number."""
    keys = [("evil", f"p{n}") for n in range(5)]
    folder.take(Listed(OWN, policies(*keys, ("shop", "a"), ("shop", "b"), generation=6)))
    folder.take(Listed(WHOLE, policies(*[("", f"base.{n}") for n in range(4)])))
    folder.take(Listed(OTHER, policies(("evil", "other"), ("shop", "c"))))
    folder.take(Listed(FOREIGN[0], policies(("evil", "armor"), ("shop", "d"))))
    folder.write()

    assert [
        *(f"base.{n}.clusterenforcerpolicy.yaml" for n in range(4)),
        "evil.p0", "evil.p1", "evil.p2", "shop.a", "shop.b", "shop.c.tetragonpolicy.yaml",
    ] == names(folder)  # fmt: skip
    assert {
        **dict.fromkeys(["evil/p3", "evil/p4"], ("TooMany", 6)),
        **dict.fromkeys(["evil/other", "evil/armor", "shop/d"], ("TooMany", 1)),
    } == refused(folder)


def test_files_that_are_there_stay_and_one_that_goes_makes_place(folder):
    """Also after a start, by a list and by an event; a change of a policy that has a place needs none."""
    own = [("evil", f"p{n}") for n in range(8)]
    folder.take(Listed(OWN, policies(*own[4:7])))
    folder.write()
    again = PolicyFolder(folder.path, folder.states, folder.node, places=Places(3))
    again.open()

    again.take(Listed(OWN, policies(*own[:7], generation=2)))
    again.write()
    assert ["evil.p4", "evil.p5", "evil.p6"] == names(again)
    assert {f"evil/p{n}" for n in range(4)} == refused(again).keys()

    again.take(Listed(OWN, policies(own[0], *own[5:])))
    again.write()
    assert ["evil.p0", "evil.p5", "evil.p6"] == names(again)
    assert {"evil/p7"} == refused(again).keys()

    again.take(Deleted(OWN, own[5]))
    again.take(Found(OWN, own[7], policies(own[7])[own[7]]))
    again.write()
    assert ["evil.p0", "evil.p6", "evil.p7"] == names(again)
    assert {} == refused(again)


def test_an_engine_takes_no_more_policies_than_have_places():
    """Else something would not be enforced that was."""
    assert FILES >= Quota().policies


PODS = pods_of("n1")


def pod(key, number, labels=0, *, phase="Running", **meta):
    """Return a pod with so many labels of a hundred characters."""
    named = {"name": key[1], "namespace": key[0], "resourceVersion": "7"}
    named |= {"uid": f"{number:08x}-0000-4000-8000-000000000000"}
    named |= {"labels": {f"{n:040}": "b" * 60 for n in range(labels)} or {"app": "web"}}
    return {"metadata": named | meta, "status": {"phase": phase}}


def told(tmp_path, news):
    """Return the labels that the engine reads of each pod, by its name; None: they are not known."""
    file = PodFile(tmp_path / "pods", "n1", pod_room(ROOM))
    file.open()
    for each in news:
        file.take(each)
    file.write()
    text = json.loads((tmp_path / "pods" / NAME).read_text())
    return {facts.name: facts.labels for _, facts in pods_of_objects(text)}, file


@pytest.mark.parametrize("by_events", [False, True])
def test_pods_have_a_bound_and_shares(tmp_path, by_events):
    """Whoever makes hundreds of pods with hundreds of labels takes no room from others."""
    evil = [pod(("evil", f"e{n}"), n, 200) for n in range(60)]
    good = [pod(("shop", f"s{n}"), n + 900, 5) for n in range(20)]
    plain = pod(("evil", "plain"), 990)
    plain["metadata"]["labels"] = {}
    pods = [*evil[:30], *good, plain, *evil[30:]]
    if by_events:
        kept = [small(each, PODS) for each in pods]
        found = [Found(PODS, (p["metadata"]["namespace"], p["metadata"]["name"]), p) for p in kept]
        news = [Listed(PODS, {}), *found]
    else:
        objects = listed(pods, resource=PODS)
        assert sum(map(length_of, objects.values())) <= ROOM
        news = [Listed(PODS, objects)]

    labels, file = told(tmp_path, news)

    assert 81 == len(labels)
    unknown = {name for name, known in labels.items() if known is None}
    assert {"e"} == {name[0] for name in unknown}
    assert 50 <= len(unknown) < 60
    assert f"and {len(unknown)} are without labels" in file.missing
    assert not labels["plain"]
    assert "plain" not in unknown
    assert sum(map(length_of, file._pods.values())) <= ROOM * 9 // 8


def test_a_static_pod_without_room_is_still_known(tmp_path):
    """By the digest that the kubelet gave it. Finished pods come last, as in the file."""
    digest = "0123456789abcdef0123456789abcdef"
    notes = {"kubernetes.io/config.hash": digest, "kubernetes.io/config.mirror": digest}
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n"}
    static = pod(("kube-system", "static"), 1, 200, annotations=notes, ownerReferences=[owner])
    ended = [pod(("kube-system", f"e{n}"), n + 10, 20, phase="Failed") for n in range(30)]
    runs = [pod(("kube-system", f"r{n}"), n + 50, 60) for n in range(30)]

    objects = listed([*ended, static, *runs], resource=PODS)
    _, file = told(tmp_path, [Listed(PODS, objects)])

    items = json.loads((file.folder / NAME).read_text())["items"]
    labels = {each["metadata"]["name"]: each["metadata"]["labels"] for each in items}
    known = {facts.name: uid for uid, facts in pods_of_objects({"items": items, "kind": "List"})}
    assert labels["static"] is None
    assert digest == known["static"]
    assert all(labels[f"r{n}"] for n in range(30))
    assert len([n for n in range(30) if labels[f"e{n}"]]) < 8
