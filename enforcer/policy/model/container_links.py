# SPDX-License-Identifier: MIT
"""
Symbolic links inside a container, and the names to which they lead.

Everything here is text. A container chooses its links, so there may be any number of them, in any form; the
bounds are here. A name never leads out of the container's root: ``..`` ends there, as the kernel has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

__all__ = [
    "MAX_FORMS",
    "MAX_GLOBS",
    "MAX_HEADS",
    "MAX_LINKS",
    "MAX_NAMES",
    "MAX_SECONDS",
    "Links",
    "joined",
    "spellings",
]

MAX_HEADS: Final = 512
"""Beginnings of patterns that are looked up in one container."""

MAX_LINKS: Final = 64
"""Links of one container that count, those that were found first; more lead nowhere."""

MAX_NAMES: Final = 48
"""Names that one pattern gets in one container: as many as the links that the kernel follows, and some."""

MAX_FORMS: Final = 8192
"""Patterns of one image that follow from links."""

MAX_GLOBS: Final = 128
"""Those of them that have wildcards, of which each makes an automaton larger."""

MAX_SECONDS: Final = 3.0
"""What looking all links up may take; those of containers that come later are not known."""

_MAX_HOPS: Final = 40  # as the kernel follows
_MAX_STEPS: Final = 512
_MAX_PATH: Final = 4096

Links = Mapping[bytes, tuple[bytes, ...]]
"""
What the links at paths say. Of a path that had several targets one after another, all count: a container
that makes a link anew must not get what the one before led to.
"""


def spellings(path: bytes, targets: Callable[[bytes], tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """
    Return *path* and each name by which what it names is reached; at most :data:`MAX_NAMES`.

    Args:
        path: absolute, in a root.
        targets: says where a path leads, if it is a link; asked only about paths on whose way no link was.
    """
    found: dict[bytes, None] = {path: None}
    pending = deque([(b"", _parts(path), 0)])
    seen = set(pending)
    while pending and len(seen) <= _MAX_STEPS and len(found) < MAX_NAMES:
        at, rest, hops = pending.popleft()
        if not rest:
            found[at or b"/"] = None
            continue
        name, *others = rest
        behind = tuple(others)
        if name == b"..":
            ways = [(at.rpartition(b"/")[0], behind, hops)]
        else:
            here = at + b"/" + name
            # As it is, too: it may have been a link before, or become none.
            ways = [(here, behind, hops)]
            if hops < _MAX_HOPS:
                ways += [
                    (b"" if target.startswith(b"/") else at, _parts(target) + behind, hops + 1)
                    for target in targets(here)
                ]
        for way in ways:
            if way not in seen and sum(map(len, way[1])) + len(way[0]) < _MAX_PATH:
                seen.add(way)
                pending.append(way)
    return tuple(found)


def joined(*several: Links) -> Links:
    """Return all of them, the first ones first, as far as :data:`MAX_LINKS` goes."""
    out: dict[bytes, tuple[bytes, ...]] = {}
    left = MAX_LINKS
    for links in several:
        for path, targets in links.items():
            for target in targets:
                if target not in out.get(path, ()) and left:
                    out[path] = (*out.get(path, ()), target)
                    left -= 1
    return out


def _parts(path: bytes) -> tuple[bytes, ...]:
    return tuple(part for part in path.split(b"/") if part not in {b"", b"."})
