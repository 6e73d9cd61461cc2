# SPDX-License-Identifier: MIT
"""The file of results: when it is written, and what stands there of denials."""

import json
from pathlib import Path
from types import SimpleNamespace

import attrs
import jsonschema
import pytest
from fakes import denied

from enforcer.cli.schemas import schema
from enforcer.identity.container import Container
from enforcer.identity.resolver import Identity
from enforcer.identity.workload_files import PodFacts
from enforcer.runtime.control.posture import Posture, Tally
from enforcer.runtime.policies import results
from enforcer.runtime.policies.results import ResultsFile
from enforcer.runtime.policies.tolerance import RefusedFile

HEALTH = {
    "generation": 1,
    "records": {"lostDecisions": 0, "lostActivity": 0, "malformed": 0},
}


@attrs.define
class File:
    """A file that is written, and the loop that asks whether it is time."""

    texts: list = attrs.field(factory=list)
    text: object = None
    look: object = None

    @property
    def reactor(self):
        return self

    def serve(self, text):
        self.text = text

    def every(self, _, look):
        self.look = look

    def write(self):
        self.texts.append(json.loads(self.text()))


@pytest.fixture
def clock(monkeypatch):
    found = SimpleNamespace(now=100.0)
    monkeypatch.setattr(results.time, "monotonic", lambda: found.now)
    return found


@pytest.fixture
def served(clock):
    """A file of an engine without policies, that was written once, and what observes records."""
    counts = SimpleNamespace(enforced_without=lambda _: {})
    enforcement = SimpleNamespace(
        now=SimpleNamespace(facts=(), refused=(), texts=None),
        problem="",
        sources=SimpleNamespace(audit=False),
        sessions=SimpleNamespace(counts=lambda: counts),
        posture=lambda: Posture(tally=Tally(), rules=0, programs=0),
    )
    file = File()
    denials = ResultsFile(file).serve(enforcement, lambda: HEALTH)
    file.write()
    return file, denials, enforcement


def record(pod):
    identity = Identity(
        container=Container("containerd", "f" * 64, pod_uid=pod),
        pod=PodFacts(name=pod, namespace="shop"),
    )
    return denied(identity=identity)


def test_a_first_denial_is_written_soon(served, clock):
    """And no more often than each five seconds, whatever happens."""
    file, denials, _ = served
    for number in range(100):
        denials.observe(record(f"p{number}"))
        file.look()
    assert 1 == len(file.texts)

    clock.now += 5
    file.look()
    file.look()

    assert [0, 100] == [len(each["firstDenials"]) for each in file.texts]
    jsonschema.validate(file.texts[-1], schema("results", is_strict=True))


def test_denials_that_are_known_wait_for_the_next_writing(served, clock):
    """Only their counts have changed."""
    file, denials, _ = served
    denials.observe(record("p"))
    clock.now += 5
    file.look()
    denials.observe(record("p"))
    clock.now += 5
    file.look()

    assert 2 == len(file.texts)


def test_the_boot_is_written(served):
    """A reader after a crash must know that nothing of it holds any more."""
    file, _, _ = served
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() == file.texts[0]["boot"]


def test_why_a_change_failed_is_written(served):
    """Where no file is to blame, no file's entry can say it."""
    file, _, enforcement = served
    enforcement.problem = "out of memory"

    file.write()

    assert ["", "out of memory"] == [each["problem"] for each in file.texts]


def test_what_is_active_is_written_at_once(served):
    """As before."""
    file, _, enforcement = served
    enforcement.now = SimpleNamespace(facts=(), refused=(), texts=None)

    file.look()

    assert 2 == len(file.texts)


def refused(namespace, numbers, message):
    return tuple(
        RefusedFile(f"/p/{namespace}.p{n}.enforcerpolicy.yaml", False, (message,), "0" * 64)
        for n in numbers
    )


def test_messages_of_one_namespace_take_nobodys_room(served):
    """Thousands of them, which are as long as can be: the file can still be read, and says why others are refused."""
    file, _, enforcement = served
    flood = refused("flood", range(1100), '\N{GRINNING FACE}\x01"' * 4096)
    shop = refused("shop", range(50), "wrong: " + "\N{GRINNING FACE}" * 4000)
    enforcement.now.refused = (*flood, *shop)

    text = file.text()

    assert len(text) < 8 << 20
    found = json.loads(text)
    jsonschema.validate(found, schema("results", is_strict=True))
    messages = {each["file"]: each["message"] for each in found["policies"]}
    assert 1150 == len(messages)
    assert 50 == sum("wrong: " in messages[each.path] for each in shop)
    assert "too much is wrong" in messages[flood[-1].path]
    assert "\N{GRINNING FACE}" in messages[flood[0].path]


def test_refused_files_of_one_namespace_take_nobodys_room(served):
    """Whoever makes more than a report has room for; they are counted."""
    file, _, enforcement = served
    enforcement.now.refused = (
        *refused("flood", range(20_000), "wrong"),
        *refused("shop", range(50), "wrong"),
    )

    found = json.loads(file.text())

    files = [each["file"] for each in found["policies"]]
    assert (5000, 50) == (len(files), sum("/shop." in each for each in files))
    assert 15_050 == found["omitted"]


def test_active_policies_are_never_left_out(served):
    """Whatever is refused beside them, in the same namespace."""
    file, _, enforcement = served
    enforcement.now.refused = refused("flood", range(6000), "x" * 4096)
    facts = SimpleNamespace(
        name="flood/a",
        file="/p/flood.a.enforcerpolicy.yaml",
        is_enabled=True,
        mode="enforce",
        degraded=(),
        permitting=False,
    )
    enforcement.now.facts = (facts,)

    first, *_ = json.loads(file.text())["policies"]

    assert ("flood/a", "active", "") == (first["name"], first["state"], first["message"])


def test_a_name_that_is_no_text_is_written_as_it_was(served):
    """Root may have such a file; nothing else is kept from being told by it."""
    file, _, enforcement = served
    enforcement.now.refused = (RefusedFile("/p/\udcff.yaml", False, ("/p/\udcff.yaml: wrong",)),)

    (found,) = json.loads(file.text().decode())["policies"]

    assert "/p/\udcff.yaml" == found["file"]
