# SPDX-License-Identifier: MIT
"""
What is read of a pod: who it is, its labels, its owners and the ids of its containers.

Whoever may make pods says how much of that there is, so all of it has a bound.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from enforcer.cluster.agent.annotations import CONFIG_HASH, CONFIG_MIRROR, of_pod
from enforcer.identity.workload_files import MAX_LABELS, pods_of_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["bare", "brief", "emptied_pod", "facts_of_pod", "is_by_node", "is_finished", "length_of"]

_OWNER: Final = ("apiVersion", "kind", "name", "uid", "controller")
_STATUSES: Final = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_FINISHED: Final = ("Succeeded", "Failed")
_NODE: Final = "Node"

_MAX_OWNERS: Final = 8
_MAX_IDS: Final = 64  # of each list
_MAX_TEXT: Final = 512


def bare(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return *pod* without what its author can make long. If it has labels they are null: not known, which is not none."""
    meta = {word: value for word, value in pod["metadata"].items() if word != "ownerReferences"}
    labels: dict[str, str] | None = {} if meta["labels"] == {} else None
    return {**pod, "metadata": {**meta, "labels": labels}, "status": {}}


def facts_of_pod(pod: Mapping[str, Any], node: str) -> dict[str, Any] | None:
    """Return of *pod* what says who it is, in the form of Kubernetes; None if the engine would not take it."""
    meta = _map(pod.get("metadata"))
    kept = {word: meta[word] for word in ("uid", "name", "namespace") if word in meta}
    labels = meta.get("labels", {})
    kept["labels"] = None if labels is None else labels or {}  # null: there was no room for them
    owners = _owners(meta)
    if (digest := _mirrored(meta, owners, node)) is not None:
        kept["annotations"] = {CONFIG_HASH: digest}
    read = dict(pods_of_objects({"metadata": kept}))
    if (own := read.get(kept.get("uid", ""))) is None:
        return None
    if digest not in read:
        kept.pop("annotations", None)
    if own.labels is None:
        kept["labels"] = None
    kept["ownerReferences"] = owners
    status = _map(pod.get("status"))
    told = _end_of(pod) | {word: ids for word in _STATUSES if (ids := _ids(status.get(word)))}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": kept, "status": told}


def brief(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return of *pod* what is read of it. It has a bound, and comes to the same line of the file as the whole."""
    meta, status = _map(pod.get("metadata")), _map(pod.get("status"))
    kept = {word: meta[word] for word in ("uid", "name", "namespace") if word in meta}
    if "labels" in meta:
        labels = meta["labels"]
        # With one label too many they are all unknown, as with a thousand.
        many = isinstance(labels, dict) and len(labels) > MAX_LABELS
        kept["labels"] = dict(islice(labels.items(), MAX_LABELS + 1)) if many else labels
    if notes := of_pod(meta.get("annotations")):
        kept["annotations"] = notes
    if owners := _owners(meta):
        kept["ownerReferences"] = owners
    told = {word: ids for word in _STATUSES if (ids := _ids(status.get(word)))}
    return {"metadata": kept, "status": told | _end_of(pod)}


def is_by_node(pod: Mapping[str, Any], name: str, uid: str) -> bool:
    """
    Tell whether the owner of *pod* is the node *name*, with the *uid* that its object has.

    The kubelet writes that uid on pods of its own since Kubernetes 1.17, and the server compares it for kubelets
    (NodeRestriction). Whoever may make pods can write it as well, but must know it.
    """
    owners = pod["metadata"]["ownerReferences"]
    return any(
        (each.get("kind"), each.get("name"), each.get("uid")) == (_NODE, name, uid)
        for each in owners
    )


def is_finished(pod: Mapping[str, Any]) -> bool:
    """Whether all containers of *pod* have ended: hardly anything runs in it."""
    return _map(pod.get("status")).get("phase") in _FINISHED


def length_of(pod: Mapping[str, Any]) -> int:
    """Return how many bytes, as JSON, *pod* has of what :func:`emptied_pod` takes away."""
    meta = pod["metadata"]
    owners = meta.get("ownerReferences", [])
    parts = (
        meta.get("labels"),
        owners if owners != _node_of(owners) else None,
        *(pod["status"].get(word) for word in _STATUSES),
    )
    return sum(len(json.dumps(part)) for part in parts if part)


def emptied_pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`brief` has made of a pod without what can be long. Its labels are null then: not known."""
    meta = dict(pod["metadata"])
    meta["labels"] = None if meta.get("labels", {}) != {} else {}
    # By the node that is its owner, a static pod is known.
    meta["ownerReferences"] = _node_of(meta.get("ownerReferences", []))
    return {**pod, "metadata": meta, "status": _end_of(pod)}


def _node_of(owners: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [owner for owner in owners if owner.get("kind") == _NODE][:1]


def _end_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    return {"phase": pod["status"]["phase"]} if is_finished(pod) else {}


def _owners(meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {word: owner[word] for word in _OWNER if _is_short(owner.get(word))}
        for owner in map(_map, _list(meta.get("ownerReferences"))[:_MAX_OWNERS])
    ]


def _ids(statuses: Any) -> list[dict[str, Any]]:
    found = [
        {"name": each["name"], "containerID": each["containerID"]}
        for each in map(_map, _list(statuses))
        if each.get("containerID")
        and _is_short(each["containerID"])
        and _is_short(each.get("name"))
    ]
    return found[:_MAX_IDS]


def _is_short(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and len(value) <= _MAX_TEXT)


def _mirrored(
    meta: Mapping[str, Any], owners: Iterable[Mapping[str, Any]], node: str
) -> str | None:
    """
    Return the digest by which a static pod's cgroup is called; None for others.

    Anybody may write this annotation on a pod of their own, and so claim to be another. It counts only where
    the kubelet's own marks are. One of them is the uid of the node, which :func:`is_by_node` compares.
    """
    notes = _map(meta.get("annotations"))
    digest = notes.get(CONFIG_HASH)
    is_mirror = notes.get(CONFIG_MIRROR) == digest and any(
        (owner.get("kind"), owner.get("name")) == (_NODE, node) for owner in owners
    )
    return digest if is_mirror and isinstance(digest, str) else None


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
