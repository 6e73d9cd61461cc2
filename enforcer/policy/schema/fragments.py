# SPDX-License-Identifier: MIT
"""What schemas of policies, cases and settings are put together from."""

from __future__ import annotations

from typing import Any

__all__ = ["DIALECT", "TEXT", "Schema", "list_of", "object_of", "one_or_list", "up_to"]

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEXT: Schema = {"type": "string", "minLength": 1}


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


def one_or_list(items: Schema) -> Schema:
    """Return the schema of one value, or of several in a list."""
    return {"anyOf": [items, list_of(items)]}


def up_to(most: int) -> str:
    """Return a pattern for the numbers from 0 to *most* in digits: patterns do not compare."""
    digits = str(most)
    shorter = f"[1-9][0-9]{{0,{len(digits) - 2}}}" if len(digits) > 1 else ""
    smaller = [
        f"{digits[:at]}[{int(at == 0)}-{int(digit) - 1}][0-9]{{{len(digits) - at - 1}}}"
        for at, digit in enumerate(digits)
        if int(digit) > int(at == 0)
    ]
    return f"({'|'.join(filter(None, ('0', shorter, *smaller, digits)))})"
