# SPDX-License-Identifier: MIT
"""The JSON Schema of events by mechanism: points of the kernel and what is compared there."""

from __future__ import annotations

from typing import Final

from enforcer.policy.readers.point_arguments import MAX_POINT_INDEX, POINT_TYPES
from enforcer.policy.schema.fragments import Schema, object_of, one_or_list

__all__ = ["POINT_EVENTS", "POINT_ITEM"]

_NAME: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]{0,62}$"}
_NAMES: Final[Schema] = one_or_list(_NAME)
_BOTH: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,39}[/:][A-Za-z0-9_]{1,39}$"}


POINT_EVENTS: Final[dict[str, Schema]] = {
    "lsm": {"anyOf": [*_NAMES["anyOf"], object_of({"hook": _NAMES}, required=("hook",))]},
    "kprobe": {
        "anyOf": [
            *_NAMES["anyOf"],
            object_of(
                {"function": _NAMES, "at": {"enum": ["entry", "return"]}}, required=("function",)
            ),
        ]
    },
    "tracepoint": {
        "anyOf": [
            *one_or_list(_BOTH)["anyOf"],
            object_of({"category": _NAMES, "event": _NAMES}, required=("category", "event")),
            object_of({"event": _NAMES, "raw": {"const": True}}, required=("event", "raw")),
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
