# SPDX-License-Identifier: MIT
"""
The name of a record: the same in every sink, at every reader, and for every daemon of one boot.

It holds the boot, the time, the thread and the row, as hexadecimal numbers. So nothing has to be counted
or kept: a record that waited in the kernel for the next daemon has the same name as it would have had.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from enforcer.identity.naming import boot

if TYPE_CHECKING:
    from enforcer.events.types import Event

__all__ = ["RecordId"]

_FORM = re.compile(r"([0-9a-f]{8})-([0-9a-f]{1,16})-([0-9a-f]{1,8})-([0-9a-f]{1,8})")


@attrs.frozen
class RecordId:
    """
    Which record.

    Attributes:
        boot: first eight digits of the kernel's id of this boot.
        time_ns: of the verdict, CLOCK_BOOTTIME.
        tid: the thread that acted.
        row: the row that decided, of the active image then.
    """

    boot: str
    time_ns: int
    tid: int
    row: int

    @classmethod
    def of(cls, event: Event) -> RecordId:
        """Name the record of *event*, which happened in this boot."""
        return cls(boot(), event.time_ns, event.tid, event.row)

    @classmethod
    def parse(cls, text: str) -> RecordId | None:
        """Read what :meth:`__str__` wrote; None if it is something else."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        return cls(found[1], *(int(part, 16) for part in found.groups()[1:]))

    def __str__(self) -> str:
        return f"{self.boot}-{self.time_ns:x}-{self.tid:x}-{self.row:x}"
