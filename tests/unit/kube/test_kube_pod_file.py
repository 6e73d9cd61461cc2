# SPDX-License-Identifier: MIT
"""The file of pods, as the engine reads it, and who may claim to be whom."""

import json

import pytest

from enforcer.identity.workload_files import PodFacts, pods_of_objects, read_json
from enforcer.kube.pod_file import PodFile
from enforcer.kube.resource import Listed, pods_of

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
    """Write pods; returns what the engine reads of them."""

    def written(*pods):
        file = PodFile(tmp_path / "pods.d", "node-1")
        file.open()
        found = {(p["metadata"]["namespace"], p["metadata"]["name"]): p for p in pods}
        file.take(Listed(PODS, found))
        assert file.write()
        assert not file.write()
        return dict(pods_of_objects(read_json(tmp_path / "pods.d/kube.json")))

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


def test_a_static_pod_is_called_by_its_digest(written):
    """Its cgroup is, too."""
    assert {HASH} == written(pod("etcd", 1, notes=MARKS, owners=[NODE])).keys()


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

    assert {f"{UID}1": PodFacts("web-1", "shop", {})} == written(pod("web-1", 1), evil)
    two = [pod(name, n, notes=MARKS, owners=[NODE]) for n, name in enumerate("ab")]
    assert {} == written(*two)


@pytest.mark.parametrize("meta", [{}, {"labels": 7, "ownerReferences": "x", "annotations": []}])
def test_pods_that_make_no_sense_do_no_harm(tmp_path, meta):
    """They are not known then."""
    file = PodFile(tmp_path, "node-1")
    file.open()
    file.take(Listed(PODS, {("shop", "x"): {"metadata": meta, "status": []}}))

    assert file.write()
    assert {} == dict(pods_of_objects(read_json(tmp_path / "kube.json")))
