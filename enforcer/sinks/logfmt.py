# SPDX-License-Identifier: MIT
"""
logfmt lines, ``key=value`` in a fixed order.

A match begins ``time="…" level=… msg="…" pid=… proc_name="…" syscall=… parent_pid=…
parent_proc_name="…"``; further keys follow. Text from outside is always quoted; numbers and fixed words
never are.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enforcer.events.document import errno_name, rfc3339, signal_name
from enforcer.events.object import endpoint
from enforcer.events.operations import OPERATIONS
from enforcer.events.repeats import repeated_by, until_ns
from enforcer.events.types import EventFlag, Lost, Record, RowFlag
from enforcer.policy.model.policy import Verb
from enforcer.safe_text import neutral, readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["KEYS", "logfmt_line", "quoted"]

KEYS: Final = frozenset(
    (
        *("time", "level", "msg", "pid", "proc_name", "syscall", "parent_pid", "parent_proc_name"),
        *("policy", "rule", "action", "op", "path", "address", "args", "name", "enforced"),
        *("prevented", "errno", "signal", "attempt", "signal_failed", "on_error", "default"),
        *(
            "guard",
            "exe",
            "uid",
            "euid",
            "container_id",
            "container_name",
            "pod_name",
            "pod_namespace",
            "place",
        ),
        *("lost_decisions", "lost_activity", "malformed"),
        *("dropped", "reason", "also", "repeats", "last_repeat", "repeated_by"),
    )
)
"""Keys that have a meaning already, and that no added field may take."""

_NO_FIELDS: Final[Mapping[str, str]] = MappingProxyType({})


def quoted(text: str) -> str:
    r"""
    Quote *text*.

    ``\`` and ``"`` are escaped first and control characters afterwards, so a real newline (``\n``)
    and the two characters that look like it (``\\n``) stay apart.
    """
    return '"' + neutral(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def logfmt_line(record: Record | Lost, fields: Mapping[str, str] = _NO_FIELDS) -> bytes:
    """Write *record* as one line; *fields* come last."""
    pairs = _lost(record) if isinstance(record, Lost) else _match(record)
    added = ((key, quoted(value)) for key, value in fields.items())
    return " ".join(f"{key}={value}" for key, value in (*pairs, *added)).encode() + b"\n"


def _match(record: Record) -> Iterator[tuple[str, str]]:
    event = record.event
    yield "time", quoted(rfc3339(record.time_ns))
    yield "level", _level(record)
    yield "msg", quoted(record.message)
    yield "pid", str(record.process.pid)
    yield "proc_name", quoted(record.process.name)
    yield "syscall", record.syscall
    yield "parent_pid", str(record.parent.pid)
    yield "parent_proc_name", quoted(record.parent.name)
    yield "policy", quoted(record.origin.policy)
    yield "rule", quoted(record.origin.rule)
    yield "action", event.action.name.lower()
    yield "op", OPERATIONS[event.op].full
    yield from _object(record)
    yield "enforced", str(event.is_enforced).lower()
    yield "prevented", str(event.is_prevented).lower()
    yield from _outcome(record)
    if record.process.exe is not None:
        yield "exe", quoted(record.process.exe)
    yield "uid", str(event.uid)
    yield "euid", str(event.euid)
    if record.container_id is not None:
        yield "container_id", quoted(record.container_id)
    optional = {
        "container_name": record.container_name,
        "pod_name": record.pod_name,
        "pod_namespace": record.pod_namespace,
    }
    yield from ((name, quoted(value)) for name, value in optional.items() if value is not None)
    yield "place", quoted(record.origin.place)
    if record.said:
        yield "also", quoted(", ".join(also(record)))
    if event.repeats:
        yield "repeats", str(event.repeats)
        yield "last_repeat", quoted(rfc3339(until_ns(record)))
        yield "repeated_by", repeated_by(event)


def also(record: Record) -> Iterator[str]:
    """Say what the other policies said, one by one."""
    for said in record.said:
        if said.match.row != record.event.row:
            yield f"{said.origin.policy}/{said.origin.rule}: {said.match.action.name.lower()}"
    if left_out := max(0, record.event.n_matches - len(record.said)):
        yield f"{left_out} more"


def _object(record: Record) -> Iterator[tuple[str, str]]:
    event = record.event
    if event.path:
        yield "path", quoted(readable(event.path))
    where = endpoint(event)
    if where is not None:
        yield "address", quoted(where)
    if event.args:
        yield "args", quoted(" ".join(readable(arg) for arg in event.args))
    elif event.name:
        yield "name", quoted(readable(event.name))


def _outcome(record: Record) -> Iterator[tuple[str, str]]:
    event = record.event
    error = errno_name(event)
    if error is not None:
        yield "errno", error
    killed_by = signal_name(event)
    if killed_by is not None:
        yield "signal", killed_by
    for key, is_set in (
        ("attempt", event.attempt is not None),
        ("signal_failed", event.flags & EventFlag.SIGNAL_FAILED),
        ("on_error", event.flags & EventFlag.ON_ERROR),
        ("default", event.row_flags & RowFlag.DEFAULT),
        ("guard", event.row_flags & RowFlag.GUARD),
    ):
        if is_set:
            yield key, "true"


def _lost(record: Lost) -> Iterator[tuple[str, str]]:
    yield "time", quoted(rfc3339(record.time_ns))
    yield "level", "warning"
    yield "msg", quoted("records are missing")
    yield "lost_decisions", str(record.decisions)
    yield "lost_activity", str(record.activity)
    yield "malformed", str(record.malformed)
    if record.dropped:
        yield "dropped", str(record.dropped)
    if record.reason is not None:
        yield "reason", quoted(record.reason)


def _level(record: Record) -> str:
    """Say ``info`` for what was permitted by rule, ``warning`` for what was, or would be, refused."""
    return "warning" if record.event.action >= Verb.DENY else "info"
