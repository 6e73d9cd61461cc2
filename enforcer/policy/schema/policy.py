# SPDX-License-Identifier: MIT
"""
JSON Schema of the policy language, derived from the tables, for editors.

``python -m enforcer.policy.schema.policy`` prints it; ``policies/schema.json`` is its output. The schema knows
words and forms; what may be combined only the builder knows.
"""

from __future__ import annotations

import json
import sys

from enforcer.errors import EnforcerBug
from enforcer.policy.build import API_VERSIONS, MODES
from enforcer.policy.language.drift import DRIFT, VOLUMES, VOLUMES_KEY
from enforcer.policy.language.kube import CLUSTER_POLICY
from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.symbols import ERRNOS, SIGNALS
from enforcer.policy.language.syscall_table import CLASSES, SYSCALLS
from enforcer.policy.language.templates import MAX_LENGTH
from enforcer.policy.language.vocabulary import (
    EVENTS,
    FIELDS,
    OPERATORS,
    PROCESS_FIELDS,
    EventSpec,
    FieldSpec,
    Kind,
)
from enforcer.policy.model.policy import Verb
from enforcer.policy.model.workloads import LABELS, WORKLOAD_FIELDS
from enforcer.policy.readers.actions import ACTIONS_KEYS
from enforcer.policy.readers.arguments import ARGUMENT_OPERATORS, MAX_INDEX, TYPES
from enforcer.policy.readers.attempts import MAX_ERRORS
from enforcer.policy.readers.labels import EXPRESSION_OPERATORS
from enforcer.policy.readers.marks import WITHIN_KEYS
from enforcer.policy.readers.point_arguments import SOCKET_KEYS
from enforcer.policy.readers.rules import (
    IN_DOUBT,
    MAX_RULE_NAME,
    MAX_TAGS,
    ON_ERROR,
    RULE_NAME,
    SEVERITIES,
)
from enforcer.policy.readers.syscalls import NUMBER_OPERATORS
from enforcer.policy.readers.tenants import NAMESPACE
from enforcer.policy.schema.descriptions import RULE_TEXTS, SPEC_TEXTS, described
from enforcer.policy.schema.fragments import DIALECT, Schema, list_of, object_of, one_or_list
from enforcer.policy.schema.marks import limit_schema, mark_schema, within_schema
from enforcer.policy.schema.points import POINT_EVENTS, POINT_ITEM
from enforcer.policy.schema.values import SCALAR, any_case, operand, values

__all__ = ["definition_of", "schema"]


_NOTHING: Schema = {
    "anyOf": [{"type": "null"}, {"const": True}, {"type": "object", "maxProperties": 0}]
}


def schema() -> Schema:
    """Return the schema of one document."""
    return {
        "$schema": DIALECT,
        "title": "enforcer policy",
        "oneOf": [
            object_of(
                {
                    "apiVersion": {"enum": list(versions)},
                    "kind": {"const": kind},
                    "metadata": _metadata_of(kind),
                    "spec": {"$ref": "#/$defs/spec"},
                },
                required=("apiVersion", "kind", "metadata", "spec"),
            )
            for kind, versions in API_VERSIONS.items()
        ],
        "$defs": {
            "metadata": _metadata(),
            "spec": _spec(),
            "rule": _rule(),
            "ownAction": {"anyOf": [{"required": ["action"]}, {"required": ["mark"]}]},
            "match": _match(),
            "process": _process(within=True),
            "relative": _process(within=False),
            **_workloads(),
            "arguments": {"anyOf": [_arguments(), list_of(_point_item())]},
            "action": _action(),
            "errno": {"anyOf": [{"enum": list(ERRNOS)}, {"type": "integer"}]},
            "signal": _signal(),
            **_definitions(),
            "message": {"type": "string", "maxLength": MAX_LENGTH},
            **{f"{e.name}Event": _event(e) for e in EVENTS.values() if e.name != "exec"},
            "syscall": _syscall(),
        },
    }


def _process(*, within: bool) -> Schema:
    """Return the schema of a process; *within*: it may be asked for its container and pod."""
    groups = {group: {"$ref": f"#/$defs/{group}"} for group in WORKLOAD_FIELDS if within}
    fields = {f.name: _field(f) for f in PROCESS_FIELDS.values()}
    return _with_volumes(object_of({**fields, VOLUMES_KEY: _VOLUMES, **groups}, minimum=1))


_VOLUMES: Schema = {
    "description": "Whether files of other file systems than the image's count as drift.",
    "enum": list(VOLUMES),
}


def _with_volumes(whole: Schema) -> Schema:
    return {**whole, "dependentRequired": {VOLUMES_KEY: [DRIFT]}}


