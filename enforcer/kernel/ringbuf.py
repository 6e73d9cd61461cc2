# SPDX-License-Identifier: MIT
"""Records from the kernel: both rings behind one descriptor, denials and kills first."""

from __future__ import annotations

from typing import Final, Self

import attrs

from enforcer.libbpf.ring import Ring

__all__ = ["RingBuffer"]

BATCH_BYTES: Final = 1 << 15
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
            KernelError: if one is no ring buffer.
        """
        return cls(Ring.open([decisions, activity], batch=BATCH_BYTES))

    def fileno(self) -> int:
        """Return a descriptor that is readable while records wait."""
        return self._ring.fileno()

    def drain(self) -> list[bytes]:
        """
        Take a batch of records; empty when none waits.

        Raises:
            KernelError: if libbpf cannot read.
        """
        return [record for _, record in self._ring.drain()]

    def close(self) -> None:
        """Stop reading. Idempotent."""
        self._ring.close()
