# SPDX-License-Identifier: MIT
"""
What an agent keeps of the objects that it is told of, until it has made files of them.

All objects of a list are held at once, and whoever may write policies or pods says how large they are. So what
nobody reads goes at once, and a policy is held as packed JSON: its values are twenty times as large in Python, where
it has many that are empty. One that no engine would read is not held at all, and neither is one for which
:mod:`enforcer.cluster.agent.room` has no room: it is only known to be there.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.annotations import of_policy
from enforcer.cluster.agent.pod_facts import brief
from enforcer.cluster.agent.policy_text import METADATA, cut, generation_of, uid_of
from enforcer.cluster.agent.resource import NODE_PATH, POD_PATH
from enforcer.policy.text.bounds import MAX_BYTES, MAX_DEPTH

if TYPE_CHECKING:
    from enforcer.cluster.agent.resource import Resource

__all__ = ["LeftOut", "emptied", "left_out", "size_of", "small", "whole"]

_PACKED: Final = "packed"
_LEFT_OUT: Final = "leftOut"
_QUICK: Final = 1  # what can be made much smaller is made so at any level
_OF_OWN_NODE: Final = ("name", "uid", "labels")
_OF_POLICY: Final = ("name", "namespace", "uid", "generation", *METADATA)


@attrs.frozen
class LeftOut:
    """
    What is kept of a policy of which the rest is not.

    Attributes:
        reason: why, in one word.
        message: and in a sentence.
    """

    generation: int
    uid: str
    reason: str
    message: str


def small(item: dict[str, Any], resource: Resource) -> dict[str, Any]:
    """Return what the agent needs of *item*: of a policy, what :func:`whole` makes one of again."""
    meta = item["metadata"]
    if resource.path == NODE_PATH:
        return {"metadata": _some(meta, _OF_OWN_NODE)}
    if resource.path == POD_PATH:
        return brief(item)
    read = {word: value for word, value in item.items() if word not in {"status", "metadata"}}
    known = _some(meta, _OF_POLICY)
    if notes := of_policy(meta.get("annotations"), is_foreign=resource.is_foreign):
        known["annotations"] = notes
    # Deeper than the engine reads, but not deeper than can be written.
    text = _encoded({"metadata": known, **cut(read, MAX_DEPTH + 2)})
    if len(text) - len(_encoded(known)) > MAX_BYTES:
        # Its file would be longer still, since it is written in lines.
        why = f"the policy is too large, the limit is {MAX_BYTES} bytes: split it into several"
        return {_LEFT_OUT: LeftOut(generation_of(item), uid_of(item), "TooLarge", why)}
    return {_PACKED: zlib.compress(text, _QUICK)}


def whole(kept: dict[str, Any]) -> dict[str, Any]:
    """Return the policy that *kept* is. One that was not made small is what it is."""
    packed = kept.get(_PACKED)
    if not isinstance(packed, bytes):  # nothing of JSON is
        return kept
    found: dict[str, Any] = json.loads(zlib.decompress(packed).decode("utf-8", "surrogatepass"))
    return found


def left_out(kept: dict[str, Any]) -> LeftOut | None:
    """Return why *kept* is no more than that there is such a policy; None: it is all there."""
    found = kept.get(_LEFT_OUT)
    return found if isinstance(found, LeftOut) else None  # nothing of JSON is


def size_of(kept: dict[str, Any]) -> int:
    """Return how many bytes of a policy *kept* holds."""
    packed = kept.get(_PACKED)
    return len(packed) if isinstance(packed, bytes) else 0


def emptied(kept: dict[str, Any], reason: str, message: str) -> dict[str, Any]:
    """Return *kept* without what the policy says: it is only known to be there."""
    if left_out(kept) is not None:
        return kept
    item = whole(kept)
    return {_LEFT_OUT: LeftOut(generation_of(item), uid_of(item), reason, message)}


def _encoded(value: Any) -> bytes:
    """Write *value* as the file of a policy is written, but for the lines: as long as that at most."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _some(found: dict[str, Any], words: tuple[str, ...]) -> dict[str, Any]:
    return {word: found[word] for word in words if word in found}
