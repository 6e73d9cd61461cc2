# SPDX-License-Identifier: MIT
"""The memory of this process: /proc/self/statm, see proc_pid_statm(5)."""

from __future__ import annotations

import resource
from pathlib import Path

__all__ = ["address_space", "resident"]


def address_space() -> int:
    """Return the bytes of address space that this process has: what RLIMIT_AS limits."""
    return _bytes(0)


def resident() -> int:
    """Return the bytes of memory that this process has in use."""
    return _bytes(1)


def _bytes(field: int) -> int:
    pages = Path("/proc/self/statm").read_text("ascii").split()[field]
    return int(pages) * resource.getpagesize()
