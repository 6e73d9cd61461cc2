# SPDX-License-Identifier: MIT
"""
A record as a JSON object: the versioned form that files and followers get.

``docs/records.md`` is the description for readers. Keys are added without a new version; a key that
changes its meaning, or goes, makes one.
"""

from __future__ import annotations

import errno
import functools
import signal
from datetime import UTC, datetime
from ipaddress import IPv6Address
from typing import Any

from enforcer.events.attempt import attempt_document, attempt_errno
from enforcer.events.call import call_document, call_line
from enforcer.events.folded import Folded
from enforcer.events.ident import RecordId
from enforcer.events.matches import matches_document
from enforcer.events.operations import OPERATIONS
from enforcer.events.point import point_document
from enforcer.events.types import Event, EventFlag, GuardAct, Lost, Record, RowFlag
from enforcer.identity.actor import Actor
from enforcer.identity.text import readable
from enforcer.policy.language.operations import with_operand
from enforcer.policy.language.sockets import WITH_ADDRESS
from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.syscall_table import call_name
from enforcer.policy.language.vocabulary import (
    EVENTS,
    FIELDS,
    Dim,
    FieldSpec,
    Kind,
    ObjectFlag,
    Op,
    SubjectFlag,
)
from enforcer.policy.model.policy import Verb

__all__ = [
    "OPERAND_DIMS",
    "OPERAND_EVENTS",
    "VERSION",
    "as_document",
    "described",
    "endpoint",
    "errno_name",
    "inet_address",
    "numbers",
    "operands",
    "rfc3339",
    "signal_name",
    "signal_word",
    "target",
]

VERSION = 1

_ADDRESS_OPS = frozenset({*with_operand("address"), Op.POINT})


def _words(field: FieldSpec) -> dict[int, str]:
    """Return words by number; what has none of its own has that of the last that it counts as."""
    words = {number: word for word, number in field.names.items()}
    return {number: words[others[-1]] for number, others in field.counts_as.items()} | words


_NUMBERS = {name: _words(FIELDS[name]) for name in ("family", "type", "protocol")}
OPERAND_EVENTS = frozenset({"mount", "process", "memory", "kernel"})
OPERAND_DIMS = frozenset({Dim.NAME, Dim.FSTYPE, Dim.BITS, Dim.CODE, Dim.TO_UID, Dim.TO_GID})
_SUBJECT_FLAGS = tuple((flag.value, (flag.name or "").lower()) for flag in SubjectFlag)
_OBJECT_FLAGS = tuple((flag.value, (flag.name or "").lower()) for flag in ObjectFlag)
_DIMENSIONS = tuple((1 << dim, dim.name.lower()) for dim in Dim)
_MODE_OPS = with_operand("mode")


def as_document(record: Record | Lost) -> dict[str, Any]:
    """Make the JSON object of *record*."""
    if isinstance(record, Lost):
        return _lost(record)
    event = record.event
    names = OPERATIONS[event.op]
    return {
        "version": VERSION,
        "kind": "match",
        "id": str(RecordId.of(event)),
        "time": rfc3339(record.time_ns),
        "policy": record.origin.policy,
        "rule": record.origin.rule,
        "place": record.origin.place,
        "message": record.message,
        "severity": record.origin.severity,
        "tags": list(record.origin.tags),
        "action": event.action.name.lower(),
        "enforced": event.is_enforced,
        "prevented": event.is_prevented,
        "errno": errno_name(event),
        "signal": signal_name(event),
        "signalFailed": bool(event.flags & EventFlag.SIGNAL_FAILED),
        "onError": bool(event.flags & EventFlag.ON_ERROR),
        "default": bool(event.row_flags & RowFlag.DEFAULT),
        "guard": bool(event.row_flags & RowFlag.GUARD),
        "event": names.event,
        "operation": names.word,
        "syscall": record.syscall,
        "object": _object(event)
        | (point_document(event, record.origin) if event.op is Op.POINT else {}),
        "process": {
            **_actor(record.process),
            "programId": record.program_id,
            "tid": event.tid,
            "started": rfc3339(record.started_ns),
            "startNs": event.start_ns,
            "execNs": event.exec_ns,
            "cwd": record.cwd,
            "user": record.user,
            "uid": event.uid,
            "euid": event.euid,
            "gid": event.gid,
            "egid": event.egid,
            "capabilities": f"{event.caps:#x}",
            "flags": [word for bit, word in _SUBJECT_FLAGS if event.subj_flags & bit],
            **_exe_folded(event),
            "cgroup": record.cgroup,
            "cgroupId": event.cgroup,
        },
        "parent": {**_actor(record.parent), "startNs": event.parent_start_ns},
        "ancestors": [_actor(each) for each in record.ancestors],
        "ancestorsComplete": record.has_all_ancestors,
        "container": {
            "runtime": record.container_runtime,
            "id": record.container_id,
            "name": record.container_name,
            "image": record.container_image,
        },
        "pod": {
            "name": record.pod_name,
            "namespace": record.pod_namespace,
            "uid": record.pod_uid,
        },
        "generation": event.generation,
        **attempt_document(event),
        **_asked(record),
        **matches_document(record),
    }


