# SPDX-License-Identifier: MIT
"""Explanations beside the loop of a dashboard."""

import threading

import pytest

from enforcer.cli.explaining import Explainer
from enforcer.runtime.reactor import Reactor

LONG = 60.0


@pytest.fixture
def reactor():
    made = Reactor()
    yield made
    made.close()


def test_the_loop_goes_on_meanwhile(reactor):
    """What is due in the loop is done before the explanation, which takes as long as it takes."""
    gate, order = threading.Event(), []

    def make(record, _):
        assert gate.wait(LONG)
        return [(record, "")]

    def done(lines):
        order.append(lines)
        reactor.stop()

    Explainer(reactor, make).explain("one", {}, done)
    reactor.after(0, lambda: (order.append("loop"), gate.set()))
    reactor.run()

    assert ["loop", [("one", "")]] == order


def test_only_the_last_of_those_that_wait_is_made(reactor):
    """Whoever goes through the events quickly does not wait for all of them."""
    gate, made, got = threading.Event(), [], []

    def make(record, _):
        assert gate.wait(LONG)
        made.append(record)
        return [(record, "")]

    def done(lines):
        got.extend(lines)
        if lines == [("three", "")]:
            reactor.stop()

    explainer = Explainer(reactor, make)
    for record in ("one", "two", "three"):
        explainer.explain(record, {}, done)
    gate.set()
    reactor.run()

    assert ["one", "three"] == made
    assert [("one", ""), ("three", "")] == got


def test_an_explanation_that_fails_is_a_line(reactor):
    """Neither an error nor a mistake of ours ends the dashboard."""
    got = []

    def done(lines):
        got.extend(lines)
        reactor.stop()

    Explainer(reactor).explain({"kind": "match", "version": 1}, {"paths": []}, done)
    reactor.run()

    ((line, style),) = got
    assert line.startswith("no explanation: ")
    assert "bad" == style
