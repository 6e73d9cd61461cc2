# SPDX-License-Identifier: MIT
"""
Which text of a policy is of which version of its object, kept beside the folder.

The engine says which text it means, by its digest. So what is reported of a version is of that one, and
never of the text before. If this is lost, the next list makes it anew; nothing that is enforced depends on it.
"""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.rollout import EVERYWHERE
from enforcer.whole_file import replace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from enforcer.cluster.agent.resource import Key, Resource

__all__ = ["ROLLOUT", "PolicyObject", "PolicyStates", "Refusal", "Version"]

ROLLOUT: Final = "Rollout"
"""The reason of a refusal where a rollout is not understood."""

_FORMAT: Final = 2
_KEPT: Final = 8
"""Texts of one object: the engine may be some changes behind, and still have one from before."""


@attrs.frozen
class Version:
    """
    What a text is of.

    Attributes:
        generation: of the object. An annotation changes none, so there may be two texts of one.
        rollout: by which it was decided whether the node enforces.
        is_held: the policy would enforce, and by its rollout only records here.
        is_guess: the labels of the node were not known, so it stayed as it was.
        uid: the beginning of the object's; empty: not known. One that is made again begins with generation 1 again.
    """

    generation: int
    rollout: str = EVERYWHERE
    is_held: bool = False
    is_guess: bool = False
    uid: str = ""


@attrs.frozen
class Refusal:
    """
    Why the agent has written no text for the newest version of an object.

    Attributes:
        path: of the field that is to blame.
        uid: as that of a :class:`Version`.
        reason: in one word; *message*: in a sentence.
    """

    generation: int
    path: str
    message: str
    reason: str = ROLLOUT
    uid: str = ""


@attrs.frozen
class PolicyObject:
    """
    The object that a file is of.

    Attributes:
        word: of its kind.
        versions: by the digests of their texts, the oldest first.
        refusal: None: the newest version is written.
    """

    namespace: str
    name: str
    word: str
    versions: Mapping[str, Version] = attrs.field(factory=dict)
    refusal: Refusal | None = None

    @property
    def label(self) -> str:
        """``NAMESPACE/NAME``, or the name alone, as the engine calls the policy."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def noting(self, digest: str, version: Version) -> PolicyObject:
        """Return the object, whose newest text has *digest*."""
        older = {each: known for each, known in self.versions.items() if each != digest}
        kept = dict([*older.items(), (digest, version)][-_KEPT:])
        return attrs.evolve(self, versions=kept, refusal=None)


@attrs.define(eq=False, repr=False)
class PolicyStates:
    """All objects by the names of their files. Another thread may ask for :meth:`all` of them."""

    path: Path
    _objects: dict[str, PolicyObject] = attrs.field(factory=dict, init=False)
    _lock: Lock = attrs.field(factory=Lock, init=False)
    _is_dirty: bool = attrs.field(default=False, init=False)

    def read(self) -> None:
        """Read what was kept; nothing if it cannot be read."""
        try:
            found = json.loads(self.path.read_bytes())
            if found["format"] == _FORMAT:
                self._objects = {name: _object(each) for name, each in found["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._objects = {}  # towards less is reported: the next list says it again

    def write(self) -> None:
        """
        Keep what has changed.

        Raises:
            OSError: it cannot be written; it is tried again with the next change.
        """
        if not self._is_dirty:
            return
        files = {name: attrs.asdict(each) for name, each in self.all()}
        document = json.dumps({"format": _FORMAT, "files": files}, indent=1)
        replace(self.path, document.encode(), 0o644, is_lasting=False)
        self._is_dirty = False

    def note(self, name: str, key: Key, resource: Resource, version: Version, digest: str) -> None:
        """Remember that the file *name* gets the text *digest*."""
        self._set(name, self._known(name, key, resource).noting(digest, version))

    def refuse(self, name: str, key: Key, resource: Resource, refusal: Refusal) -> None:
        """Remember that the file *name* stays as it is, or is not made."""
        self._set(name, attrs.evolve(self._known(name, key, resource), refusal=refusal))

    def keep(self, resource: Resource, names: Collection[str]) -> None:
        """Forget the objects of *resource* that have none of the files *names*."""
        for name in [n for n, each in self._objects.items() if each.word == resource.word]:
            if name not in names:
                self.forget(name)

    def forget(self, name: str) -> None:
        """Forget the object of the file *name*."""
        with self._lock:
            self._is_dirty |= self._objects.pop(name, None) is not None

    def all(self) -> list[tuple[str, PolicyObject]]:
        """List every object, with the name of its file."""
        with self._lock:
            return sorted(self._objects.items())

    def _known(self, name: str, key: Key, resource: Resource) -> PolicyObject:
        return self._objects.get(name) or PolicyObject(*key, resource.word)

    def _set(self, name: str, new: PolicyObject) -> None:
        if new != self._objects.get(name):
            with self._lock:
                self._objects[name] = new
            self._is_dirty = True


def _object(found: Any) -> PolicyObject:
    versions = {str(digest): _version(each) for digest, each in found["versions"].items()}
    refused = found["refusal"]
    return PolicyObject(
        str(found["namespace"]),
        str(found["name"]),
        str(found["word"]),
        versions,
        None if refused is None else _refusal(refused),
    )


def _refusal(found: Any) -> Refusal:
    return Refusal(
        int(found["generation"]),
        str(found["path"]),
        str(found["message"]),
        str(found.get("reason", ROLLOUT)),  # agents before this one had no other
        str(found.get("uid", "")),
    )


def _version(found: Any) -> Version:
    return Version(
        int(found["generation"]),
        str(found["rollout"]),
        is_held=bool(found["is_held"]),
        is_guess=bool(found["is_guess"]),
        uid=str(found.get("uid", "")),
    )
