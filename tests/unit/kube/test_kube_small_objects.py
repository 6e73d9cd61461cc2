# SPDX-License-Identifier: MIT
"""Objects are made small as they come: whoever may write large ones must not end the agents of all nodes."""

from __future__ import annotations

import base64
import importlib
import json
import os
import pickle
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kube_fakes import SPEC

from enforcer.cluster import agent as kube
from enforcer.cluster.agent.client import parse_list
from enforcer.cluster.agent.errors import GarbageError
from enforcer.cluster.agent.list_reader import read_list
from enforcer.cluster.agent.node_object import NodeObject
from enforcer.cluster.agent.pod_file import PodFile
from enforcer.cluster.agent.policy_folder import PolicyFolder
from enforcer.cluster.agent.policy_state import PolicyStates
from enforcer.cluster.agent.policy_text import policy_text
from enforcer.cluster.agent.resource import FOREIGN, POLICIES, Found, Listed, node_of, pods_of
from enforcer.cluster.agent.rollout import MODE, NODES, Rollout, RolloutError, annotations_of
from enforcer.cluster.agent.small_objects import left_out, small, whole

KEY = ("shop", "web")
META = {
    "name": "web",
    "namespace": "shop",
    "uid": "u",
    "generation": 3,
    "resourceVersion": "7",
    "annotations": {"enforcer.dev/rollout-mode": "audit", "kubearmor-file-posture": "block"},
    "managedFields": [{"manager": "kubectl"}],
}
PLAIN = {"apiVersion": "x", "kind": "y", "metadata": META, "spec": SPEC, "status": {"nodes": {}}}

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)
_OBJECTS = st.dictionaries(st.text(max_size=3) | st.just("items"), _JSON, max_size=4)


@given(_OBJECTS, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_a_list_is_read_as_json_is(value, indent, is_ascii):
    """Whatever is in it, and however it is written."""
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)

    found, items = read_list(text, json.JSONDecoder(), lambda item: item)

    if isinstance(value.get("items"), list):
        assert value["items"] == items
        assert {**value, "items": None} == found
    else:
        assert (value, []) == (found, items)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"kind": "List", "items": [',
        '{"kind": "List", "items": [1 2]}',
        '{"kind": "List", "items": [1,]}',
        '{"kind": "List", "items": [],}',
        '{"kind": "List", "items": []} x',
        '{"kind": "List", "items" []}',
        '{"kind": "List" "items": []}',
        '{"kind": "List", 1: 2, "items": []}',
        '{"kind": "List", "items": [NaN]}',
        '{"kind": "List", "items": {}}',
        '{"kind": "List"}',
        '{"kind": ["List"], "items": []}',
        '{"kind": "Pod", "items": []}',
    ],
)
def test_what_is_no_list_is_garbage(text):
    """Half of one, above all: what is missing would be taken for gone."""
    with pytest.raises(GarbageError):
        parse_list(text.encode(), lambda item: item)


def test_a_list_of_large_objects_is_never_whole_in_memory():
    """Seven of them with empty lists take twenty times what they are as text, each; whole, 22 MiB."""
    large = {**PLAIN, "spec": {**SPEC, "more": "HERE"}}
    empty = "[" + ",".join(["[]"] * 50_000) + "]"
    item = json.dumps(large).replace('"HERE"', empty)
    text = f'{{"kind": "XList", "items": [{",".join([item] * 7)}]}}'.encode()

    tracemalloc.start()
    try:
        _, items = parse_list(text, lambda found: small(found, POLICIES[0]))
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 7 == len(items)
    assert kept < 1 << 20
    assert peak < 14 << 20
    assert policy_text(json.loads(item), KEY, POLICIES[0]) == policy_text(
        whole(items[0]), KEY, POLICIES[0]
    )


@pytest.mark.parametrize("resource", [*POLICIES, *FOREIGN], ids=lambda each: each.word)
def test_the_file_of_a_small_policy_is_the_same(resource):
    """What nobody reads is gone, and what decides is there."""
    found = whole(small(PLAIN, resource))

    assert policy_text(PLAIN, KEY, resource) == policy_text(found, KEY, resource)
    assert "status" not in found
    read = {"name", "namespace", "uid", "generation", "annotations"}
    assert read == found["metadata"].keys()


