# SPDX-License-Identifier: MIT
"""How many policies an agent holds and writes, whoever has how many of them, and what becomes of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from enforcer import _abi
from enforcer.kube.shares import fair
from enforcer.kube.small_objects import emptied, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enforcer.kube.resource import Key, Resource

    Entry: TypeAlias = tuple[Key, dict[str, Any], Resource]

__all__ = ["FILES", "LABELLED_ROOM", "POLICY_ROOM", "LabelledPolicies", "ListRoom", "Places"]

POLICY_ROOM: Final = 48 << 20
"""Bytes of packed policies in lists of all kinds: each kind has the same part, since all may be listed at once."""
LABELLED_ROOM: Final = 16 << 20
"""Bytes of packed policies that are kept for the day on which the labels of the node change."""

FILES: Final = _abi.ENF_MAX_POLICIES
"""
Files of policies of one namespace. The engine looks at each of them three times a second, and reads all of them when one
changes; of more policies than that it takes none, whatever the quota of a namespace is.
"""


@attrs.frozen
class ListRoom:
    """
    The room of a list of policies.

    Attributes:
        most: bytes, packed.
    """

    most: int

    def taken_by(self, items: Iterable[dict[str, Any]]) -> int:
        """Return how many bytes *items* take."""
        return sum(map(size_of, items))

    def fit(self, objects: dict[Key, dict[str, Any]], taken: int) -> int:
        """
        Make room in *objects*, if they take too much: those that do not fit are only known to be there.

        Returns what they take now; *taken* is what they took, or more.
        """
        if taken <= self.most:
            return taken
        keys = list(objects)
        sizes = ((key[0], size_of(objects[key]), False) for key in keys)
        kept = {keys[place] for place in fair(sizes, self.most)}
        why = (
            f"the agent holds {self.most >> 20} MiB of policies of one kind, packed, and of those this one has no room "
            "beside the others of its namespace"
        )
        for key in keys:
            if key not in kept:
                objects[key] = emptied(objects[key], "NoRoom", why)
        return self.taken_by(objects.values())


@attrs.define(eq=False, repr=False)
class LabelledPolicies:
    """
    Policies on which is decided anew when the labels of the node change, by the names of their files.

    Attributes:
        most: bytes, packed.
    """

    most: int = LABELLED_ROOM
    _known: dict[str, Entry] = attrs.field(factory=dict, init=False)
    _taken: int = attrs.field(default=0, init=False)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._known))

    def entries(self) -> list[tuple[str, Entry]]:
        """List all of them, with the names of their files."""
        return list(self._known.items())

    def forget(self, name: str) -> None:
        """Forget the one of the file *name*, if it is there."""
        if (entry := self._known.pop(name, None)) is not None:
            self._taken -= size_of(entry[1])

    def keep(self, name: str, entry: Entry) -> list[tuple[str, Entry]]:
        """Keep the one of the file *name*. Returns those that are forgotten, since there is no room."""
        self.forget(name)
        self._known[name] = entry
        self._taken += size_of(entry[1])
        if self._taken <= self.most:
            return []
        known = self.entries()
        sizes = ((key[0], size_of(kept), False) for _, (key, kept, _) in known)
        # Some more than there must be, so that not each of those that come looks through all of them.
        kept = {known[place][0] for place in fair(sizes, self.most * 7 // 8)}
        gone = [each for each in known if each[0] not in kept]
        for each, _ in gone:
            self.forget(each)
        return gone


@attrs.define(eq=False, repr=False)
class Places:
    """
    Which files each namespace has in the folder, so that none fills it.

    Attributes:
        most: of one namespace. Those that are there first stay: what is active does not go for what is new.
    """

    most: int = FILES
    _names: dict[str, set[str]] = attrs.field(factory=dict, init=False)

    def add(self, namespace: str, name: str) -> None:
        """Note that the file *name* is there already."""
        self._names.setdefault(namespace, set()).add(name)

    def admits(self, namespace: str, name: str) -> bool:
        """Give the file *name* a place, if it has none; tell whether it has one now."""
        names = self._names.get(namespace, set())
        if not namespace or name in names:
            return True  # whoever may write policies of the cluster may do anything
        if len(names) >= self.most:
            return False
        self.add(namespace, name)
        return True

    def free(self, namespace: str, name: str) -> None:
        """Note that the file *name* is to go."""
        names = self._names.get(namespace, set())
        names.discard(name)
        if not names:
            self._names.pop(namespace, None)
