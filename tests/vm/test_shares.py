# SPDX-License-Identifier: MIT
"""
Fair shares of the rings: whoever is refused again and again pushes nobody else's record out.

The rings are small here, and nobody reads them while processes are refused things. Processes count their own
refusals, and what is told in the end must be exactly as much.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import attrs
import ledger
import pytest
from attempter import scripted
from many_rules import write

from enforcer.compiler import CompiledImage
from enforcer.events.decode import Decoder, Layout
from enforcer.events.types import Event, EventFlag
from enforcer.kernel import repeats
from enforcer.kernel.session import Session
from enforcer.libbpf import abi
from enforcer.policy.language.vocabulary import ObjectFlag, Op
from enforcer.policy.store import load_policies
from enforcer.runtime.policies.compilation import prepare

ROOT = Path("/opt/enforcer-shares")
HERE = Path(__file__).parent
RING = 1 << 16
RECORD = 416 + 512 + 8  # bytes of a short one
RULES = 100  # of files of their own, so that one process can make as many kinds
LOGGED = ROOT / "logged"
LONG = ROOT.joinpath(*("directory" * 5 for _ in range(8)), "secret")
DECODER = Decoder(Layout(*abi.decoder("enf_event")))
READ, MKDIR, UNLINK = f"read {ROOT}/secret", f"mkdir {ROOT}/made", f"unlink {ROOT}/kept"


def image(directory: Path) -> CompiledImage:
    """Compile the policy of all tests."""
    rules = [
        f"file: read, match: {{path: {ROOT}/secret}}, action: deny",
        f"file: mkdir, match: {{path: {ROOT}/made}}, action: deny",
        f"file: unlink, match: {{path: {ROOT}/kept}}, action: deny",
        f"file: read, match: {{path: {LONG}}}, action: deny",
        f"file: read, match: {{path: {LOGGED}/**}}, action: log",
        f"file: unlink, match: {{path: {LOGGED}/**}}, action: log",
        *(f"file: read, match: {{path: {ROOT}/{n}}}, action: deny" for n in range(RULES)),
    ]
    write(directory, "shares", rules)
    ledger.keep()
    return prepare(load_policies([directory / "shares.yaml"]), generation=1)


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[None]:
    """Files that anybody may read without policies."""
    LONG.parent.mkdir(parents=True)
    LOGGED.mkdir()
    for file in (ROOT / "secret", ROOT / "kept", LONG, *(ROOT / str(n) for n in range(RULES))):
        file.write_text("content")
        assert "content" == file.read_text()
    yield
    subprocess.run(["rm", "-r", ROOT], check=True)


@attrs.define
class Stage:
    """A session that is read only when a test says so."""

    session: Session

    def told(self) -> list[Event]:
        """Read everything that waits."""
        found = []
        while batch := self.session.drain():
            found += map(DECODER.decode, batch)
        return found

    def stats(self) -> Counter[str]:
        return Counter(self.session.stats())


@pytest.fixture(scope="module")
def session(place, tmp_path_factory) -> Iterator[Session]:
    """One engine for all tests: a start takes long in an emulated machine."""
    compiled = image(tmp_path_factory.mktemp("shares"))
    with Session.open(compiled, rings=(RING, RING)) as it:
        yield it


@pytest.fixture
def stage(session: Session) -> Stage:
    it = Stage(session)
    it.told()
    return it


def flooder(*argv: object, cgroup: Path | None = None) -> subprocess.Popen[str]:
    """Start a process that is refused things, in *cgroup*."""
    command = scripted(str(HERE / "flooder.py"), *map(str, argv))
    if cgroup is not None:
        join = 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"'
        command = ["sh", "-c", join, "sh", str(cgroup), *command]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def done(process: subprocess.Popen[str]) -> dict:
    """Wait for what it has counted."""
    output, _ = process.communicate()
    assert 0 == process.returncode
    return json.loads(output)


def run(*argv: object, cgroup: Path | None = None) -> dict:
    return done(flooder(*argv, cgroup=cgroup))


def by_op(events: list[Event], pid: int) -> dict[Op, int]:
    """How many verdicts the records of a process stand for."""
    counts: Counter[Op] = Counter()
    for event in events:
        if event.pid == pid:
            counts[event.op] += event.times
    return dict(counts)


@pytest.fixture
def cgroups() -> Iterator[list[Path]]:
    """Two cgroups."""
    made = [Path(f"/sys/fs/cgroup/enforcer-shares-{n}") for n in range(2)]
    for path in made:
        path.mkdir()
    yield made
    for path in made:
        path.rmdir()


def test_a_loop_hides_no_other_denial(stage: Stage):
    """However often one process is refused, the refusal of another is told, and each is counted."""
    before = stage.stats()
    loud = run("loop", 3000, 1, READ)
    quiet = run("each", MKDIR)
    events, after = stage.told(), stage.stats()

    assert {READ: 3000} == loud["refused"]
    assert {MKDIR: 1} == quiet["refused"]
    assert {Op.READ: 3000} == by_op(events, loud["pid"])
    assert {Op.MKDIR: 1} == by_op(events, quiet["pid"])
    (kept,) = (event for event in events if event.repeats)
    assert len(events) < RING // RECORD
    assert 0 == after["LOST_DECISIONS"] - before["LOST_DECISIONS"]
    assert kept.repeats == after["REPEATED"] - before["REPEATED"]
    assert f"{ROOT}/secret".encode() == kept.path
    assert loud["began"] < kept.time_ns < kept.last_ns
    assert loud["last"] <= kept.last_ns <= loud["ended"]
    assert not kept.flags & EventFlag.OTHERS
    assert not (ROOT / "made").exists()


def test_nothing_changes_while_there_is_room(stage: Stage):
    """Each refusal has its record."""
    loud = run("loop", 40, 1, READ)
    events = stage.told()

    assert 40 == len(events)
    assert {Op.READ: 40} == by_op(events, loud["pid"])
    assert {0} == {event.repeats for event in events}


def test_each_kind_is_counted_by_itself(stage: Stage):
    """What one process is refused, by operation; each with what it was refused first."""
    loud = run("loop", 700, 1, READ, MKDIR, UNLINK)
    events = stage.told()

    assert {READ: 700, MKDIR: 700, UNLINK: 700} == loud["refused"]
    assert {Op.READ: 700, Op.MKDIR: 700, Op.UNLINK: 700} == by_op(events, loud["pid"])
    assert 3 == sum(event.repeats > 0 for event in events)
    assert (ROOT / "kept").exists()


def test_counts_are_exact_while_they_are_told(stage: Stage):
    """Threads count in the same entry while it is moved into the ring, over and over."""
    before = stage.stats()
    with flooder("loop", 1500, 4, READ, UNLINK) as process:
        events = []
        while process.poll() is None:
            events += stage.told()
        loud = done(process)
    events += stage.told()
    after = stage.stats()

    assert {READ: 6000, UNLINK: 6000} == loud["refused"]
    counts = by_op(events, loud["pid"])
    assert 12000 == sum(counts.values()) + after["LOST_DECISIONS"] - before["LOST_DECISIONS"]
    assert 0 == after["LOST_DECISIONS"] - before["LOST_DECISIONS"]
    assert {Op.READ: 6000, Op.UNLINK: 6000} == counts


def test_each_of_many_processes_is_told(stage: Stage):
    """Up to the share of their cgroup, each of them has its own record."""
    run("loop", 200, 1, READ)
    many = run("fork", 100, MKDIR)
    events = [event for event in stage.told() if event.op is Op.MKDIR]

    assert {MKDIR: 100} == many["refused"]
    assert 100 == len({event.pid for event in events})
    assert 100 == sum(event.times for event in events)


def test_beyond_its_share_a_cgroup_is_one_kind(stage: Stage, cgroups: list[Path]):
    """Processes beyond it are counted together, and take no place from other cgroups or other operations."""
    crowd, other = cgroups
    before = stage.stats()
    run("loop", 200, 1, READ)
    many = run("fork", 250, MKDIR, cgroup=crowd)
    within = run("each", UNLINK, cgroup=crowd)
    beside = run("fork", 20, UNLINK, cgroup=other)
    events, after = stage.told(), stage.stats()

    assert {MKDIR: 250} == many["refused"]
    assert 0 == after["LOST_DECISIONS"] - before["LOST_DECISIONS"]
    made = [event for event in events if event.op is Op.MKDIR]
    assert 250 == sum(event.times for event in made)
    (together,) = (event for event in made if event.repeats)
    assert together.flags & EventFlag.OTHERS
    assert 120 < len(made) < 132  # half of 256, and the one for all others
    assert {Op.UNLINK: 1} == by_op(events, within["pid"])
    kept = [event for event in events if event.op is Op.UNLINK and event.pid != within["pid"]]
    assert 20 == len({event.pid for event in kept}) == len(kept)
    assert {UNLINK: 20} == beside["refused"]


def test_beyond_all_shares_records_are_lost_and_counted(stage: Stage, cgroups: list[Path]):
    """Who makes too many kinds loses their records, and nobody else's."""
    crowd, other = cgroups
    before = stage.stats()
    run("loop", 200, 1, READ)
    run("fork", 150, MKDIR, cgroup=crowd)
    deeds = [f"read {ROOT}/{n}" for n in range(RULES)]
    each = run("each", *deeds, cgroup=crowd)
    beside = run("each", UNLINK, cgroup=other)
    events, after = stage.told(), stage.stats()

    assert dict.fromkeys(deeds, 1) == each["refused"]
    lost = after["LOST_DECISIONS"] - before["LOST_DECISIONS"]
    told = by_op(events, each["pid"])[Op.READ]
    assert RULES == told + lost
    assert lost > 10
    assert told > 30
    assert after["NO_KIND"] - before["NO_KIND"] > lost
    assert {Op.UNLINK: 1} == by_op(events, beside["pid"])


