# SPDX-License-Identifier: MIT
"""
JSON Schema of a file of cases, derived from the tables by which cases are read, for editors.

``python -m enforcer.workbench.cases.schema`` prints it; ``policies/cases.schema.json`` is its output. The schema knows words
and forms, and which operands an operation needs if it is done alone. ``enforcer test`` checks everything.
"""

from __future__ import annotations

import json
import sys
from typing import Final

from enforcer.policy.language.symbols import ERRNOS, SIGNALS
from enforcer.policy.language.vocabulary import FIELDS, PROCESS_FIELDS, FieldSpec, Kind
from enforcer.policy.model.workloads import LABELS, WORKLOAD_FIELDS
from enforcer.policy.readers.marks import DURATION
from enforcer.policy.schema.fragments import (
    DIALECT,
    TEXT,
    Schema,
    list_of,
    object_of,
    one_or_list,
)
from enforcer.policy.schema.values import value
from enforcer.workbench.cases.actor import MAX_ANCESTORS
from enforcer.workbench.cases.deeds import DEEDS
from enforcer.workbench.cases.earlier import MAX_EARLIER, OF_POLICY
from enforcer.workbench.cases.object import OPERANDS, shape_of
from enforcer.workbench.cases.reader import API_VERSION, AUDIT, CASE_KEYS, KIND, TOP, VERDICTS

__all__ = ["schema"]

_PATH: Final[Schema] = {"type": "string", "pattern": "^/"}
_FLAG: Final[Schema] = {"type": "boolean"}
_OF_POLICY: Final[Schema] = {"type": "string", "pattern": f"^{OF_POLICY}$"}
_AGO: Final[Schema] = {"type": "string", "pattern": f"^{DURATION}$"}
_ANY_SCALAR: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}
_SOME_SCALAR: Final[Schema] = {"type": ["string", "number", "boolean"]}
_UNIT: Final[Schema] = {"type": "string", "pattern": r"^[^/]*\.(service|scope|slice)$"}
_BESIDES: Final = (*CASE_KEYS, "ago", "do", "unknown")
"""What stands beside the operands of a deed."""


def schema() -> Schema:
    """Return the schema of one file."""
    numbers: Schema = {
        "type": "object",
        "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 0xFFFFFFFE},
    }
    forms: Schema = {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": KIND},
        "policies": {"type": "array", "items": TEXT},
        "users": numbers,
        "groups": numbers,
        "links": {
            "type": "object",
            "propertyNames": {"pattern": "^/.*[^/]$"},
            "additionalProperties": TEXT,
        },
        "cases": list_of({"$ref": "#/$defs/case"}),
    }
    return {
        "$schema": DIALECT,
        "title": "enforcer cases",
        **object_of({key: forms[key] for key in TOP}, required=("apiVersion", "kind", "cases")),
        "$defs": {
            "case": _case(),
            "earlier": _of_deed({"ago": _AGO}, required=("do", "ago")),
            "alone": {"allOf": [_alone(word) for word in DEEDS]},
            "process": _process(),
            **{group: _workload(group) for group in WORKLOAD_FIELDS},
        },
    }


def _case() -> Schema:
    process: Schema = {"$ref": "#/$defs/process"}
    verdict: Schema = {"enum": list(VERDICTS)}
    audit: Schema = {"expect": verdict, "by": _OF_POLICY}
    forms: Schema = {
        "name": TEXT,
        "as": process,
        "parent": process,
        "ancestors": {"type": "array", "items": process, "maxItems": MAX_ANCESTORS},
        "marks": {
            "type": "object",
            "propertyNames": _OF_POLICY,
            "additionalProperties": _AGO,
        },
        "after": {"type": "array", "items": {"$ref": "#/$defs/earlier"}, "maxItems": MAX_EARLIER},
        "expect": verdict,
        "by": _OF_POLICY,
        "guard": _FLAG,
        "onError": _FLAG,
        "errno": {"enum": list(ERRNOS)},
        "killedBy": {"enum": list(SIGNALS)},
        "audit": object_of({key: audit[key] for key in AUDIT}, required=("expect",)),
    }
    own = {key: forms[key] for key in CASE_KEYS}
    return _of_deed(own, required=("do", "expect"))


def _of_deed(own: Schema, *, required: tuple[str, ...]) -> Schema:
    """Return the schema of a mapping with a deed, and with the keys *own* besides."""
    word: Schema = {"enum": list(DEEDS)}
    operands = {name: _operand(name) for name in OPERANDS}
    unknown: Schema = {"type": "array", "items": TEXT}
    made = object_of(
        {**own, "do": one_or_list(word), "unknown": unknown, **operands}, required=required
    )
    made["$ref"] = "#/$defs/alone"
    return made


def _alone(word: str) -> Schema:
    """Return what holds if *word* is all that is done: which operands it has, and which it must."""
    shape = shape_of(DEEDS[word])
    then: Schema = {"propertyNames": {"enum": [*_BESIDES, *sorted(shape.may - set(_BESIDES))]}}
    if shape.must:
        # What the kernel could not read is not given.
        then["anyOf"] = [{"required": ["unknown"]}, {"required": sorted(shape.must)}]
    return {"if": {"properties": {"do": {"const": word}}, "required": ["do"]}, "then": then}


def _operand(name: str) -> Schema:
    field = FIELDS.get(name)
    if field is None:
        return _FLAG if name == "replaces" else _PATH
    return {"description": field.doc, **_value(field)}


def _value(field: FieldSpec) -> Schema:
    forms: dict[Kind, Schema] = {
        Kind.PATH: _PATH,
        Kind.STRING: TEXT,
        Kind.ADDRESS: TEXT,
        Kind.ARGS: {"type": "array", "items": _ANY_SCALAR},
        Kind.FLAG: _FLAG,
        Kind.CGROUP: _PATH,
        Kind.UNIT: _UNIT,
    }
    if field.name == "interpreter":  # a rule asks whether there is one, a case says which
        return _PATH
    if (form := forms.get(field.kind)) is not None:
        return form
    one = value(field)
    if field.kind is Kind.CAPABILITY and field.name in PROCESS_FIELDS:
        return {"anyOf": [{"enum": ["all", "none"]}, one, {"type": "array", "items": one}]}
    if field.kind is Kind.DRIFT:
        kind: Schema = {"enum": list(field.names)}
        return {"anyOf": [_FLAG, kind, {"type": "array", "items": kind}]}
    if field.kind in {Kind.CAPABILITY, Kind.FLAGS}:
        return {"anyOf": [one, {"type": "array", "items": one}]}
    return one


def _process() -> Schema:
    groups = {group: {"$ref": f"#/$defs/{group}"} for group in WORKLOAD_FIELDS}
    fields = {f.name: {"description": f.doc, **_value(f)} for f in PROCESS_FIELDS.values()}
    return object_of({**fields, **groups})


def _workload(group: str) -> Schema:
    labels: Schema = {"type": "object", "additionalProperties": _SOME_SCALAR}
    return object_of(
        {
            name: {"description": field.doc, **(labels if field == LABELS else TEXT)}
            for name, field in WORKLOAD_FIELDS[group].items()
        }
    )


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
