# SPDX-License-Identifier: MIT
"""
The pods of this node in a file that the engine reads, from when they are bound to the node.

The scheduler binds a pod before the kubelet hears of it. So its labels are known before its first container
begins, if the API server is there.

Whoever may make pods chooses their labels, and can bind pods to a node. So no pod, and no namespace, takes the
room of another: pods for which there is none are without labels in the file, or are not in it. What is not
known falls to onError.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.identity.workload_files import MAX_LABELS, MAX_PODS, pods_of_objects
from enforcer.kube.annotations import CONFIG_HASH, CONFIG_MIRROR, of_pod
from enforcer.kube.resource import Deleted, Found, Listed
from enforcer.kube.shares import fair
from enforcer.whole_file import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from enforcer.kube.resource import Key, News

__all__ = ["NAME", "PodFile", "brief"]

NAME: Final = "kube.json"

_OWNER: Final = ("apiVersion", "kind", "name", "uid", "controller")
_STATUSES: Final = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_FINISHED: Final = ("Succeeded", "Failed")

_ROOM: Final = 7 << 20
"""Bytes of the file; the engine reads one more MiB."""
_MAX_OWNERS: Final = 8
_MAX_IDS: Final = 64  # of each list
_MAX_TEXT: Final = 512


@attrs.define(eq=False, repr=False)
class PodFile:
    """
    The file in *folder*.

    Attributes:
        node: whose pods they are.
    """

    folder: Path
    node: str
    _pods: dict[Key, dict[str, Any]] | None = attrs.field(default=None, init=False)
    _is_behind: bool = attrs.field(default=False, init=False)
    _missing: str = attrs.field(default="", init=False)

    def open(self) -> None:
        """
        Make the folder if there is none; what the file says stays until there is a complete list.

        Raises:
            OSError: it cannot be used.
        """
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)

    def take(self, news: News) -> None:
        """Remember what *news* says, for :meth:`write`."""
        if isinstance(news, Listed):
            self._pods = {}
            for key, item in news.objects.items():
                self._keep(key, item)
        elif self._pods is None:
            return  # a watch begins with a list
        elif isinstance(news, Found):
            self._keep(news.key, news.object)
        elif isinstance(news, Deleted):
            self._pods.pop(news.key, None)
        self._is_behind = True

    def _keep(self, key: Key, item: Mapping[str, Any]) -> None:
        if self._pods is None:
            return
        if (facts := _facts(item, self.node)) is not None:
            self._pods[key] = facts
        else:
            self._pods.pop(key, None)

    @property
    def is_behind(self) -> bool:
        """Whether something is still to be written."""
        return self._is_behind

    @property
    def missing(self) -> str:
        """What of the pods is not in the file, as a sentence; empty if nothing is missing."""
        return self._missing

    def write(self) -> bool:
        """
        Let the file say what is known; tell whether it said something else.

        Raises:
            OSError: it cannot be written, and is tried again.
        """
        if not self._is_behind or self._pods is None:
            return False
        lines = self._lines(list(_honest(self._pods[key] for key in sorted(self._pods))))
        path = self.folder / NAME
        head = json.dumps({"apiVersion": "v1", "kind": "List"}).removesuffix("}")
        text = '{}, "items": [\n{}\n]}}\n'.format(head, ",\n".join(lines)).encode()
        try:
            is_same = path.read_bytes() == text
        except OSError:
            is_same = False
        if not is_same:
            replace(path, text, 0o644, is_lasting=True)
        self._is_behind = False
        return not is_same

    def _lines(self, pods: list[dict[str, Any]]) -> list[str]:
        """
        Return a line for each of *pods* that has room: first all of them without labels, then as many whole ones.

        Fails closed: a pod without its line, or without labels in it, has labels that are not known.
        """
        kept = [pods[place] for place in fair([_thing(each, 1) for each in pods], MAX_PODS)]
        bare = [json.dumps(_bare(each)) for each in kept]
        whole = [json.dumps(each) for each in kept]
        more = [len(each) - len(short) for each, short in zip(whole, bare, strict=True)]
        room = _ROOM - sum(len(each) + 2 for each in bare)
        chosen = {*fair(map(_thing, kept, more), room)}
        labels = [each["metadata"]["labels"] for each in kept]
        unknown = sum(
            each is None or (each != {} and place not in chosen)
            for place, each in enumerate(labels)
        )
        self._missing = _said(len(pods), len(pods) - len(kept), unknown)
        return [whole[place] if place in chosen else bare[place] for place in range(len(kept))]


def _said(pods: int, left_out: int, unlabelled: int) -> str:
    if not left_out and not unlabelled:
        return ""
    return (
        f"of {pods} pods of this node, {left_out} are not in the file and {unlabelled} are without labels "
        "there, since they have too many or there is no room: onError decides for rules on their labels"
    )


def _thing(pod: Mapping[str, Any], size: int) -> tuple[str, int, bool]:
    """Return what :func:`fair` asks of *pod*. Finished pods come last: hardly anything runs in them."""
    return pod["metadata"]["namespace"], size, pod["status"].get("phase") in _FINISHED


def _bare(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return *pod* without what its author can make long. If it has labels they are null: not known, which is not none."""
    meta = {word: value for word, value in pod["metadata"].items() if word != "ownerReferences"}
    labels: dict[str, str] | None = {} if meta["labels"] == {} else None
    return {**pod, "metadata": {**meta, "labels": labels}, "status": {}}


