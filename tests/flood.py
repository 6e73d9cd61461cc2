# SPDX-License-Identifier: MIT
"""Records written by a kernel program as fast as it can, and a session that reads them: no hook needed."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import attrs
from fakes import FakeSession, raw_event

from enforcer.kernel.ringbuf import RingBuffer, ring_use
from enforcer.libbpf import calls
from enforcer.libbpf.handles import BpfObject

if TYPE_CHECKING:
    from collections.abc import Sequence

_ORDER: Final = struct.Struct("=QIIIIII")  # struct flood_order of tests/bpf/flood.bpf.c
_TAIL: Final = 512
_DIGITS: Final = 12


def model(folder: bytes = b"/srv/", **values: Any) -> bytes:
    """Make a ``struct flood_model``: a record with a path of *folder* and digits."""
    raw = raw_event(path=folder + b"0" * _DIGITS, **values)
    head = len(raw) - len(folder) - _DIGITS - len(values.get("exe", b""))
    head -= len(values.get("name", b""))
    return struct.pack("=Q", len(folder)) + raw.ljust(head + _TAIL, b"\0")


@attrs.define(eq=False)
class Flood:
    """A loaded program with its rings."""

    loaded: BpfObject
    models: int = 0

    @classmethod
    def begin(cls, data: bytes, *, ring_bytes: int = 1 << 20) -> Self:
        """Load the program; raises KernelError."""
        opened = BpfObject.open(data, "flood")
        for name in ("decisions", "activity"):
            opened.maps[name].set_max_entries(ring_bytes)
        opened.load()
        return cls(opened)

    def use(self, *models: bytes) -> None:
        """Write records of these models from now on."""
        for number, one in enumerate(models):
            calls.update(self.loaded.maps["models"].fd, number, one)
        self.models = len(models)

    def write(
        self, first: int, count: int, *, models: tuple[int, int] | None = None, strict: bool = False
    ) -> int:
        """Write the records *first* and so on; returns how many found room."""
        start, number = models or (0, self.models)
        order = _ORDER.pack(first, count, start, number, int(strict), 0, 0)
        _, after = calls.run(self.loaded.programs["flood"].fd, order)
        return int(_ORDER.unpack(after)[5])

    def ring(self) -> RingBuffer:
        """Read both rings."""
        return RingBuffer.open(*(self.loaded.maps[n].fd for n in ("decisions", "activity")))

    def waiting(self) -> int:
        """Return the bytes that wait in the ring of activity."""
        return ring_use(self.loaded.maps["activity"].fd)[0]


@attrs.define
class FloodSession(FakeSession):
    """A kernel session whose records come from the rings of a flood."""

    ring: Any = None

    def fileno(self) -> int:
        return self.ring.fileno()

    def drain(self) -> Sequence[bytes]:  # type: ignore[override]
        return self.ring.drain()


def started_ns(pid: int) -> int:
    """Return the start of a process on CLOCK_BOOTTIME, to a tick."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    ticks = int(fields[19])
    return ticks * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))
