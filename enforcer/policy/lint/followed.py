# SPDX-License-Identifier: MIT
"""The symbolic links on the way of a path of this machine."""

from __future__ import annotations

import os
import stat
from collections import deque

from enforcer.policy.text.trust import MAX_LINKS, is_by_root

__all__ = ["link_of_others"]


def link_of_others(path: bytes) -> bytes | None:
    """Return the first link on the way of *path*, absolute, that somebody other than root can have made, or None."""
    rest, at, links = deque(path.split(b"/")), b"", 0
    while rest and links <= MAX_LINKS:
        name = rest.popleft()
        if name in {b"", b"."}:
            continue
        if name == b"..":
            at = at.rpartition(b"/")[0]
            continue
        here = at + b"/" + name
        if here == b"/proc":
            return None  # what links say there depends on who asks, so none is followed
        found = _status(here)
        if found is None or not stat.S_ISLNK(found.st_mode):
            at = here
            continue
        if not is_by_root(here, _status):
            return here
        links += 1
        target = os.readlink(here)  # noqa: PTH115 - names are bytes here
        at = b"" if target.startswith(b"/") else at
        rest.extendleft(reversed(target.split(b"/")))
    return None


def _status(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None
