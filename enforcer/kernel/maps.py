# SPDX-License-Identifier: MIT
"""Counters that programs keep, added up over CPUs."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Final, Self

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerBug
from enforcer.libbpf import abi, calls
from enforcer.libbpf.handles import ObjectMap

__all__ = ["RINGS", "HitCounters", "Notes", "RowHits", "StatCounters", "memory"]

RINGS: Final = ("decisions", "activity")
_SETTLED: Final = ".data.settled"
_HIT_WORDS: Final = abi.sizeof("enf_hits") // 8
_ROW_AT: Final = _abi.ENF_HIT_COUNT_BITS + 1
_GENERATION_AT: Final = _ROW_AT + _abi.ENF_HIT_ROW_BITS
_COUNTS, _ROWS, _GENERATIONS = (
    (1 << bits) - 1
    for bits in (
        _abi.ENF_HIT_COUNT_BITS,
        _abi.ENF_HIT_ROW_BITS,
        _abi.ENF_HIT_GENERATION_BITS,
    )
)


@attrs.frozen
class RowHits:
    """How often a row decided: with effect, and in audit mode."""

    enforced: int
    audited: int

    def __add__(self, other: Self) -> RowHits:
        return RowHits(self.enforced + other.enforced, self.audited + other.audited)

    def at_least(self, other: Self) -> RowHits:
        """Return the greater of each."""
        return RowHits(max(self.enforced, other.enforced), max(self.audited, other.audited))


_NEVER: Final = RowHits(0, 0)  # most rows, of tens of thousands: one is enough


@attrs.define
class HitCounters:
    """
    The maps ``hits``, two halves of *rows* entries by turns of the generation, and ``hit_slots``.

    The counts of an image stay whole while those of the next begin. What a processor has counted last
    stands in its slots: see ``hits.bpf.h``.
    """

    common: int
    slots: int
    rows: int
    settled: int | None = None
    _seen: dict[int, tuple[int, tuple[RowHits, ...]]] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, maps: Mapping[str, int]) -> Self:
        """
        Know the maps among these descriptors by name.

        Raises:
            KernelError: if the kernel does not describe them.
        """
        common = maps["hits"]
        rows = calls.map_facts(common).max_entries // 2
        return cls(common, maps["hit_slots"], rows, maps.get(_SETTLED))

    def read(self, generation: int, n_rows: int) -> tuple[RowHits, ...]:
        """
        Return the counts of the first *n_rows* rows of the image *generation*; none is less than before.

        Raises:
            KernelError: if the kernel refuses.
        """
        # In this order: a count that is added to the common one in between is missing, and never there twice.
        counts = calls.array_read(self.common, self._first(generation), n_rows, words=_HIT_WORDS)
        for slot in calls.percpu_read(self.slots, _abi.ENF_HIT_SLOTS):
            if slot and (slot >> _GENERATION_AT) == generation & _GENERATIONS:
                at = (slot >> _ROW_AT & _ROWS) * _HIT_WORDS + (slot >> _abi.ENF_HIT_COUNT_BITS & 1)
                if at < len(counts):
                    counts[at] += slot & _COUNTS
        pairs = zip(*[iter(counts)] * _HIT_WORDS, strict=True)
        found = tuple(RowHits(*pair) if any(pair) else _NEVER for pair in pairs)
        before, known = self._seen.get(generation & 1, (0, ()))
        if before == generation:
            found = tuple(
                a if a is b else a.at_least(b)
                for a, b in itertools.zip_longest(found, known[: len(found)], fillvalue=_NEVER)
            )
        self._seen[generation & 1] = generation, found
        return found

    def clear(self, generation: int) -> None:
        """
        Set the half of *generation* to zero, before anything is counted under it.

        Raises:
            KernelError: if the kernel refuses.
            EnforcerBug: if these are the maps of a daemon that has ended, whose pins lack what is told here.
        """
        if self.settled is None:
            raise EnforcerBug("counts that were left are only read")
        # What slots still have of the half's last generation has been read. Eight bytes: one store.
        calls.update(self.settled, 0, max(0, generation - 2).to_bytes(8, "little"))
        calls.array_clear(self.common, self._first(generation), self.rows, words=_HIT_WORDS)

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
