# SPDX-License-Identifier: MIT
"""
An output: which records it takes, what is hidden in them, their format, and where they go.

Each output has its own bounded backlog, so one that cannot keep up does not affect others. Its losses are
reported in the output itself, by a record, as soon as the rest has arrived.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import attrs

from enforcer.events.types import Lost, Record
from enforcer.policy.language.vocabulary import Op
from enforcer.sinks.lines import LineWriter
from enforcer.sinks.redaction import Redactor
from enforcer.sinks.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.sinks.base import Transport

__all__ = ["Output"]

_DELIVERY = frozenset({Op.CONNECT, Op.SEND})


@attrs.define(eq=False, repr=False)
class Output:
    """
    A :class:`~enforcer.sinks.base.Sink` made of its parts.

    Attributes:
        name: what the operator knows it by.
        form: makes the bytes of a record.
        transport: takes them where they go.
        is_quiet: leave out what this process itself does to deliver records over sockets: the
            record of a message sent would have to be sent, and so on for ever.
    """

    name: str
    form: Callable[[Record | Lost], bytes]
    transport: Transport
    selection: Selection = attrs.field(factory=Selection)
    redactor: Redactor = attrs.field(factory=Redactor)
    is_quiet: bool = False
    clock_ns: Callable[[], int] = time.time_ns
    _told: int = attrs.field(default=0, init=False)
    _unmade: int = attrs.field(default=0, init=False)

    @property
    def dropped(self) -> int:
        """How many records will never arrive."""
        return self.transport.dropped + self._unmade

    @property
    def held(self) -> int:
        """Bytes that were accepted, and not handed over yet."""
        return self.transport.held

    @property
    def is_plain(self) -> bool:
        """Whether every record comes here, as its form writes it, in lines one after another."""
        return (
            self.selection == Selection()
            and not self.redactor
            and not self.is_quiet
            and isinstance(self.transport, LineWriter)
        )

    def write_lines(self, text: bytes, lines: int) -> None:
        """Accept so many records that were written down already; only if :attr:`is_plain`."""
        if not isinstance(self.transport, LineWriter):
            raise TypeError(f"{self.name} does not take lines")
        self.transport.append(text, lines)

    def miss(self, number: int) -> None:
        """Count records that were dropped before they came here."""
        self._unmade += number

    def write(self, record: Record | Lost) -> None:
        """Accept *record* if it is wanted here."""
        if not self.selection.wants(record) or (self.is_quiet and _is_own_delivery(record)):
            return
        # Processes choose what is in a record. Should one find a way to trip a form, that costs this
        # output this record, which is counted and told as any other, and no other output.
        try:
            message = self.form(self.redactor.apply(record))
        except Exception:  # noqa: BLE001
            self._unmade += 1
        else:
            self.transport.append(message)

    def flush(self) -> None:
        """Hand over what was accepted; raises OSError."""
        self.transport.flush()
        missing = self.dropped - self._told
        if missing:
            self._told += missing
            self.transport.append(self.form(Lost(time_ns=self.clock_ns(), dropped=missing)))
            self.transport.flush()

    def reopen(self) -> None:
        """Reopen the file by its name; raises OSError and then keeps the old one."""
        self.transport.reopen()

    def close(self) -> None:
        """Hand over what is possible, then close."""
        self.transport.close()


def _is_own_delivery(record: Record | Lost) -> bool:
    return (
        isinstance(record, Record)
        and record.event.op in _DELIVERY
        and record.event.pid == os.getpid()
    )
