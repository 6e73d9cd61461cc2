# SPDX-License-Identifier: MIT
"""
From an object of the API server to the text of a policy file, and its name.

What the server adds is left out, so that its bookkeeping changes no policy. All else stays as it is: what
the language does not know is for the engine to refuse, never for the agent to drop.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from enforcer.cluster.agent.annotations import POSTURE
from enforcer.policy.model.modes import Mode
from enforcer.policy.text.bounds import MAX_BYTES, MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.cluster.agent.resource import Key, Resource

__all__ = [
    "METADATA",
    "SUFFIX",
    "cut",
    "file_name",
    "generation_of",
    "holding",
    "is_of",
    "namespace_of",
    "only_records",
    "policy_text",
    "short_uid",
    "uid_of",
]

SUFFIX: Final = ".yaml"

_LONGEST: Final = (
    200  # characters of a name; a file may have 255, and what is written beside it is longer
)
_OF_SERVER: Final = frozenset({"apiVersion", "kind", "metadata", "status"})
_UID: Final = 8  # characters

METADATA: Final = ("description",)
"""What of the metadata the language reads, beside what the object is known by. The server knows no such key today."""


def policy_text(item: Mapping[str, Any], key: Key, resource: Resource) -> bytes:
    """
    Return what the file of *item* says: JSON, which is YAML, in lines so that errors have a place.

    What the object is comes from where it was asked for, and not from what it says of itself: without its
    namespace, it would count for the whole host.
    """
    namespace, name = key
    meta: dict[str, Any] = {"name": name}
    if resource.namespaced:
        meta["namespace"] = namespace
    given = item.get("metadata", {})
    meta |= {word: given[word] for word in METADATA if word in given}
    if resource.is_foreign and (notes := _postures(given)):
        meta["annotations"] = notes
    document = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": meta,
        **{word: value for word, value in item.items() if word not in _OF_SERVER},
    }
    return _lines(document)


def _lines(document: Mapping[str, Any]) -> bytes:
    """
    Write *document*, as far as the engine would read it: what is deeper or longer, it refuses anyway.

    Twenty kilobytes that are nested 9,000 deep are 162 MB in lines, and an API server takes them: whoever may write
    a policy could end the agents of all nodes.
    """
    encoder = json.JSONEncoder(ensure_ascii=False, indent=2, sort_keys=True)
    found = bytearray()
    for piece in encoder.iterencode(cut(document, MAX_DEPTH + 2)):
        # A lone surrogate is no text: it is written so that the engine refuses the file and says why.
        found += piece.encode("utf-8", "surrogatepass")
        if len(found) > MAX_BYTES:
            break
    return bytes(found) + b"\n"


def cut(value: Any, levels: int) -> Any:
    """Return *value* with nothing in what is more than *levels* deep, which is still deeper than the engine reads."""
    if not isinstance(value, (dict, list)):
        return value
    if not levels:
        return None
    if isinstance(value, list):
        return [cut(each, levels - 1) for each in value]
    return {word: cut(each, levels - 1) for word, each in value.items()}


def _postures(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations that say something of what a policy decides: without them it would decide less."""
    notes = meta.get("annotations")
    if not isinstance(notes, dict):
        return {}
    return {word: value for word, value in notes.items() if str(word).startswith(POSTURE)}


def holding(item: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return *item* with a policy that decides the same, and only records.

    A mode that is neither of the two that there are stays, so that the engine refuses it as it would elsewhere.
    """
    spec = item.get("spec")
    if not isinstance(spec, dict) or spec.get("mode", Mode.ENFORCE.value) != Mode.ENFORCE.value:
        return dict(item)
    return {**item, "spec": {**spec, "mode": Mode.AUDIT.value}}


def only_records(text: bytes) -> bool:
    """Whether the policy that *text* is, of a file, only records. In doubt it does not: nothing is loosened by that."""
    try:
        found = json.loads(text)["spec"]["mode"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return bool(found == Mode.AUDIT.value)


def file_name(key: Key, resource: Resource) -> str:
    """
    Return the name of the file for the object *key*: ``NAMESPACE.NAME.enforcerpolicy.yaml``.

    A namespace has no dot, and the last word says the kind: so no two objects have one name, and no name
    is hidden or counts as something else (``*.cases.yaml``), whatever an object is called.
    """
    namespace, name = key
    stem = f"{namespace}.{name}" if resource.namespaced else name
    if len(stem) > _LONGEST:
        # No object has a tilde in its name.
        stem = f"{stem[:_LONGEST]}~{hashlib.sha256(stem.encode()).hexdigest()[:16]}"
    return f"{stem}.{resource.word}{SUFFIX}"


def is_of(name: str, resource: Resource) -> bool:
    """Whether the file *name* is of an object of *resource*."""
    return name.endswith(f".{resource.word}{SUFFIX}")


def namespace_of(name: str, resource: Resource) -> str:
    """Return the namespace of the object whose file, of *resource*, is *name*; none: it is of the cluster."""
    return name.partition(".")[0] if resource.namespaced else ""


def generation_of(item: Mapping[str, Any]) -> int:
    """Return which version of its spec an object has; 0 where the server counts none."""
    found = item.get("metadata", {}).get("generation")
    return found if isinstance(found, int) else 0


def uid_of(item: Mapping[str, Any]) -> str:
    """Return by what the object *item* differs from one of its name that was there before, as :func:`short_uid` does."""
    found = item.get("metadata", {}).get("uid")
    return short_uid(found) if isinstance(found, str) else ""


def short_uid(uid: str) -> str:
    """
    Return the beginning of *uid*, which stands in every entry of every node's report.

    The server chooses it at random: of four billion pairs of objects with one name, one is taken for the same.
    """
    return uid[:_UID]
