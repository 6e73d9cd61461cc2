# SPDX-License-Identifier: MIT
"""Words for numbers: of things, of bytes, of seconds."""

from __future__ import annotations

__all__ = ["plural", "size", "span"]


def plural(number: int, noun: str) -> str:
    """Write ``1 policy``, ``2 policies``, ``3 rules``, ``4 processes``."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{number:,} {noun[:-1]}ies"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def size(number: int) -> str:
    """Write a number of bytes for people."""
    if number < 1024:
        return f"{number} bytes"
    value = float(number)
    for unit in ("KiB", "MiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} GiB"


def span(seconds: float) -> str:
    """Write a duration for people, ``1 h 02 m``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} m"
    return f"{hours // 24} d {hours % 24:02d} h"
