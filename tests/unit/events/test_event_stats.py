# SPDX-License-Identifier: MIT
"""Counts."""

from fakes import denied, record

from enforcer.events import stats as stats_of
from enforcer.events.losses import LostMeter
from enforcer.events.stats import Stats


def test_outcomes_are_counted_apart():
    """Enforced and audited verdicts are different outcomes."""
    stats = Stats()

    for each in (denied(), denied(), denied(flags=0), record()):
        stats.observe(each)

    assert dict(stats.by_outcome) == {"denied": 2, "would deny": 1, "allowed": 1}
    assert stats.records == 4


def test_records_are_counted_by_rule():
    """Also where many come that are like one."""
    stats = Stats()

    stats.observe(denied(), 5)
    stats.observe(denied(flags=0))
    stats.observe(record())

    assert {
        ("vault", "no-writes", "denied"): 5,
        ("vault", "no-writes", "would deny"): 1,
        ("detect-bash-exec", "rule-1", "allowed"): 1,
    } == stats.by_rule


def test_names_beyond_the_bound_are_counted_together(monkeypatch):
    """Those that have a count of their own keep it."""
    monkeypatch.setattr(stats_of, "_NAMES", 1)
    stats = Stats()

    for each in (denied(), record(), denied(), record()):
        stats.observe(each)

    assert {("vault", "no-writes", "denied"): 2, ("", "", "allowed"): 2} == stats.by_rule


def test_a_loss_is_reported_once():
    """Totals become differences, and no difference is not a record."""
    meter = LostMeter()

    first = meter.advance(1, decisions=2, activity=5, malformed=0, reason=None)
    second = meter.advance(2, decisions=2, activity=5, malformed=0, reason=None)
    third = meter.advance(3, decisions=2, activity=6, malformed=1, reason="bad")

    assert (first.decisions, first.activity) == (2, 5)
    assert second is None
    assert (third.decisions, third.activity, third.malformed, third.reason) == (0, 1, 1, "bad")
