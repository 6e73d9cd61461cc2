# SPDX-License-Identifier: MIT
"""
What a set of subjects may do with a file is remembered: until anything changes that it depends on, and no longer.

Whoever acts has done the same several times before, so that there is every reason to remember. That it was
remembered shows ``decisions`` of the kernel, which then does not grow.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import randrange
from typing import Any

import compiled
import pytest
from agent import Agent
from amount import number
from daemon import Daemon, managed, until
from patience import scaled
from play import Play
from remembered_policy import MANY, MARKED, many
from remembered_policy import policy as single
from script import LONG, ROOT, Script
from storm_policy import PROGRAMS, policy

SOAK = int(os.environ.get("ENFORCER_SOAK", "0"))  # what part of it: 10 is a tenth
FILES = ROOT / "files"
STEPS = LONG if SOAK else number(900, 500)
SEED = int(os.environ.get("ENFORCER_SEED", randrange(1 << 32)))
SCRIPT = os.environ.get("ENFORCER_STORM")
AGAIN = 400 // SOAK if SOAK else 20
SWAPS = 100_000 // SOAK if SOAK else 300
TIMES = 20
FEW = 15  # decisions while a hundred accesses are remembered
READ, WRITE, BOTH, APPEND = os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND
REFUSED = (0, errno.EPERM)
NAMES = (
    *("plain", "told", "limited", "said", "user", "capable", "program", "held", "marks", "marked"),
    *("cgroup", "audited", "moved-free", *(f"many-{n}" for n in range(7))),
)
HAPPENED = {"permitted", "refused", "missing", "rename", "exchange", "mount", "program", "make"}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    (ROOT / "bin").mkdir(parents=True)
    (FILES / "free").mkdir(parents=True)
    for program in (*(ROOT / "bin" / name for name in PROGRAMS), ROOT / "mover"):
        compiled.place("storm", program)
    for name in (*NAMES, "free/f"):
        (FILES / name).write_text("content")
        (FILES / name).chmod(0o666)
    yield ROOT
    shutil.rmtree(ROOT)


@pytest.fixture(scope="module")
def daemon(place, tmp_path_factory) -> Iterator[Daemon]:
    with managed(tmp_path_factory.mktemp("remembered"), place / "policy.yaml") as it:
        (place / "policy.yaml").write_text(single(place))
        it.start("--no-watch")
        yield it


@pytest.fixture
def agent(daemon) -> Iterator[Agent]:
    """Somebody whom the policies are about."""
    it = Agent.start(ROOT / "bin" / "trusted")
    yield it
    it.end()


def activate(daemon: Daemon, text: str, **how: object) -> dict[str, Any]:
    """Make *text* the active policies; returns what the daemon says of it."""
    (ROOT / "policy.yaml").write_text(text)
    return daemon.request("reload", **how)


@pytest.fixture
def watched(daemon) -> Iterator[None]:
    """With conditions that are compared each time."""
    activate(daemon, single(ROOT, is_watched=True))
    yield
    activate(daemon, single(ROOT))


def hits(daemon: Daemon, name: str = "remembered") -> dict[str, int]:
    """How often each rule has decided."""
    rows = daemon.request("policy-show", name=name)["policy"]["rows"]
    return {row["rule"]: row["enforced"] + row["audited"] for row in rows}


def decisions(daemon: Daemon) -> int:
    """How often the kernel side has decided anew."""
    return int(daemon.status()["kernel"]["decisions"])


def records(daemon: Daemon, rule: str) -> int:
    """How many records there are of a rule."""
    daemon.catch_up()
    return sum(one.get("rule") == rule for one in daemon.records())


def warm(agent: Agent, name: str, flags: int = READ) -> None:
    """Use a file that is permitted, with every reason to remember that."""
    assert (TIMES, 0) == agent.do("open", flags, FILES / name, times=TIMES)


def opened(agent: Agent, name: str, flags: int = READ, times: int = 1) -> tuple[int, int]:
    """Use a file: how often that went, and the last error."""
    return agent.do("open", flags, FILES / name, times=times)


# ---- Counts ------------------------------------------------------------------------------------


def test_what_is_remembered_is_counted(daemon, agent) -> None:
    """Each access counts for the rule that permits it, also if nothing was decided anew."""
    before, spent = hits(daemon), []
    for what, *words in (
        *(("open", flags, FILES / "plain") for flags in (READ, WRITE, BOTH, APPEND)),
        *((what, "127.0.0.1", 7511) for what in ("connect", "send")),
    ):
        decided = decisions(daemon)
        assert (100, 0) == agent.do(what, *words, times=100)
        spent.append(decisions(daemon) - decided)

    spent_on_append = spent.pop(3)
    assert max(spent) < FEW, spent
    assert spent_on_append >= 100  # some rule on it asks for a mark, which is as new as it is
    now = hits(daemon)
    assert (400, 200, 200) == tuple(now[r] - before[r] for r in ("plain", "port", "socket"))


def test_what_is_recorded_is_recorded_each_time(daemon, agent) -> None:
    before = hits(daemon)

    for name in ("told", "said", "limited"):
        warm(agent, name)

    now = hits(daemon)
    assert {TIMES} == {now[name] - before[name] for name in ("told", "said", "limited")}
    assert (TIMES, TIMES, 2) == tuple(records(daemon, n) for n in ("told", "said", "limited"))


def test_what_is_audited_is_recorded_each_time(daemon, agent) -> None:
    before = hits(daemon, "watched")["audited"]

    warm(agent, "audited")

    assert TIMES == hits(daemon, "watched")["audited"] - before
    assert records(daemon, "audited") >= TIMES


def test_a_permission_marks_each_time(agent) -> None:
    """The mark of an access that was permitted before is as new as the access."""
    assert REFUSED == opened(agent, "marked", APPEND)
    warm(agent, "marks")
    assert (1, 0) == opened(agent, "marked", APPEND)

    time.sleep(MARKED + 0.5)

    assert REFUSED == opened(agent, "marked", APPEND)
    assert (1, 0) == opened(agent, "marks")
    assert (1, 0) == opened(agent, "marked", APPEND)


# ---- Who acts ----------------------------------------------------------------------------------


def test_other_ids_are_seen(agent) -> None:
    assert REFUSED == opened(agent, "user")
    for _ in range(3):
        agent.must("ids", 1001, 0)
        warm(agent, "user")
        agent.must("ids", 1002, 0)
        assert REFUSED == opened(agent, "user")
    agent.must("ids", 0, 0)
    assert REFUSED == opened(agent, "user")


def test_a_thread_that_is_another_user_is_seen(agent) -> None:
    """Credentials are those of a thread, whatever its process has."""
    agent.must("ids", 1001, 0)
    warm(agent, "user")

    assert REFUSED == agent.do("thread", 1002, READ, FILES / "user")

    warm(agent, "user")
    assert (1, 0) == agent.do("thread", 1001, READ, FILES / "user")


def test_a_worker_of_io_uring_has_the_ids_that_its_process_has_now(agent) -> None:
    """It was made by another user, and for him it has opened the file."""
    agent.must("ids", 1001, 0)
    assert (TIMES, 0) == agent.do("ring", READ, FILES / "user", times=TIMES)
    agent.must("ids", 1002, 0)

    assert REFUSED == agent.do("ring", READ, FILES / "user")

    agent.must("ids", 1001, 0)
    assert (TIMES, 0) == agent.do("ring", READ, FILES / "user", times=TIMES)


def test_another_program_is_seen(agent) -> None:
    warm(agent, "program")

    agent.must("become", ROOT / "bin" / "other")

    assert REFUSED == opened(agent, "program")
    agent.must("become", ROOT / "bin" / "trusted")
    warm(agent, "program")


def test_a_child_has_its_own_subjects(agent) -> None:
    agent.must("ids", 1001, 0)
    warm(agent, "user")
    agent.must("fork")
    warm(agent, "user")
    agent.must("ids", 1002, 0)
    assert REFUSED == opened(agent, "user")

    agent.do("quit")

    warm(agent, "user")


def test_a_descriptor_that_was_handed_on_is_asked_about(agent) -> None:
    """A strict rule asks who uses it; he who opened it goes on."""
    agent.must("ids", 1001, 0)
    agent.must("hold", FILES / "held")
    assert (TIMES, 0) == agent.do("use", times=TIMES)
    agent.must("fork")
    agent.must("ids", 1002, 0)

    assert REFUSED == agent.do("use")

    agent.do("quit")
    assert (1, 0) == agent.do("use")


def test_another_cgroup_is_seen(watched, agent) -> None:
    """Somebody else moves the process."""
    groups = Path("/sys/fs/cgroup")
    (groups / "storm").mkdir(exist_ok=True)
    assert REFUSED == opened(agent, "cgroup")
    for _ in range(3):
        (groups / "storm" / "cgroup.procs").write_text(str(agent.pid()))
        warm(agent, "cgroup")
        (groups / "cgroup.procs").write_text(str(agent.pid()))
        assert REFUSED == opened(agent, "cgroup")


def test_other_capabilities_are_seen(watched, agent) -> None:
    for _ in range(3):
        warm(agent, "capable")
        agent.must("drop", 13)
        assert REFUSED == opened(agent, "capable")
        agent.must("gain", 13)


# ---- Policies ----------------------------------------------------------------------------------


def test_a_policy_that_permits_no_longer_is_seen(daemon, agent) -> None:
    for _ in range(2):
        warm(agent, "plain")
        assert (5, 0) == agent.do("connect", "127.0.0.1", 7511, times=5)
        activate(daemon, single(ROOT, without="plain").replace("7511", "7512"))
        assert REFUSED == opened(agent, "plain")
        assert REFUSED == agent.do("connect", "127.0.0.1", 7511)
        activate(daemon, single(ROOT))
    warm(agent, "plain")


@pytest.mark.long
def test_another_session_begins_with_nothing(daemon, agent) -> None:
    """So many rules have no room in the tables that are loaded."""
    fillers = "".join(
        f"    - {{file: read, guard: false, match: {{path: {ROOT}/none-{n}}}, action: deny}}\n"
        for n in range(2200)
    )
    warm(agent, "plain")
    text = single(ROOT, without="plain").replace("  rules:\n", f"  rules:\n{fillers}", 1)

    assert activate(daemon, text)["successor"]

    assert REFUSED == opened(agent, "plain")
    activate(daemon, single(ROOT))
    warm(agent, "plain")


def test_what_an_image_permitted_ends_with_it(daemon, agent) -> None:
    """The kernel goes back by itself, and nobody tells it that what it remembers is void."""
    within = round(min(scaled(6), 20))
    activate(daemon, single(ROOT, without="plain").replace("7511", "7512"))
    assert REFUSED == opened(agent, "plain")
    activate(daemon, single(ROOT), confirmWithin=within)
    warm(agent, "plain")
    assert (5, 0) == agent.do("connect", "127.0.0.1", 7511, times=5)

    time.sleep(within + 0.5)

    assert REFUSED == opened(agent, "plain")
    assert REFUSED == agent.do("connect", "127.0.0.1", 7511)
    until(lambda: not daemon.status()["pending"])
    assert REFUSED == opened(agent, "plain")
    activate(daemon, single(ROOT))
    warm(agent, "plain")


def test_more_sets_than_there_is_room_for_are_decided_anew(daemon, agent) -> None:
    activate(daemon, many(ROOT))
    try:
        for uid in (*MANY, *MANY[:50]):
            agent.must("ids", uid, 0)
            assert (2, 0) == opened(agent, f"many-{uid % 7}", times=2), uid
            assert REFUSED == opened(agent, f"many-{(uid + 1) % 7}"), uid
        assert daemon.status()["kernel"]["no_set"] > 0
    finally:
        activate(daemon, single(ROOT))


# ---- Names -------------------------------------------------------------------------------------


def test_a_second_name_changes_nothing(agent) -> None:
    """Nor does it when it goes."""
    second = FILES / "second"
    warm(agent, "plain")
    second.hardlink_to(FILES / "plain")
    warm(agent, "plain")
    assert REFUSED == opened(agent, "second")
    second.unlink()
    warm(agent, "plain")


@pytest.mark.parametrize("below", ["", "/f"], ids=["file", "directory"])
def test_what_was_renamed_is_seen_by_whoever_comes_later(agent, below) -> None:
    """Others use both names all the time, and remember what they can."""
    name, program = FILES / "moved-free", ROOT / "bin" / "other"
    if below:
        name.unlink()
        name.mkdir()
        (name / "f").write_text("content")
    free, forbidden = str(name), str(FILES / "kept")
    argv = [program, "swap", str(SWAPS), free, forbidden, below]

    done = subprocess.run(argv, capture_output=True, check=False, timeout=scaled(300))

    assert 0 == done.returncode, done.stderr
    assert (0, 2 * SWAPS) == tuple(map(int, done.stdout.split()))


@pytest.mark.parametrize("kind", ["ext4", "overlay"])
def test_what_the_kernel_gives_again_is_another_file(daemon, scratch, kind) -> None:
    """Addresses and the inode's number are those of a file that was permitted before."""
    where = scratch / "again"
    for name in ("lower", "upper", "work", "shown"):
        (where / kind / name).mkdir(parents=True)
    shown = where / kind / "shown"
    if kind == "overlay":
        layers = ",".join(f"{n}dir={where / kind / n}" for n in ("lower", "upper", "work"))
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, shown], check=True)
    text = (
        f"apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {{name: again}}\nspec:\n  rules:\n"
        f"    - {{file: read, match: {{path: {shown}/a/**}}, action: allow}}\n"
        f"    - {{file: read, match: {{path: {shown}/b/**}}, action: deny, guard: false}}\n"
    )
    activate(daemon, text)
    try:
        argv = [ROOT / "mover", "again", str(AGAIN), shown]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=scaled(300))
    finally:
        activate(daemon, single(ROOT))
        subprocess.run(["umount", "-q", shown], check=False)
    assert 0 == done.returncode, done.stderr
    assert (0, AGAIN) == tuple(map(int, done.stdout.split()))


