# SPDX-License-Identifier: MIT
"""The file of pods, as the engine reads it, and who may claim to be whom."""

import json

import pytest

from enforcer.cluster.agent.pod_file import PodFile
from enforcer.cluster.agent.resource import Found, Listed, pods_of
from enforcer.identity.workload_files import PodFacts, honest, pods_of_objects, read_json

PODS = pods_of("node-1")
UID = "11111111-2222-3333-4444-55555555555"
HASH = "0123456789abcdef0123456789abcdef"


def pod(name, number, *, namespace="shop", labels=None, notes=None, owners=(), status=None):
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"{UID}{number}",
            "labels": labels or {},
            "annotations": notes or {},
            "ownerReferences": list(owners),
            "managedFields": [{"x": 1}],
        },
        "spec": {"nodeName": "node-1", "containers": [{"env": [{"value": "secret"}]}]},
        "status": status or {},
    }


MARKS = {"kubernetes.io/config.hash": HASH, "kubernetes.io/config.mirror": HASH}
NODE = {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "n", "controller": True}


@pytest.fixture
def written(tmp_path):
    """Write pods; returns what the engine takes of them, where the kubelet has *said* how its pods are called."""

    def written(*pods, node="", said=None):
        file = PodFile(tmp_path / "pods.d", "node-1")
        file.open()
        file.know_node(node)
        found = {(p["metadata"]["namespace"], p["metadata"]["name"]): p for p in pods}
        file.take(Listed(PODS, found))
        assert file.write()
        assert not file.write()
        pods = pods_of_objects(read_json(tmp_path / "pods.d/kube.json"))
        return dict(honest([pods], said or {}))

    return written


def test_the_engine_reads_what_the_agent_writes(written, tmp_path):
    """Who a pod is, what it is called by, and who owns it; nothing of what is in it."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "r", "x": 1}
    status = {"containerStatuses": [{"name": "web", "containerID": "containerd://abc", "x": 1}]}

    known = written(pod("web-1", 1, labels={"app": "web"}, owners=[owner], status=status))

    assert {f"{UID}1": PodFacts("web-1", "shop", {"app": "web"})} == known
    text = (tmp_path / "pods.d/kube.json").read_text()
    (item,) = json.loads(text)["items"]
    assert "secret" not in text
    assert [{k: v for k, v in owner.items() if k != "x"}] == item["metadata"]["ownerReferences"]
    assert [{"name": "web", "containerID": "containerd://abc"}] == item["status"][
        "containerStatuses"
    ]


@pytest.mark.parametrize("node", ["", "n"])
def test_a_static_pod_is_called_by_its_digest(written, node):
    """Its cgroup is, too. The uid of its object is no other pod's."""
    known = written(pod("etcd", 1, notes=MARKS, owners=[NODE]), node=node)
    assert {HASH, f"{UID}1"} == known.keys()


@pytest.mark.parametrize(
    ("notes", "owners"),
    [
        ({"kubernetes.io/config.hash": HASH}, [NODE]),
        (MARKS, []),
        (MARKS, [{**NODE, "name": "node-2"}]),
        (MARKS, [{**NODE, "kind": "ReplicaSet"}]),
    ],
)
def test_whoever_claims_a_digest_is_called_by_the_uid(written, notes, owners):
    """Anybody can write an annotation on a pod of their own."""
    assert {f"{UID}1"} == written(pod("evil", 1, notes=notes, owners=owners)).keys()


def test_a_claim_to_be_another_pod_counts_for_nothing(written):
    """The pod whose uid it is keeps it; of two that claim one digest, neither has it."""
    marks = dict.fromkeys(MARKS, f"{UID}1")
    evil = pod("evil", 2, namespace="evil", notes=marks, owners=[NODE])

    web = PodFacts("web-1", "shop", {})
    assert {f"{UID}1": web, f"{UID}2": PodFacts("evil", "evil", {})} == written(
        pod("web-1", 1), evil
    )
    two = [pod(name, n, notes=MARKS, owners=[NODE]) for n, name in enumerate("ab")]
    assert {f"{UID}0", f"{UID}1"} == written(*two).keys()


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("node", ["", "n"])
def test_a_claim_takes_nothing_from_the_pod_that_the_kubelet_has_named(written, order, node):
    """With all marks of the kubelet, the uid of the node among them: the labels of the static pod stay known."""
    names = ("etcd", "evil")[::order]
    pods = [
        pod(name, n, namespace=name, labels={"app": name}, notes=MARKS, owners=[NODE])
        for n, name in enumerate(names)
    ]
    known = written(*pods, node=node, said={HASH: PodFacts("etcd", "etcd")})
    assert known[HASH] == PodFacts("etcd", "etcd", {"app": "etcd"})


@pytest.mark.parametrize("uid", ["m", "", "N", None])
def test_a_claim_by_another_node_is_none(written, uid):
    """The object of the node has a uid, which whoever makes pods must know."""
    owner = {word: value for word, value in {**NODE, "uid": uid}.items() if value is not None}
    evil = pod("evil", 1, notes=MARKS, owners=[owner])
    etcd = pod("etcd", 2, notes=MARKS, owners=[NODE])
    assert {f"{UID}1"} == written(evil, node="n").keys()
    assert PodFacts("etcd", "shop", {}) == written(evil, etcd, node="n")[HASH]


