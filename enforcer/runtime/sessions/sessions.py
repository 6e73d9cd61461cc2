# SPDX-License-Identifier: MIT
"""
The sessions of one daemon as its loop sees them: the active one, and those on their way out.

Records and counts go on from one to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from enforcer.events.enrich import Origins
from enforcer.kernel.image_map import boot_time
from enforcer.kernel.maps import Notes
from enforcer.runtime.sessions.counts import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enforcer.kernel.session import Session
    from enforcer.runtime.sessions.outgoing import Outgoing

__all__ = ["Sessions"]


@attrs.define(eq=False, repr=False)
class Sessions:
    """
    The kernel side of enforcement.

    Attributes:
        current: the active session.
        report: gets sentences on what was found.
        ledger: counts that are final.
        origins: rows of the active images and of late.
        outgoing: sessions that were detached and are still read.
        settled: counters of those that are gone.
        on_settled: called when the ledger has grown.
    """

    current: Session
    report: Callable[[str], None]
    ledger: Ledger = attrs.field(factory=Ledger)
    origins: Origins = attrs.field(factory=Origins)
    outgoing: list[Outgoing] = attrs.field(factory=list)
    settled: dict[str, int] = attrs.field(factory=dict)
    on_settled: Callable[[], None] = lambda: None

    @property
    def generation(self) -> int:
        """Of the image that counts."""
        return self.current.generation

    @property
    def operations(self) -> dict[str, tuple[str, ...]]:
        """Programs attached, by operation."""
        return self.current.operations

    @property
    def missing(self) -> tuple[str, ...]:
        """Programs that this kernel has no hook for."""
        return self.current.missing

    @property
    def enforces_at(self) -> str:
        """Where programs of LSM hooks sit."""
        return self.current.enforces_at

    @property
    def is_kept(self) -> bool:
        """Whether what was to be kept beyond this process still is."""
        return self.current.is_kept

    @property
    def has_backlog(self) -> bool:
        """Whether records may wait where no descriptor tells of them."""
        return bool(self.outgoing)

    def fileno(self) -> int:
        """Readable when records wait."""
        return self.current.fileno()

    def drain(self) -> Sequence[bytes]:
        """
        Take a batch of records, those of sessions that have ended first.

        Raises:
            KernelError: they cannot be read.
        """
        for out in list(self.outgoing):
            batch = out.drain()
            if batch:
                return batch
            if out.is_done:
                self.outgoing.remove(out)
                self._settle(out)
        return self.current.drain()

    def _settle(self, out: Outgoing) -> None:
        try:
            out.count(self.ledger)
            for name, count in out.source.stats().items():
                self.settled[name] = self.settled.get(name, 0) + count
            if said := out.farewell():
                self.report(said)
            self.on_settled()
        finally:  # nobody knows of it any more who could do that later
            out.source.close()

    def hits(self) -> tuple[Any, ...]:
        """Count by row of the image that counts."""
        return self.current.hits()

    def stats(self) -> dict[str, int]:
        """Count by name of ``enum enf_stat``, over all sessions."""
        total = self._former_stats()
        for name, count in self.current.stats().items():
            total[name] = total.get(name, 0) + count
        return total

    def _former_stats(self) -> dict[str, int]:
        """Count likewise over all but the current session."""
        total = dict(self.settled)
        for out in self.outgoing:
            for name, count in out.source.stats().items():
                total[name] = total.get(name, 0) + count
        return total

    def map_bytes(self) -> dict[str, int]:
        """Memory by map."""
        return self.current.map_bytes()

    def ring_use(self) -> dict[str, tuple[int, int]]:
        """Bytes that wait and that there is room for, by ring."""
        return self.current.ring_use()

    def counts(self) -> Ledger:
        """Count by policy and rule, over reloads and restarts."""
        ledger = self.ledger.copy()
        for out in self.outgoing:
            out.count(ledger)
        retired = self.current.retired_hits()
        if retired is not None:
            ledger.add(self.origins.table(retired[0]), retired[1])
        ledger.add(self.origins.table(self.current.generation), self.current.hits())
        return ledger

    def heartbeat(self, *, lost_decisions: int, lost_activity: int) -> None:
        """
        Note that the daemon lives and how many losses it has reported, for a successor.

        Raises:
            KernelError: the kernel refuses.
        """
        elsewhere = self._former_stats()
        self.current.note(
            Notes(
                alive_ns=boot_time(),
                lost_decisions=max(0, lost_decisions - elsewhere.get("LOST_DECISIONS", 0)),
                lost_activity=max(0, lost_activity - elsewhere.get("LOST_ACTIVITY", 0)),
            )
        )

    def end(self) -> str:
        """
        End enforcement at once; :meth:`close` must follow, which takes longer.

        Returns a sentence on what could not be removed, if anything could not.

        Raises:
            KernelError: the kernel refuses; enforcement may go on.
        """
        said = [self.current.end()]
        for out in self.outgoing:
            try:
                out.source.close()
            except OSError as error:
                said.append(f"what was replaced could not be removed: {error}")
        self.outgoing.clear()
        return "; ".join(filter(None, said))

    def close(self) -> None:
        """
        End enforcement. Idempotent.

        Raises:
            KernelError: the kernel refuses to detach.
        """
        for out in self.outgoing:
            out.source.close()
        self.outgoing.clear()
        self.current.close()

    def leave(self) -> None:
        """
        End, and leave enforcement active.

        Raises:
            EnforcerBug: it is not pinned.
        """
        for out in self.outgoing:
            out.source.close()
        self.outgoing.clear()
        if not self.current.is_kept:
            self.report(
                f"names in {self.current.pinned_at} were removed: enforcement may end with this process"
            )
        self.current.leave()
