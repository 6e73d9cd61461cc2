# SPDX-License-Identifier: MIT
"""The daemon is killed, crashes and starts again: what is in force stays in force."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from churn import KINDS, Churn, Place, verdicts
from daemon import PINS, Daemon, ask, leftovers, managed, told, until
from engine import attempt
from rounds import Folder, Rounds

ROOT = Path("/opt/enforcer-test-survival")
RESTARTS, CRASHES = 3, 10
PLAIN = ROOT / "plain"
EVERYBODY = f"file: read, match: {{path: {PLAIN}}}, action: deny"
NOTHING = {"programs": [], "links": [], "pins": []}
REFUSED, DONE = dict.fromkeys(KINDS, "refused"), dict.fromkeys(KINDS, "done")


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    place = Place.make(ROOT)
    PLAIN.write_text("plain\n")
    yield place
    place.remove()


@pytest.fixture
def rounds(place: Place, tmp_path) -> Iterator[Rounds]:
    """A daemon that is not started yet, with variant 'a'."""
    folder = Folder.make(ROOT / f"policies-{tmp_path.name}", "")
    with managed(tmp_path / "daemon", folder.path) as daemon:
        yield Rounds.prepare(place, daemon, folder, EVERYBODY)
    assert NOTHING == leftovers()


def is_refused() -> bool:
    """Whether anybody may read the file; seen by this process, which needs no other one."""
    try:
        os.close(os.open(PLAIN, os.O_RDONLY))
    except PermissionError:
        return True
    return False


def enforced(daemon: Daemon, policy: str) -> int:
    """How often the rules of *policy* refused something."""
    return sum(p["enforced"] for p in daemon.status()["policies"] if p["name"] == policy)


def test_daemon_is_killed_again_and_again(rounds: Rounds):
    assert DONE == verdicts(Churn.once(rounds.place))
    rounds.daemon.start()
    rounds.started()
    with Churn.at(rounds.place, seconds=3000) as churn:
        rounds.run_restarts(RESTARTS, churn)
    assert rounds.tail.torn <= RESTARTS  # one line may be cut off where the writer was killed
    rounds.daemon.stop()

    assert NOTHING == leftovers()
    assert DONE == verdicts(Churn.once(rounds.place))


def test_counts_and_records_go_on(rounds: Rounds):
    daemon = rounds.daemon
    daemon.start()
    rounds.started()
    with Churn.at(rounds.place) as churn:
        churn.advance()
        daemon.kill()
        counts = churn.advance()
    with Churn.at(rounds.place) as churn:  # nobody is there, now from the beginning
        also = churn.advance()
        assert is_refused()
        daemon.start()
        rounds.started()
        churn.advance()
        first = enforced(daemon, "a-vault")
        churn.advance()
        second = enforced(daemon, "a-vault")
        rounds.reload(rounds.place.variant("a", 40, EVERYBODY), "request")  # rules stay
        third = enforced(daemon, "a-vault")

    tried = sum(seen["attempts"] for c in (counts, also) for seen in c["kinds"].values())
    assert tried + 1 <= first <= second <= third


def test_counts_are_exact_over_a_crash(rounds: Rounds):
    daemon = rounds.daemon
    daemon.start()
    for _ in range(3):
        assert is_refused()
    daemon.kill()
    for _ in range(4):
        assert is_refused()
    rounds.folder.rename(rounds.place.variant("a", 300, EVERYBODY).text)
    daemon.start()
    for _ in range(5):
        assert is_refused()

    assert 12 == enforced(daemon, "a-vault")


def test_what_happened_meanwhile_is_told(rounds: Rounds):
    daemon = rounds.daemon
    daemon.start()
    generation = daemon.generation()
    daemon.kill()
    began = time.time()
    for _ in range(3):
        assert b"not permitted" in attempt("/bin/cat", str(PLAIN)).stderr
    rounds.folder.rename(rounds.place.variant("b", 50, EVERYBODY).text)
    daemon.start()
    assert is_refused()

    def told_of() -> list[dict]:
        log = [json.loads(line) for line in daemon.log.read_text().splitlines()]
        found = [r for r in log if r["kind"] == "match" and str(PLAIN) == r["object"]["path"]]
        return found if len(found) >= 4 else []

    *meanwhile, after = until(told_of)
    assert [("a-vault", "a-extra-0", generation)] * 3 == [
        (r["policy"], r["rule"], r["generation"]) for r in meanwhile
    ]
    assert {"/usr/bin/cat"} == {r["process"]["exe"] for r in meanwhile}
    assert all(r["time"] >= _stamp(began - 1) for r in meanwhile)
    assert ("b-vault", True) == (after["policy"], after["generation"] > generation)


def test_orderly_end_leaves_nothing(rounds: Rounds):
    rounds.daemon.start()
    assert is_refused()
    assert any(leftovers().values())

    told("stop")

    assert NOTHING == leftovers()
    assert not is_refused()


def test_persisting_outlives_an_orderly_end(rounds: Rounds):
    rounds.daemon.start("--persist")
    rounds.daemon.stop()
    assert REFUSED == verdicts(Churn.once(rounds.place))

    assert ask("stop").returncode != 0  # there is no daemon, and it says what to do
    assert REFUSED == verdicts(Churn.once(rounds.place))
    told("stop", "--force")

    assert NOTHING == leftovers()
    assert DONE == verdicts(Churn.once(rounds.place))


def test_lost_engine_can_be_cleared(rounds: Rounds):
    rounds.daemon.start()
    rounds.daemon.kill()
    assert is_refused()

    told("stop", "--force")

    assert NOTHING == leftovers()
    assert not is_refused()


def test_run_time_change_outlives_a_crash(rounds: Rounds):
    daemon = rounds.daemon
    daemon.start()
    told("policy", "disable", "a-vault")
    assert not is_refused()

    daemon.kill()
    daemon.start()
    assert not is_refused()
    daemon.stop()
    daemon.start()

    assert is_refused()  # an orderly end forgets it


@pytest.mark.parametrize("old", [False, True], ids=["nothing before", "a set before"])
def test_crash_in_the_middle_of_a_start(rounds: Rounds, old):
    """Whenever it happens, all of a set is in force, or none if there was none."""
    daemon, chance = rounds.daemon, random.Random(os.environ.get("ENFORCER_SEED", "3"))
    began = time.monotonic()
    daemon.start()
    rounds.started()
    usual = time.monotonic() - began
    if old:
        daemon.kill()
    else:
        daemon.stop()
    ends = []
    for n in range(CRASHES // 2):
        rounds.folder.rename(rounds.next_variant(n, 5 + 40 * n).text)
        before = set(_sessions())
        daemon.launch()
        if n % 2:  # somewhere
            time.sleep(chance.uniform(0, usual))
        else:  # where it matters: it has begun to leave traces
            until(lambda before=before: set(_sessions()) - before or daemon.process.poll(), 180)
            time.sleep(chance.uniform(0, 0.5))
        daemon.kill()
        ends.append(verdicts(Churn.once(rounds.place)))

    assert all(end == REFUSED or (end == DONE and not old) for end in ends), ends
    daemon.start()
    assert REFUSED == verdicts(Churn.once(rounds.place))
    daemon.stop()
    assert NOTHING == leftovers()


def _sessions() -> list[str]:
    return [path.name for path in PINS.iterdir()] if PINS.is_dir() else []


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
