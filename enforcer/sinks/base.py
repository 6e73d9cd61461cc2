# SPDX-License-Identifier: MIT
"""What every sink can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from enforcer.events.types import Lost, Record

__all__ = ["Sink"]


class Sink(Protocol):
    """
    Takes records.

    ``write`` only accepts; ``flush`` hands over, and may raise :class:`OSError` with everything that
    was not handed over kept for the next time, up to a bound. *dropped* counts what the bound cost.
    """

    @property
    def name(self) -> str:
        """What the operator knows it by, ``json log /var/log/enforcer.json``."""

    @property
    def dropped(self) -> int:
        """How many records will never arrive."""

    def write(self, record: Record | Lost) -> None:
        """Accept *record*."""

    def flush(self) -> None:
        """Hand over what was accepted."""

    def reopen(self) -> None:
        """
        Go on in the file that has our name now, if this is a file.

        Raises:
            OSError: it cannot be opened; records still go where they went.
        """

    def close(self) -> None:
        """Hand over what can be, and let go. Idempotent, never raises."""
