# SPDX-License-Identifier: MIT
"""Moving records, without a kernel."""

from fakes import BASH, DECODER, FakeSession, FakeSink, Nobody, enricher, raw_event

from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout


def test_flood_takes_one_turn_only_so_long():
    session, sink = FakeSession(), FakeSink()
    for _ in range(100):
        session.happen(raw_event())
    pipeline = Pipeline(session, DECODER, enricher(BASH), Fanout.to([sink], print), Nobody())
    seconds = iter(range(100))

    # each look at the clock is a second later, however many batches still wait
    moved = pipeline.pump(2.5, clock=lambda: float(next(seconds)))

    assert 3 == moved
    assert 97 == pipeline.pump(1000.0)
    session.close()
