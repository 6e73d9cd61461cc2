# SPDX-License-Identifier: MIT
"""Limits of waits: they grow with the slowness of the machine and never shrink."""

import patience
import pytest


@pytest.fixture(autouse=True)
def _unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_slowest", 1.0)
    monkeypatch.setattr(patience, "_measured_at", None)


def test_a_measured_limit_is_never_shorter_than_asked_for() -> None:
    """What this machine really does gives a factor between the bounds."""
    assert 20.0 <= patience.scaled(20.0) <= 20.0 * 20


@pytest.mark.parametrize(("times", "factor"), [(0.1, 1.0), (1.0, 1.0), (3.0, 3.0), (1000.0, 20.0)])
def test_slowness_is_relative_to_the_reference(times: float, factor: float) -> None:
    """A faster machine gets the limit as written, a stalled one no endless wait."""
    assert factor == pytest.approx(patience.slowness(times * patience._REFERENCE))


def test_the_slowest_measurement_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was busy once gets long limits; within a minute nothing is measured twice."""
    reference = patience._REFERENCE
    rounds = iter([2 * reference, 5 * reference, reference])
    monkeypatch.setattr(patience, "_seconds_of_a_round", lambda: next(rounds))
    now = 1000.0
    monkeypatch.setattr(patience.time, "monotonic", lambda: now)

    assert 20.0 == pytest.approx(patience.scaled(10.0))
    now += 59.0
    assert 20.0 == pytest.approx(patience.scaled(10.0))
    now += 2.0
    assert 50.0 == pytest.approx(patience.scaled(10.0))
    now += 61.0
    assert 50.0 == pytest.approx(patience.scaled(10.0))