def _asked(record: Record) -> dict[str, Any]:
    """Tell how old the marks were that the rule asks about, and what its limit left out before."""
    event, found = record.event, dict[str, Any]()
    if event.mark_at:
        found["marks"] = [
            {"mark": name, "ago": max(0, event.time_ns - at) if at else None}
            for name, at in zip(record.origin.asked, event.mark_at, strict=False)
        ]
    if event.suppressed:
        found["suppressed"] = event.suppressed
    return found


def _lost(record: Lost) -> dict[str, Any]:
    return {
        "version": VERSION,
        "kind": "lost",
        "time": rfc3339(record.time_ns),
        "decisions": record.decisions,
        "activity": record.activity,
        "malformed": record.malformed,
        "dropped": record.dropped,
        "reason": record.reason,
    }


def _actor(actor: Actor) -> dict[str, Any]:
    return {
        "id": actor.id,
        "pid": actor.pid,
        "name": actor.name,
        "exe": actor.exe,
        "cmdline": None if actor.cmdline is None else list(actor.cmdline),
    }


def _exe_folded(event: Event) -> dict[str, str]:
    folded = Folded.of_process(event.subj_flags)
    return {"exeFolded": str(folded)} if folded else {}


def _object(event: Event) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "target": target(event),
        "flags": [word for bit, word in _OBJECT_FLAGS if event.obj_flags & bit],
        "unknown": [word for bit, word in _DIMENSIONS if event.unknown & bit],
    }
    if event.path:
        shown["path"] = readable(event.path)
        if folded := Folded.of_object(event.obj_flags):
            shown["folded"] = str(folded)
    if event.asked:
        shown["asked"] = readable(event.asked)
    if isinstance(event.op, GuardAct):
        return shown | _guarded_object(event)
    if event.op is Op.SYSCALL:
        return shown | call_document(event)
    if event.ino:
        shown["device"] = f"{event.dev >> 20}:{event.dev & 0xFFFFF}"
        shown["inode"] = event.ino
    if event.args:
        shown["args"] = [readable(arg) for arg in event.args]
        shown["argc"] = event.argc
    elif event.name:
        shown["name"] = readable(event.name)
    if event.attempt is not None:
        return shown  # nothing else is known of it
    shown.update(operands(event))
    if event.op in _MODE_OPS:
        shown["mode"] = f"{event.mode:04o}"
    if OPERATIONS[event.op].event == "network" or (event.op is Op.POINT and event.family):
        shown.update(_socket(event))
    return shown


def _guarded_object(event: Event) -> dict[str, Any]:
    shown: dict[str, Any] = {"number": event.ino}
    if event.name:
        shown["name"] = readable(event.name)
    if event.op is GuardAct.SIGNAL:
        shown["signal"] = signal_word(event.signal)
    return shown


def operands(event: Event) -> dict[str, Any]:
    """Name what operations other than on files and sockets have, with the words of policies."""
    if event.attempt is not None:
        return {}
    word = OPERATIONS[event.op]
    spec = EVENTS.get(word.event)
    operation = spec.operations.get(word.word) if spec and spec.name in OPERAND_EVENTS else None
    fields = [f for f in FIELDS.values() if operation and f.name in operation.fields]
    if event.op is Op.MOUNT_GUARD and event.fstype:
        fields = [FIELDS["fsType"]]
    return {f.name: _operand(event, f) for f in fields if f.dim in OPERAND_DIMS}


