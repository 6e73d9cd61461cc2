# SPDX-License-Identifier: MIT
"""Records as syslog messages (RFC 5424): a head that log daemons sort by, then a record in one line."""

from __future__ import annotations

import enum
import os
import socket
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.document import rfc3339
from enforcer.events.types import Lost
from enforcer.policy.model.policy import Verb
from enforcer.sinks.forms import form
from enforcer.sinks.output import Output
from enforcer.sinks.sockets import DatagramWriter, StreamWriter
from enforcer.sinks.spec import Common

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.events.types import Record
    from enforcer.sinks.address import Address

__all__ = ["FACILITIES", "SyslogOutput", "priority", "syslog_message"]

FACILITIES: Final = {
    "kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7,
    "uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11,
    **{f"local{n}": 16 + n for n in range(8)},
}  # fmt: skip
"""Facilities that the system's own ``syslog.h`` has a name for."""


class Priority(enum.IntEnum):
    """How urgent a message is, as syslog and journald count."""

    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


_BY_SEVERITY: Final = {
    "low": Priority.NOTICE,
    "medium": Priority.WARNING,
    "high": Priority.ERROR,
    "critical": Priority.CRITICAL,
}


def priority(record: Record | Lost) -> Priority:
    """Say how urgent *record* is: what was permitted is information; else its severity counts."""
    if isinstance(record, Lost):
        return Priority.WARNING
    if record.event.action < Verb.DENY:
        return Priority.INFO
    return _BY_SEVERITY[record.origin.severity]


def syslog_message(record: Record | Lost, body: bytes, facility: int, host: str) -> bytes:
    """Put the head of RFC 5424 before *body*; there is no structured data besides."""
    kind = "lost" if isinstance(record, Lost) else "match"
    number = facility * 8 + priority(record)
    head = f"<{number}>1 {rfc3339(record.time_ns)} {host} enforcer {os.getpid()} {kind} - "
    return head.encode("ascii") + body.removesuffix(b"\n")


def _host() -> str:
    name = socket.gethostname()
    return name if name and name.isascii() and name.isprintable() and " " not in name else "-"


@attrs.frozen(kw_only=True)
class SyslogOutput:
    """Messages to *address*, of *facility*; in each a record as *form* writes it."""

    address: Address
    form: str = "json"
    facility: str = "authpriv"
    common: Common = attrs.field(factory=Common)

    @property
    def name(self) -> str:
        """Its name for the operator."""
        return f"syslog {self.address.text}"

    @property
    def place(self) -> str:
        """Its destination."""
        return self.address.text

    def open(self) -> Output:
        """Make it ready; whether somebody listens shows with the first record."""
        make = StreamWriter if self.address.is_stream else DatagramWriter
        return Output(
            name=self.name,
            form=self._message(),
            transport=make(self.address, self.common.backlog()),
            selection=self.common.selection,
            redactor=self.common.redactor(),
            is_quiet=True,
        )

    def _message(self) -> Callable[[Record | Lost], bytes]:
        body, facility, host = (
            self.common.shape(form(self.form)),
            FACILITIES[self.facility],
            _host(),
        )
        return lambda record: syslog_message(record, body(record), facility, host)
