# SPDX-License-Identifier: MIT
r"""
A line of an engine's log, whether logfmt or JSON, as the keys and values of logfmt.

Of keys that come twice the first one counts: what processes chose stands in quotes, so it cannot begin a key, and what
an administrator adds comes last.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.policy.language.operations import full_name
from enforcer.safe_text import neutral, readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["LogLine", "read_line"]

_PAIR: Final = re.compile(r'([a-z][a-z0-9_]*)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)')
_ESCAPE: Final = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)")
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t"}
_STRICT: Final = frozenset({"deny", "kill"})
_LOST: Final = {
    "decisions": "lost_decisions",
    "activity": "lost_activity",
    "malformed": "malformed",
}
_RULE: Final = ("policy", "rule", "place")
_BARE: Final = re.compile(r"-?[0-9]+|[a-z][A-Za-z0-9_.]*|[A-Z][A-Z0-9]*|-")
_WORDS: Final = frozenset(
    (
        *(
            "level",
            "pid",
            "syscall",
            "parent_pid",
            "action",
            "op",
            "enforced",
            "prevented",
            "errno",
        ),
        *("signal", "attempt", "signal_failed", "on_error", "default", "guard", "uid", "euid"),
        *("lost_decisions", "lost_activity", "malformed", "dropped", "repeats", "repeated_by"),
    )
)
"""Keys whose values stand without quotes."""


@attrs.frozen
class LogLine:
    """
    One record.

    Attributes:
        fields: by the keys of logfmt, as text.
        text: the line as logfmt, fit for a terminal.
        record: all that JSON says of it; None: the line was logfmt.
    """

    fields: Mapping[str, str]
    text: str
    record: Mapping[str, Any] | None = None

    @property
    def is_loss(self) -> bool:
        """Whether it says that records are missing."""
        return "lost_decisions" in self.fields

    @property
    def namespace(self) -> str:
        """The namespace of the pod that acted; empty: it was in none, or that is not known."""
        return self.fields.get("pod_namespace", "")


def read_line(raw: bytes) -> LogLine | None:
    """Read a line; None if it is no record, as what a daemon says of itself."""
    line = raw.strip()
    if line.startswith(b"{"):
        return _of_json(line)
    text = readable(line)
    fields: dict[str, str] = {}
    at = 0
    while found := _PAIR.match(text, at):
        fields.setdefault(found[1], _unquoted(found[2]))
        at = found.end()
    is_record = "time" in fields and ("policy" in fields or "lost_decisions" in fields)
    return LogLine(fields, neutral(text)) if is_record and at == len(text) else None


def _of_json(line: bytes) -> LogLine | None:
    try:
        record = json.loads(line)
        pairs = dict(_pairs(record))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    text = " ".join(f"{key}={_shown(key, value)}" for key, value in pairs.items())
    return LogLine(pairs, text, record)


def _shown(key: str, value: str) -> str:
    if key in _WORDS and _BARE.fullmatch(value):
        return value
    return '"' + neutral(value.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value

    def character(found: re.Match[str]) -> str:
        word = found[1]
        if len(word) > 1 and int(word[1:], 16) <= 0x10FFFF:
            return chr(int(word[1:], 16))
        return _LETTERS.get(word, word)

    return _ESCAPE.sub(character, value[1:-1])


# ---- From JSON --------------------------------------------------------------------------------


def _pairs(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """
    Yield the keys of logfmt for a record in JSON, in the order of logfmt.

    Raises:
        KeyError, TypeError, AttributeError: it is no record.
    """
    if record["kind"] == "lost":
        yield "time", record["time"]
        yield "level", "warning"
        yield "msg", "records are missing"
        yield from ((word, str(record[key])) for key, word in _LOST.items())
        if dropped := record.get("dropped"):
            yield "dropped", str(dropped)
        if (reason := record.get("reason")) is not None:
            yield "reason", reason
        return
    thing, process, parent = record["object"], record["process"], record["parent"]
    yield "time", record["time"]
    yield "level", "warning" if record["action"] in _STRICT else "info"
    yield "msg", record["message"]
    yield "pid", str(process["pid"])
    yield "proc_name", process["name"]
    yield "syscall", record["syscall"]
    yield "parent_pid", str(parent["pid"])
    yield "parent_proc_name", parent["name"]
    yield from ((key, record[key]) for key in ("policy", "rule", "action"))
    yield "op", full_name(record["event"], record["operation"])
    yield from _object(thing)
    yield from ((key, str(record[key]).lower()) for key in ("enforced", "prevented"))
    yield from ((key, record[key]) for key in ("errno", "signal") if record[key])
    flags = {"signal_failed": "signalFailed", "on_error": "onError"}
    if "attempt" in record:
        yield "attempt", "true"
    for word in ("signal_failed", "on_error", "default", "guard"):
        if record[flags.get(word, word)]:
            yield word, "true"
    if process["exe"] is not None:
        yield "exe", process["exe"]
    yield from ((key, str(process[key])) for key in ("uid", "euid"))
    container, pod = record["container"], record["pod"]
    places = {
        "container_id": container["id"],
        "container_name": container["name"],
        "pod_name": pod["name"],
        "pod_namespace": pod["namespace"],
    }
    yield from ((key, value) for key, value in places.items() if value is not None)
    yield "place", record["place"]
    if "matches" in record:
        yield "also", ", ".join(_also(record))
    if "repeats" in record:
        repeats = record["repeats"]
        yield "repeats", str(repeats["count"])
        yield "last_repeat", repeats["last"]
        yield "repeated_by", repeats["by"]


def _also(record: Mapping[str, Any]) -> Iterator[str]:
    """Say what the other policies said: each has one match, and that of the record's own policy is told by the record."""
    rule = [record[key] for key in _RULE]
    others = list(record["matches"])
    own = next((each for each in others if [each[key] for key in _RULE] == rule), None)
    if own is not None:
        others.remove(own)
    yield from (f"{each['policy']}/{each['rule']}: {each['action']}" for each in others)
    if left_out := record.get("matchesLeftOut"):
        yield f"{left_out} more"


def _object(thing: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "path" in thing:
        yield "path", thing["path"]
    if "address" in thing:
        host = f"[{thing['address']}]" if ":" in thing["address"] else thing["address"]
        yield "address", f"{host}:{thing['port']}"
    if "args" in thing:
        yield "args", " ".join(thing["args"])
    elif thing.get("arguments"):
        yield "args", _strings(thing["arguments"])
    elif "name" in thing:
        yield "name", thing["name"]


def _strings(arguments: Sequence[str | int | None]) -> str:
    """Write the strings among the arguments of a system call in their places, as logfmt does; nothing if none is there."""
    found = [argument if isinstance(argument, str) else "" for argument in arguments]
    return " ".join(found) if any(found) else ""
