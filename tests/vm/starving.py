# SPDX-License-Identifier: MIT
"""Memory of the engine that is all taken, as by decisions that do not end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from daemon import every_map

from enforcer.libbpf import calls

__all__ = ["without_memory"]


@contextmanager
def without_memory(name: str) -> Iterator[None]:
    """Take all pieces of the map *name*, each of which begins with whether it is taken."""
    (found,) = (each["id"] for each in every_map() if each["name"] == name)
    fd = calls.map_by_id(found)
    facts = calls.map_facts(fd)
    taken = (1).to_bytes(4, "little").ljust(facts.value_size, b"\0")
    try:
        for number in range(facts.max_entries):
            calls.update(fd, number, taken)
        yield
    finally:
        for number in range(facts.max_entries):
            calls.update(fd, number, bytes(facts.value_size))
        os.close(fd)