def test_other_records_have_shares_too(stage: Stage):
    """What is only logged, in its own ring."""
    before = stage.stats()
    for n in range(3):
        (LOGGED / str(n)).write_text("")
    loud = run("loop", 500, 1, *(f"read {LOGGED}/{n}" for n in range(2)))
    quiet = run("each", f"unlink {LOGGED}/2")
    events, after = stage.told(), stage.stats()

    assert {0} == set(loud["refused"].values())
    assert {Op.READ: 1000} == by_op(events, loud["pid"])
    assert {Op.UNLINK: 1} == by_op(events, quiet["pid"])
    assert 0 == after["LOST_ACTIVITY"] - before["LOST_ACTIVITY"]
    assert 0 == after["LOST_DECISIONS"] - before["LOST_DECISIONS"]


def test_a_long_path_is_cut_where_a_name_ends(stage: Stage):
    """The table has room for a part of it, and the record says so."""
    run("loop", 200, 1, READ)
    long = run("loop", 3, 1, f"read {LONG}")
    (event,) = (event for event in stage.told() if event.pid == long["pid"])

    assert 3 == event.times
    assert bytes(LONG).startswith(event.path + b"/")
    assert 200 < len(event.path) <= 256
    assert event.obj_flags & ObjectFlag.CUT


def test_without_shares_the_other_denial_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What the table is for: without it the loop takes the whole ring."""
    monkeypatch.setattr(repeats, "CROWDED", 2.0)
    with Session.open(image(tmp_path), rings=(RING, RING)) as it:
        stage = Stage(it)
        loud = run("loop", 3000, 1, READ)
        quiet = run("each", MKDIR)
        events, lost = stage.told(), stage.stats()["LOST_DECISIONS"]

    assert {READ: 3000} == loud["refused"]
    assert {MKDIR: 1} == quiet["refused"]
    assert 3001 == len(events) + lost
    assert not by_op(events, quiet["pid"])
