# SPDX-License-Identifier: MIT
"""The JSON Schema of events by mechanism: points of the kernel and what is compared there."""

from __future__ import annotations

from typing import Any, Final

from enforcer.policy.pointargs import MAX_POINT_INDEX, POINT_TYPES

__all__ = ["POINT_EVENTS", "POINT_ITEM", "point_of"]

Schema = dict[str, Any]

_NAME: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]{0,62}$"}
_NAMES: Final[Schema] = {"anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1}]}
_BOTH: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,39}[/:][A-Za-z0-9_]{1,39}$"}


def point_of(properties: Schema, *required: str) -> Schema:
    """Return the schema of a mapping that names a point."""
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": list(required),
    }


POINT_EVENTS: Final[dict[str, Schema]] = {
    "lsm": {"anyOf": [*_NAMES["anyOf"], point_of({"hook": _NAMES}, "hook")]},
    "kprobe": {
        "anyOf": [
            *_NAMES["anyOf"],
            point_of({"function": _NAMES, "at": {"enum": ["entry", "return"]}}, "function"),
        ]
    },
    "tracepoint": {
        "anyOf": [
            _BOTH,
            point_of({"category": {"type": "string"}, "event": _NAME}, "category", "event"),
            point_of({"event": _NAMES, "raw": {"const": True}}, "event", "raw"),
        ]
    },
}
"""By event key."""

POINT_ITEM: Final[Schema] = {
    "index": {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": MAX_POINT_INDEX},
            {"type": "string", "pattern": "^[A-Za-z_0-9]{1,63}$"},
        ]
    },
    "type": {"type": "string", "examples": list(POINT_TYPES)},
    "resolve": {"type": "string", "pattern": r"^\w+(\.\w+)*$"},
    "size": {"type": "integer", "minimum": 0, "maximum": MAX_POINT_INDEX},
}
"""Keys of an item of args at a point, besides operators and fields of sockets."""
