# SPDX-License-Identifier: MIT
"""How much a test does: ``make soak``, ``make test-all`` and ``make test`` differ."""

import os

__all__ = ["SOAK", "examples", "number"]

SOAK = os.environ.get("ENFORCER_SOAK") == "1"
_OUTER = os.environ.get("ENFORCER_OUTER") == "1"
_INNER_PART = 3


def examples(outer: int, soak: int = 0) -> int:
    """Return how many random examples: *soak*, *outer*, or a third of that in what a change must pass."""
    if SOAK and soak:
        return soak
    return outer if SOAK or _OUTER else outer // _INNER_PART


def number(outer: int, inner: int) -> int:
    """Return how many of something there are: *inner* in what a change must pass."""
    return outer if SOAK or _OUTER else inner
