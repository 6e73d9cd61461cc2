# SPDX-License-Identifier: MIT
"""
How long a test may wait: limits grow with the slowness of the machine, and no verdict is by the clock.

A limit is written for a quiet processor of the kind that the test runs on, a real one on the host and
an emulated one in the guest. Here the speed that this process really gets is measured against that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

# Seconds that one round takes on a quiet processor: a real one, and one that QEMU emulates on it.
_REAL = 0.00015
_EMULATED = 0.0025
_IS_EMULATED = os.environ.get("ENFORCER_GUEST") == "1"
_REFERENCE = _EMULATED if _IS_EMULATED else _REAL

_STEPS = 1000

# Seconds to measure for: several slices of the scheduler, so that what others take is seen. A guest has those of
# lab/time_slice.py.
_SPAN = 0.25 if _IS_EMULATED else 0.04

# Seconds after which it is measured again: a machine that was quiet then may be busy now.
_LASTS = 60.0

# One hiccup in a measurement must not make a wait endless.
_MOST = 20.0

_slowest = 1.0
_measured_at: float | None = None


def scaled(seconds: float) -> float:
    """
    Return the limit of a wait that may take *seconds* on a quiet machine, in seconds.

    It is never less than *seconds*. The first call measures for a part of a second, as does one a
    minute later; the slowest measurement of the process counts.
    """
    global _slowest, _measured_at  # noqa: PLW0603 - one measurement for the process
    now = time.monotonic()
    if _measured_at is None or now - _measured_at > _LASTS:
        _measured_at = now
        _slowest = max(_slowest, slowness(_seconds_of_a_round()))
    return seconds * _slowest


def wait_until(
    holds: Callable[[], Any], what: str | Callable[[], str], limit: float, pause: float
) -> Any:
    """
    Wait until *holds* returns something true, and return it; ask each *pause* seconds.

    *limit* is in seconds of a quiet machine; *what* says what did not come.
    """
    end = time.monotonic() + scaled(limit)
    while not (found := holds()):
        assert time.monotonic() < end, what if isinstance(what, str) else what()
        time.sleep(pause)
    return found


def slowness(took: float) -> float:
    """Return how many times slower than the reference a round of *took* seconds is, from 1 to 20."""
    return min(_MOST, max(1.0, took / _REFERENCE))


def _seconds_of_a_round() -> float:
    began = time.perf_counter()
    rounds = 0
    while (passed := time.perf_counter() - began) < _SPAN:
        _round()
        rounds += 1
    return passed / rounds


def _round() -> None:
    """Do what tests do: run Python, and ask the kernel now and then."""
    table: dict[str, int] = {}
    for step in range(_STEPS):
        table[str(step % 97)] = step
        if step % 16 == 0:
            os.getppid()
