# SPDX-License-Identifier: MIT
"""Counters that programs keep per CPU, added up."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Self

import attrs

from enforcer.libbpf import abi, calls
from enforcer.libbpf.handles import ObjectMap

__all__ = ["RINGS", "HitCounters", "Notes", "RowHits", "StatCounters", "memory"]

RINGS: Final = ("decisions", "activity")
_HIT_WORDS: Final = abi.sizeof("enf_hits") // 8


@attrs.frozen
class RowHits:
    """How often a row decided: with effect, and in audit mode."""

    enforced: int
    audited: int

    def __add__(self, other: Self) -> RowHits:
        return RowHits(self.enforced + other.enforced, self.audited + other.audited)


_NEVER: Final = RowHits(0, 0)  # most rows, of tens of thousands: one is enough


@attrs.frozen
class HitCounters:
    """
    The map ``hits``: two halves of *rows* entries, by turns of the generation.

    So the counts of an image stay whole while those of the next begin.
    """

    fd: int
    rows: int

    @classmethod
    def of(cls, fd: int) -> Self:
        """
        Know the map of *fd* by its size.

        Raises:
            KernelError: if the kernel does not describe it.
        """
        return cls(fd, calls.map_facts(fd).max_entries // 2)

    def read(self, generation: int, n_rows: int) -> tuple[RowHits, ...]:
        """
        Return the counts of the first *n_rows* rows of the image *generation*.

        Raises:
            KernelError: if the kernel refuses.
        """
        first = self._first(generation)
        sums = calls.percpu_sum(self.fd, first, n_rows, words=_HIT_WORDS)
        return tuple(RowHits(*one) if any(one) else _NEVER for one in sums)

    def clear(self, generation: int) -> None:
        """
        Set the half of *generation* to zero, before anything is counted under it.

        Raises:
            KernelError: if the kernel refuses.
        """
        calls.percpu_clear(self.fd, self._first(generation), self.rows, words=_HIT_WORDS)

    def _first(self, generation: int) -> int:
        return (generation & 1) * self.rows


def memory(maps: Collection[ObjectMap], image: int) -> dict[str, int]:
    """
    Return the memory that the kernel accounts to each of *maps*, in bytes.

    The image itself is an inner map: its capacity stands under ``image``. For a ring buffer, which
    some kernels account as 0, at least the bytes of its records are counted.

    Raises:
        KernelError: if the kernel does not say.
    """
    sizes = {each.name: calls.memory(each.fd) for each in maps}
    rings = {each.name: each.max_entries for each in maps if each.name in RINGS}
    return {**sizes, **{n: max(sizes[n], size) for n, size in rings.items()}, "image": image}


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


@attrs.frozen
class Notes:
    """
    What a daemon leaves for its successor, besides what the kernel counts.

    Attributes:
        alive_ns: when it last looked, CLOCK_BOOTTIME.
        lost_decisions, lost_activity: how many lost records it has reported.
    """

    alive_ns: int
    lost_decisions: int
    lost_activity: int

    @classmethod
    def read(cls, fd: int) -> Self:
        """
        Read the map ``notes``.

        Raises:
            KernelError: if the kernel refuses.
        """
        found = abi.scalars("enf_notes", calls.lookup(fd, 0, abi.sizeof("enf_notes")))
        return cls(found["alive_ns"], found["lost_decisions"], found["lost_activity"])

    def write(self, fd: int) -> None:
        """
        Write the map ``notes``.

        Raises:
            KernelError: if the kernel refuses.
        """
        form, _ = abi.decoder("enf_notes")
        calls.update(fd, 0, form.pack(self.alive_ns, self.lost_decisions, self.lost_activity, 0))
