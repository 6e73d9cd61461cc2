# SPDX-License-Identifier: MIT
"""
Records that wait outside of the rings: the first of each kind, with how many more there were.

The kernel side puts records there while a ring is crowded (``bpf/include/repeats.bpf.h``). A program of the
session moves them into the rings. Of a session that another daemon left they are read from its map.
"""

from __future__ import annotations

import errno
import struct
import time
from typing import TYPE_CHECKING, Final

import attrs

from enforcer import _abi
from enforcer.errors import KernelError
from enforcer.libbpf import abi, calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CROWDED", "MAP", "Repeats", "left_records"]

MAP: Final = "repeats"
CROWDED: Final = 0.75
"""From which part of a ring on it is crowded. The rest is for what has no place in the table, and for the table."""

_OFTEN: Final = 0.25  # seconds from one move to the next in a flood
_SIZE: Final = abi.sizeof("enf_repeats")
_RECORD_AT: Final = abi.offsetof("enf_repeats", "event")
_STATE_AT: Final = abi.offsetof("enf_repeats", "state")
_LAST_AT: Final = abi.offsetof("enf_repeats", "last_ns")
_TOLD_AT: Final = abi.offsetof("enf_event", "repeats")
_TELLING: Final = struct.Struct("=II")  # struct enf_telling
_NUMBER: Final = struct.Struct("=Q")
_TWO: Final = struct.Struct("=QQ")  # repeats and last_ns of an event


@attrs.define(eq=False)
class Repeats:
    """Moves the records of a session into its rings: *program* is its descriptor."""

    program: int
    clock: Callable[[], float] = time.monotonic
    _due: float = attrs.field(default=0.0, init=False)

    @property
    def is_due(self) -> bool:
        """Whether they have waited long enough, though the rings are not empty."""
        return self.clock() >= self._due

    def tell(self) -> int:
        """
        Move what is whole, as far as the rings have room; return how many records that were.

        Raises:
            KernelError: if the kernel refuses.
        """
        self._due = self.clock() + _OFTEN
        result, after = calls.run(self.program, bytes(_TELLING.size))
        if result:
            raise KernelError("repeated records cannot be moved", errno.EIO)
        return int(_TELLING.unpack(after)[0])


def left_records(fd: int) -> Iterator[bytes]:
    """
    Read the records in the map *fd* of a session whose programs run no longer.

    Raises:
        KernelError: if the kernel refuses.
    """
    for at in range(_abi.ENF_REPEATS):
        entry = calls.lookup(fd, at, _SIZE)
        (state,) = _NUMBER.unpack_from(entry, _STATE_AT)
        if not state & _abi.ENF_REPEATS_WHOLE:
            continue
        (last,) = _NUMBER.unpack_from(entry, _LAST_AT)
        number = state & _abi.ENF_REPEATS_COUNT
        record = bytearray(entry[_RECORD_AT:])
        _TWO.pack_into(record, _TOLD_AT, number, last if number else 0)
        yield bytes(record)
