# SPDX-License-Identifier: MIT
"""The answer to ``stop``, for type checkers: what that end leaves, so that nobody claims another."""

from __future__ import annotations

from typing import NotRequired, TypedDict

__all__ = ["StopAnswer"]


class StopAnswer(TypedDict):
    """The answer to ``stop``; of an earlier version, *pid* alone."""

    pid: int
    pinned: NotRequired[str | None]
    """Folder in which the daemon pins enforcement, or null."""
    elsewhere: NotRequired[list[str]]
    """Folders in which daemons before it did, as far as these are there."""
    persists: NotRequired[bool]
    """It leaves enforcement active, and all that is pinned for that is still there."""
