# SPDX-License-Identifier: MIT
"""
The pods of this node in a file that the engine reads, from when they are bound to the node.

The scheduler binds a pod before the kubelet hears of it. So its labels are known before its first container
begins, if the API server is there.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.kube.resource import Deleted, Found, Listed
from enforcer.whole_file import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from enforcer.kube.resource import Key, News

__all__ = ["NAME", "PodFile"]

NAME: Final = "kube.json"

_HASH: Final = "kubernetes.io/config.hash"
_MIRROR: Final = "kubernetes.io/config.mirror"
_OWNER: Final = ("apiVersion", "kind", "name", "uid", "controller")
_STATUSES: Final = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


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
            self._pods = {key: _facts(item, self.node) for key, item in news.objects.items()}
        elif self._pods is None:
            return  # a watch begins with a list
        elif isinstance(news, Found):
            self._pods[news.key] = _facts(news.object, self.node)
        elif isinstance(news, Deleted):
            self._pods.pop(news.key, None)
        self._is_behind = True

    @property
    def is_behind(self) -> bool:
        """Whether something is still to be written."""
        return self._is_behind

    def write(self) -> bool:
        """
        Let the file say what is known; tell whether it said something else.

        Raises:
            OSError: it cannot be written, and is tried again.
        """
        if not self._is_behind or self._pods is None:
            return False
        items = list(_honest(self._pods[key] for key in sorted(self._pods)))
        path = self.folder / NAME
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1)
        text = document.encode()
        try:
            is_same = path.read_bytes() == text
        except OSError:
            is_same = False
        if not is_same:
            replace(path, text, 0o644, is_lasting=True)
        self._is_behind = False
        return not is_same


def _facts(pod: Mapping[str, Any], node: str) -> dict[str, Any]:
    """Return of *pod* what says who it is, in the form of Kubernetes."""
    meta = _map(pod.get("metadata"))
    kept = {word: meta[word] for word in ("uid", "name", "namespace") if word in meta}
    kept["labels"] = _map(meta.get("labels"))
    kept["ownerReferences"] = [
        {word: _map(owner)[word] for word in _OWNER if word in _map(owner)}
        for owner in _list(meta.get("ownerReferences"))
    ]
    if (digest := _mirrored(meta, kept["ownerReferences"], node)) is not None:
        kept["annotations"] = {_HASH: digest}
    status = _map(pod.get("status"))
    found: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": kept, "status": {}}
    for word in _STATUSES:
        ids = [
            {"name": _map(each).get("name"), "containerID": _map(each)["containerID"]}
            for each in _list(status.get(word))
            if _map(each).get("containerID")
        ]
        if ids:
            found["status"][word] = ids
    return found


def _mirrored(
    meta: Mapping[str, Any], owners: Iterable[Mapping[str, Any]], node: str
) -> str | None:
    """
    Return the digest by which a static pod's cgroup is called; None for others.

    Anybody may write this annotation on a pod of their own, and so claim to be another. It counts only where
    the kubelet's own marks are.
    """
    notes = _map(meta.get("annotations"))
    digest = notes.get(_HASH)
    is_mirror = notes.get(_MIRROR) == digest and any(
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
    claims = Counter(pod["metadata"]["annotations"][_HASH] for pod in known if _claims(pod))
    for pod in known:
        claim = pod["metadata"]["annotations"][_HASH] if _claims(pod) else None
        if claim is None or (claim not in own and claims[claim] == 1):
            yield pod


def _claims(pod: Mapping[str, Any]) -> bool:
    """Whether *pod* is called by a digest."""
    return "annotations" in pod["metadata"]


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
