# SPDX-License-Identifier: MIT
"""
Which text of a policy is of which generation of its object, kept beside the folder.

The engine says which text it means, by its digest. So what is reported of a generation is of that one, and
never of the text before. If this is lost, the next list makes it anew; nothing that is enforced depends on it.
"""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.whole_file import replace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from enforcer.kube.resource import Key, Resource

__all__ = ["PolicyObject", "PolicyStates"]

_FORMAT: Final = 1
_KEPT: Final = 8
"""Texts of one object: the engine may be some changes behind, and still have one from before."""


@attrs.frozen
class PolicyObject:
    """
    The object that a file is of.

    Attributes:
        word: of its kind.
        generations: by the digests of its texts, the oldest first.
    """

    namespace: str
    name: str
    word: str
    generations: Mapping[str, int] = attrs.field(factory=dict)

    @property
    def label(self) -> str:
        """``NAMESPACE/NAME``, or the name alone, as the engine calls the policy."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def noting(self, digest: str, generation: int) -> PolicyObject:
        """Return the object, whose newest text has *digest*."""
        older = {each: number for each, number in self.generations.items() if each != digest}
        kept = dict([*older.items(), (digest, generation)][-_KEPT:])
        return attrs.evolve(self, generations=kept)


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

    def note(self, name: str, key: Key, resource: Resource, generation: int, digest: str) -> None:
        """Remember that the file *name* gets the text *digest*."""
        new = PolicyObject(*key, resource.word)
        old = self._objects.get(name, new)
        noted = old.noting(digest, generation)
        if noted != self._objects.get(name):
            with self._lock:
                self._objects[name] = noted
            self._is_dirty = True

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


def _object(found: Any) -> PolicyObject:
    generations = {str(digest): int(number) for digest, number in found["generations"].items()}
    return PolicyObject(
        str(found["namespace"]), str(found["name"]), str(found["word"]), generations
    )
