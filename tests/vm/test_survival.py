# SPDX-License-Identifier: MIT
"""
The daemon is killed, crashes and starts again: what is active stays active.

Behind ``make soak`` it crashes more often.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from attempter import scripted
from churn import KINDS, Churn, Place, unharmed, verdicts
from daemon import PINS, Daemon, Tail, ask, leftovers, managed, told, until
from engine import attempt
from patience import scaled
from rounds import Folder, Rounds

ROOT = Path("/opt/enforcer-test-survival")
RESTARTS, CRASHES = (3, 10) if "ENFORCER_SOAK" in os.environ else (1, 4)
PLAIN = ROOT / "plain"
EVERYBODY = f"file: read, match: {{path: {PLAIN}}}, action: deny"
FLOOD = 2000  # a ring has room for a thousand
NOTHING = {"programs": [], "links": [], "pins": []}
REFUSED, DONE = dict.fromkeys(KINDS, "refused"), dict.fromkeys(KINDS, "done")


# A start that gets a signal once its policies are active: what is left of one before is released just then.
INTERRUPTED = """
import os, sys
from enforcer.cli.main import main
from enforcer.runtime.policies import start
number, path, *words = sys.argv[1:]
take_over = start._take_over
def interrupted(*given):
    try:
        open(path)
    except PermissionError:
        os.kill(os.getpid(), int(number))
    return take_over(*given)
start._take_over = interrupted
sys.exit(main(words))
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    place = Place.make(ROOT)
    PLAIN.write_text("plain\n")
    yield place
    place.remove()


@pytest.fixture(scope="module")
def stage(place: Place, tmp_path_factory) -> Iterator[Rounds]:
    """One daemon for all tests: a start takes long in an emulated machine."""
    assert DONE == verdicts(Churn.once(place))
    folder = Folder.make(ROOT / "policies", "")
    with managed(tmp_path_factory.mktemp("survival"), folder.path) as daemon:
        yield Rounds.prepare(place, daemon, folder, EVERYBODY)
    assert NOTHING == leftovers()


@pytest.fixture
def rounds(stage: Rounds) -> Rounds:
    """The daemon, running."""
    daemon = stage.daemon
    if not daemon.is_active:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()  # a test failed while it began
        stage.start_afresh()
    return stage


def is_refused() -> bool:
    """Whether anybody may read the file; seen by this process, which needs no other one."""
    try:
        os.close(os.open(PLAIN, os.O_RDONLY))
    except PermissionError:
        return True
    return False


def records_of(daemon: Daemon) -> list[dict]:
    """The records about that file."""
    log = Tail(daemon.log, limit=1 << 40).records()
    return [r for r in log if r["kind"] == "match" and str(PLAIN) == r["object"].get("path")]


def enforced(daemon: Daemon, policy: str) -> int:
    """How often the rules of *policy* refused something."""
    return sum(p["enforced"] for p in daemon.status()["policies"] if p["name"] == policy)


def refused_again_and_again(count: int) -> int:
    """Let one process be refused so often that the ring is full; returns its number."""
    argv = scripted(str(Path(__file__).with_name("flooder.py")), "loop", f"{count}", "1")
    done = subprocess.run([*argv, f"read {PLAIN}"], stdout=subprocess.PIPE, check=True)
    answer = json.loads(done.stdout)
    assert {f"read {PLAIN}": count} == answer["refused"]
    return int(answer["pid"])


def times(records: Iterable[dict]) -> int:
    """How many verdicts they stand for."""
    return sum(1 + record.get("repeats", {"count": 0})["count"] for record in records)


def all_of(records: list[dict], wanted: int) -> list[dict] | None:
    return records if times(records) >= wanted else None


def test_daemon_is_killed_again_and_again(rounds: Rounds):
    with Churn.at(rounds.place, seconds=3000) as churn:
        rounds.run_restarts(RESTARTS, churn)

    assert rounds.tail.torn <= RESTARTS  # one line may be cut off where the writer was killed


