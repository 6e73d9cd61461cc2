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
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.pod_facts import bare, facts_of_pod, is_by_node, is_finished, length_of
from enforcer.cluster.agent.resource import Deleted, Found, Listed
from enforcer.cluster.agent.room import pod_room
from enforcer.cluster.agent.shares import fair
from enforcer.identity.workload_files import MAX_PODS
from enforcer.whole_file import replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from enforcer.cluster.agent.resource import Key, News
    from enforcer.cluster.agent.room import ListRoom

__all__ = ["NAME", "PodFile"]

NAME: Final = "kube.json"

_ROOM: Final = 7 << 20
"""Bytes of the file; the engine reads one more MiB."""


@attrs.define(eq=False, repr=False)
class PodFile:
    """
    The file in *folder*.

    Attributes:
        node: whose pods they are.
        room: of all that is known of them.
    """

    folder: Path
    node: str
    room: ListRoom = attrs.field(factory=pod_room)
    _node_uid: str = attrs.field(default="", init=False)
    _taken: int = attrs.field(default=0, init=False)
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
            self._pods, self._taken = {}, 0
            for key, item in news.objects.items():
                self._keep(key, item)
        elif self._pods is None:
            return  # a watch begins with a list
        elif isinstance(news, Found):
            self._keep(news.key, news.object)
        elif isinstance(news, Deleted):
            self._pods.pop(news.key, None)
        self._is_behind = True

    def know_node(self, uid: str) -> None:
        """
        Remember the *uid* of this node's object, for :meth:`write`; empty: there is none, and the last one stays.

        Without the right to nodes it is never known. Then the name of the node has to do.
        """
        if uid and uid != self._node_uid:
            self._node_uid = uid
            self._is_behind = self._pods is not None

    def _keep(self, key: Key, item: Mapping[str, Any]) -> None:
        if self._pods is None:
            return
        if (facts := facts_of_pod(item, self.node)) is not None:
            self._pods[key] = facts
            self._taken += length_of(facts)
            # Some more than there is room for, so that not each of them that comes has all looked through.
            if self._taken > self.room.most * 9 // 8:
                self._taken = self.room.fit(self._pods, self._taken)
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
        lines = self._lines([self._told(self._pods[key]) for key in sorted(self._pods)])
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

    def _told(self, pod: dict[str, Any]) -> dict[str, Any]:
        """
        Return *pod* as the file says it: without the digest that it claims if its owner is not this node's object.

        All other claims are in the file, also two of one digest: the engine knows what the kubelet calls its pods.
        """
        meta = pod["metadata"]
        if "annotations" not in meta or not self._node_uid:
            return pod
        if is_by_node(pod, self.node, self._node_uid):
            return pod
        return {
            **pod,
            "metadata": {word: value for word, value in meta.items() if word != "annotations"},
        }

    def _lines(self, pods: list[dict[str, Any]]) -> list[str]:
        """
        Return a line for each of *pods* that has room: first all of them without labels, then as many whole ones.

        Fails closed: a pod without its line, or without labels in it, has labels that are not known.
        """
        kept = [pods[place] for place in fair([_thing(each, 1) for each in pods], MAX_PODS)]
        short = [json.dumps(bare(each)) for each in kept]
        whole = [json.dumps(each) for each in kept]
        more = [len(long) - len(each) for long, each in zip(whole, short, strict=True)]
        room = _ROOM - sum(len(each) + 2 for each in short)
        chosen = {*fair(map(_thing, kept, more), room)}
        labels = [each["metadata"]["labels"] for each in kept]
        unknown = sum(
            each is None or (each != {} and place not in chosen)
            for place, each in enumerate(labels)
        )
        self._missing = _said(len(pods), len(pods) - len(kept), unknown)
        return [whole[place] if place in chosen else short[place] for place in range(len(kept))]


def _said(pods: int, left_out: int, unlabelled: int) -> str:
    if not left_out and not unlabelled:
        return ""
    return (
        f"of {pods} pods of this node, {left_out} are not in the file and {unlabelled} are without labels "
        "there, since they have too many or there is no room: onError decides for rules on their labels"
    )


def _thing(pod: Mapping[str, Any], size: int) -> tuple[str, int, bool]:
    """Return what :func:`fair` asks of *pod*. Finished pods come last."""
    return pod["metadata"]["namespace"], size, is_finished(pod)
