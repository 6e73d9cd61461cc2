# SPDX-License-Identifier: MIT
"""What an operation was on: as the key ``object`` of a record, and in one word."""

from __future__ import annotations

import signal
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, cast

from enforcer.events.call import call_document, call_line
from enforcer.events.folded import Folded
from enforcer.events.operations import OPERATIONS
from enforcer.events.point import point_document
from enforcer.events.types import Event, GuardAct, Origin
from enforcer.policy.language.drift import KINDS as DRIFT_KINDS
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
)
from enforcer.safe_text import readable

if TYPE_CHECKING:
    from enforcer.events.document_types import (
        GuardedKeys,
        ObjectDocument,
        OperandKeys,
        SocketKeys,
    )

__all__ = [
    "OPERAND_DIMS",
    "OPERAND_EVENTS",
    "described",
    "endpoint",
    "inet_address",
    "numbers",
    "object_document",
    "operands",
    "signal_word",
    "target",
]

_ADDRESS_OPS = frozenset({*with_operand("address"), Op.POINT})


def _words(field: FieldSpec) -> dict[int, str]:
    """Return words by number; what has none of its own has that of the last that it counts as."""
    words = {number: word for word, number in field.names.items()}
    return {number: words[others[-1]] for number, others in field.counts_as.items()} | words


_NUMBERS = {name: _words(FIELDS[name]) for name in ("family", "type", "protocol")}
OPERAND_EVENTS = frozenset({"mount", "process", "memory", "kernel"})
OPERAND_DIMS = frozenset({Dim.NAME, Dim.FSTYPE, Dim.BITS, Dim.CODE, Dim.TO_UID, Dim.TO_GID})
_OBJECT_FLAGS = tuple((flag.value, (flag.name or "").lower()) for flag in ObjectFlag)
_DIMENSIONS = tuple((1 << dim, dim.name.lower()) for dim in Dim)
_MODE_OPS = with_operand("mode")


def object_document(event: Event, origin: Origin) -> ObjectDocument:
    """Make the JSON object of what *event* was on; *origin* is the rule that decided."""
    shown = _object(event)
    return {**shown, **point_document(event, origin)} if event.op is Op.POINT else shown


def _object(event: Event) -> ObjectDocument:
    shown: ObjectDocument = {
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
        return {**shown, **_guarded_object(event)}
    if event.op is Op.SYSCALL:
        return {**shown, **call_document(event)}
    if event.ino:
        shown["device"] = f"{event.dev >> 20}:{event.dev & 0xFFFFF}"
        shown["inode"] = event.ino
    if event.args:
        shown["args"] = event.args.shown.split()
        shown["argc"] = event.argc
    elif event.name:
        shown["name"] = readable(event.name)
    if event.attempt is not None:
        return shown  # nothing else is known of it
    shown = {**shown, **operands(event)}
    if (event.present & ~event.unknown) >> Dim.DRIFT & 1:
        shown["drift"] = [word for word, bit in DRIFT_KINDS.items() if event.drift & bit]
    if event.op in _MODE_OPS:
        shown["mode"] = f"{event.mode:04o}"
    if OPERATIONS[event.op].event == "network" or (event.op is Op.POINT and event.family):
        shown = {**shown, **_socket(event)}
    return shown


def _guarded_object(event: Event) -> GuardedKeys:
    shown: GuardedKeys = {"number": event.ino}
    if event.name:
        shown["name"] = readable(event.name)
    if event.op is GuardAct.SIGNAL:
        shown["signal"] = signal_word(event.signal)
    return shown


def operands(event: Event) -> OperandKeys:
    """Name the operands of operations that are not on files or sockets, in the words of policies."""
    if event.attempt is not None:
        return {}
    word = OPERATIONS[event.op]
    spec = EVENTS.get(word.event)
    operation = spec.operations.get(word.word) if spec and spec.name in OPERAND_EVENTS else None
    fields = [f for f in FIELDS.values() if operation and f.name in operation.fields]
    if event.op is Op.MOUNT_GUARD and event.fstype:
        fields = [FIELDS["fsType"]]
    found = {f.name: _operand(event, f) for f in fields if f.dim in OPERAND_DIMS}
    return cast("OperandKeys", found)  # a test holds its names equal to those of the vocabulary


def _operand(event: Event, field: FieldSpec) -> str | int | list[str]:
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


def _socket(event: Event) -> SocketKeys:
    shown = numbers(event)
    address = inet_address(event)
    if address is not None:
        shown["address"] = address
        shown["port"] = event.port
    return shown


def numbers(event: Event) -> SocketKeys:
    """Name family, type and protocol of a socket, with the words of policies where they exist."""
    if event.attempt is not None:
        return {}
    found = {"family": event.family, "type": event.type, "protocol": event.protocol}
    if event.op is Op.POINT:  # an address has a family and nothing else
        found = {key: number for key, number in found.items() if number}
    elif OPERATIONS[event.op].event != "network":
        return {}
    words = {key: _NUMBERS[key].get(number, str(number)) for key, number in found.items()}
    return cast("SocketKeys", words)


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
    """Name the object of the operation in one word."""
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


def signal_word(number: int) -> str:
    """Name a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
