# SPDX-License-Identifier: MIT
"""The passing of a point of the kernel, in records: the point, and the operands that were compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.safe_text import readable

if TYPE_CHECKING:
    from enforcer.events.document_types import PointTargetKeys
    from enforcer.events.types import Event, Origin

__all__ = ["point_document"]

_WIDE = 1 << 64


def point_document(event: Event, origin: Origin) -> PointTargetKeys:
    """
    Return the words of ``object`` in JSON records.

    *operands* are what rules on the point compare as numbers and strings; a rule compares some of them,
    and what is not there, as behind a null pointer, is 0 or empty.
    """
    point = origin.point or "point"
    values = [(name, _value(event, slot, kind)) for name, slot, kind in origin.operands]
    shown: PointTargetKeys = {
        "point": point,
        "operands": [{"name": name, "value": value} for name, value in values],
    }
    if not event.path:
        shown["target"] = f"{point}({', '.join(f'{name}={value!r}' for name, value in values)})"
    return shown


def _value(event: Event, slot: int, kind: str) -> str | int:
    if kind == "text":
        return readable(event.args[slot]) if slot < len(event.args) else ""
    value = event.passed[slot] if slot < len(event.passed) else 0
    return value - _WIDE if kind == "signed" and value >> 63 else value