def _workloads() -> Schema:
    label = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
    expression = object_of(
        {
            "key": {"type": "string"},
            "operator": {"enum": list(EXPRESSION_OPERATORS)},
            "values": {"type": "array", "items": SCALAR},
        },
        required=("key", "operator"),
    )
    keys: Schema = {"matchLabels": label, "matchExpressions": list_of(expression)}
    labels: Schema = {"anyOf": [object_of(keys, minimum=1), {**label, "minProperties": 1}]}
    out: Schema = {}
    for group, fields in WORKLOAD_FIELDS.items():
        out[group] = object_of(
            {
                f.name.partition(".")[2]: {"description": f.doc, **labels}
                if f == LABELS
                else _field(f)
                for f in fields.values()
            },
            minimum=1,
        )
    return out


def _metadata_of(kind: str) -> Schema:
    if kind != CLUSTER_POLICY.kind:
        return {"$ref": "#/$defs/metadata"}
    whole = _metadata()
    keys = {key: form for key, form in whole["properties"].items() if key != "namespace"}
    return whole | {"properties": keys}


def _metadata() -> Schema:
    return object_of(
        {
            "name": {
                "type": ["string", "integer"],
                "pattern": "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
            },
            "namespace": {
                "type": ["string", "integer"],
                "pattern": f"^{NAMESPACE}$",
            },
            "labels": {"type": "object"},
            "description": {"type": "string"},
        },
        required=("name",),
    )


def _spec() -> Schema:
    ref = {"$ref": "#/$defs/action"}
    listed = list_of(
        object_of(
            {
                **dict.fromkeys(EVENTS, _NOTHING),
                "syscall": {"$ref": "#/$defs/syscall"},
                **dict.fromkeys(POINT_EVENTS, _NOTHING),
                "action": ref,
            },
            required=("action",),
        )
    )
    defaults = object_of(dict.fromkeys(EVENTS, ref), minimum=1)
    spec = object_of(
        described(
            {
                "mode": {"enum": list(MODES)},
                "message": {"$ref": "#/$defs/message"},
                "selector": {"$ref": "#/$defs/process"},
                "default": {"anyOf": [ref, defaults]},
                "rules": list_of({"$ref": "#/$defs/rule"}),
                **dict.fromkeys(ACTIONS_KEYS, listed),
                "recordAllowed": {"type": "boolean"},
                "allowDegraded": {"type": "boolean"},
            },
            SPEC_TEXTS,
        )
    )
    # A list of actions may have that of any rule.
    spec["if"] = {"not": {"anyOf": [{"required": [key]} for key in ACTIONS_KEYS]}}
    spec["then"] = {"properties": {"rules": {"items": {"$ref": "#/$defs/ownAction"}}}}
    return spec


def _rule() -> Schema:
    events = {
        "exec": _NOTHING,
        **{name: {"$ref": f"#/$defs/{name}Event"} for name in EVENTS if name != "exec"},
        "syscall": {"$ref": "#/$defs/syscall"},
        **POINT_EVENTS,
    }
    rule = object_of(
        described(
            {
                "name": {"type": "string", "pattern": f"^{RULE_NAME}$", "maxLength": MAX_RULE_NAME},
                **events,
                "match": {"$ref": "#/$defs/match"},
                "action": {"$ref": "#/$defs/action"},
                "message": {"$ref": "#/$defs/message"},
                "severity": {"enum": list(SEVERITIES)},
                "tags": {**one_or_list(SCALAR), "maxItems": MAX_TAGS},
                "onError": {"enum": [*ON_ERROR, IN_DOUBT]},
                "guard": {"type": "boolean"},
                "strict": {"type": "boolean"},
                "loader": {"type": "boolean"},
                "mark": mark_schema(),
                "rateLimit": limit_schema(),
                "attempts": _attempts(),
            },
            RULE_TEXTS,
        )
    )
    rule["oneOf"] = [{"required": [event]} for event in events]
    return rule


def _attempts() -> Schema:
    error: Schema = {"$ref": "#/$defs/errno"}
    return {"anyOf": [{"type": "boolean"}, error, {**list_of(error), "maxItems": MAX_ERRORS}]}


def _event(event: EventSpec) -> Schema:
    words: Schema = {
        "oneOf": [{"const": o.name, "description": o.doc} for o in event.operations.values()]
    }
    operations = one_or_list(words)
    properties: Schema = {"operations": operations}
    if event.name == "file":
        properties["strict"] = {"type": "boolean"}
    return {
        "description": event.doc,
        "anyOf": [*operations["anyOf"], object_of(properties, required=("operations",))],
    }


