# SPDX-License-Identifier: MIT
"""
JSON Schema of a ``TypedDict``: what type checkers hold a document to is what its readers are told.

A key is described by its annotation, ``Annotated[int, "What it is."]``. The schema that is published
permits keys that it does not name, since keys are added within a version. The strict one does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from enforcer.policy.schema.fragments import Schema

__all__ = ["schema_of"]

_PLAIN: Final[dict[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
}


def schema_of(kind: Any, *, is_strict: bool = False) -> Schema:
    """
    Return the schema of values of *kind*; *is_strict* refuses keys that it does not name.

    Raises:
        TypeError: there is something in *kind* that JSON does not have.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if is_typeddict(kind):
        return _object(kind, is_strict=is_strict)
    if kind is object:
        return {}
    if origin is Annotated:
        return {"description": parts[1], **schema_of(parts[0], is_strict=is_strict)}
    if origin is NotRequired:
        return schema_of(parts[0], is_strict=is_strict)
    if origin is Literal:
        return {"const": parts[0]} if len(parts) == 1 else {"enum": list(parts)}
    if origin in {list, Sequence}:
        return {"type": "array", "items": schema_of(parts[0], is_strict=is_strict)}
    if origin in {dict, Mapping} and parts[0] is str:
        return {
            "type": "object",
            "additionalProperties": schema_of(parts[1], is_strict=is_strict),
        }
    if origin in {Union, UnionType}:
        return _either([schema_of(part, is_strict=is_strict) for part in parts])
    msg = f"no JSON value is a {kind!r}"
    raise TypeError(msg)


def _object(kind: Any, *, is_strict: bool) -> Schema:
    hints = get_type_hints(kind, include_extras=True)
    made: Schema = {
        "type": "object",
        "properties": {key: schema_of(hint, is_strict=is_strict) for key, hint in hints.items()},
        # Where annotations are text, the class alone does not know which keys may be left out.
        "required": [
            key
            for key, hint in hints.items()
            if key in kind.__required_keys__ and get_origin(hint) is not NotRequired
        ],
    }
    return made | {"additionalProperties": False} if is_strict else made


def _either(forms: list[Schema]) -> Schema:
    """Return what takes each of *forms*: one list of types, if they are nothing more than that."""
    if all(form.keys() == {"type"} for form in forms):
        return {"type": [form["type"] for form in forms]}
    return {"anyOf": forms}