def annotation_words():
    """Return all texts of the modules of the agent that may be annotations, or beginnings of them."""
    for path in Path(kube.__file__).parent.glob("*.py"):
        module = importlib.import_module(f"enforcer.cluster.agent.{path.stem}")
        for text in vars(module).values():
            if isinstance(text, str) and re.fullmatch(r"[a-z0-9.]+[/-][a-z0-9./-]*", text):
                yield text


WORDS = sorted({*annotation_words()})
_NAMES = st.builds(
    lambda word, end, is_large: (word.upper() if is_large else word) + end,
    st.sampled_from(WORDS),
    st.sampled_from(["", "", "", "x", "-mode", "file-posture"]),
    st.booleans(),
)
_VALUES = (
    st.sampled_from(["audit", "25%", "pool=canary", "block", "0" * 32, "", "\ud800"])
    | st.text(max_size=5)
    | st.builds(
        lambda text, times: text * times, st.sampled_from([" ", "a", "a=b,"]), st.just(9000)
    )
    | st.builds(lambda text: " " * 1020 + text, st.sampled_from(["pool=canary", "25%"]))
)
_NOTES = st.dictionaries(_NAMES, _VALUES, max_size=6)


def test_the_words_of_annotations_are_found():
    """Else the next test would try none of them."""
    known = {"enforcer.dev/rollout-share", "kubearmor-", "kubernetes.io/config.mirror"}
    assert known <= set(WORDS)


@given(_NOTES, st.sampled_from([*POLICIES, *FOREIGN]))
@example({NODES: " " * 1020 + "pool=canary"}, POLICIES[0])
def test_annotations_that_are_kept_say_what_all_of_them_say(notes, resource):
    """Whatever a module of the agent may ask for: one that is read and not kept differs here."""
    item = {**PLAIN, "metadata": {**META, "annotations": notes}}

    found = whole(small(item, resource))

    assert policy_text(item, KEY, resource) == policy_text(found, KEY, resource)
    assert read_rollout(item) == read_rollout(found)
    assert [*annotations_of(item)][:1] == [*annotations_of(found)][:1]
    kept = [
        len(text)
        for name, text in found["metadata"].get("annotations", {}).items()
        if not name.startswith("kubearmor-")
    ]
    assert len(kept) <= 4
    assert sum(kept) < 8000


def read_rollout(item):
    try:
        return Rollout.of(item).text
    except RolloutError as error:
        return error.path, str(error)


def test_what_nobody_reads_takes_no_memory():
    """Annotations, labels and owners are as long as their author likes, and no server packs them."""
    noise = base64.b64encode(os.urandom(200_000)).decode()
    meta = {
        **META,
        "annotations": {"a": noise, MODE: noise, f"{MODE}x": noise},
        "labels": {"a": noise},
    }
    pod = {**META, "annotations": {"a": noise, "kubernetes.io/config.hash": noise}}
    pod |= {"labels": {f"a{n}": "b" * 60 for n in range(9000)}}
    pod |= {"ownerReferences": [{"kind": noise, "name": "n", "more": noise}] * 90}

    found = small({**PLAIN, "metadata": meta}, POLICIES[0])
    told = small({"metadata": pod, "status": {"phase": noise, "message": noise}}, pods_of("n1"))

    assert len(pickle.dumps(found)) < 3000
    assert len(pickle.dumps(told)) < 40_000


@pytest.mark.parametrize("levels", [60, 70, 900])
def test_a_deep_policy_stays_what_it_is(levels):
    """As deep as an engine reads, or deeper."""
    deep = json.loads("[" * levels + "]" * levels)
    item = {**PLAIN, "spec": {**SPEC, "more": deep}}

    found = whole(small(item, POLICIES[0]))

    assert policy_text(item, KEY, POLICIES[0]) == policy_text(found, KEY, POLICIES[0])


