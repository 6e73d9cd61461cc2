# SPDX-License-Identifier: MIT
"""Counters that programs keep per CPU, added up."""

from __future__ import annotations

from typing import Self

import attrs

from enforcer.libbpf import abi, calls

__all__ = ["HitCounters", "RowHits", "StatCounters"]


@attrs.frozen
class RowHits:
    """How often a row decided: with effect, and in audit mode."""

    enforced: int
    audited: int

    def __sub__(self, other: Self) -> RowHits:
        return RowHits(self.enforced - other.enforced, self.audited - other.audited)


@attrs.frozen
class HitCounters:
    """The map ``hits``: one entry for each row."""

    fd: int

    def read(self, n_rows: int) -> tuple[RowHits, ...]:
        """
        Return the counts of the first *n_rows* rows.

        Raises:
            KernelError: if the kernel refuses.
        """
        words = abi.sizeof("enf_hits") // 8
        return tuple(RowHits(*sums) for sums in calls.percpu_sum(self.fd, 0, n_rows, words=words))


@attrs.frozen
class StatCounters:
    """The map ``stats``: one entry for each of ``enum enf_stat``."""

    fd: int

    def read(self) -> dict[str, int]:
        """
        Return all counters by name.

        Raises:
            KernelError: if the kernel refuses.
        """
        sums = calls.percpu_sum(self.fd, 0, len(abi.STATS), words=1)
        return {name: sums[at][0] for name, at in abi.STATS.items()}
