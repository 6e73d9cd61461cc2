# SPDX-License-Identifier: MIT
"""
What an agent keeps of the objects that it is told of, until it has made files of them.

All objects of a list are held at once, and whoever may write policies or pods says how large they are. So what
nobody reads goes at once, and a policy is held as packed JSON: its values are twenty times as large in Python, where
it has many that are empty.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from enforcer.kube.policy_text import cut
from enforcer.kube.resource import NODE_PATH, POD_PATH
from enforcer.policy.text.bounds import MAX_DEPTH

if TYPE_CHECKING:
    from enforcer.kube.resource import Resource

__all__ = ["small", "whole"]

_PACKED: Final = "packed"
_QUICK: Final = 1  # what can be made much smaller is made so at any level
_OF_OWN_NODE: Final = ("name", "uid", "labels")
_OF_POD: Final = ("uid", "name", "namespace", "labels", "annotations", "ownerReferences")
_OF_STATUS: Final = (
    "phase",
    "initContainerStatuses",
    "containerStatuses",
    "ephemeralContainerStatuses",
)


def small(item: dict[str, Any], resource: Resource) -> dict[str, Any]:
    """Return what the agent needs of *item*: of a policy, what :func:`whole` makes one of again."""
    meta = item["metadata"]
    if resource.path == NODE_PATH:
        return {"metadata": _some(meta, _OF_OWN_NODE)}
    if resource.path == POD_PATH:
        status = item.get("status")
        told = _some(status, _OF_STATUS) if isinstance(status, dict) else {}
        return {"metadata": _some(meta, _OF_POD), "status": told}
    read = {word: value for word, value in item.items() if word != "status"}
    read["metadata"] = {word: value for word, value in meta.items() if word != "managedFields"}
    # Deeper than the engine reads, but not deeper than can be written.
    return {_PACKED: zlib.compress(json.dumps(cut(read, MAX_DEPTH + 2)).encode(), _QUICK)}


def whole(kept: dict[str, Any]) -> dict[str, Any]:
    """Return the policy that *kept* is. One that was not made small is what it is."""
    packed = kept.get(_PACKED)
    if not isinstance(packed, bytes):  # nothing of JSON is
        return kept
    found: dict[str, Any] = json.loads(zlib.decompress(packed))
    return found


def _some(found: dict[str, Any], words: tuple[str, ...]) -> dict[str, Any]:
    return {word: found[word] for word in words if word in found}
