# SPDX-License-Identifier: MIT
"""
How the structures of the ABI header lie in memory, as :mod:`struct` packs and unpacks them.

No offset and no size is written here: all of them are in ``enforcer._abi``, which is made from the header.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerBug

__all__ = ["Layout"]


@attrs.frozen
class Layout:
    """One C structure: *fields* maps names to :mod:`struct` formats; ``_`` names are padding."""

    name: str
    fields: dict[str, str]
    packer: struct.Struct = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "packer", struct.Struct("<" + "".join(self.fields.values())))

    @classmethod
    @functools.cache
    def of(cls, name: str) -> Layout:
        """
        Return the layout of ``struct name``.

        What it holds of other structures and of arrays are fields of its own, ``terms.first`` or ``at[0]``; an
        array of char is one.

        Raises:
            EnforcerBug: the header has no such structure.
        """
        if name not in _abi.FIELDS:
            raise EnforcerBug(f"the ABI header has no struct {name}")
        return cls(name, dict(_flat(name)))

    @property
    def size(self) -> int:
        """Bytes that one takes; the C side has no implicit padding."""
        return self.packer.size

    def offset(self, field: str) -> int:
        """
        Return where *field* starts.

        Raises:
            EnforcerBug: there is none of that name.
        """
        before: list[str] = []
        for name, code in self.fields.items():
            if name == field:
                return struct.calcsize("<" + "".join(before))
            before.append(code)
        raise EnforcerBug(f"{self.name} has no field {field}")

    def pack(self, *values: int) -> bytes:
        """Pack one from its values in order, paddings included."""
        return self.packer.pack(*values)

    def unpack_all(self, image: bytes, at: int, count: int) -> list[tuple[int, ...]]:
        """Read *count* of them at *at*."""
        return list(self.packer.iter_unpack(image[at : at + count * self.size]))

    def named(self, image: bytes, at: int = 0) -> dict[str, int]:
        """Read one as a mapping by field."""
        return dict(zip(self.fields, self.packer.unpack_from(image, at), strict=True))


def _flat(name: str, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the plain fields of ``struct name``, each with *before* in front of its name, and their formats."""
    for field, (_, code, length) in _abi.FIELDS[name].items():
        place = f"{before}{field}"
        if code == "s":
            yield place, f"{length}s"
            continue
        for each in [f"{place}[{at}]" for at in range(length)] if length else [place]:
            if code in _abi.FIELDS:
                yield from _flat(code, f"{each}.")
            else:
                yield each, code
