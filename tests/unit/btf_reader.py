# SPDX-License-Identifier: MIT
"""
Enough of the BPF Type Format to compare structures: names, sizes, offsets, enumerators.

Written from the kernel's documentation of the format; knows nothing of ELF but section headers.
"""

import struct
from pathlib import Path

import attrs

_ELF = struct.Struct("<16xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")

_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM = 1, 2, 3, 4, 5, 6
_TYPEDEF, _VOLATILE, _CONST, _RESTRICT = 8, 9, 10, 11
_TRAILING = {1: 4, 3: 12, 14: 4, 17: 4}
_PER_MEMBER = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}


@attrs.frozen
class Entry:
    kind: int
    name: str
    size_or_type: int
    members: tuple[tuple[str, int, int], ...]
    array: tuple[int, int] | None = None


def _section(data: bytes, name: str) -> bytes:
    (_, _, _, _, _, table, _, _, _, _, _, count, names_at) = _ELF.unpack_from(data)
    sections = [_SECTION.unpack_from(data, table + i * _SECTION.size) for i in range(count)]
    names = sections[names_at]
    for section in sections:
        start = names[4] + section[0]
        if data[start : data.index(b"\0", start)] == name.encode():
            return data[section[4] : section[4] + section[5]]
    raise LookupError(name)


class Btf:
    """The types of one object file."""

    def __init__(self, path: Path) -> None:
        raw = _section(path.read_bytes(), ".BTF")
        _, _, _, header, types_at, types_len, strings_at, _ = _HEADER.unpack_from(raw)
        self._strings = raw[header + strings_at :]
        self.types: list[Entry | None] = [None]
        at, end = header + types_at, header + types_at + types_len
        while at < end:
            at = self._read(raw, at)

    def _text(self, at: int) -> str:
        return self._strings[at : self._strings.index(b"\0", at)].decode()

    def _read(self, raw: bytes, at: int) -> int:
        name, info, size_or_type = _TYPE.unpack_from(raw, at)
        kind, count = info >> 24 & 0x1F, info & 0xFFFF
        at += _TYPE.size
        members, array = [], None
        if kind == _ARRAY:
            element, _, length = struct.unpack_from("<III", raw, at)
            array = (element, length)
        if kind in {_STRUCT, _UNION}:
            for i in range(count):
                member, type_, offset = struct.unpack_from("<III", raw, at + 12 * i)
                members.append((self._text(member), type_, offset))
        if kind == _ENUM:
            for i in range(count):
                member, value = struct.unpack_from("<Ii", raw, at + 8 * i)
                members.append((self._text(member), value, 0))
        self.types.append(Entry(kind, self._text(name), size_or_type, tuple(members), array))
        return at + _TRAILING.get(kind, 0) + _PER_MEMBER.get(kind, 0) * count

    def size(self, index: int) -> int:
        entry = self.types[index]
        assert entry is not None
        if entry.array is not None:
            return entry.array[1] * self.size(entry.array[0])
        if entry.kind in {_TYPEDEF, _VOLATILE, _CONST, _RESTRICT}:
            return self.size(entry.size_or_type)
        return 8 if entry.kind == _PTR else entry.size_or_type

    def structure(self, name: str) -> tuple[int, dict[str, tuple[int, int]]]:
        """Return the size of ``struct name`` and, for each field, offset and size."""
        entry = self._find(_STRUCT, name)
        fields = {field: (bits // 8, self.size(type_)) for field, type_, bits in entry.members}
        return entry.size_or_type, fields

    def enumeration(self, name: str) -> dict[str, int]:
        """Return the enumerators of ``enum name``."""
        return {member: value for member, value, _ in self._find(_ENUM, name).members}

    def _find(self, kind: int, name: str) -> Entry:
        for entry in self.types:
            if entry is not None and (entry.kind, entry.name) == (kind, name):
                return entry
        raise LookupError(name)
