# SPDX-License-Identifier: MIT
"""
Records of ring buffer maps, in batches.

The C side collects the records; no Python runs while libbpf consumes, so nothing can be raised in the
middle of it.
"""

from __future__ import annotations

from typing import Any, Self

import attrs

from enforcer.libbpf._check import check, check_pointer
from enforcer.libbpf._ffi import ffi, lib
from enforcer.libbpf.batch import Batch

__all__ = ["Ring"]


@attrs.define(eq=False)
class Ring:
    """Readers of some ring buffer maps behind one descriptor; earlier maps are emptied first."""

    _pointer: Any

    @classmethod
    def open(cls, fds: list[int], *, batch: int) -> Self:
        """
        Read the maps *fds*, about *batch* bytes at a time.

        Raises:
            KernelError: if one is not a ring buffer, or memory is missing.
        """
        pointer = lib.enf_ring_new(ffi.new("int[]", fds), len(fds), batch)
        return cls(ffi.gc(check_pointer(pointer, "read the ring buffers"), lib.enf_ring_free))

    def fileno(self) -> int:
        """Return a descriptor that is readable while records wait."""
        return lib.enf_ring_fd(self._pointer)

    def drain(self) -> Batch:
        """
        Take a batch of records; empty when none waits.

        Raises:
            KernelError: if libbpf cannot read.
        """
        records = ffi.new("char const **")
        used = check(lib.enf_ring_drain(self._pointer, records), "read the ring buffers")
        return Batch(bytes(ffi.buffer(records[0], used)))

    @property
    def oversized(self) -> int:
        """How many records were too long for any program of ours to have written."""
        return lib.enf_ring_oversized(self._pointer)

    def close(self) -> None:
        """Free the readers; the maps stay. Idempotent."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            ffi.release(pointer)