def _facts(pod: Mapping[str, Any], node: str) -> dict[str, Any] | None:
    """Return of *pod* what says who it is, in the form of Kubernetes; None if the engine would not take it."""
    meta = _map(pod.get("metadata"))
    kept = {word: meta[word] for word in ("uid", "name", "namespace") if word in meta}
    kept["labels"] = meta.get("labels") or {}
    owners = _owners(meta)
    if (digest := _mirrored(meta, owners, node)) is not None:
        kept["annotations"] = {CONFIG_HASH: digest}
    if (read := next(pods_of_objects({"metadata": kept}), None)) is None:
        return None
    if read[0] != digest:
        kept.pop("annotations", None)
    if read[1].labels is None:
        kept["labels"] = None
    kept["ownerReferences"] = owners
    status = _map(pod.get("status"))
    found: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": kept, "status": {}}
    if status.get("phase") in _FINISHED:
        found["status"]["phase"] = status["phase"]
    for word in _STATUSES:
        if ids := _ids(status.get(word)):
            found["status"][word] = ids
    return found


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
    told: dict[str, Any] = {word: ids for word in _STATUSES if (ids := _ids(status.get(word)))}
    if status.get("phase") in _FINISHED:
        told["phase"] = status["phase"]
    return {"metadata": kept, "status": told}


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
    the kubelet's own marks are.
    """
    notes = _map(meta.get("annotations"))
    digest = notes.get(CONFIG_HASH)
    is_mirror = notes.get(CONFIG_MIRROR) == digest and any(
        (owner.get("kind"), owner.get("name")) == ("Node", node) for owner in owners
    )
    return digest if is_mirror and isinstance(digest, str) else None


def _honest(pods: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """
    Yield *pods*, without those that claim what another is called by.

    Fails closed: who is claimed twice is not known by a claim at all, and what is unknown falls to onError.
    """
    known = list(pods)
    own = {pod["metadata"].get("uid") for pod in known if "annotations" not in pod["metadata"]}
    claims = Counter(pod["metadata"]["annotations"][CONFIG_HASH] for pod in known if _claims(pod))
    for pod in known:
        claim = pod["metadata"]["annotations"][CONFIG_HASH] if _claims(pod) else None
        if claim is None or (claim not in own and claims[claim] == 1):
            yield pod


def _claims(pod: Mapping[str, Any]) -> bool:
    """Whether *pod* is called by a digest."""
    return "annotations" in pod["metadata"]


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