def _syscall() -> Schema:
    name: Schema = {"enum": list(SYSCALLS)}
    words = one_or_list({"enum": list(CLASSES)})
    return {
        "anyOf": [
            name,
            list_of(name),
            object_of({"name": name}, required=("name",)),
            object_of({"list": list_of(name)}, required=("list",)),
            object_of({"class": words}, required=("class",)),
        ]
    }


def _match() -> Schema:
    fields = {f.name: _field(f) for f in FIELDS.values() if f.kind is not Kind.ARGS}
    match = object_of(
        {
            **fields,
            VOLUMES_KEY: _VOLUMES,
            "args": {"$ref": "#/$defs/arguments"},
            "returns": _point_item(is_return=True),
            **{
                part.name: {
                    "description": part.doc,
                    "$ref": f"#/$defs/{'relative' if part.is_above else 'process'}",
                }
                for part in SUBJECT_PARTS.values()
            },
            **{key: within_schema() for key in WITHIN_KEYS},
        }
    )
    return _with_volumes(match)


def _valued() -> list[FieldSpec]:
    fields = [*FIELDS.values(), *PROCESS_FIELDS.values()]
    return [f for f in fields if f.kind not in {Kind.FLAG, Kind.ARGS, Kind.DRIFT}]


def _definitions() -> Schema:
    out: Schema = {}
    for field in _valued():
        name, form = definition_of(field), values(field)
        if out.setdefault(name, form) != form:
            msg = f"{name} of the schema stands for two forms, one of them that of {field.name}"
            raise EnforcerBug(msg)
    return out


def definition_of(field: FieldSpec) -> str:
    """
    Fields of one kind share a definition, except for those with their own names.

    A field may be called as a kind is, so the two have different ends.
    """
    return f"{field.name}Field" if field.names else f"{field.kind.value}Values"


def _field(field: FieldSpec) -> Schema:
    if field.kind in {Kind.FLAG, Kind.DRIFT}:
        return {"description": field.doc, "type": "boolean"}
    return {"description": field.doc, "$ref": f"#/$defs/{definition_of(field)}"}


def _arguments() -> Schema:
    value = one_or_list(SCALAR)
    kinds = {o for kind in TYPES for o in OPERATORS[kind]} | {*NUMBER_OPERATORS}
    operators = {o: operand(o, SCALAR) for o in sorted(kinds)}
    types = {"type": "string", "examples": sorted({t for names in TYPES.values() for t in names})}
    return list_of(
        object_of(
            {
                "index": {
                    "anyOf": [
                        {"type": "integer", "minimum": 0, "maximum": MAX_INDEX},
                        {"const": "any"},
                    ]
                },
                "type": types,
                "match": object_of({"type": types, "literal": value, **operators}, minimum=1),
                "operator": {"enum": list(ARGUMENT_OPERATORS)},
                "values": value,
                **operators,
            },
            required=("index",),
        )
    )


def _point_item(*, is_return: bool = False) -> Schema:
    value = one_or_list(SCALAR)
    kinds = {o for kind in TYPES for o in OPERATORS[kind]} | {*NUMBER_OPERATORS}
    keys = {key: form for key, form in POINT_ITEM.items() if key != "index" or not is_return}
    sockets = {key: FIELDS["type" if key == "socketType" else key] for key in SOCKET_KEYS}
    return object_of(
        {
            **keys,
            "match": object_of({"type": keys["type"], "literal": value}, minimum=1),
            "operator": {"enum": list(ARGUMENT_OPERATORS)},
            "values": value,
            **{o: operand(o, SCALAR) for o in sorted(kinds)},
            **{key: _field(field) for key, field in sockets.items()},
        },
        required=() if is_return else ("index",),
        minimum=1,
    )


def _signal() -> Schema:
    names = [*SIGNALS, *(name.removeprefix("SIG") for name in SIGNALS)]
    return {"anyOf": [{"enum": names}, {"type": "integer"}]}


def _action() -> Schema:
    errno = {"$ref": "#/$defs/errno"}
    options: dict[Verb, Schema] = {
        Verb.ALLOW: {},
        Verb.LOG: {},
        Verb.DENY: {"errno": errno},
        Verb.KILL: {"errno": errno, "signal": {"$ref": "#/$defs/signal"}},
    }
    return {
        "anyOf": [
            {"type": "string", "pattern": f"^({'|'.join(any_case(v.name) for v in Verb)})$"},
            *(
                object_of(
                    {verb.name.lower(): {"anyOf": [{"type": "null"}, object_of(options[verb])]}},
                    minimum=1,
                )
                for verb in Verb
            ),
        ]
    }


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