def test_counts_and_records_go_on(rounds: Rounds):
    daemon, letter = rounds.daemon, rounds.variant.letter
    policy, generation = f"{letter}-vault", rounds.newest
    daemon.catch_up()
    before, counted = records_of(daemon), enforced(daemon, policy)
    for _ in range(3):
        assert is_refused()
    daemon.catch_up()  # what it has in hand when it is killed is lost, and only counted
    daemon.kill()
    loud = refused_again_and_again(FLOOD)
    for _ in range(4):
        assert b"not permitted" in attempt("/bin/cat", str(PLAIN)).stderr
    rounds.variant = rounds.place.variant(letter, 300, EVERYBODY)  # the same rules, and others
    rounds.folder.rename(rounds.variant.text)
    daemon.start()
    rounds.started()
    for _ in range(5):
        assert is_refused()

    assert counted + 12 + FLOOD == enforced(daemon, policy)
    found = until(lambda: all_of(records_of(daemon)[len(before) :], 12 + FLOOD))
    # What waited outside of the full ring comes last.
    found.sort(key=lambda record: record["time"])
    assert FLOOD == times(record for record in found if record["process"]["pid"] == loud)
    assert any("repeats" in record for record in found)
    records = [record for record in found if record["process"]["pid"] != loud]
    assert [generation] * 7 + [rounds.newest] * 5 == [r["generation"] for r in records]
    assert {(policy, f"{letter}-extra-0")} == {(r["policy"], r["rule"]) for r in records}
    assert {"/usr/bin/cat"} == {r["process"]["exe"] for r in records[3:7]}


def test_counts_stay_exact_under_attack(rounds: Rounds):
    daemon, policy = rounds.daemon, f"{rounds.variant.letter}-vault"
    before = enforced(daemon, policy)
    with Churn.at(rounds.place, seconds=3000) as churn:
        churn.advance()
        first = enforced(daemon, policy)
        daemon.kill()
        churn.advance()
        daemon.start()
        rounds.started()
        second = enforced(daemon, policy)
        churn.advance()
        counts = unharmed(churn.end())
    third = enforced(daemon, policy)

    assert before < first < second < third
    assert sum(seen["attempts"] for seen in counts["kinds"].values()) == third - before


def test_run_time_change_outlives_a_crash_and_no_orderly_end(rounds: Rounds):
    daemon = rounds.daemon
    told("policy", "disable", f"{rounds.variant.letter}-vault")
    assert not is_refused()
    daemon.kill()
    daemon.start()
    assert not is_refused()

    told("stop")

    assert [] == leftovers()["pins"]
    assert DONE == verdicts(Churn.once(rounds.place))
    assert 0 == ended(daemon)
    assert NOTHING == leftovers()
    daemon.start()
    assert is_refused()
    rounds.newest = daemon.generation()


def ended(daemon: Daemon) -> int:
    """The exit code of a daemon that ends; the kernel takes its time to take the programs out."""
    assert daemon.process is not None
    return int(daemon.process.wait(scaled(120)))


def test_stopped_means_ended_and_another_may_begin(rounds: Rounds):
    """Nothing is enforced when the command returns; nobody waits for the kernel to take the programs out."""
    daemon = rounds.daemon
    assert is_refused()
    before = daemon.process

    told("stop")

    assert not is_refused()
    daemon.start()
    assert is_refused()
    assert before is not None
    assert 0 == before.wait(scaled(120))
    assert is_refused()
    assert 1 == leftovers()["links"].count("enf_file_open")
    rounds.newest = daemon.generation()


