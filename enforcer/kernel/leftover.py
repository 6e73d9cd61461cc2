# SPDX-License-Identifier: MIT
"""
A session that a daemon left: still active, until its successor releases it.

Its counts and records are read here. Its programs are never adopted.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Self

import attrs

from enforcer.errors import EnforcerError, KernelError
from enforcer.kernel import image_map, repeats
from enforcer.kernel.image_map import ImageHead, Slot
from enforcer.kernel.loader import CARRIED
from enforcer.kernel.maps import HitCounters, Notes, RowHits, StatCounters
from enforcer.kernel.pins import PinDirectory
from enforcer.kernel.ringbuf import RingBuffer

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Leftover"]


@attrs.define(eq=False)
class Leftover:
    """
    One pinned session.

    Attributes:
        pins: where it is.
        last_generation: the highest generation it may ever have shown.
        generation: of the image that counts in it; 0 if none does, or it cannot be read.
        state: what its daemon left with that image; empty if it cannot be read.
        image: the image itself; None as above.
        expires_ns: until when it waits to be confirmed, CLOCK_BOOTTIME; 0 if it does not.
        earlier: the image that counts then, and its state; None if none does.
        problem: why images, labels and records of it cannot be read, if so: it can only be replaced.
    """

    pins: PinDirectory
    last_generation: int
    generation: int = 0
    state: bytes = b""
    image: bytes | None = None
    expires_ns: int = 0
    earlier: tuple[bytes, bytes] | None = None
    problem: str | None = None
    _fds: dict[str, int] = attrs.field(factory=dict)
    _ring: RingBuffer | None = None
    _undo: contextlib.ExitStack = attrs.field(factory=contextlib.ExitStack)

    @classmethod
    def open(cls, pins: PinDirectory) -> Self:
        """
        Read what *pins* keep. What cannot be read is reported as the problem of the result, not as an error.

        Raises:
            KernelError: if the kernel does not even list them.
        """
        try:
            last = max(pins.generations())
        except (OSError, ValueError) as error:
            raise KernelError(f"cannot read {pins.path}: {error}") from error
        left = cls(pins, last)
        try:
            left._read(last)
        except (EnforcerError, OSError) as error:
            left.problem = str(error)
        return left

    def _read(self, last: int) -> None:
        is_ours, self.state = self.pins.state(last)
        if not is_ours:
            self.problem = "it was made by another version"
            return
        for name in (
            "images",
            "hits",
            "hit_slots",
            "stats",
            "notes",
            "decisions",
            "activity",
            repeats.MAP,
            *CARRIED,
        ):
            self._fds[name] = self._open(name)
        self._ring = RingBuffer.open(self._fds["decisions"], self._fds["activity"])
        self._undo.callback(self._ring.close)
        self.image = image_map.read(self._fds["images"], Slot.CURRENT)
        if self.image is not None and (head := ImageHead.of(self.image)).expires_ns:
            fallback = image_map.read(self._fds["images"], Slot.FALLBACK)
            if head.is_expired:
                self.image = fallback
            else:
                self.expires_ns = head.expires_ns
                self.earlier = (
                    (fallback, self._state_of(fallback)) if fallback is not None else None
                )
        if self.image is not None:
            self.generation = ImageHead.of(self.image).generation
            self.state = self._state_of(self.image)

    def _state_of(self, image: bytes) -> bytes:
        return self.pins.state(ImageHead.of(image).generation)[1]

    def _open(self, name: str) -> int:
        fd = self.pins.open_map(name)
        self._undo.callback(os.close, fd)
        return fd

    @property
    def carried(self) -> dict[str, int] | None:
        """The maps of labels and marks, for *carry*; None if this program cannot read them."""
        return None if self.problem else {name: self._fds[name] for name in CARRIED}

    def detach(self) -> None:
        """
        End enforcement by it; records and counts can still be read.

        Raises:
            KernelError: if the kernel refuses; what can be detached is.
        """
        self.pins.detach()

    def drain(self) -> Sequence[bytes]:
        """
        Take a batch of unread records; empty if none waits.

        Raises:
            KernelError: if they cannot be read.
        """
        return self._ring.drain() if self._ring is not None else []

    def last_records(self) -> Sequence[bytes]:
        """
        Return the records that wait outside of its rings, once none of its programs runs any more.

        Raises:
            KernelError: if they cannot be read.
        """
        return [] if self.problem else list(repeats.left_records(self._fds[repeats.MAP]))

    def hits(self) -> tuple[RowHits, ...]:
        """
        Return the counts of the image that counts in it.

        Raises:
            KernelError: if they cannot be read.
        """
        if self.image is None or self.problem:
            return ()
        counters = HitCounters.of(self._fds)
        return counters.read(self.generation, ImageHead.of(self.image).n_rows)

    def retired_hits(self, generation: int, n_rows: int) -> tuple[RowHits, ...]:
        """
        Return the counts of the image *generation*, which came before and had *n_rows* rows.

        Raises:
            KernelError: if they cannot be read.
        """
        counters = HitCounters.of(self._fds)
        return counters.read(generation, min(n_rows, counters.rows))

    def stats(self) -> dict[str, int]:
        """
        Return its counters by name; empty if they cannot be read.

        Raises:
            KernelError: if the kernel refuses.
        """
        return {} if self.problem else StatCounters(self._fds["stats"]).read()

    def notes(self) -> Notes:
        """
        Return what its daemon noted last; zeros if that cannot be read.

        Raises:
            KernelError: if the kernel refuses.
        """
        return Notes(0, 0, 0) if self.problem else Notes.read(self._fds["notes"])

    def remove(self) -> None:
        """
        Release everything of it.

        Raises:
            KernelError: if something stays.
        """
        self.close()
        self.pins.remove()

    def close(self) -> None:
        """Close its descriptors; it stays active. Idempotent."""
        self._undo.close()
        self._ring = None
