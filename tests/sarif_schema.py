# SPDX-License-Identifier: MIT
"""
What SARIF 2.1.0 asks of the objects that enforcer writes, as a JSON Schema.

Of the standard's own schema, these are the objects in use, with the properties in use, what they require, and their
bounds. Nothing else is permitted, so an object that is new here must be looked up there first.
"""

from __future__ import annotations

from typing import Any

import jsonschema


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


_TEXT = {"type": "string"}
_MESSAGE = _object(("text",), text=_TEXT)
_RULE = _object(("id",), id=_TEXT, shortDescription=_MESSAGE)
_DRIVER = _object(("name",), name=_TEXT, version=_TEXT, rules=_list(_RULE, uniqueItems=True))
_PLACE = _object(
    (),
    artifactLocation=_object(
        (), uri={"type": "string", "format": "uri-reference"}, uriBaseId=_TEXT
    ),
    region=_object(
        (),
        startLine={"type": "integer", "minimum": 1},
        startColumn={"type": "integer", "minimum": 1},
    ),
)
_RESULT = _object(
    ("message",),
    ruleId=_TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level={"enum": ["none", "note", "warning", "error"]},
    message=_MESSAGE,
    locations=_list(_object((), physicalLocation=_PLACE)),
)
_RUN = _object(
    ("tool",),
    tool=_object(("driver",), driver=_DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_list(_RESULT, minItems=0),
)
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(
        ("version", "runs"),
        **{
            "$schema": {"type": "string", "format": "uri"},
            "version": {"const": "2.1.0"},
            "runs": _list(_RUN, minItems=0),
        },
    ),
}


def validate(log: dict[str, Any]) -> None:
    """Raise if *log* is not what SARIF says, or a result has another rule than its index says."""
    jsonschema.Draft202012Validator(SCHEMA).validate(log)
    for run in log["runs"]:
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert len(rules) == len(set(rules))
        for result in run["results"]:
            assert result["ruleId"] == rules[result["ruleIndex"]]
