# SPDX-License-Identifier: MIT
"""What schemas of the policy language are put together from."""

from __future__ import annotations

from typing import Any

__all__ = ["Schema", "list_of", "object_of"]

Schema = dict[str, Any]


def object_of(properties: Schema, *, required: tuple[str, ...] = (), minimum: int = 0) -> Schema:
    """Return the schema of a mapping with these keys and no other, *minimum* of them at least."""
    out: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        out["required"] = list(required)
    if minimum:
        out["minProperties"] = minimum
    return out


def list_of(items: Schema) -> Schema:
    """Return the schema of a list that is not empty."""
    return {"type": "array", "items": items, "minItems": 1}
