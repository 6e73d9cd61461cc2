# SPDX-License-Identifier: MIT
"""Records from the kernel: both rings behind one descriptor, denials and kills first."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING, Final, Self

import attrs

from enforcer.errors import KernelError
from enforcer.libbpf import calls
from enforcer.libbpf.ring import Ring

if TYPE_CHECKING:
    from enforcer.libbpf.batch import Batch

__all__ = ["RingBuffer", "ring_use"]

BATCH_BYTES: Final = 1 << 16
"""About how much one drain takes: bounds the memory and the time of a turn of the loop."""


@attrs.define(eq=False)
class RingBuffer:
    """
    The decisions ring and the activity ring.

    A batch that is not wanted any further may be dropped: records leave the kernel when drained.
    """

    _ring: Ring

    @classmethod
    def open(cls, decisions: int, activity: int) -> Self:
        """
        Read the ring buffer maps of these two descriptors.

        Raises:
            KernelError: if one is not a ring buffer.
        """
        return cls(Ring.open([decisions, activity], batch=BATCH_BYTES))

    def fileno(self) -> int:
        """Return a descriptor that is readable while records wait."""
        return self._ring.fileno()

    def drain(self) -> Batch:
        """
        Take a batch of records; empty when none waits.

        Raises:
            KernelError: if libbpf cannot read.
        """
        return self._ring.drain()

    def close(self) -> None:
        """Stop reading. Idempotent."""
        self._ring.close()


def ring_use(fd: int) -> tuple[int, int]:
    """
    Return how many bytes of the ring buffer map of *fd* wait to be read, and how many it holds.

    The two pages before its data are the positions of reader and writers, which only ever grow.

    Raises:
        KernelError: if it is not a map, or cannot be mapped.
    """
    size = calls.map_facts(fd).max_entries
    read, written = (_position(fd, page) for page in (0, 1))
    return max(0, written - read), size


def _position(fd: int, page: int) -> int:
    length = mmap.PAGESIZE
    try:
        with mmap.mmap(fd, length, prot=mmap.PROT_READ, offset=page * length) as shared:
            return int(struct.unpack_from("=Q", shared)[0])
    except OSError as error:
        raise KernelError("a ring buffer cannot be looked into", error.errno or 0) from error
