# SPDX-License-Identifier: MIT
"""
The ABI header as Python sees it: sizes, enumerations, and decoders made from the C compiler's layout.

No offset and no number is written here. cffi compares its reading of a structure with the compiler's
on first use; this module uses every one at import, so that a stale extension is refused at once.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from enforcer.errors import EnforcerBug
from enforcer.libbpf._ffi import ffi, lib

if TYPE_CHECKING:  # names of the stub, not of the extension
    from enforcer.libbpf._ffi import CType

__all__ = [
    "ABI_HASH",
    "DIMS",
    "IMAGE_MAGIC",
    "IMAGE_MAX",
    "IMAGE_VERSION",
    "OPS",
    "STATS",
    "STRUCTS",
    "constant",
    "ctype",
    "decoder",
    "enumeration",
    "offsetof",
    "place",
    "scalars",
    "sizeof",
]

STRUCTS: Final = (
    "enf_range",
    "enf_slot",
    "enf_dfa",
    "enf_interval",
    "enf_term",
    "enf_sys",
    "enf_operand",
    "enf_point",
    "enf_label",
    "enf_subject_term",
    "enf_subject",
    "enf_row",
    "enf_limit",
    "enf_marks",
    "enf_image",
    "enf_place",
    "enf_task",
    "enf_object",
    "enf_verdict",
    "enf_matches",
    "enf_event",
    "enf_hits",
    "enf_notes",
    "enf_test_input",
    "enf_guard_call",
    "enf_knock",
)
"""Every structure of the header."""

ENUMS: Final = (
    "enf_op",
    "enf_dim",
    "enf_fold",
    "enf_action",
    "enf_on_error",
    "enf_term_kind",
    "enf_sys_kind",
    "enf_end_how",
    "enf_point_kind",
    "enf_operand_type",
    "enf_event_kind",
    "enf_line_how",
    "enf_stat",
    "enf_guard_act",
    "enf_guard_order",
    "enf_knock_order",
)
"""Every enumeration of the header."""

_SIZES: Final = {name: ffi.sizeof(f"struct {name}") for name in STRUCTS}
_CODES: Final = {
    "char": "b",
    "signed char": "b",
    "unsigned char": "B",
    "short": "h",
    "unsigned short": "H",
    "int": "i",
    "unsigned int": "I",
    "long long": "q",
    "unsigned long long": "Q",
}


def sizeof(name: str) -> int:
    """Return the size of ``struct name``."""
    return _SIZES[name]


def ctype(name: str) -> CType:
    """Return ``struct name`` as cffi knows it: its fields with their offsets and types."""
    return ffi.typeof(f"struct {name}")


def constant(name: str) -> int:
    """
    Return the value of a constant ``ENF_…`` of the header.

    Raises:
        EnforcerBug: if the header has none of that name.
    """
    try:
        return int(getattr(lib, name))
    except AttributeError:
        raise EnforcerBug(f"the ABI header has no constant {name}") from None


def enumeration(name: str, prefix: str) -> dict[str, int]:
    """Return ``enum name`` without *prefix* and without its end mark, in the order of values."""
    members = {key: getattr(lib, key) for key in ffi.typeof(f"enum {name}").relements}
    return {
        key.removeprefix(prefix): value
        for key, value in sorted(members.items(), key=lambda item: item[1])
        if not key.startswith("_")
    }


def offsetof(name: str, field: str) -> int:
    """Return where *field* lies in ``struct name``."""
    return ffi.offsetof(f"struct {name}", field)


def place(name: str, field: str) -> tuple[int, int]:
    """Return where *field* lies in ``struct name``, and its size."""
    kind = dict(ctype(name).fields)[field].type
    return offsetof(name, field), ffi.sizeof(kind)


def scalars(name: str, data: bytes) -> dict[str, int]:
    """
    Return the fields of the ``struct name`` at the beginning of *data* that are plain numbers.

    Raises:
        EnforcerBug: if *data* is shorter than the structure.
    """
    if len(data) < sizeof(name):
        raise EnforcerBug(f"{len(data)} bytes hold no struct {name}")
    value = ffi.from_buffer(f"struct {name} *", data)
    return {
        field: int(getattr(value, field))
        for field, place in ctype(name).fields
        if place.type.kind == "primitive"
    }


def decoder(name: str) -> tuple[struct.Struct, tuple[str, ...]]:
    """
    Return a :class:`struct.Struct` for ``struct name``, and the names of what it unpacks.

    Arrays of char come as bytes, other arrays as one value for each element.

    Raises:
        EnforcerBug: if a field is itself a structure.
    """
    form, names, end = ["="], [], 0
    for field, place in ctype(name).fields:
        kind, count = place.type, 1
        if kind.kind == "array":
            kind, count = kind.item, kind.length
        if kind.kind != "primitive":
            raise EnforcerBug(f"struct {name}: field {field} is not a plain number")
        form.append(f"{place.offset - end}x")
        if kind.cname == "char":
            form.append(f"{count}s")
            names.append(field)
        else:
            form.append(f"{count}{_CODES[kind.cname]}")
            names += (
                [field] if place.type.kind != "array" else [f"{field}[{i}]" for i in range(count)]
            )
        end = place.offset + ffi.sizeof(place.type)
    form.append(f"{sizeof(name) - end}x")
    return struct.Struct("".join(form)), tuple(names)


OPS: Final = enumeration("enf_op", "ENF_OP_")
DIMS: Final = enumeration("enf_dim", "ENF_DIM_")
STATS: Final = enumeration("enf_stat", "ENF_STAT_")
for _name in ENUMS:
    enumeration(_name, "")

ABI_HASH: Final = lib.ENF_ABI_HASH
IMAGE_MAGIC: Final = lib.ENF_IMAGE_MAGIC
IMAGE_VERSION: Final = lib.ENF_IMAGE_VERSION
IMAGE_MAX: Final = lib.ENF_IMAGE_MAX
