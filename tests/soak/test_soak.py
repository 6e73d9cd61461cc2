# SPDX-License-Identifier: MIT
"""
A thousand reloads, five hundred broken policies, fifty killed daemons, under attack all the time.

``ENFORCER_SOAK`` divides the numbers, for a machine that has less time: ``ENFORCER_SOAK=10``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from churn import KINDS, Churn, Place, verdicts
from daemon import leftovers, managed, until
from rounds import WAYS, Folder, Rounds

ROOT = Path("/opt/enforcer-soak")
PART = int(os.environ.get("ENFORCER_SOAK", "1"))
RELOADS, BREAKS, RESTARTS = 1000 // PART, 500 // PART, 50 // PART
# A command is a process that begins, which takes longer than all the others together.
TEN_WAYS = (*WAYS, *WAYS[1:-1])
SECONDS = 6 * 3600  # the attackers end by themselves if the tests do not


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    place = Place.make(ROOT)
    assert dict.fromkeys(KINDS, "done") == verdicts(Churn.once(place))
    yield place
    place.remove()


@pytest.fixture
def rounds(place: Place, tmp_path) -> Iterator[Rounds]:
    folder = Folder.make(ROOT / f"policies-{tmp_path.name}", "")
    with managed(tmp_path / "daemon", folder.path) as daemon:
        rounds = Rounds.prepare(place, daemon, folder)
        daemon.start()
        rounds.started()
        yield rounds
        if daemon.process.poll() is None:
            daemon.stop()
    assert not any(leftovers().values())


def say(rounds: Rounds, name: str, counts: dict) -> None:
    tried = {kind: seen["attempts"] for kind, seen in counts["kinds"].items()}
    print(
        f"{time.strftime('%T')} {name}: generation {rounds.newest}, {rounds.records:,} records, attempts {tried}",
        flush=True,
    )


@contextmanager
def attacked(rounds: Rounds) -> Iterator[Churn]:
    """Attackers; where one of them got or lost what it should not, the failure says what is known."""
    try:
        with Churn.at(rounds.place, seconds=SECONDS) as churn:
            yield churn
    except AssertionError as error:
        if rounds.daemon.is_active:
            error.add_note(f"counters: {rounds.daemon.status()['kernel']}")
        for line in rounds.daemon.log.read_text(errors="replace").splitlines():
            if "-else" in line or '"onError":true' in line:
                error.add_note(line)
        raise


def test_reloads(rounds: Rounds):
    with attacked(rounds) as churn:
        for n in range(RELOADS // 10):
            rounds.run_reloads(10, churn, TEN_WAYS)
            say(rounds, f"{10 * (n + 1)} reloads", churn.advance())
        until(lambda: (rounds.check_records(), rounds.seen[-1] == rounds.newest)[1], 120)
        say(rounds, f"{RELOADS} reloads", churn.advance())

    assert RELOADS + 1 <= rounds.newest
    assert sorted(set(rounds.seen)) == rounds.seen


def test_broken_policies(rounds: Rounds):
    with attacked(rounds) as churn:
        rounds.run_broken(BREAKS, churn)
        say(rounds, f"{BREAKS} broken policies", churn.advance())


def test_restarts(rounds: Rounds):
    with attacked(rounds) as churn:
        rounds.run_restarts(RESTARTS, churn)
        say(rounds, f"{RESTARTS} restarts", churn.advance())

    assert rounds.tail.torn <= RESTARTS
