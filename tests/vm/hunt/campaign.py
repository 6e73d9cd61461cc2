# SPDX-License-Identifier: MIT
"""
What a test does with a searcher: the control, what was found before, and then new sequences for a while.

``ENFORCER_HUNT`` is the seconds, ``ENFORCER_HUNT_SEED`` the seed; without it each run has another, except in what every
change must pass, which has the same sequences each time. ``ENFORCER_HUNT_FIRST`` is the first sequence, to go on where a
hunt has ended.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import amount

from .searcher import Report, Searcher, steps_of
from .shrinking import shrink

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["control", "corpus", "hunt", "seconds"]

_CORPUS = Path(__file__).with_name("corpus")
_SOAK = 3600
_CONTROL_SECONDS = 20


def seconds() -> float:
    """Return how long a hunt lasts: what the environment says, or a share of what this circle gives."""
    if (asked := os.environ.get("ENFORCER_HUNT")) is not None:
        return float(asked)
    if amount.SOAK:
        return _SOAK
    return amount.number(outer=60, inner=5)


def seed() -> int:
    """Return the seed of this run."""
    if asked := os.environ.get("ENFORCER_HUNT_SEED"):
        return int(asked)
    is_long = "ENFORCER_HUNT" in os.environ
    another = time.time_ns() % 1_000_000_000
    return another if is_long else amount.number(outer=another, inner=1)


def corpus(name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what the searcher *name* has found before, and sequences that came close."""
    for path in sorted(_CORPUS.glob(f"{name}-*.steps")):
        yield path.stem, steps_of(path)


def control(searcher: Searcher, sequences: int, floor: int, share: float = 0) -> Report:
    """
    Without a policy the oracle sees forbidden effects.

    Args:
        searcher: has been prepared, and no policy is active.
        sequences: the most that are made; a slow machine makes fewer.
        floor: the fewest findings of all.
        share: the fewest findings per sequence that was made.
    """
    report = searcher.search(1, seconds=_CONTROL_SECONDS, sequences=sequences, is_control=True)
    print(f"control: {report}")
    least = max(floor, share * report.sequences)
    assert report.findings >= least, f"without a policy {report.findings} findings: {report}"
    return report


def hunt(searcher: Searcher, name: str, success: float = 0.01, share: float = 1) -> Report:
    """
    With a policy nothing forbidden happens, and nothing is refused that no rule names.

    Args:
        searcher: has been prepared, and the policy is active.
        name: of the searcher's part of the corpus.
        success: the part of the steps of each kind that must have had an effect.
        share: of the seconds of a hunt.
    """
    for title, lines in corpus(name):
        report = searcher.replay(lines)
        assert not report.code, f"{title}: {report.finding}"
    first = int(os.environ.get("ENFORCER_HUNT_FIRST", "0"))
    report = searcher.search(seed(), seconds=seconds() * share, first=first)
    print(f"hunt: {report}")
    assert not report.code, _told(searcher, report)
    # A few steps of a kind say nothing of it.
    poor = {kind: it for kind, it in report.poor(success).items() if it.tried > 10 / success}
    assert not poor, f"steps that come to nothing: {poor}"
    return report


def _told(searcher: Searcher, report: Report) -> str:
    def holds(lines: list[str]) -> bool:
        return searcher.replay(lines).code == report.code

    if not holds(report.lines):
        return f"{report.finding} (not again when replayed)\n{report}\n" + "\n".join(report.lines)
    least = shrink(report.lines, holds)
    return f"{report.finding}\n{report}\n{chr(10).join(least)}\n\n{searcher.told(least)}"
