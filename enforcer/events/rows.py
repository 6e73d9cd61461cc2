# SPDX-License-Identifier: MIT
"""
Compact tables of the origins of an image's rows.

Ten thousand rules become twice as many rows, and the tables of several images are kept at a time. So
what rows share is stored once, the rest is text, and an :class:`Origin` is made on request.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self, overload

import attrs

from enforcer.events.types import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["OldRows", "RowTable"]

_ROW: Final = struct.Struct("<I")  # which origin
_ORIGIN: Final = struct.Struct("<IIII")  # two texts: where they begin and end
_WRITE: Final = json.JSONEncoder(separators=(",", ":")).encode
_END_OF_PLACE: Final = re.compile(r"(?::[0-9]+)*\Z")
_SHARED: Final = tuple(
    field.name for field in attrs.fields(Origin) if field.name not in {"rule", "place", "message"}
)


@attrs.frozen
class RowTable(Sequence[Origin]):
    """
    The origins of rows, by row.

    Attributes:
        rows: of each row, the number of its origin.
        origins: of each origin, where the text that it shares lies and where that of its own.
        texts: all of them, one after another: JSON in ASCII.
    """

    rows: bytes = attrs.field(default=b"", repr=False)
    origins: bytes = attrs.field(default=b"", repr=False)
    texts: bytes = attrs.field(default=b"", repr=False)

    @classmethod
    def of(cls, origins: Iterable[Origin]) -> Self:
        """Put *origins* into a table."""
        packer = _Packer()
        rows = b"".join([_ROW.pack(packer.number(origin)) for origin in origins])
        return cls(rows, b"".join(packer.origins), b"".join(packer.texts))

    def __len__(self) -> int:
        return len(self.rows) // _ROW.size

    @overload
    def __getitem__(self, at: int) -> Origin: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Origin]: ...

    def __getitem__(self, at: int | slice) -> Origin | Sequence[Origin]:
        """Return the origin of a row, or of several."""
        if isinstance(at, slice):
            return tuple(self[row] for row in range(*at.indices(len(self))))
        row = at + len(self) if at < 0 else at
        if not 0 <= row < len(self):
            raise IndexError(at)
        (number,) = _ROW.unpack_from(self.rows, row * _ROW.size)
        return self._origin(number)

    def as_dict(self) -> dict[str, str]:
        """Describe it in JSON."""
        return {
            "rows": base64.b64encode(self.rows).decode("ascii"),
            "origins": base64.b64encode(self.origins).decode("ascii"),
            "texts": self.texts.decode("ascii"),
        }

    @classmethod
    def from_dict(cls, found: dict[str, str]) -> Self:
        """
        Read what :meth:`as_dict` made.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        made = cls(
            base64.b64decode(found["rows"], validate=True),
            base64.b64decode(found["origins"], validate=True),
            found["texts"].encode("ascii"),
        )
        made._check()
        return made

    def _origin(self, number: int) -> Origin:
        begin, end, own, own_end = _ORIGIN.unpack_from(self.origins, number * _ORIGIN.size)
        head, shared = json.loads(self.texts[begin:end])
        rule, tail, message = json.loads(self.texts[own:own_end])
        values: dict[str, Any] = dict(zip(_SHARED, shared, strict=True))
        values["operands"] = tuple((str(n), int(at), str(how)) for n, at, how in values["operands"])
        for name in ("tags", "asked"):
            values[name] = tuple(values[name])
        return Origin(rule=rule, place=head + tail, message=message, **values)

    def _check(self) -> None:
        """Look at all of it, so that nothing is found wrong when a record is made."""
        if len(self.rows) % _ROW.size or len(self.origins) % _ORIGIN.size:
            raise ValueError("a table of rows has half a row at its end")
        known = len(self.origins) // _ORIGIN.size
        for number in range(known):
            self._origin(number)
        if any(number >= known for (number,) in _ROW.iter_unpack(self.rows)):
            raise ValueError("a table of rows names an origin that is not there")


@attrs.frozen
class OldRows:
    """A table that is hardly asked for any more: a fifth of its size, to be opened when it is."""

    rows: int
    _ends: tuple[int, int]
    _data: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, table: RowTable) -> Self:
        """Put *table* away."""
        end = len(table.rows)
        whole = b"".join((table.rows, table.origins, table.texts))
        return cls(len(table), (end, end + len(table.origins)), zlib.compress(whole, level=1))

    def __len__(self) -> int:
        return self.rows

    def open(self) -> RowTable:
        """Return the table."""
        whole = zlib.decompress(self._data)
        rows, origins = self._ends
        return RowTable(whole[:rows], whole[rows:origins], whole[origins:])


@attrs.define(eq=False, repr=False)
class _Packer:
    """A table in the making."""

    texts: list[bytes] = attrs.field(factory=list)
    origins: list[bytes] = attrs.field(factory=list)
    _size: int = 0
    _numbers: dict[Origin, int] = attrs.field(factory=dict)
    _places: dict[tuple[object, ...], tuple[int, int]] = attrs.field(factory=dict)

    def number(self, origin: Origin) -> int:
        """Return the number of *origin*, writing it down if it is new."""
        number = self._numbers.setdefault(origin, len(self.origins))
        if number == len(self.origins):
            self.origins.append(self._pack(origin))
        return number

    def _pack(self, origin: Origin) -> bytes:
        end = _END_OF_PLACE.search(origin.place)
        at = end.start() if end is not None else len(origin.place)
        head, tail = origin.place[:at], origin.place[at:]
        shared = (head, *[getattr(origin, name) for name in _SHARED])
        where = self._places.get(shared)
        if where is None:
            where = self._places[shared] = self._write([head, shared[1:]])
        return _ORIGIN.pack(*where, *self._write([origin.rule, tail, origin.message]))

    def _write(self, value: list[object]) -> tuple[int, int]:
        text = _WRITE(value).encode("ascii")
        begin, self._size = self._size, self._size + len(text)
        self.texts.append(text)
        return begin, self._size
