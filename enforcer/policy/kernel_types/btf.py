# SPDX-License-Identifier: MIT
"""
The kernel's description of its types (BTF), as far as rules on points of the kernel need it: parameters
and results of functions, and places of members.

Reads bytes and needs no privileges.
"""

from __future__ import annotations

import enum
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from enforcer.errors import EnforcerError

__all__ = ["Btf", "BtfError", "Member", "Type", "TypeKind"]

_HEAD: Final = struct.Struct("<HBBIIIII")
_TYPE: Final = struct.Struct("<III")
_MEMBER: Final = struct.Struct("<III")
_PARAM: Final = struct.Struct("<II")
_ENUMERATOR: Final = struct.Struct("<Ii")
_ARRAY: Final = struct.Struct("<III")
_MAGIC: Final = 0xEB9F
_WORD: Final = 4
_MAX_DEPTH: Final = 64


class BtfError(EnforcerError):
    """These bytes are no BTF that this reader understands."""


class TypeKind(enum.IntEnum):
    """``BTF_KIND_*`` of linux/btf.h."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


_EACH: Final[dict[int, int]] = {
    TypeKind.STRUCT: 12,
    TypeKind.UNION: 12,
    TypeKind.ENUM: 8,
    TypeKind.FUNC_PROTO: 8,
    TypeKind.DATASEC: 12,
    TypeKind.ENUM64: 12,
}
_ALONE: Final[dict[int, int]] = {
    TypeKind.INT: 4,
    TypeKind.ARRAY: 12,
    TypeKind.VAR: 4,
    TypeKind.DECL_TAG: 4,
}
_THROUGH: Final = {
    TypeKind.TYPEDEF,
    TypeKind.VOLATILE,
    TypeKind.CONST,
    TypeKind.RESTRICT,
    TypeKind.TYPE_TAG,
}


@attrs.frozen
class Type:
    """
    One type. *size* is in bytes, or the number of the type that it is made from.

    *data* is where what follows it lies, from *at* on.
    """

    number: int
    kind: TypeKind
    name: str
    size: int
    count: int
    is_flagged: bool
    at: int
    data: bytes = attrs.field(repr=False, eq=False)


@attrs.frozen
class Member:
    """A member of a structure: *offset* in bits from its start; *bits* not 0 for bit fields."""

    name: str
    type: int
    offset: int
    bits: int


class Btf:
    """All types of one kernel, or those that a module adds to the kernel's."""

    def __init__(self, data: bytes, base: Btf | None = None) -> None:
        """
        Find where each type lies.

        *base*: what a module's types build on; their numbers and names go on where it ends.

        Raises:
            BtfError: *data* is no BTF.
        """
        if len(data) < _HEAD.size:
            raise BtfError("the kernel's BTF is shorter than its head")
        magic, _, _, head, type_at, type_size, text_at, text_size = _HEAD.unpack_from(data)
        if magic != _MAGIC or head + text_at + text_size > len(data) or type_size % _WORD:
            raise BtfError("the kernel's BTF has a format that is not supported")
        self._base = base
        self._first = 1 if base is None else base.end
        self._text_at = 0 if base is None else base.text_end
        self._data = data
        self._text = data[head + text_at : head + text_at + text_size]
        self._start, self._end = head + type_at, head + type_at + type_size
        words = array("I", data[self._start : self._end])
        if sys.byteorder == "big":
            words.byteswap()
        self._places = _walk(words)

    @classmethod
    def read(
        cls, path: Path = Path("/sys/kernel/btf/vmlinux"), base: Btf | None = None
    ) -> Btf | None:
        """Read the BTF of the running kernel or of a module; None if there is none."""
        try:
            return cls(path.read_bytes(), base)
        except OSError:
            return None

    @property
    def end(self) -> int:
        """The number of the first type that a module may add."""
        return self._first + len(self._places)

    @property
    def text_end(self) -> int:
        """Where the names that a module adds begin."""
        return self._text_at + len(self._text)

    def find(self, kind: TypeKind, name: str) -> Type | None:
        """Return the function, the typedef or the structure *name*; of a module, one that it adds."""
        at = self.find_name(name.encode())
        if at is None:
            return None
        wanted = at.to_bytes(_WORD, "little")
        here = self._start
        while (here := self._data.find(wanted, here, self._end)) >= 0:
            word, beside = divmod(here - self._start, _WORD)
            place = bisect_left(self._places, word)
            if not beside and place < len(self._places) and self._places[place] == word:
                found = self.type(self._first + place)
                if found.kind is kind:
                    return found
            here += 1
        return None

    def find_name(self, name: bytes) -> int | None:
        """Return where *name* lies; a name that the kernel has already is not repeated by modules."""
        found = self._base.find_name(name) if self._base is not None else None
        if found is not None:
            return found
        if self._text.startswith(name + b"\0"):
            return self._text_at
        at = self._text.find(b"\0" + name + b"\0")
        return None if at < 0 else self._text_at + at + 1

    def type(self, number: int) -> Type:
        """Return the type of this number; 0 is void."""
        if not number:
            return Type(0, TypeKind.VOID, "void", 0, 0, is_flagged=False, at=0, data=b"")
        if self._base is not None and number < self._first:
            return self._base.type(number)
        at = self._start + self._places[number - self._first] * _WORD
        name, info, size = _TYPE.unpack_from(self._data, at)
        return Type(
            number,
            TypeKind(info >> 24 & 0x1F),
            self.name_at(name),
            size,
            info & 0xFFFF,
            is_flagged=bool(info >> 31),
            at=at + _TYPE.size,
            data=self._data,
        )

    def plain(self, number: int) -> Type:
        """Return the type without typedefs and qualifiers."""
        found = self.type(number)
        for _ in range(_MAX_DEPTH):
            if found.kind not in _THROUGH:
                return found
            found = self.type(found.size)
        raise BtfError(f"the kernel's BTF has a cycle at type {number}")

    def names(self, number: int) -> Iterator[str]:
        """Yield the names of the typedefs that lead from the type to what it is."""
        found = self.type(number)
        for _ in range(_MAX_DEPTH):
            if found.kind not in _THROUGH:
                return
            if found.kind is TypeKind.TYPEDEF:
                yield found.name
            found = self.type(found.size)

    def parameters(self, proto: Type) -> list[tuple[str, int]]:
        """Return name and type of what a function takes."""
        each = (
            _PARAM.unpack_from(proto.data, proto.at + i * _PARAM.size) for i in range(proto.count)
        )
        return [(self.name_at(name), number) for name, number in each]

    def members(self, owner: Type) -> Iterator[Member]:
        """Yield the members of a structure or union; those of nameless ones within are its own."""
        for i in range(owner.count):
            name, number, place = _MEMBER.unpack_from(owner.data, owner.at + i * _MEMBER.size)
            bits = place >> 24 if owner.is_flagged else 0
            offset = place & 0xFFFFFF if owner.is_flagged else place
            if name:
                yield Member(self.name_at(name), number, offset, bits)
                continue
            for inner in self.members(self.plain(number)):
                yield attrs.evolve(inner, offset=inner.offset + offset)

    def enumerators(self, owner: Type) -> dict[str, int]:
        """Return the numbers of an enumeration of 32 bits, by name."""
        each = (
            _ENUMERATOR.unpack_from(owner.data, owner.at + i * _ENUMERATOR.size)
            for i in range(owner.count)
        )
        return {self.name_at(name): number for name, number in each}

    def encoding(self, integer: Type) -> tuple[bool, int]:
        """Return whether an integer is signed, and its bits."""
        (word,) = struct.unpack_from("<I", integer.data, integer.at)
        return bool(word >> 24 & 1), word & 0xFF

    def element(self, whole: Type) -> tuple[int, int]:
        """Return the type of an array's elements, and how many there are."""
        number, _, count = _ARRAY.unpack_from(whole.data, whole.at)
        return number, count

    def name_at(self, at: int) -> str:
        """Return the name that lies *at* a place."""
        if self._base is not None and at < self._text_at:
            return self._base.name_at(at)
        at -= self._text_at
        return self._text[at : self._text.index(0, at)].decode("utf-8", "replace")


def _walk(words: array[int]) -> array[int]:
    """Return at which of *words* each type begins, by number less one. A kernel has more than a hundred thousand."""
    places, sizes = array("I"), dict[int, int]()
    put, here, last = places.append, 0, len(words) - 1
    while here < last:
        put(here)
        info = words[here + 1]
        try:
            here += sizes[info]
        except KeyError:  # few are different
            here += sizes.setdefault(info, _words(info))
    return places


def _words(info: int) -> int:
    """Return how many words a type takes, by the second of them."""
    kind = info >> 24 & 0x1F
    if kind > max(TypeKind):
        raise BtfError(f"the kernel's BTF has an unknown kind of type: {kind}")
    return (_TYPE.size + _ALONE.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)) // _WORD
