# SPDX-License-Identifier: MIT
"""Records of a ring buffer as they lie in memory: many in one piece, unpacked when read."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Self, overload

__all__ = ["Batch"]

_HEAD: Final = struct.Struct("=II")


def _padded(length: int) -> int:
    return (length + 7) & ~7


class Batch(Sequence[bytes]):
    """
    Records in order, as the extension packs them: length, position of the map, bytes, padding.

    Attributes:
        packed: all of them; it stays as it is.
    """

    __slots__ = ("_places", "packed")

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self._places: list[int] | None = None

    @classmethod
    def of(cls, records: Iterable[bytes], source: int = 0) -> Self:
        """Pack *records*."""
        packed = bytearray()
        for record in records:
            packed += _HEAD.pack(len(record), source)
            packed += record.ljust(_padded(len(record)), b"\0")
        return cls(bytes(packed))

    def at(self, place: int) -> tuple[bytes, int]:
        """Return the record at *place* in the packed bytes, and the place of the next."""
        length, _ = _HEAD.unpack_from(self.packed, place)
        place += _HEAD.size
        return self.packed[place : place + length], place + _padded(length)

    def between(self, start: int, end: int) -> Iterator[bytes]:
        """Take out the records from the place *start* to the place *end*."""
        while start < end:
            record, start = self.at(start)
            yield record

    def peek(self, start: int, end: int, offset: int) -> Iterator[tuple[int, int]]:
        """Take out of each record between two places the byte at *offset*, and the place of the next record."""
        packed, head, size = self.packed, _HEAD.unpack_from, _HEAD.size
        while start < end:
            length, _ = head(packed, start)
            told = packed[start + size + offset]
            start += size + (
                length + 7 & ~7
            )  # padded: without a call, since this is done for each of many
            yield told, start

    def sources(self) -> list[int]:
        """Return, for each record, the position of its map."""
        return [_HEAD.unpack_from(self.packed, place)[1] for place in self._found()]

    def _found(self) -> list[int]:
        if self._places is None:
            self._places, place = [], 0
            while place < len(self.packed):
                self._places.append(place)
                place += _HEAD.size + _padded(_HEAD.unpack_from(self.packed, place)[0])
        return self._places

    def __bool__(self) -> bool:
        return bool(self.packed)

    def __len__(self) -> int:
        return len(self._found())

    def __iter__(self) -> Iterator[bytes]:
        return self.between(0, len(self.packed))

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return list(self)[index]
        return self.at(self._found()[index])[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
