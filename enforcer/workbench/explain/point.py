# SPDX-License-Identifier: MIT
"""What a record says about the passing of a point of the kernel: the point, and the operands."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import attrs

from enforcer.policy.language.vocabulary import FIELDS, Dim
from enforcer.policy.model.points import AT, OperandType, Point
from enforcer.workbench.explain.logic import Gap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.policy.model.points import Operand

__all__ = ["Passing", "operands_at", "passing_of"]

_KINDS = {word: kind for kind, word in AT.items()}
_WIDE = 1 << 64
_V4 = 0xFFFF << 32
_NUMBERS = ("n0", "n1", "n2", "n3", "n4", "n5")
_TEXTS = "arg_any"
_SOCKET = ("family", "type", "protocol")


@attrs.frozen
class Passing:
    """
    One passing. *values* are numbers and texts by name, which is not the same thing for both.

    What a record calls 0 or empty may have been behind a null pointer, where nothing holds.
    """

    point: Point
    values: Mapping[tuple[str, bool], bytes | int | Gap]

    def operand(self, wanted: Operand) -> bytes | int | Gap:
        """Return what a number or a text was."""
        key = str(wanted), wanted.type is OperandType.TEXT
        return self.values.get(key, Gap.UNRECORDED)

    def may_be_absent(self, wanted: Operand) -> bool:
        """Tell whether what the record has of a number or a text may stand for nothing at all."""
        is_reached = bool(wanted.members) or wanted.type is OperandType.TEXT
        return is_reached and self.operand(wanted) in {0, b""}


def passing_of(thing: Mapping[str, Any]) -> Passing:
    """Read the object of a record."""
    kind, _, name = thing["point"].partition(" ")
    unknown = set(thing["unknown"])
    values: dict[tuple[str, bool], bytes | int | Gap] = {}
    numbers = iter(_NUMBERS)
    for each in thing["operands"]:
        value = each["value"]
        is_text = isinstance(value, str)
        found: bytes | int | Gap = value.encode() if is_text else int(value) % _WIDE
        # Of texts the record only says that there is one that could not be read: it is empty.
        if (not value and _TEXTS in unknown) if is_text else next(numbers, "") in unknown:
            found = Gap.UNKNOWN
        key = each["name"], is_text
        # One argument that is looked at in two ways has one name.
        values[key] = found if values.get(key, found) == found else Gap.UNRECORDED
    return Passing(Point(_KINDS[kind], name), values)


def operands_at(thing: Mapping[str, Any]) -> dict[int, bytes | int | Gap]:
    """Return what of the object is neither a number nor a text: a file, a socket, a piece of memory."""
    found: dict[int, bytes | int | Gap] = {}
    for key, dim in (("path", Dim.PATH), ("name", Dim.NAME)):
        if key in thing:
            found[dim] = str(thing[key]).encode()
    if "address" in thing:
        address = ipaddress.ip_address(thing["address"])
        found[Dim.ADDR] = int(address) | (_V4 if address.version == 4 else 0)
        found[Dim.PORT] = int(thing["port"])
    for key in _SOCKET:
        field, value = FIELDS[key], thing.get(key)
        if value is not None and field.dim is not None:
            found[field.dim] = field.names[value] if value in field.names else int(value)
    return found