def test_the_node_may_be_known_later_than_its_pods(tmp_path):
    """Then the file is written anew; and once more for another object of its name, and not for none."""
    file = PodFile(tmp_path, "node-1")
    file.open()
    evil = pod("evil", 1, notes=MARKS, owners=[{**NODE, "uid": "m"}])
    file.take(Listed(PODS, {("shop", "evil"): evil}))
    assert file.write()
    assert "config.hash" in (tmp_path / "kube.json").read_text()
    for uid, is_claimed, is_behind in (("n", False, True), ("", False, False), ("m", True, True)):
        file.know_node(uid)
        assert file.is_behind is is_behind
        file.write()
        assert ("config.hash" in (tmp_path / "kube.json").read_text()) is is_claimed


@pytest.mark.parametrize("meta", [{}, {"labels": 7, "ownerReferences": "x", "annotations": []}])
def test_pods_that_make_no_sense_do_no_harm(tmp_path, meta):
    """They are not known then."""
    file = PodFile(tmp_path, "node-1")
    file.open()
    file.take(Listed(PODS, {("shop", "x"): {"metadata": meta, "status": []}}))

    assert file.write()
    assert [] == json.loads((tmp_path / "kube.json").read_text())["items"]
    assert {} == dict(pods_of_objects(read_json(tmp_path / "kube.json")))


# ---- Room --------------------------------------------------------------------------------------


def many(namespace, number, *, labels=None, phase="Running", first=0):
    """Return pods, by their keys."""
    found = {}
    for n in range(first, first + number):
        made = pod(f"p{n:05}", 0, namespace=namespace, labels=labels, status={"phase": phase})
        made["metadata"]["uid"] = f"{n:08x}-{namespace.encode().hex():0>27}"
        found[namespace, f"p{n:05}"] = made
    return found


@pytest.fixture
def known(tmp_path):
    """Write pods; returns what the engine reads of them, by namespace and name, and the sentence on what is missing."""

    def known(pods):
        file = PodFile(tmp_path, "node-1")
        file.open()
        file.take(Listed(PODS, pods))
        file.write()
        read = dict(pods_of_objects(read_json(tmp_path / "kube.json")))
        return {(each.namespace, each.name): each for each in read.values()}, file.missing

    return known


LONG = {f"{'x' * 250}/{n:063}": "v" * 63 for n in range(250)}


def test_labels_of_one_namespace_do_not_take_the_room_of_another(known):
    """Those of the others are known; those for which there is no room are unknown, not none, and that is told."""
    web, most = known(many("evil", 200, labels=LONG) | many("shop", 50, labels={"app": "web"}))

    assert {("shop", f"p{n:05}") for n in range(50)} == {
        key for key, each in web.items() if each.labels == {"app": "web"}
    }
    of_evil = [each.labels for key, each in web.items() if key[0] == "evil"]
    assert 200 == len(of_evil)
    assert None in of_evil
    assert LONG in of_evil
    assert {} not in of_evil
    assert f"{of_evil.count(None)} are without labels" in most


def test_pods_of_one_namespace_do_not_take_the_places_of_another(known):
    """Finished ones are last, whosever they are."""
    web, missing = known(
        many("evil", 5000)
        | many("shop", 10)
        | many("shop", 10, phase="Failed", first=100)
        | many("zoo", 5, labels={"app": "web"})
    )

    assert 4096 == len(web)
    assert {f"p{n:05}" for n in range(10)} == {name for space, name in web if space == "shop"}
    assert 5 == sum(each.labels == {"app": "web"} for each in web.values())
    assert "929 are not in the file" in missing


def test_finished_pods_are_in_the_file_if_there_is_room(known):
    """Their last processes may still run."""
    web, missing = known(many("shop", 1, labels={"app": "web"}, phase="Succeeded"))

    assert {"app": "web"} == web["shop", "p00000"].labels
    assert "" == missing


@pytest.mark.parametrize("labels", [{f"l{n}": "" for n in range(257)}, {"a b": "c"}, [1]])
def test_labels_that_the_engine_would_not_believe_are_unknown(known, labels):
    """Nothing of them is written: they are the author's, and there may be a megabyte of them."""
    web, missing = known(many("shop", 1, labels=labels) | many("zoo", 1))

    assert web["shop", "p00000"].labels is None
    assert {} == web["zoo", "p00000"].labels
    assert "1 are without labels" in missing


def test_what_an_author_can_make_long_is_cut(tmp_path):
    """Owners, ids and a digest that is none."""
    made = pod("a", 1, owners=[NODE] * 9, notes=dict.fromkeys(MARKS, "x" * 5000))
    made["metadata"]["ownerReferences"][0] = {**NODE, "uid": "u" * 600}
    ids = [{"name": "n", "containerID": f"containerd://{n}"} for n in range(65)]
    made["status"] = {
        "containerStatuses": [*ids[:1], {"name": "n" * 600, "containerID": "c"}, *ids[1:]]
    }
    file = PodFile(tmp_path, "node-1")
    file.open()
    file.take(Listed(PODS, {}))
    file.take(Found(PODS, ("shop", "a"), made))
    file.write()

    (item,) = json.loads((tmp_path / "kube.json").read_text())["items"]
    first, *rest = item["metadata"]["ownerReferences"]
    assert "uid" not in first
    assert 7 == len(rest)
    assert 64 == len(item["status"]["containerStatuses"])
    assert "annotations" not in item["metadata"]
