# SPDX-License-Identifier: MIT
"""A process as records show it, with its ancestors."""

from __future__ import annotations

import attrs

__all__ = ["Actor"]


@attrs.frozen(kw_only=True)
class Actor:
    """
    One process as it is shown. None is what could not be learned, mostly because it is gone.

    *id* is its name for good: over exec, and over daemons.
    """

    pid: int
    name: str
    exe: str | None = None
    cmdline: tuple[str, ...] | None = None
    id: str = ""
