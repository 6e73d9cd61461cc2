# SPDX-License-Identifier: MIT
"""The fields of a tracepoint, from the kernel's ``format`` file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs

from enforcer.policy.kernel_types.operand_path import RECORD, STRUCTURES, PointError, Way
from enforcer.policy.model.points import OperandType, Point

__all__ = ["Field", "fields_of", "plain_field"]

_FIELD: Final = re.compile(
    r"^\tfield:(.+?);\toffset:(\d+);\tsize:(\d+);(?:\tsigned:([01]);)?$", re.MULTILINE
)
_DECLARED: Final = re.compile(r"(.*?)\s*\b(\w+)(\[\w*\])?")


@attrs.frozen
class Field:
    """A field of a tracepoint's record."""

    name: str
    declared: str
    offset: int
    size: int
    signed: bool


def fields_of(tracing: Iterable[Path], point: Point) -> list[Field] | None:
    """Return the fields of its record; None if this process cannot read them."""
    category, _, event = point.name.partition("/")
    for root in tracing:
        try:
            if not (root / "events").is_dir():
                continue
            text = (root / "events" / category / event / "format").read_text()
        except FileNotFoundError:
            raise PointError(f"this kernel has no tracepoint {point.name}") from None
        except PermissionError:
            return None
        return [_field(*found) for found in _FIELD.findall(text)]
    return None


def _field(declared: str, offset: str, size: str, signed: str) -> Field:
    parts = _DECLARED.fullmatch(declared.strip())
    if parts is None:
        raise PointError(f"the kernel describes a field in an unknown way: {declared}")
    kind, name, many = parts[1], parts[2], parts[3] or ""
    return Field(name, f"{kind}{many}".strip(), int(offset), int(size), signed == "1")


def plain_field(field: Field) -> Way:
    """Return the way to *field* itself."""

    def way(kind: OperandType, width: int, **more: bool) -> Way:
        return Way(RECORD, (field.offset,), kind, width, word=field.declared, **more)

    if field.declared.startswith("__data_loc"):
        kind = OperandType.TEXT if "char" in field.declared else OperandType.BYTES
        return way(kind, 4, is_located=True)
    if field.declared.endswith("]"):
        kind = OperandType.TEXT if "char" in field.declared else OperandType.BYTES
        return way(kind, min(field.size, 255), is_inline=True)
    if field.size not in {1, 2, 4, 8}:
        return way(OperandType.BYTES, min(field.size, 255), is_inline=True)
    if field.declared.endswith("*"):
        is_text = re.fullmatch(r"(?:const )?char (?:const )?\*", field.declared)
        name = re.search(r"struct (\w+) \*$", field.declared)
        found = STRUCTURES.get(name[1], OperandType.NUMBER) if name else OperandType.NUMBER
        return way(OperandType.TEXT if is_text else found, 8)
    return way(OperandType.NUMBER, field.size, signed=field.signed)