def test_files_of_an_ended_process_are_not_those_of_another(daemon) -> None:
    """Below ``/proc/N/net`` files of all processes have the same inode numbers."""
    activate(
        daemon,
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: again}\nspec:\n  rules:\n"
        '    - {file: read, match: {path: "/proc/*1/net/dev"}, action: allow}\n'
        '    - {file: read, match: {path: "/proc/*2/net/dev"}, action: deny, guard: false}\n',
    )
    try:
        argv = [ROOT / "mover", "process", str(AGAIN)]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=scaled(300))
    finally:
        activate(daemon, single(ROOT))
    assert 0 == done.returncode, done.stderr
    assert b"0\n" == done.stdout


# ---- Anything ----------------------------------------------------------------------------------


def _shown(script: Script) -> Iterator[str]:
    """Its lines; how far it is, as a long one takes an hour."""
    began, steps = time.monotonic(), 0
    for line in script:
        yield line
        is_change = line.startswith("# ")
        steps += is_change
        if is_change and steps % 10_000 == 0:
            print(f"{time.monotonic() - began:.0f} s: {steps} of {script.steps} steps", flush=True)


@pytest.fixture
def play(daemon, place) -> Iterator[Play]:
    """Who plays a storm; what he leaves mounted is taken away."""
    activate(daemon, policy(place, "a"))
    it = Play.begin(lambda variant: activate(daemon, policy(place, variant)))
    yield it
    it.end()
    for point in (place / "m").iterdir():
        while not subprocess.run(["umount", "-q", point], check=False).returncode:
            pass


def test_a_storm_finds_nothing_that_the_reference_does_not_say(daemon, play) -> None:
    """``ENFORCER_SEED`` makes the same steps again; ``ENFORCER_STORM`` has been written before (``script.py``)."""
    script = Script.read(Path(SCRIPT)) if SCRIPT else Script(SEED, STEPS)
    print(f"seed {script.seed}, {script.steps} steps")
    began, before = time.monotonic(), decisions(daemon)

    differs = play.run(_shown(script))

    print(f"{time.monotonic() - began:.1f} s: {dict(play.seen)}")
    print(decisions(daemon) - before, "decisions")
    assert differs is None, f"{script.around(differs[0])}\ncame to {differs[1]!r}"
    assert set(play.seen) >= HAPPENED
