# SPDX-License-Identifier: MIT
"""
Compact copies of policies and digests, kept in memory for the next change.

By default, pickle turns each object into a dictionary first. Here only the values are written, which
takes half of the time and of the bytes.
"""

from __future__ import annotations

import io
import pickle
import zlib
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CompactCopy"]

_T = TypeVar("_T")


@attrs.frozen
class CompactCopy(Generic[_T]):
    """A value put away: what is kept for the next change takes little room."""

    data: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, value: _T) -> CompactCopy[_T]:
        """Put *value* away."""
        stream = io.BytesIO()
        pickler = pickle.Pickler(stream)
        pickler.dispatch_table = _REDUCERS
        pickler.dump(value)
        return cls(zlib.compress(stream.getbuffer(), level=1))

    def unpack(self) -> _T:
        """Return what was put away."""
        # Made by this process or its child, kept in its own memory: nobody else can have written it.
        value: _T = pickle.loads(zlib.decompress(self.data))  # noqa: S301
        return value


class _Reducers(dict[type, "Callable[[Any], tuple[Any, ...]]"]):
    """How objects of our classes are written; found out for each class once."""

    def __missing__(self, kind: type) -> Callable[[Any], tuple[Any, ...]]:
        if not attrs.has(kind) or hasattr(kind, "_attrs_cached_hash"):
            raise KeyError(kind)  # pickle's own way: a hash is another in another process
        names = _names(kind)
        values = attrgetter(*names) if len(names) > 1 else _one(names)
        self[kind] = lambda value: (_again, (kind, *values(value)))
        return self[kind]


def _one(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda value: tuple(getattr(value, name) for name in names)


def _names(kind: type) -> tuple[str, ...]:
    found = _NAMES.get(kind)
    if found is None:
        found = _NAMES[kind] = tuple(field.name for field in attrs.fields(kind))
    return found


def _again(kind: type, *values: object) -> object:
    """Make the object that had these values: they have been checked and converted once."""
    made: object = object.__new__(kind)
    for name, value in zip(_names(kind), values, strict=True):
        object.__setattr__(made, name, value)
    return made


_NAMES: Final[dict[type, tuple[str, ...]]] = {}
_REDUCERS: Final = _Reducers()
