# SPDX-License-Identifier: MIT
"""Records in systemd's journal, by its native protocol: named fields in one datagram."""

from __future__ import annotations

import array
import fcntl
import os
import socket
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.document import errno_name, signal_name
from enforcer.events.object import target
from enforcer.events.operations import OPERATIONS
from enforcer.events.types import Lost
from enforcer.safe_text import neutral
from enforcer.sinks.address import Address
from enforcer.sinks.jsonl import json_line
from enforcer.sinks.output import Output
from enforcer.sinks.sockets import DatagramWriter
from enforcer.sinks.spec import Common
from enforcer.sinks.syslog import priority

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from enforcer.events.types import Record

__all__ = ["JOURNAL", "JournalOutput", "journal_message"]

JOURNAL: Final = "/run/systemd/journal/socket"

# Names of the two kinds of message for ``journalctl MESSAGE_ID=…``; made once, never changed.
_MATCH_ID: Final = "e1b11808dacc4ca0b2e1f467904d4a46"
_LOST_ID: Final = "536453f7186d4234ae66b8b71629973f"


def journal_message(record: Record | Lost, fields: Mapping[str, str]) -> bytes:
    """
    Write *record* as the journal takes it.

    No value has a newline in it: text from outside is made readable first, and the whole record is
    one line of JSON.
    """
    pairs = _lost(record) if isinstance(record, Lost) else _match(record)
    added = ((f"ENFORCER_FIELD_{name.upper()}", value) for name, value in fields.items())
    lines = [f"{name}={neutral(value)}\n".encode() for name, value in (*pairs, *added)]
    return b"".join(lines) + b"ENFORCER_RECORD=" + json_line(record, fields)


def _match(record: Record) -> Iterator[tuple[str, str]]:
    event = record.event
    names = OPERATIONS[event.op]
    yield "MESSAGE", record.message
    yield from _head(record, _MATCH_ID)
    yield "OBJECT_PID", str(event.pid)
    yield "ENFORCER_POLICY", record.origin.policy
    yield "ENFORCER_RULE", record.origin.rule
    yield "ENFORCER_PLACE", record.origin.place
    yield "ENFORCER_SEVERITY", record.origin.severity
    yield "ENFORCER_ACTION", event.action.name.lower()
    yield "ENFORCER_ENFORCED", str(event.is_enforced).lower()
    yield "ENFORCER_PREVENTED", str(event.is_prevented).lower()
    yield "ENFORCER_OPERATION", names.full
    yield "ENFORCER_TARGET", target(event)
    optional = {
        "ENFORCER_ERRNO": errno_name(event),
        "ENFORCER_SIGNAL": signal_name(event),
        "ENFORCER_REPEATS": str(event.repeats) if event.repeats else None,
        "ENFORCER_EXE": record.process.exe,
        "ENFORCER_CGROUP": record.cgroup,
        "ENFORCER_CONTAINER_ID": record.container_id,
        "ENFORCER_CONTAINER_NAME": record.container_name,
        "ENFORCER_POD_NAME": record.pod_name,
        "ENFORCER_POD_NAMESPACE": record.pod_namespace,
    }
    yield from ((name, value) for name, value in optional.items() if value is not None)


def _lost(record: Lost) -> Iterator[tuple[str, str]]:
    yield "MESSAGE", "records are missing"
    yield from _head(record, _LOST_ID)


def _head(record: Record | Lost, message_id: str) -> Iterator[tuple[str, str]]:
    yield "PRIORITY", str(int(priority(record)))
    yield "SYSLOG_IDENTIFIER", "enforcer"
    yield "MESSAGE_ID", message_id


def _send_large(to: socket.socket, message: bytes) -> bool:
    """Hand over *message* in a sealed file of memory, as the protocol has it for large ones."""
    fd = os.memfd_create("enforcer-record", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(message)
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        to.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    finally:
        os.close(fd)
    return True


@attrs.frozen(kw_only=True)
class JournalOutput:
    """Entries in the journal that listens at *path*."""

    path: str = JOURNAL
    common: Common = attrs.field(factory=Common)

    @property
    def name(self) -> str:
        """Its name for the operator."""
        return "journald"

    @property
    def place(self) -> str:
        """Its destination."""
        return f"unix:{self.path}"

    def open(self) -> Output:
        """Make it ready; whether a journal listens shows with the first record."""
        address = Address(self.place, socket.AF_UNIX, socket.SOCK_DGRAM, self.path)
        return Output(
            name=self.name,
            form=self.common.shape(journal_message),
            transport=DatagramWriter(address, self.common.backlog(), _send_large),
            selection=self.common.selection,
            redactor=self.common.redactor(),
            is_quiet=True,
        )
