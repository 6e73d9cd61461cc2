# SPDX-License-Identifier: MIT
"""Records that stand for others of their kind, which the kernel counted: in every form, and in every sum."""

from __future__ import annotations

import json

import attrs
import pytest
from fakes import (
    BASH,
    DECODER,
    ENFORCED,
    PREVENTED,
    FakeHits,
    FakeSession,
    FakeSink,
    Nobody,
    denied,
    enricher,
    raw_event,
)

from enforcer.events.brief import brief
from enforcer.events.document import as_document
from enforcer.events.repeats import until_ns
from enforcer.events.stats import Stats
from enforcer.events.types import EventFlag
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.runtime.control.overview import Overview
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.journal import journal_message
from enforcer.sinks.logfmt import logfmt_line
from enforcer.sinks.ocsf import ocsf_event
from enforcer.sinks.terminal import terminal_line
from enforcer.workbench.dryrun.findings import DryRun

SECOND = 1_000_000_000
LATER = 1_000 + 8 * SECOND
OTHERS = ENFORCED | PREVENTED | EventFlag.OTHERS


def repeated(count=41_233, **values):
    """Make a record of a denial that was followed by *count* more, for eight seconds."""
    return denied(repeats=count, last_ns=LATER, **values)


def test_json_says_how_many_until_when_and_whose():
    found = as_document(repeated())["repeats"]

    assert {"count": 41_233, "by": "process"} == {key: found[key] for key in ("count", "by")}
    assert as_document(denied(time_ns=LATER))["time"] == found["last"]
    assert "cgroup" == as_document(repeated(flags=OTHERS))["repeats"]["by"]


def test_who_stands_for_itself_does_not_say_so():
    """Also the first of a kind of which no more came."""
    assert "repeats" not in as_document(denied())
    assert "repeats" not in as_document(denied(flags=OTHERS))
    assert 8 * SECOND == until_ns(repeated()) - repeated().time_ns
    assert denied().time_ns == until_ns(denied())


def test_a_last_one_before_the_first_is_the_first():
    """Clocks of processors may differ by a little."""
    assert denied().time_ns == until_ns(denied(repeats=1, last_ns=10))


@pytest.mark.parametrize(
    ("count", "flags", "words"),
    [
        (41_233, ENFORCED | PREVENTED, "[EPERM] and 41,233 times more until "),
        (1, ENFORCED | PREVENTED, "[EPERM] and once more until "),
        (7, OTHERS, "[EPERM] and 7 times more by its cgroup until "),
    ],
)
def test_a_line_for_a_person_says_it(count, flags, words):
    line = terminal_line(as_document(repeated(count, flags=flags)))

    assert words in line
    assert line.endswith(" by /usr/bin/tee (vault/no-writes)")


def test_other_forms_have_it():
    text = logfmt_line(repeated()).decode()
    event = ocsf_event(repeated(), {})
    last = as_document(repeated())["repeats"]["last"]

    assert f' repeats=41233 last_repeat="{last}" repeated_by=process\n' in text
    assert 41_234 == event["count"]
    assert 8_000 == event["end_time"] - event["start_time"]
    assert event["time"] == event["start_time"]
    assert b"ENFORCER_REPEATS=41233\n" in journal_message(repeated(), {})
    assert ["EPERM", "41,234 times"] == brief(repeated())["effect"]


def test_other_forms_have_nothing_of_what_stands_for_itself():
    assert "repeat" not in logfmt_line(denied()).decode()
    assert not {"count", "start_time", "end_time"} & ocsf_event(denied(), {}).keys()
    assert b"REPEATS" not in journal_message(denied(), {})
    assert ["EPERM"] == brief(denied())["effect"]


def test_sums_count_all_of_them():
    """Those of the daemon, of dashboards and of dry runs."""
    session, sink, stats, overview, dry = FakeSession(), FakeSink(), Stats(), Overview(), DryRun()
    pipeline = Pipeline(session, DECODER, enricher(BASH), Fanout.to([sink], print), Nobody())
    session.happen(raw_event(repeats=9, last_ns=LATER), raw_event())
    pipeline.pump()
    session.close()
    stats.observe(repeated(3), repeated(3).event.times)
    overview.observe(repeated(3))
    would = repeated(3, flags=0)
    dry.write(would)
    dry.write(denied(flags=0))
    (finding,) = dry.findings((FakeHits(audited=5),))

    assert {"allowed": 11} == dict(pipeline.stats.by_outcome)
    assert {"denied": 4} == dict(stats.by_outcome)
    assert {"denied": 4} == overview.beat()["totals"]
    assert (5, until_ns(would)) == (finding.total, finding.last_ns)
    assert 5 == sum(count for _, count in finding.timeline.points())
    assert [5] == [doing.count for doing in finding.doers.kept.values()]


def test_a_limit_and_a_crowded_ring_are_two_things():
    found = as_document(repeated(3, suppressed=5))

    assert (5, 3) == (found["suppressed"], found["repeats"]["count"])


def test_a_record_of_many_differs_from_one_alone():
    """Nothing else of it changes."""
    many, one = (json.loads(json.dumps(as_document(each))) for each in (repeated(), denied()))

    assert many.pop("repeats")
    assert one == many


def test_events_keep_what_the_kernel_said():
    event = repeated(3, op=Op.READ, action=Verb.KILL).event

    assert (3, LATER, 4) == (event.repeats, event.last_ns, event.times)
    assert 1 == attrs.evolve(event, repeats=0).times
