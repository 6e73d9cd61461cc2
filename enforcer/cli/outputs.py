# SPDX-License-Identifier: MIT
"""The list ``outputs`` of the configuration file: which records go where, and in which form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cli.config_table import PATH, Setting
from enforcer.policy.readers.rules import SEVERITIES
from enforcer.policy.schema.fragments import TEXT, Schema, list_of, object_of
from enforcer.policy.text.nodes import Map, Node, Scalar, describe
from enforcer.sinks.address import PREFIXES, Address, read_address
from enforcer.sinks.forms import FORMS
from enforcer.sinks.journal import JournalOutput
from enforcer.sinks.logfmt import KEYS as LOGFMT_KEYS
from enforcer.sinks.rotation import Rotation
from enforcer.sinks.selection import ACTIONS, OPERATION_WORDS, Selection
from enforcer.sinks.spec import Common, FileOutput, OutputSpec
from enforcer.sinks.syslog import FACILITIES, SyslogOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from enforcer.policy.readers.context import Context

__all__ = [
    "PATTERNS",
    "SOCKET",
    "number_from",
    "outputs_form",
    "read_outputs",
    "read_patterns",
    "read_socket",
]

_MAX_OUTPUTS = 16
_MAX_PATTERNS = 100
_MAX_FIELDS = 16
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}")
_POLICY = re.compile(r"[a-z0-9.*?/-]{1,127}")
_SIZE = re.compile(r"([1-9][0-9]{0,6}) ?(KiB|MiB|GiB)")
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_LEAST, _MOST = 64 << 10, 1 << 40
_MOST_QUEUED = 1 << 30
_MOST_KEPT = 1000


def read_outputs(node: Node, what: str, context: Context) -> tuple[OutputSpec, ...]:
    """Read the list; what is wrong in it goes to *context*, and is left out."""
    items = context.list(node, what)
    found: list[OutputSpec] = []
    places: dict[str, Node] = {}
    for item in items or ():
        made = _output(item, context)
        if made is None:
            continue
        if made.place in places:
            context.add(
                f"two outputs write to {made.place}: the other one is at {places[made.place].span}",
                item.span,
            )
        places.setdefault(made.place, item)
        found.append(made)
    if len(found) > _MAX_OUTPUTS:
        context.add(f"{what} has {len(found)} items, the limit is {_MAX_OUTPUTS}", node.span)
    return tuple(found)


def _output(node: Node, context: Context) -> OutputSpec | None:
    item = context.map(node, "an output")
    if item is None:
        return None
    kind = item.get("type")
    if kind is None:
        context.add(f"an output needs a type: {', '.join(_KINDS)}", item.span)
        return None
    word = context.word(kind.value, "the type of an output", _KINDS)
    if word is None:
        return None
    make, needed, own = _KINDS[word]
    values = _values(item, {**_COMMON, **own}, f"key of an output of type {word}", context)
    for name in needed:
        if name not in item.entries:
            context.add(f"an output of type {word} needs {name!r}", item.span)
    if any(values.get(own[name].field) is None for name in needed):
        return None
    selection = Selection(**_taken(values, Selection))
    return make(common=Common(selection=selection, **_taken(values, Common)), **values)


def _values(
    item: Map,
    keys: Mapping[str, Setting],
    what: str,
    context: Context,
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for entry in item:
        if entry.key == "type":
            continue
        key = keys.get(entry.key)
        if key is None:
            context.unknown(entry, what, ("type", *keys), {})
            continue
        value = key.read(entry.value, entry.key, context)
        if value is not None:
            values[key.field] = value
    return values


def _taken(values: dict[str, Any], of: type[attrs.AttrsInstance]) -> dict[str, Any]:
    """Take what belongs to *of* out of *values*."""
    return {f.name: values.pop(f.name) for f in attrs.fields(of) if f.name in values}


# ---- Values -----------------------------------------------------------------------------------


def _path(node: Node, what: str, context: Context) -> Path | None:
    text = context.text(node, what)
    if text is not None and not text.startswith("/"):
        context.add(f"{what} must be an absolute path, not {describe(node)}", node.span)
        return None
    return Path(text) if text is not None else None


def read_socket(node: Node, what: str, context: Context) -> Address | None:
    """Read the address of a socket."""
    text = context.text(node, what)
    if text is None:
        return None
    try:
        return read_address(text)
    except ValueError as error:
        context.add(f"{what}: {error}", node.span)
        return None


def _word_of(known: Iterable[str]) -> Callable[[Node, str, Context], str | None]:
    words = tuple(known)
    return lambda node, what, context: context.word(node, what, words)


def _words_of(known: Iterable[str]) -> Callable[[Node, str, Context], frozenset[str]]:
    words = tuple(known)

    def read(node: Node, what: str, context: Context) -> frozenset[str]:
        items = context.list(node, what)
        if items is not None and not items.items:
            context.add(f"{what} is empty: leave it out to take all", node.span)
        found = (context.word(item, f"each of {what}", words) for item in items or ())
        return frozenset(word for word in found if word is not None)

    return read


def _policies(node: Node, what: str, context: Context) -> tuple[str, ...]:
    items = context.list(node, what)
    if items is not None and not items.items:
        context.add(f"{what} is empty: leave it out to take all", node.span)
    found: list[str] = []
    for item in items or ():
        text = context.text(item, f"each of {what}")
        if text is None:
            continue
        if not _POLICY.fullmatch(text):
            context.add(
                f"each of {what} must be the name of a policy, or a pattern with * and ?, not "
                f"{describe(item)}",
                item.span,
            )
            continue
        found.append(text)
    return tuple(found)


def read_patterns(node: Node, what: str, context: Context) -> tuple[str, ...]:
    """Read patterns of arguments, one word or two with a blank between."""
    items = context.list(node, what)
    found: list[str] = []
    for item in items or ():
        text = context.text(item, f"each of {what}")
        if text is None:
            continue
        words = text.split(" ")
        if len(words) > 2 or not all(words):
            context.add(
                f"each of {what} must be a pattern of one argument, or of two with one blank "
                f"between ('--password=*', '--token *'), not {describe(item)}: write ? for a "
                "blank within an argument",
                item.span,
            )
            continue
        found.append(text)
    if len(found) > _MAX_PATTERNS:
        context.add(f"{what} has {len(found)} items, the limit is {_MAX_PATTERNS}", node.span)
    return tuple(found)


def _fields(node: Node, what: str, context: Context) -> dict[str, str]:
    found: dict[str, str] = {}
    given = context.map(node, what)
    for entry in given or ():
        text = context.text(entry.value, f"{what}.{entry.key}")
        if not _FIELD.fullmatch(entry.key):
            context.add(
                (
                    f"{entry.key!r} is not a name of a field: use at most 32 small letters, "
                    "digits and _"
                ),
                entry.span,
            )
        elif entry.key in LOGFMT_KEYS:
            context.add(f"{entry.key!r} is a field of every record: take another name", entry.span)
        elif text is not None:
            found[entry.key] = text
    if len(found) > _MAX_FIELDS:
        context.add(f"{what} has {len(found)} keys, the limit is {_MAX_FIELDS}", node.span)
    return found


def _size(least: int, most: int) -> Callable[[Node, str, Context], int | None]:
    def read(node: Node, what: str, context: Context) -> int | None:
        text = node.text if isinstance(node, Scalar) else ""
        matched = _SIZE.fullmatch(text)
        number = int(matched[1]) * _UNITS[matched[2]] if matched else 0
        if least <= number <= most:
            return number
        context.add(
            f"{what} must be like 512 KiB, 4 MiB or 1 GiB, from {least >> 10} KiB to "
            f"{most >> 30} GiB, not {describe(node)}",
            node.span,
        )
        return None

    return read


def number_from(least: int, most: int) -> Callable[[Node, str, Context], int | None]:
    """Return what reads a number from *least* to *most*."""

    def read(node: Node, what: str, context: Context) -> int | None:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        said = f"{what} must be a number from {least} to {most}, not {describe(node)}"
        context.add(said, node.span)
        return None

    return read


def _rotation(node: Node, what: str, context: Context) -> Rotation | None:
    given = context.map(node, what)
    if given is None:
        return None
    values = _values(given, _ROTATION, f"key of {what}", context)
    if "size" not in given.entries:
        context.add(f"{what} needs 'size'", given.span)
    return Rotation(**values) if "size" in values else None


_TIMES: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": _MOST_KEPT}
_BYTES: Final[Schema] = {"type": "string", "pattern": f"^{_SIZE.pattern}$"}
_ROTATION: Final = {
    "size": Setting("size", _size(_LEAST, _MOST), _BYTES),
    "keep": Setting("keep", number_from(1, _MOST_KEPT), _TIMES),
}

SOCKET: Final[Schema] = {"type": "string", "pattern": f"^({'|'.join(PREFIXES)}):"}
PATTERNS: Final[Schema] = {
    "type": "array",
    "maxItems": _MAX_PATTERNS,
    "items": {"type": "string", "pattern": "^[^ ]+( [^ ]+)?$"},
}
_NAMES: Final[Schema] = list_of({"type": "string", "pattern": f"^{_POLICY.pattern}$"})
_ADDED: Final[Schema] = {
    "type": "object",
    "maxProperties": _MAX_FIELDS,
    "propertyNames": {"pattern": f"^{_FIELD.pattern}$", "not": {"enum": sorted(LOGFMT_KEYS)}},
    "additionalProperties": TEXT,
}


def _one_of(field: str, known: Iterable[str]) -> Setting:
    words = tuple(known)
    return Setting(field, _word_of(words), {"enum": list(words)})


def _some_of(field: str, known: Iterable[str]) -> Setting:
    words = tuple(known)
    return Setting(field, _words_of(words), list_of({"enum": list(words)}))


_COMMON: Final = {
    "actions": _some_of("actions", ACTIONS),
    "policies": Setting("policies", _policies, _NAMES),
    "operations": _some_of("operations", OPERATION_WORDS),
    "minSeverity": _one_of("severity", SEVERITIES),
    "redact": Setting("redact", read_patterns, PATTERNS),
    "fields": Setting("fields", _fields, _ADDED),
    "queue": Setting("limit", _size(_LEAST, _MOST_QUEUED), _BYTES),
}
"""Keys of every output, which set what Selection or Common has."""

_FORM: Final = _one_of("form", FORMS)

_KINDS: Final[dict[str, tuple[Callable[..., OutputSpec], tuple[str, ...], dict[str, Setting]]]] = {
    "file": (
        FileOutput,
        ("path",),
        {
            "path": Setting("path", _path, PATH),
            "format": _FORM,
            "rotate": Setting(
                "rotation",
                _rotation,
                object_of(
                    {key: setting.form for key, setting in _ROTATION.items()}, required=("size",)
                ),
            ),
        },
    ),
    "syslog": (
        SyslogOutput,
        ("address",),
        {
            "address": Setting("address", read_socket, SOCKET),
            "format": _FORM,
            "facility": _one_of("facility", FACILITIES),
        },
    ),
    "journald": (JournalOutput, (), {}),
}
"""Types: what is made, keys that must be there, and keys that only this type has."""


def outputs_form() -> Schema:
    """Return the JSON Schema of the list."""
    kinds = [
        object_of(
            {
                "type": {"const": kind},
                **{key: setting.form for key, setting in {**_COMMON, **own}.items()},
            },
            required=("type", *needed),
        )
        for kind, (_, needed, own) in _KINDS.items()
    ]
    return {"type": "array", "maxItems": _MAX_OUTPUTS, "items": {"oneOf": kinds}}
