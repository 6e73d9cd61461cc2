# SPDX-License-Identifier: MIT
"""How many random examples a test tries: ``make soak``, ``make test-all`` and ``make test`` differ."""

import os

__all__ = ["SOAK", "examples"]

SOAK = os.environ.get("ENFORCER_SOAK") == "1"
_OUTER = os.environ.get("ENFORCER_OUTER") == "1"
_INNER_PART = 3


def examples(outer: int, soak: int = 0) -> int:
    """Return how many: *soak*, *outer*, or a third of that in what a change must pass."""
    if SOAK and soak:
        return soak
    return outer if SOAK or _OUTER else outer // _INNER_PART