def test_no_object_can_say_that_it_is_small():
    """What looks like that is of the server, and stays as it is."""
    item = {**PLAIN, "packed": "eJw="}
    assert item == whole(item)
    assert "eJw=" == whole(small(item, POLICIES[0]))["packed"]


def test_the_file_of_small_pods_is_the_same(tmp_path):
    """Also of what only the kubelet's own pods have."""
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready"}],
        "containerStatuses": [{"name": "c", "containerID": "containerd://" + "f" * 64}],
    }
    notes = {"kubernetes.io/config.hash": "0" * 32, "kubernetes.io/config.mirror": "0" * 32}
    owners = [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n", "controller": True}]
    uid = "00000000-0000-4000-8000-000000000001"
    meta = {"uid": uid, "name": "web", "namespace": "shop", "labels": {"a": "b"}}
    pods = [
        {"metadata": meta, "spec": {"x": [[]]}, "status": status},
        {"metadata": {**meta, "annotations": notes, "ownerReferences": owners}},
    ]
    texts = []
    for number, pod in enumerate(pods):
        for form in (pod, small(pod, pods_of("n1"))):
            file = PodFile(tmp_path / f"{number}", "n1")
            file.open()
            file.take(Listed(pods_of("n1"), {KEY: form}))
            file.write()
            texts.append((file.folder / "kube.json").read_text())

    assert texts[0] == texts[1] != texts[2] == texts[3]
    assert "spec" not in small(pods[0], pods_of("n1"))


def test_the_labels_of_a_small_node_are_the_same(tmp_path):
    item = {"metadata": {"name": "n1", "uid": "u", "labels": {"a": "b"}, "annotations": {"x": "y"}}}
    node = NodeObject(tmp_path / "node", "n1")
    kept = small(item, node_of("n1"))

    node.take(Found(node_of("n1"), ("", "n1"), kept))

    assert ({"a": "b"}, "u") == (node.labels, node.uid)
    assert "annotations" not in kept["metadata"]


def test_texts_that_wait_take_little(tmp_path):
    """Twenty kilobytes of an object are a megabyte in lines, and a list has hundreds of objects."""
    deep = json.loads("[" * 60 + ",".join(["[]"] * 8000) + "]" * 60)
    item = small({**PLAIN, "spec": {**SPEC, "more": deep}}, POLICIES[0])
    folder = PolicyFolder(
        tmp_path / "policies", PolicyStates(tmp_path / "state"), NodeObject(tmp_path / "node", "n1")
    )
    folder.open()

    tracemalloc.start()
    try:
        folder.take(Listed(POLICIES[0], {("shop", f"p{n}"): item for n in range(10)}))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    folder.write()

    assert kept < 1 << 20
    assert all(path.stat().st_size > 1 << 19 for path in folder.path.glob("*.yaml"))


def test_what_no_engine_reads_is_only_known_to_be_there(tmp_path):
    """It is refused, with its generation, and not taken for gone: what it was before stays active."""
    folder = PolicyFolder(
        tmp_path / "policies", PolicyStates(tmp_path / "state"), NodeObject(tmp_path / "node", "n1")
    )
    folder.open()
    large = {**PLAIN, "spec": {**SPEC, "more": "x" * (1 << 20)}}
    large["metadata"] = {**META, "annotations": {}, "generation": 4}
    at_most = {**PLAIN, "spec": {**SPEC, "more": "é" * 500_000}}

    folder.take(
        Listed(POLICIES[0], {KEY: small({**PLAIN, "metadata": large["metadata"]}, POLICIES[0])})
    )
    folder.write()
    before = (folder.path / "shop.web.enforcerpolicy.yaml").read_bytes()
    folder.take(Listed(POLICIES[0], {KEY: small(large, POLICIES[0])}))
    folder.write()
    folder.states.write()
    states = PolicyStates(tmp_path / "state")
    states.read()

    assert before == (folder.path / "shop.web.enforcerpolicy.yaml").read_bytes()
    ((_, known),) = states.all()
    assert (4, "TooLarge") == (known.refusal.generation, known.refusal.reason)
    assert left_out(small(at_most, POLICIES[0])) is None
