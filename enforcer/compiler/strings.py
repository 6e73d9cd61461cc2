# SPDX-License-Identifier: MIT
"""
Strings by hash: the slot table that ``enf_lookup`` in ``bpf/include/match.h`` reads.

Owns the hash (the other half of ``enf_mix``) and where each string is put: open addressing, linear
probing, no string further than ENF_MAX_PROBES from its home.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from enforcer import _abi
from enforcer.compiler import layout
from enforcer.compiler.limits import LIMITS
from enforcer.errors import EnforcerBug

__all__ = [
    "AT",
    "BELOW",
    "GLOB",
    "HEAD",
    "PATH",
    "STRING",
    "Key",
    "Meaning",
    "Slots",
    "hash_path",
    "hash_string",
    "place",
]

PATH: Final = _abi.ENF_SLOT_PATH
STRING: Final = _abi.ENF_SLOT_STRING
HEAD: Final = _abi.ENF_SLOT_HEAD
"""A directory: what could lie below it, for paths of which no more than that is known."""

_MASK: Final = (1 << 64) - 1
_MULTIPLIER: Final = 0x9E3779B97F4A7C15
_SLASH: Final = 0x2F
_TRIES_PER_SIZE: Final = 4
_MAX_GROWTH: Final = 8
_AMPLE: Final = 1 << 15  # slots, a megabyte of them: from there on memory counts, too

AT: Final = _abi.ENF_PATHS_AT
BELOW: Final = _abi.ENF_PATHS_BELOW
GLOB: Final = _abi.ENF_PATHS_GLOB
"""What the path of a file could match by being a string, and by lying below it; if that is by a glob, the last as well."""

Key = tuple[int, bytes]
"""Kind of slot and text."""

Meaning = tuple[int, int, int, int, int]
"""AT, BELOW and GLOB, then the exact and under ranges (first, count, first, count) of the atom list."""


def _mix(state: int, word: int) -> int:
    state = ((state ^ word) * _MULTIPLIER) & _MASK
    return state ^ (state >> 32)


def _mix_bytes(state: int, text: bytes) -> int:
    for i in range(0, len(text), 8):
        state = _mix(state, int.from_bytes(text[i : i + 8], "little"))
    return state


def hash_string(seed: int, text: bytes) -> int:
    """Hash a plain string."""
    return _mix(_mix_bytes(seed, text), (len(text) << 8) | 1)


def hash_path(seed: int, text: bytes, known: dict[bytes, int] | None = None) -> int:
    """Hash an absolute path component by component; *known* keeps the directories already done."""
    if text == b"/":
        return _mix(seed, _SLASH)
    known = {} if known is None else known
    todo: list[tuple[bytes, bytes]] = []
    while text and text not in known:
        parent, _, name = text.rpartition(b"/")
        todo.append((text, name))
        text = parent
    state = known[text] if text else seed
    for path, name in reversed(todo):
        state = _mix(_mix_bytes(state, name), (len(name) << 8) | _SLASH)
        known[path] = state
    return state


@attrs.frozen
class Slots:
    """
    The placed table.

    Attributes:
        seed: of the hash; belongs into the image's head.
        table: ``struct enf_slot[n_slots]``.
        text: the strings, each zero padded to a multiple of 8.
        n_slots: a power of two; without strings one, which is empty.
    """

    seed: int
    table: bytes
    text: bytes
    n_slots: int
    n_strings: int
    longest_path: int


def place(values: Mapping[Key, Meaning], *, seed: int | None = None) -> Slots:
    """
    Put every string into a slot.

    Args:
        values: what each string means.
        seed: start with this seed of the hash; default random.

    Raises:
        EnforcerBug: no table fits, which chance alone does not bring about.
    """
    seed = random.SystemRandom().getrandbits(64) if seed is None else seed
    if not values:
        return Slots(seed, bytes(layout.SLOT.size), b"", 1, 0, 0)
    # Mostly empty: what is not there, which is what most files ask for, is found out at once.
    size = 8
    while size < 4 * len(values) or size < min(8 * len(values), _AMPLE):
        size *= 2
    keys = list(values)
    for _ in range(_MAX_GROWTH):
        for _ in range(_TRIES_PER_SIZE):
            hashes = _hash_all(seed, keys)
            homes = _homes(hashes, size) if _differ(keys, hashes) else None
            if homes is not None:
                return _pack(seed, size, list(zip(keys, hashes, homes, strict=True)), values)
            seed = _mix(seed, _MULTIPLIER)
        size *= 2
    raise EnforcerBug(f"no slot table of {size} entries holds {len(values)} strings")


def _hash_all(seed: int, keys: Iterable[Key]) -> list[int]:
    known: dict[bytes, int] = {}
    return [
        hash_string(seed, text) if kind == STRING else hash_path(seed, text, known)
        for kind, text in keys
    ]


def _differ(keys: Iterable[Key], hashes: list[int]) -> bool:
    """Tell whether no two strings are alike to ``enf_lookup``, which compares with the first it finds."""
    alike = {(hashed, kind, len(text)) for hashed, (kind, text) in zip(hashes, keys, strict=True)}
    return len(alike) == len(hashes)


def _homes(hashes: list[int], size: int) -> list[int] | None:
    """
    Give each hash a slot, or None if one would lie too far from its home.

    Filling in the order of the homes makes the largest distance as small as it can be. What runs
    over the end goes to the beginning, whose own strings then move up.
    """
    mask = size - 1
    order = sorted(range(len(hashes)), key=lambda i: hashes[i] & mask)
    places = [0] * len(hashes)
    wrapped = 0
    while True:
        cursor = wrapped
        for i in order:
            home = hashes[i] & mask
            cursor = max(cursor, home)
            if cursor - home >= LIMITS["ENF_MAX_PROBES"]:
                return None
            places[i] = cursor & mask
            cursor += 1
        if max(cursor - size, 0) <= wrapped:
            return places
        wrapped = cursor - size


def _pack(
    seed: int,
    size: int,
    placed: list[tuple[Key, int, int]],
    values: Mapping[Key, Meaning],
) -> Slots:
    table = bytearray(size * layout.SLOT.size)
    pack_into = layout.SLOT.packer.pack_into
    chunks: list[bytes] = []
    offsets: dict[bytes, int] = {}
    used = 0
    for key, hashed, slot in placed:
        kind, text = key
        at = offsets.get(text)
        if at is None:
            at = offsets[text] = used
            padded = text + bytes(-len(text) % 8)
            chunks.append(padded)
            used += len(padded)
        pack_into(table, slot * layout.SLOT.size, hashed, at, len(text), kind, *values[key])
    longest = max((len(text) for kind, text in values if kind == PATH), default=0)
    return Slots(seed, bytes(table), b"".join(chunks), size, len(placed), longest)
