# SPDX-License-Identifier: MIT
"""The JSON Schema of marks, of what asks about them, and of limits of records."""

from __future__ import annotations

from enforcer.policy.readers.marks import BY, DURATION, MAX_ASKED, MAX_RECORDS, NAME, RATE, SCOPES
from enforcer.policy.schema.fragments import Schema, list_of, object_of

__all__ = ["limit_schema", "mark_schema", "within_schema"]


def mark_schema() -> Schema:
    """Return the schema of ``mark``."""
    name: Schema = {"type": "string", "pattern": f"^{NAME}$"}
    whole = object_of({"name": name, "of": {"enum": list(SCOPES)}}, required=("name",))
    return {"anyOf": [name, whole]}


def within_schema() -> Schema:
    """Return the schema of ``within``."""
    mark: Schema = {"type": "string", "description": "NAME, or POLICY/NAME"}
    asked = object_of(
        {"mark": mark, "last": {"type": "string", "pattern": f"^{DURATION}$"}},
        required=("mark", "last"),
    )
    return {"anyOf": [asked, {**list_of(asked), "maxItems": MAX_ASKED}]}


def limit_schema() -> Schema:
    """Return the schema of ``rateLimit``."""
    whole = object_of(
        {
            "records": {"type": "integer", "minimum": 1, "maximum": MAX_RECORDS},
            "per": {"type": "string", "pattern": f"^{DURATION}$"},
            "by": {"enum": list(BY)},
        },
        required=("records", "per"),
    )
    return {"anyOf": [{"type": "string", "pattern": f"^{RATE}$"}, whole]}
