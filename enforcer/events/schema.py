# SPDX-License-Identifier: MIT
"""
Every key of a record: the one table, and the JSON Schema made of it.

``python -m enforcer.events.schema`` prints the schema; ``docs/record.schema.json`` is its output.
Keys are added within a version, so the published schema permits more than it names. Tests use the
strict form, which does not, and so learn of every key that is missing here.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import attrs

from enforcer.events.document import VERSION
from enforcer.events.object import OPERAND_DIMS, OPERAND_EVENTS
from enforcer.events.operations import OPERATIONS
from enforcer.policy.language.drift import KINDS as DRIFT_KINDS
from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.vocabulary import (
    EVENTS,
    FIELDS,
    Dim,
    FieldSpec,
    Kind,
    ObjectFlag,
    SubjectFlag,
)
from enforcer.policy.model.policy import Verb
from enforcer.policy.readers.rules import SEVERITIES

__all__ = ["LOST", "MATCH", "Key", "schema"]

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_YES_NO: Final[Schema] = {"type": "boolean"}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}
_MAYBE_TEXTS: Final[Schema] = {"type": ["array", "null"], "items": _TEXT}
_TIME: Final[Schema] = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
}
_RECORD: Final[Schema] = {
    "type": "string",
    "pattern": "^[0-9a-f]{8}-[0-9a-f]{1,16}-[0-9a-f]{1,8}-[0-9a-f]{1,8}$",
}
_PORT: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 65535}


@attrs.frozen
class Key:
    """
    One key of an object.

    Attributes:
        name: as it is written.
        form: what its value is, in JSON Schema; a tuple of keys makes it an object of these.
        doc: what it says.
        is_always: it is there even if nothing is known; else only where it applies.
        is_list: its value is a list of such.
    """

    name: str
    form: Schema | tuple[Key, ...]
    doc: str
    is_always: bool = True
    is_list: bool = False


def _one_of(words: Any) -> Schema:
    return {"enum": list(dict.fromkeys(words))}


def _operands() -> tuple[Key, ...]:
    """List the keys that are called as the fields of policies are."""
    words = {
        field
        for event in OPERAND_EVENTS & EVENTS.keys()
        for operation in EVENTS[event].operations.values()
        for field in operation.fields
    }
    fields = (FIELDS[word] for word in FIELDS if word in words)
    return tuple(
        Key(f.name, _operand(f), f.doc, is_always=False) for f in fields if f.dim in OPERAND_DIMS
    )


def _operand(field: FieldSpec) -> Schema:
    match field.kind:
        case Kind.FLAGS:
            return {"type": "array", "items": _one_of(field.names)}
        case Kind.CAPABILITY:
            return {"type": "array", "items": _one_of(CAPABILITIES)}
        case Kind.USER | Kind.GROUP:
            return _COUNT
    return _TEXT


_NAME: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]+)+$"}
_MAYBE_NAME: Final[Schema] = {"type": ["string", "null"], "pattern": _NAME["pattern"]}

_FOLDED: Final[Schema] = {"type": "string", "pattern": r"^(case|short|other) \d+$"}

_ACTOR: Final = (
    Key("id", _NAME, "Identifies the process for ever: boot, number and start in hexadecimal."),
    Key("pid", _COUNT, "Process, in the initial pid namespace."),
    Key("name", _TEXT, "Short name that the process gives itself."),
    Key("exe", _MAYBE_TEXT, "Executable."),
    Key("cmdline", _MAYBE_TEXTS, "Arguments that it runs with."),
)
_START: Final = Key("startNs", _COUNT, "Start of the process, nanoseconds since boot.")

_PROCESS: Final = (
    *_ACTOR,
    _START,
    Key("programId", _MAYBE_NAME, "Identifies the program that it ran, from its exec to the next."),
    Key("started", _TIME, "Start of the process, wall clock."),
    Key("cwd", _MAYBE_TEXT, "Working directory."),
    Key("user", _MAYBE_TEXT, "Name of the real user on the host."),
    Key("tid", _COUNT, "Thread."),
    Key("execNs", _COUNT, "Start of the program, nanoseconds since boot; 0: not known."),
    Key("uid", _COUNT, "Real user."),
    Key("euid", _COUNT, "Effective user."),
    Key("gid", _COUNT, "Real group."),
    Key("egid", _COUNT, "Effective group."),
    Key(
        "capabilities",
        {"type": "string", "pattern": "^0x[0-9a-f]+$"},
        "Effective capabilities as bits.",
    ),
    Key(
        "flags",
        {"type": "array", "items": _one_of(f.name.lower() for f in SubjectFlag if f.name)},
        "Facts about it.",
    ),
    Key("exeFolded", _FOLDED, "The same of the executable.", is_always=False),
    Key("cgroup", _MAYBE_TEXT, "Path of the cgroup."),
    Key("cgroupId", _COUNT, "Number of the cgroup."),
)

_OBJECT: Final = (
    Key("target", _TEXT, "The object in one word."),
    Key(
        "flags",
        {"type": "array", "items": _one_of(f.name.lower() for f in ObjectFlag if f.name)},
        "Facts about it.",
    ),
    Key(
        "unknown",
        {"type": "array", "items": _one_of(dim.name.lower() for dim in Dim)},
        "Operands that could not be read.",
    ),
    Key("path", _TEXT, "Files, programs, unix sockets: name as resolved.", is_always=False),
    Key(
        "folded",
        _FOLDED,
        "Directories on its path find names by several spellings: how, and from which byte on.",
        is_always=False,
    ),
    Key("asked", _TEXT, "Name by which a file was opened or made, as written.", is_always=False),
    Key(
        "drift",
        {"type": "array", "items": _one_of(DRIFT_KINDS)},
        "Why the container's image did not bring what it has in it; empty: it did.",
        is_always=False,
    ),
    Key("device", {"type": "string", "pattern": r"^\d+:\d+$"}, "Device.", is_always=False),
    Key("inode", _COUNT, "Inode number.", is_always=False),
    Key("args", _TEXTS, "Arguments of the new program that found room.", is_always=False),
    Key("argc", _COUNT, "How many arguments there were.", is_always=False),
    Key("name", _TEXT, "Abstract socket, extended attribute, target.", is_always=False),
    *_operands(),
    Key("mode", {"type": "string", "pattern": "^[0-7]{4,}$"}, "Permissions.", is_always=False),
    Key("family", _TEXT, "Socket family.", is_always=False),
    Key("type", _TEXT, "Socket type.", is_always=False),
    Key("protocol", _TEXT, "Protocol.", is_always=False),
    Key("address", _TEXT, "IP address.", is_always=False),
    Key("port", _PORT, "Port.", is_always=False),
    Key("number", _COUNT, "Of a system call, or of self-protection's target.", is_always=False),
    Key("call", _TEXT, "System call.", is_always=False),
    Key(
        "arguments",
        {"type": "array", "items": {"type": ["string", "integer", "null"]}},
        "Of the system call; null is not known.",
        is_always=False,
    ),
    Key("point", _TEXT, "Point of the kernel that the rule names.", is_always=False),
    Key(
        "operands",
        (
            Key("name", _TEXT, "Argument and members, as the rule has them."),
            Key("value", {"type": ["string", "integer"]}, "As it was compared."),
        ),
        "What rules on the point compare.",
        is_always=False,
        is_list=True,
    ),
)

_FIELDS: Final = Key(
    "fields",
    {"type": "object", "additionalProperties": _TEXT},
    "Fields that the output adds to each record.",
    is_always=False,
)

MATCH: Final = (
    Key("version", {"const": VERSION}, "Version of this format."),
    Key("kind", {"const": "match"}, "A verdict."),
    Key("id", _RECORD, "Id of the record, for `enforcer explain`."),
    Key("time", _TIME, "Wall clock, RFC 3339, UTC, microseconds."),
    Key("policy", _TEXT, "Policy that decided."),
    Key("rule", _TEXT, "Rule that decided."),
    Key("place", _TEXT, "file:line:column of the rule."),
    Key("message", _TEXT, "Of the rule or policy, filled in; else a sentence."),
    Key("severity", _one_of(SEVERITIES), "Of the rule."),
    Key("tags", _TEXTS, "Of the rule."),
    Key("action", _one_of(verb.name.lower() for verb in Verb), "The verdict."),
    Key("enforced", _YES_NO, "Carried out; false: audit, only recorded."),
    Key("prevented", _YES_NO, "The operation did not happen."),
    Key("errno", _MAYBE_TEXT, "The error that the caller got; null in audit mode."),
    Key("signal", _MAYBE_TEXT, "The signal that the process got; null in audit mode."),
    Key("signalFailed", _YES_NO, "The signal could not be delivered."),
    Key("onError", _YES_NO, "An operand was unknown; the rule's onError decided."),
    Key("default", _YES_NO, "No rule matched; the policy's default decided."),
    Key("guard", _YES_NO, "A guarded name was to be renamed, linked, removed or replaced."),
    Key("event", _one_of(n.event for n in OPERATIONS.values()), "Class of the operation."),
    Key("operation", _one_of(n.word for n in OPERATIONS.values()), "Operation."),
    Key("syscall", _TEXT, "System call of the rule, else the usual one."),
    Key("object", _OBJECT, "The object of the operation."),
    Key("process", _PROCESS, "Who acted."),
    Key("parent", (*_ACTOR, _START), "Its parent."),
    Key("ancestors", _ACTOR, "Its parent, that one's parent, and so on.", is_list=True),
    Key("ancestorsComplete", _YES_NO, "The last of them is the first process of all."),
    Key(
        "container",
        (
            Key("runtime", _MAYBE_TEXT, "Runtime of the container; null outside."),
            Key("id", _MAYBE_TEXT, "Its id; null outside."),
            Key("name", _MAYBE_TEXT, "Its name, in its pod if it is in one; null if not known."),
            Key("image", _MAYBE_TEXT, "Its image as requested; null if not known."),
            Key("root", _MAYBE_TEXT, "Where the host has its root; null if not known."),
        ),
        "Container in which it acted.",
    ),
    Key(
        "pod",
        (
            Key("name", _MAYBE_TEXT, "Its name; null outside, or if not known."),
            Key("namespace", _MAYBE_TEXT, "Its namespace; null outside, or if not known."),
            Key("uid", _MAYBE_TEXT, "Of the pod; null outside."),
        ),
        "Pod in which it acted.",
    ),
    Key("generation", _COUNT, "Of the policy image that decided."),
    Key(
        "attempt",
        (
            Key("call", _TEXT, "System call."),
            Key("errno", _COUNT, "Number of the error that the kernel gave."),
            Key(
                "operations",
                {"type": "array", "items": _one_of(n.full for n in OPERATIONS.values())},
                "All operations that the call would have been.",
            ),
        ),
        "The kernel itself refused it, whatever policies say; absent otherwise.",
        is_always=False,
    ),
    Key(
        "marks",
        (
            Key("mark", _TEXT, "POLICY/NAME."),
            Key(
                "ago",
                {"type": ["integer", "null"], "minimum": 0},
                "Nanoseconds since it was set; null: it never was.",
            ),
        ),
        "What the rule asks about by within and notWithin, in this order.",
        is_always=False,
        is_list=True,
    ),
    Key(
        "suppressed",
        _COUNT,
        "Records of this rule that its rateLimit left out since the one before.",
        is_always=False,
    ),
    Key(
        "repeats",
        (
            Key("count", _COUNT, "How many."),
            Key("last", _TIME, "When the last of them came."),
            Key(
                "by", _one_of(("process", "cgroup")), "Whose they are: this process, or its cgroup."
            ),
        ),
        "More of its kind, which the kernel counted while the ring was crowded.",
        is_always=False,
    ),
    Key(
        "matches",
        (
            Key("policy", _TEXT, "Policy."),
            Key("rule", _TEXT, "Its rule that matched first."),
            Key("place", _TEXT, "file:line:column of the rule."),
            Key("message", _TEXT, "Of the rule or policy, filled in; else a sentence."),
            Key("severity", _one_of(SEVERITIES), "Of the rule."),
            Key("action", _one_of(verb.name.lower() for verb in Verb), "What it said."),
            Key("enforced", _YES_NO, "It counts for the verdict; false: audit."),
            Key("onError", _YES_NO, "An operand was unknown; the rule's onError said it."),
            Key("default", _YES_NO, "The policy's default."),
            Key("guard", _YES_NO, "The guard of the rule."),
            Key(
                "operation",
                _one_of(n.word for n in OPERATIONS.values()),
                ("The operation that it decided."),
            ),
        ),
        "What each policy said, the deciding one included; absent if only one said something.",
        is_always=False,
        is_list=True,
    ),
    Key(
        "matchesLeftOut",
        _COUNT,
        "How many more policies matched and had no room here.",
        is_always=False,
    ),
    _FIELDS,
)
"""A verdict."""

LOST: Final = (
    Key("version", {"const": VERSION}, "Version of this format."),
    Key("kind", {"const": "lost"}, "Records that never came."),
    Key("time", _TIME, "Wall clock, RFC 3339, UTC, microseconds."),
    Key("decisions", _COUNT, "Denials and kills that found no room."),
    Key("activity", _COUNT, "Other records that found no room."),
    Key("malformed", _COUNT, "Records that could not be read."),
    Key("dropped", _COUNT, "Records that this output could not take."),
    Key("reason", _MAYBE_TEXT, "Why the last of these records could not be read."),
    _FIELDS,
)
"""Records that are missing."""


def schema(*, is_strict: bool = False) -> Schema:
    """Return the schema of one line; *is_strict* refuses keys that it does not name."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"enforcer record, version {VERSION}",
        "type": "object",
        "required": ["version", "kind"],
        "if": {"properties": {"kind": {"const": "lost"}}},
        "then": _object(LOST, is_strict=is_strict),
        "else": _object(MATCH, is_strict=is_strict),
    }


def _object(keys: tuple[Key, ...], *, is_strict: bool) -> Schema:
    made: Schema = {
        "type": "object",
        "properties": {key.name: _value(key, is_strict=is_strict) for key in keys},
        "required": [key.name for key in keys if key.is_always],
    }
    return made | {"additionalProperties": False} if is_strict else made


def _value(key: Key, *, is_strict: bool) -> Schema:
    form = _object(key.form, is_strict=is_strict) if isinstance(key.form, tuple) else key.form
    if key.is_list:
        form = {"type": "array", "items": form}
    return {"description": key.doc, **form}


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
