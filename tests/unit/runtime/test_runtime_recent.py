# SPDX-License-Identifier: MIT
"""Records that the daemon keeps, and which of them a reader wants."""

import itertools

import attrs
import pytest
from control_fakes import Served
from fakes import WALL_NS, denied, record

from enforcer.events.document import rfc3339
from enforcer.events.types import Lost, Match, Origin, PolicyMatch
from enforcer.identity.resolver import Identity
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.runtime.control import recent as module
from enforcer.runtime.control.overview import Overview
from enforcer.runtime.control.protocol import Client
from enforcer.runtime.control.recent import recent_answer
from enforcer.runtime.control.record_filter import RecordFilter

NGINX = Identity(cgroup="/system.slice/nginx.service/worker")
WANTED = [
    {},
    {"policy": ["vault"]},
    {"policy": ["other", "va*"]},
    {"rule": ["no-*"], "action": ["deny"]},
    {"process": ["tee"]},
    {"process": ["/usr/bin/*"]},
    {"process": ["12345"]},
    {"unit": ["nginx"]},
    {"unit": ["nginx.service"]},
    {"container": ["3f9c"]},
    {"container": ["sh?p"]},
    {"since": WALL_NS / 1e9 - 1},
]
UNWANTED = [
    {"policy": ["vault-2"]},
    {"policy": ["vault"], "rule": ["reads"]},
    {"action": ["kill", "log"]},
    {"process": ["te"]},
    {"process": ["1234"]},
    {"unit": ["worker"]},
    {"unit": ["nginx.scope"]},
    {"container": ["9c0a"]},
    {"since": WALL_NS / 1e9 + 1},
]


def in_shop():
    found = denied(identity=NGINX)
    return attrs.evolve(found, container_id="3f9c0a1b2c3d", container_name="shop")


def wants(asked, found):
    return RecordFilter.of(asked).wants(found)


@pytest.mark.parametrize("asked", WANTED)
def test_what_is_wanted(asked):
    """Any of several words, and each of several options."""
    assert wants(asked, in_shop())


@pytest.mark.parametrize("asked", UNWANTED)
def test_what_is_not_wanted(asked):
    """Names are whole."""
    assert not wants(asked, in_shop())


@pytest.mark.parametrize("asked", [{"unit": ["nginx"]}, {"container": ["shop"]}])
def test_who_is_in_none(asked):
    """What is unknown is not what was asked for."""
    assert not wants(asked, denied())


def test_what_another_policy_said_counts_as_a_whole():
    """Policy and action must be of one verdict, as for outputs."""
    match = Match(1, Op.WRITE, Verb.LOG)
    said = PolicyMatch(match=match, origin=Origin("watch", "writes", "w.yaml:4:1"), message="m")
    found = attrs.evolve(denied(), said=(said,))

    assert wants({"policy": ["watch"], "action": ["log"]}, found)
    assert not wants({"policy": ["watch"], "action": ["deny"]}, found)


def test_losses_are_told_to_everybody():
    """Whoever filters must know that something may be missing; but not what was before."""
    lost = Lost(time_ns=WALL_NS, decisions=3)

    assert wants({"policy": ["nothing"]}, lost)
    assert not wants({"since": WALL_NS / 1e9 + 1}, lost)


def filled():
    overview = Overview()
    for number in range(5):
        overview.observe(denied(time_ns=1000 + 2 * number))
        overview.observe(record(time_ns=1001 + 2 * number, action=Verb.LOG))
    overview.observe(Lost(time_ns=WALL_NS + 3, decisions=2))
    return overview


def test_the_newest_of_both_kinds_in_order():
    """Denials, others and losses by their time."""
    answer = recent_answer(filled(), RecordFilter(), 4)

    assert ["log", "deny", "log"] == [each["action"] for each in answer["records"][1:]]
    assert 11 == answer["found"]
    times = [each["time"] for each in answer["records"]]
    assert sorted(times) == times


def test_losses_are_among_them():
    """With the number."""
    lost = [
        e for e in recent_answer(filled(), RecordFilter(), 50)["records"] if e["kind"] == "lost"
    ]

    assert [2] == [each["decisions"] for each in lost]


def test_an_answer_is_bounded(monkeypatch):
    """Processes choose how long records are; those that fit are the newest."""
    monkeypatch.setattr(module, "_BYTES", 3000)

    answer = recent_answer(filled(), RecordFilter(action=("deny",)), 50)

    assert 6 == answer["found"]
    assert 1 <= len(answer["records"]) < 6
    assert answer["records"][-1]["time"] == rfc3339(WALL_NS + 8)


@pytest.mark.parametrize("place", range(3))
def test_a_record_that_is_too_long_leaves_the_others(place):
    """Whoever can make one hides no other, older or newer."""
    overview = Overview()
    for number in range(3):
        found = denied(time_ns=1000 + number)
        huge = "x" * module._BYTES if number == place else found.message
        overview.observe(attrs.evolve(found, message=huge))

    answer = recent_answer(overview, RecordFilter(), 50)

    expected = [rfc3339(WALL_NS + number) for number in range(3) if number != place]
    assert expected == [each["time"] for each in answer["records"]]
    assert 3 == answer["found"]


def test_how_far_back_it_goes():
    """Since the daemon began; of what is full, since the oldest that is left."""
    overview = filled()
    began = overview.kept_since[0]
    assert (began, began) == overview.kept_since

    for number in range(1000):
        overview.observe(record(time_ns=5000 + number, action=Verb.LOG))

    assert (began, WALL_NS + 4000) == overview.kept_since


def test_over_the_socket(tmp_path):
    """What is kept is answered; a follower gets what it wants of what comes."""
    served = Served(tmp_path / "s.sock", overview=filled())
    of_tee, of_cat = denied(time_ns=7), denied(time_ns=8, comm=b"cat")
    try:
        with Client.connect(tmp_path / "s.sock") as client:
            assert 2 == len(client.ask("recent", last=2)["records"])
            client.ask("events", filter={"process": ["cat"]})
            for each in (of_tee, of_cat):
                served.call(lambda each=each: served.server.publish(each))
            (first,) = itertools.islice(client.follow(), 1)
    finally:
        served.close()

    assert "cat" == first["process"]["name"]
