# SPDX-License-Identifier: MIT
"""What the daemon needs of the kernel session, so that tests can stand in for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Hits", "KernelSession"]


class Hits(Protocol):
    """How often one row decided, counted in the kernel."""

    @property
    def enforced(self) -> int:
        """Verdicts that were carried out."""

    @property
    def audited(self) -> int:
        """Verdicts that were only recorded."""


class KernelSession(Protocol):
    """Enforcement in force; ``enforcer.kernel.session.Session`` is the real one."""

    @property
    def generation(self) -> int:
        """Of the image in force."""

    @property
    def operations(self) -> dict[str, tuple[str, ...]]:
        """Programs attached, by operation."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Programs that this kernel has no hook for, and that enforcement can do without."""

    def fileno(self) -> int:
        """Readable when records wait."""

    def drain(self) -> list[bytes]:
        """Take a bounded number of records."""

    def hits(self) -> Sequence[Hits]:
        """Count by row id."""

    def stats(self) -> dict[str, int]:
        """Count by name of ``enum enf_stat``."""

    def map_bytes(self) -> dict[str, int]:
        """Memory by map, as the kernel accounts it."""

    def close(self) -> None:
        """End enforcement. Idempotent."""
