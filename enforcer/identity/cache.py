# SPDX-License-Identifier: MIT
"""A bounded cache that forgets what was used longest ago."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Cache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def _nothing(_: object) -> int:
    return 0


@attrs.define(eq=False, repr=False)
class Cache(Generic[K, V]):
    """At most *limit* entries, of *room* bytes at most by what each weighs; the newest stays in any case."""

    limit: int
    room: int = sys.maxsize
    weigh: Callable[[V], int] = _nothing
    _held: int = attrs.field(default=0, init=False)
    _entries: OrderedDict[K, V] = attrs.field(factory=OrderedDict, init=False)

    def get(self, key: K) -> V | None:
        """Look *key* up and keep it young."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: K, value: V) -> None:
        """Remember *value*, forgetting the oldest entry if there is no room."""
        if key in self._entries:
            self._held -= self.weigh(self._entries.pop(key))
        self._entries[key] = value
        self._held += self.weigh(value)
        while len(self._entries) > self.limit or (self._held > self.room and len(self) > 1):
            self._drop()

    def drop_while(self, is_stale: Callable[[V], bool]) -> None:
        """Forget what was used longest ago, and so on, up to what is not stale."""
        while self._entries and is_stale(next(iter(self._entries.values()))):
            self._drop()

    def _drop(self) -> None:
        self._held -= self.weigh(self._entries.popitem(last=False)[1])

    def __len__(self) -> int:
        return len(self._entries)
