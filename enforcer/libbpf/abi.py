# SPDX-License-Identifier: MIT
"""
The structures of the ABI header for who reads and writes them, and whether the extension is of that header.

No offset and no number is written here: ``enforcer._abi`` is made from the header. An extension of another
header is refused at import.
"""

from __future__ import annotations

import struct
from typing import Final

from enforcer import _abi
from enforcer.errors import EnforcerBug
from enforcer.libbpf._ffi import lib
from enforcer.structure import Layout

__all__ = [
    "ABI_HASH",
    "DIMS",
    "OPS",
    "STATS",
    "decoder",
    "offsetof",
    "place",
    "scalars",
    "sizeof",
]

ABI_HASH: Final = _abi.ABI_HASH
OPS: Final = {op.name: op.value for op in _abi.Op}
DIMS: Final = {dim.name: dim.value for dim in _abi.Dim}
STATS: Final = {
    name.removeprefix("ENF_STAT_"): number
    for name, number in vars(_abi).items()
    if name.startswith("ENF_STAT_")
}

if lib.ENF_ABI_HASH != ABI_HASH:
    raise EnforcerBug(
        f"the extension was built from another enforcer_abi.h ({lib.ENF_ABI_HASH:#018x}) than "
        f"enforcer/_abi.py ({ABI_HASH:#018x}): run 'python build.py'"
    )


def sizeof(name: str) -> int:
    """Return the size of ``struct name`` in bytes."""
    return _abi.SIZES[name]


def offsetof(name: str, field: str) -> int:
    """Return where *field* lies in ``struct name``, in bytes."""
    return _abi.FIELDS[name][field][0]


def place(name: str, field: str) -> tuple[int, int]:
    """Return where *field* lies in ``struct name``, and its size, in bytes."""
    at, code, length = _abi.FIELDS[name][field]
    each = _abi.SIZES[code] if code in _abi.SIZES else struct.calcsize(f"<{code}")
    return at, each * (length or 1)


def scalars(name: str, data: bytes) -> dict[str, int]:
    """
    Return the fields of the ``struct name`` at the beginning of *data* that are plain numbers.

    Raises:
        EnforcerBug: if *data* is shorter than the structure.
    """
    if len(data) < sizeof(name):
        raise EnforcerBug(f"{len(data)} bytes hold no struct {name}")
    fields, values = _abi.FIELDS[name], Layout.of(name).named(data)
    return {
        field: value for field, value in values.items() if field in fields and not fields[field][2]
    }


def decoder(name: str) -> tuple[struct.Struct, tuple[str, ...]]:
    """
    Return a :class:`struct.Struct` for ``struct name``, and the names of what it unpacks.

    Arrays of char come as bytes, other arrays as one value for each element.
    """
    layout = Layout.of(name)
    return layout.packer, tuple(layout.fields)
