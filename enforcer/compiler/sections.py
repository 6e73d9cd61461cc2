# SPDX-License-Identifier: MIT
"""
Bytes of the image: records of one kind, lists of numbers, and sections one behind the other.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping

import attrs

from enforcer.compiler import glob, layout
from enforcer.compiler.atoms import FOLDED, dim_of
from enforcer.compiler.dfa import Dfa

__all__ = ["Lists", "Writer", "pack_all", "pack_dfas"]


@attrs.define
class Lists:
    """Lists of 32-bit numbers in one section; equal lists are stored once."""

    values: list[int] = attrs.field(factory=list)
    _ranges: dict[tuple[int, ...], tuple[int, int]] = attrs.field(factory=lambda: {(): (0, 0)})

    def put(self, items: tuple[int, ...]) -> tuple[int, int]:
        """Return first and count of *items*."""
        found = self._ranges.get(items)
        if found is None:
            found = self._ranges[items] = (len(self.values), len(items))
            self.values += items
        return found

    def pack(self) -> bytes:
        """Return the section."""
        return b"".join(value.to_bytes(4, "little") for value in self.values)


class Writer:
    """Sections behind the head, each at a multiple of 8."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self.size = layout.HEAD.size

    def add(self, section: bytes) -> int:
        """Append *section* and return its offset."""
        at = self.size
        padded = section + bytes(-len(section) % 8)
        self._chunks.append(padded)
        self.size += len(padded)
        return at

    def finish(self, head: Mapping[str, int]) -> bytes:
        """Return the whole image with its checksum."""
        body = b"".join(self._chunks)
        values = [head.get(name, 0) for name in layout.HEAD.fields]
        crc = zlib.crc32(body, zlib.crc32(layout.HEAD.pack(*values)))
        values[list(layout.HEAD.fields).index("crc")] = crc
        return layout.HEAD.pack(*values) + body


def pack_all(kind: layout.Layout, items: Iterable[tuple[int | bytes, ...]]) -> bytes:
    """Pack *items* one behind the other."""
    pack = kind.packer.pack
    return b"".join([pack(*item) for item in items])


def pack_dfas(
    dfas: Iterable[Dfa], entries: Callable[[Iterable[int]], tuple[int, int]], out: Writer
) -> bytes:
    """Write the tables of *dfas*; *entries* lists what a state yields. Returns their heads."""
    heads = []
    for dfa in dfas:
        dims = sum({_dim_bit(n) for accepted in dfa.accepts for n in accepted})
        accept = pack_all(layout.RANGE, (entries(e) for e in dfa.accepts))
        trans = dfa.trans.tobytes()
        heads.append(
            (
                dims,
                out.add(dfa.classes),
                out.add(trans),
                out.add(accept),
                dfa.n_states,
                dfa.n_classes,
                out.add(pack_all(layout.RANGE, (entries(e) for e in dfa.mays))) if dfa.mays else 0,
            )
        )
    return pack_all(layout.DFA, heads)


def _dim_bit(item: int) -> int:
    return 1 << dim_of(item) << (glob.FOLDED_AT if item & FOLDED else 0)