def test_lost_engine_can_be_cleared(rounds: Rounds, tmp_path):
    """
    Also one whose pins somebody has removed while its daemon lived: that one has made others.

    What has the old name by then, a link to files of others, is followed by no daemon and no command.
    """
    before = leftovers()
    link, kept = Path(before["pins"][0]), tmp_path / "kept"
    kept.touch()
    assert 0 == subprocess.run(["rm", "-r", str(PINS)], check=False).returncode
    PINS.mkdir(exist_ok=True)
    link.symlink_to(tmp_path)
    assert is_refused()
    until(lambda: rounds.daemon.status().get("pinned") and {*leftovers()["pins"]} > {str(link)})
    assert is_refused()
    # What it had pinned is gone with its programs.
    until(lambda: leftovers()["programs"] == before["programs"])
    assert {str(link)} == {*before["pins"]} & {*leftovers()["pins"]}
    assert kept.exists()

    rounds.daemon.kill()
    assert is_refused()

    told("stop", "--force")

    assert kept.exists()
    link.unlink()
    PINS.rmdir()
    assert NOTHING == leftovers()
    assert not is_refused()


def test_persisting_outlives_an_orderly_end(stage: Rounds):
    daemon = stage.daemon
    if daemon.is_active:
        daemon.stop()
    assert NOTHING == leftovers()
    daemon.start("--persist")
    daemon.stop()
    assert REFUSED == verdicts(Churn.once(stage.place))

    ended = ask("stop")

    assert 2 == ended.returncode
    assert "stop --force" in ended.stderr
    assert REFUSED == verdicts(Churn.once(stage.place))
    told("stop", "--force")
    assert NOTHING == leftovers()
    assert DONE == verdicts(Churn.once(stage.place))


@pytest.mark.parametrize("old", [True, False], ids=["over another set", "over nothing"])
def test_crash_in_the_middle_of_a_start(stage: Rounds, old):
    """Whenever it happens, all of a set is active, or none if there was none."""
    daemon, chance = stage.daemon, random.Random(os.environ.get("ENFORCER_SEED", "3"))
    if old:
        if not daemon.is_active:
            stage.start_afresh()
        daemon.kill()
    ends = []
    for n in range(CRASHES // 2):
        if not old and any(leftovers().values()):
            told("stop", "--force")
        stage.folder.rename(stage.next_variant(n, 5 + 40 * n).text)
        before = _sessions()
        daemon.launch()
        if n % 2:  # anywhere
            time.sleep(chance.uniform(0, daemon.usual))
        else:  # where it matters: it has begun to leave traces
            until(lambda before=before: _sessions() != before or daemon.process.poll(), 180)
            time.sleep(chance.uniform(0, 0.5))
        daemon.kill()
        ends.append(verdicts(Churn.once(stage.place)))

    assert all(end == REFUSED or (end == DONE and not old) for end in ends), ends
    daemon.start()
    stage.newest = daemon.generation()
    assert REFUSED == verdicts(Churn.once(stage.place))
    daemon.stop()
    assert NOTHING == leftovers()


def _sessions() -> set[str]:
    return {path.name for path in PINS.iterdir()} if PINS.is_dir() else set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_a_start_ends_what_it_has_begun(rounds: Rounds, tmp_path: Path, number: int):
    """Also where what it pinned would stay: that is for a daemon that is lost, and not for one that was told."""
    policy, pins, untouched = tmp_path / "policy.yaml", PINS.parent / "interrupted", tmp_path / "f"
    untouched.touch()
    policy.write_text(
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: interrupted}\n"
        f"spec: {{rules: [{{file: read, match: {{path: {untouched}}}, action: deny}}]}}\n"
    )
    where = ("--pins", str(pins), "--socket", str(tmp_path / "socket"))

    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(int(number)), untouched, "start", *where, policy],
        capture_output=True,
        check=False,
        timeout=scaled(300),
    )

    assert (0, True) == (done.returncode, b"stopped after" in done.stdout), done.stderr
    assert [] == [*pins.rglob("*")] if pins.is_dir() else True
    assert untouched.read_bytes() == b""
    assert is_refused()  # by the other daemon
    assert rounds.daemon.is_active