def _operand(event: Event, field: FieldSpec) -> Any:
    match field.dim:
        case Dim.NAME:
            return readable(event.name)
        case Dim.FSTYPE:
            return readable(event.fstype)
        case Dim.BITS:
            words = CAPABILITIES if field.kind is Kind.CAPABILITY else field.names
            return [word for word, bit in words.items() if _has(field, event.bits, bit)]
        case Dim.CODE:
            known = {number: word for word, number in field.names.items()}
            return known.get(event.code, str(event.code))
        case Dim.TO_UID:
            return event.to_uid
    return event.to_gid


def _has(field: FieldSpec, bits: int, bit: int) -> bool:
    return bool(bits >> bit & 1 if field.kind is Kind.CAPABILITY else bits & bit)


def _socket(event: Event) -> dict[str, Any]:
    shown: dict[str, Any] = dict(numbers(event))
    address = inet_address(event)
    if address is not None:
        shown["address"] = address
        shown["port"] = event.port
    return shown


def numbers(event: Event) -> dict[str, str]:
    """Name family, type and protocol of a socket, with the words of policies where they exist."""
    if event.attempt is not None:
        return {}
    found = {"family": event.family, "type": event.type, "protocol": event.protocol}
    if event.op is Op.POINT:  # an address has a family and nothing else
        found = {key: number for key, number in found.items() if number}
    elif OPERATIONS[event.op].event != "network":
        return {}
    return {key: _NUMBERS[key].get(number, str(number)) for key, number in found.items()}


def inet_address(event: Event) -> str | None:
    """Write the address of an operation on an inet socket; mapped IPv4 is written as IPv4."""
    if event.op not in _ADDRESS_OPS or event.family not in WITH_ADDRESS:
        return None
    address = IPv6Address(event.addr_hi << 64 | event.addr_lo)
    return str(address.ipv4_mapped or address)


def endpoint(event: Event) -> str | None:
    """Write address and port, ``[2001:db8::1]:443``."""
    address = inet_address(event)
    if address is None:
        return None
    return f"[{address}]:{event.port}" if ":" in address else f"{address}:{event.port}"


def target(event: Event) -> str:
    """Say in one word what the operation was on."""
    if isinstance(event.op, GuardAct):
        return _guarded(event)
    if event.op is Op.SYSCALL:
        return call_line(event)
    if event.path:
        return readable(event.path)
    if event.attempt is not None:
        return call_name(event.attempt.call)
    where = endpoint(event)
    if where is not None:
        return where
    if OPERATIONS[event.op].event == "network":
        words = numbers(event)
        if event.name:
            return f"{words['family']}:@{readable(event.name)}"
        return f"{words['family']}:{words['type']}"
    if event.args:
        return readable(event.args[0])
    if OPERATIONS[event.op].event in OPERAND_EVENTS:
        return described(event) or OPERATIONS[event.op].word
    return "(unknown)"


def described(event: Event) -> str:
    """Write the operands of :func:`operands` in one line."""
    return " ".join(
        f"{name}={','.join(value) if isinstance(value, list) else value}"
        for name, value in operands(event).items()
    )


def _guarded(event: Event) -> str:
    """Say what self-protection kept somebody from."""
    if event.name:
        return readable(event.name)
    if event.op is GuardAct.SIGNAL:
        return f"{signal_word(event.signal)} to {event.ino}"
    return str(event.ino)


def errno_name(event: Event) -> str | None:
    """Name the error that the caller got; an audit has none, nobody got one of it."""
    error = event.error if event.action >= Verb.DENY else attempt_errno(event)
    return errno.errorcode.get(error, str(error)) if error else None


def signal_name(event: Event) -> str | None:
    """Name the signal of a kill; an audit has none, nobody got one."""
    return signal_word(event.signal) if event.action is Verb.KILL and event.signal else None


def signal_word(number: int) -> str:
    """Name a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def rfc3339(time_ns: int) -> str:
    """Write wall clock time with microseconds, in UTC."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


@functools.lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
