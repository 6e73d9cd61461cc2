# SPDX-License-Identifier: MIT
"""
What the kernel accounts to a map, computed from its definition, for any number of processors.

As the kernel does it (``map_mem_usage`` of each type, ``bytes_memlock`` of bpftool): the map's own head counts as a
kilobyte here, which is more than any has. Elements of tables that the kernel makes when they are needed are left out.
A test in the virtual machine compares this with what the kernel says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

import attrs

ARRAY, HASH, PERCPU_ARRAY, LRU_HASH, ARRAY_OF_MAPS, RINGBUF, TASK_STORAGE = 2, 1, 6, 9, 12, 27, 29
"""Of ``enum bpf_map_type``."""

_NAMED: Final = {
    "array": ARRAY,
    "hash": HASH,
    "percpu_array": PERCPU_ARRAY,
    "lru_hash": LRU_HASH,
    "array_of_maps": ARRAY_OF_MAPS,
    "ringbuf": RINGBUF,
    "task_storage": TASK_STORAGE,
}

NO_PREALLOC: Final = 1
PAGE: Final = 4096
HEAD: Final = 1024
_POINTER: Final = 8
_ELEMENT: Final = 48  # struct htab_elem
_BUCKET: Final = 16  # struct bucket
_LOCKS: Final = 8 * 4  # for each processor


@attrs.frozen
class Definition:
    """A map as an object defines it."""

    kind: int
    key: int
    value: int
    entries: int
    flags: int = 0

    @classmethod
    def of(cls, listed: Mapping[str, Any]) -> Self:
        """Return the definition of a map that bpftool has listed."""
        sizes = (listed["bytes_key"], listed["bytes_value"], listed["max_entries"])
        return cls(_NAMED[listed["type"]], *sizes, listed["flags"])

    def size(self, cpus: int) -> int:
        """Bytes on a machine with so many possible processors."""
        value = _up(self.value, 8)
        match self.kind:
            case k if k == ARRAY:
                return HEAD + self.entries * value
            case k if k == ARRAY_OF_MAPS:
                return HEAD + self.entries * _POINTER
            case k if k == PERCPU_ARRAY:
                return HEAD + self.entries * (_POINTER + value * cpus)
            case k if k == LRU_HASH:
                return self._table(self.entries, cpus)
            case k if k == HASH and self.flags & NO_PREALLOC:
                return self._table(0, cpus)
            case k if k == HASH:  # with an element to spare for each processor
                return self._table(self.entries + cpus, cpus) + _POINTER * cpus
            case k if k == TASK_STORAGE:
                return HEAD + _BUCKET * _power(max(2, cpus))
            case k if k == RINGBUF:  # its pages, and the data's twice, have pointers
                pages = self.entries // PAGE
                return HEAD + self.entries + 3 * PAGE + _POINTER * (3 + 2 * pages)
        raise AssertionError(f"no formula for maps of the type {self.kind}")

    def _table(self, elements: int, cpus: int) -> int:
        element = _ELEMENT + _up(self.key, 8) + _up(self.value, 8)
        return HEAD + _BUCKET * _power(self.entries) + _LOCKS * cpus + element * elements


def growth(listed: Iterable[Mapping[str, Any]], *, from_cpus: int, to_cpus: int) -> int:
    """Return how many bytes more these maps would take with other processors."""
    maps = [Definition.of(each) for each in listed]
    return sum(each.size(to_cpus) - each.size(from_cpus) for each in maps)


def variables(size: int) -> int:
    """Bytes of a map that holds variables of a program: in whole pages, as its head."""
    return PAGE + _up(size, PAGE)


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _power(count: int) -> int:
    return 1 << (count - 1).bit_length()
