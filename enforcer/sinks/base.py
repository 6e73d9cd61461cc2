# SPDX-License-Identifier: MIT
"""What every sink can do, and what it needs of the loop."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.events.types import Lost, Record

__all__ = ["Loop", "NotReadyError", "Sink", "Transport"]


class NotReadyError(BlockingIOError):
    """The reader is slow: nothing is wrong, and *fd* becomes writable when it goes on."""

    def __init__(self, fd: int) -> None:
        super().__init__(errno.EAGAIN, "the reader is slow")
        self.fd = fd


class Loop(Protocol):
    """Waits for descriptors; ``enforcer.runtime.reactor.Reactor`` is the real one."""

    def watch(self, source: int, events: int, call: Callable[[int], None]) -> None:
        """Call *call* whenever *source* is ready."""

    def forget(self, source: int) -> None:
        """Watch *source* no more."""


class Sink(Protocol):
    """
    Takes records.

    ``write`` only accepts; ``flush`` hands over, and may raise :class:`OSError` with everything that
    was not handed over kept for the next time, up to a bound. *dropped* counts what the bound cost.
    """

    @property
    def name(self) -> str:
        """Its name for the operator, ``json log /var/log/enforcer.json``."""

    @property
    def dropped(self) -> int:
        """How many records will never arrive."""

    @property
    def held(self) -> int:
        """Bytes that were accepted, and not handed over yet."""

    def write(self, record: Record | Lost) -> None:
        """Accept *record*."""

    def miss(self, number: int) -> None:
        """Count records that were dropped before they came here."""

    def flush(self) -> None:
        """Hand over what was accepted."""

    def reopen(self) -> None:
        """
        Reopen the file by its name, if this is a file.

        Raises:
            OSError: it cannot be opened; records still go where they went.
        """

    def close(self) -> None:
        """Hand over what is possible, then close. Idempotent; never raises."""


class Transport(Protocol):
    """Takes the bytes of records to where they go; as a :class:`Sink`, but of bytes."""

    @property
    def dropped(self) -> int:
        """How many messages will never arrive."""

    @property
    def held(self) -> int:
        """Bytes that were accepted, and not handed over yet."""

    def append(self, message: bytes) -> None:
        """Accept *message*."""

    def flush(self) -> None:
        """Hand over what was accepted; raises OSError, or NotReadyError if the reader is slow."""

    def reopen(self) -> None:
        """Reopen the file by its name; raises OSError."""

    def close(self) -> None:
        """Hand over what is possible, then close. Idempotent; never raises."""
