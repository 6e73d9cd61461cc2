# SPDX-License-Identifier: MIT
"""How much of policies and pods an agent holds and writes, whoever has how many of them, and what becomes of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from enforcer import _abi
from enforcer.cluster.agent.pod_facts import emptied_pod, is_finished, length_of
from enforcer.cluster.agent.shares import fair
from enforcer.cluster.agent.small_objects import emptied, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from enforcer.cluster.agent.resource import Key, Resource

    Entry: TypeAlias = tuple[Key, dict[str, Any], Resource]

__all__ = [
    "FILES",
    "LABELLED_ROOM",
    "POD_ROOM",
    "POLICY_ROOM",
    "LabelledPolicies",
    "ListRoom",
    "Places",
    "pod_room",
    "policy_room",
]

POLICY_ROOM: Final = 48 << 20
"""Bytes of packed policies in lists of all kinds: each kind has the same part, since all may be listed at once."""
POD_ROOM: Final = 8 << 20
"""Bytes of labels and of ids of all pods of the node, as JSON: some more than the file of pods has."""
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
    The room of a list.

    Attributes:
        most: bytes.
        size: how many of them an object takes; none, once it is *emptied*.
        emptied: what is left of an object that has no room.
        is_last: whether an object has room only if all others have.
    """

    most: int
    size: Callable[[dict[str, Any]], int]
    emptied: Callable[[dict[str, Any]], dict[str, Any]]
    is_last: Callable[[dict[str, Any]], bool] = lambda _: False

    def taken_by(self, items: Iterable[dict[str, Any]]) -> int:
        """Return how many bytes *items* take."""
        return sum(map(self.size, items))

    def fit(self, objects: dict[Key, dict[str, Any]], taken: int) -> int:
        """
        Make room in *objects*, if they take too much: of those that do not fit is kept that they are there.

        Returns what they take now; *taken* is what they took, or more.
        """
        if taken <= self.most:
            return taken
        keys = list(objects)
        things = ((key[0], self.size(objects[key]), self.is_last(objects[key])) for key in keys)
        kept = {keys[place] for place in fair(things, self.most)}
        for key in keys:
            if key not in kept:
                objects[key] = self.emptied(objects[key])
        return self.taken_by(objects.values())


def policy_room(most: int) -> ListRoom:
    """Return the room of a list of policies of one kind."""
    why = (
        f"the agent holds {most >> 20} MiB of policies of one kind, packed, and of those this one has no room "
        "beside the others of its namespace"
    )
    return ListRoom(most, size_of, lambda kept: emptied(kept, "NoRoom", why))


def pod_room(most: int = POD_ROOM) -> ListRoom:
    """Return the room of a list of pods. Finished ones come last."""
    return ListRoom(most, length_of, emptied_pod, is_finished)


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
