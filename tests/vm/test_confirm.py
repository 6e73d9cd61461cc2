# SPDX-License-Identifier: MIT
"""
A policy that locks everybody out goes away by itself, unless somebody can say that it may stay.

One daemon serves all tests that are not about its start. What they change fits the programs that are
loaded; one change brings a hook of its own, and one has no room in the session, so that another must take
over.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon import Daemon, Tail, ask, leftovers, managed, told, until
from engine import ENFORCER, attempt
from patience import scaled

ROOT = Path("/opt/enforcer-test-confirm")
OLD, NEW = ROOT / "old", ROOT / "new"
# Nothing that is tried within may start a program of Python; ten tests wait for its end. A machine that is
# busy at this moment need not be so later: without the bound they would wait for half an hour.
WINDOW = round(min(scaled(8.0), 24.0))
PROGRAMS = ("/bin/sh", "/bin/bash", str(ROOT / "sshd"), ENFORCER, sys.executable)

BEFORE = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: before}}
spec:
  rules:
    - {{name: old, file: read, match: {{path: {OLD}}}, action: deny}}
    - {{name: none-runs, exec: {{}}, match: {{path: {ROOT}/none}}, action: deny}}
"""
LOCKOUT = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: lockout}}
spec:
  rules:
    - name: nobody-runs
      exec: {{}}
      match: {{path: [{", ".join(str(Path(p).resolve()) for p in PROGRAMS)}]}}
      action: deny
    - {{name: new, file: read, match: {{path: {NEW}}}, action: deny}}
"""
WIDER = LOCKOUT + "    - {name: none-binds, network: bind, match: {port: 4999}, action: deny}\n"
LARGER = LOCKOUT + "".join(
    f"    - {{file: read, guard: false, match: {{path: {ROOT}/none-{n}}}, action: deny}}\n"
    for n in range(2200)
)


@pytest.fixture(scope="module", autouse=True)
def files() -> Iterator[None]:
    """What the policies are about; a program called sshd must not run either."""
    ROOT.mkdir()
    OLD.touch()
    NEW.touch()
    shutil.copy("/bin/true", ROOT / "sshd")
    yield
    shutil.rmtree(ROOT)


@pytest.fixture
def policy() -> Path:
    """Where the policy is; not below a folder that everybody may write."""
    return ROOT / "policy.yaml"


@pytest.fixture(scope="module")
def shared(files, tmp_path_factory) -> Iterator[Daemon]:
    """A daemon that no test owns; it is started when one asks for it."""
    with managed(tmp_path_factory.mktemp("confirm"), ROOT / "policy.yaml") as it:
        yield it


@pytest.fixture
def daemon(shared: Daemon, policy: Path) -> Daemon:
    """That daemon with what is active before, and nothing that awaits anything."""
    replace(policy, BEFORE)
    if not shared.is_active:
        shared.start("--no-watch")
    until(lambda: not shared.status()["pending"], 120)
    shared.request("reload")
    assert (True, False) == (is_refused(OLD), is_refused(NEW))
    return shared


@pytest.fixture
def own(policy: Path, tmp_path) -> Iterator[Daemon]:
    """A daemon for one test."""
    with managed(tmp_path / "daemon", policy) as it:
        yield it


def runs() -> list[bool]:
    """Which of the programs run."""
    argv = {"/bin/sh": ["-c", ":"], "/bin/bash": ["-c", ":"], sys.executable: ["-ISc", ""]}
    return [attempt(p, *argv.get(p, ["--help"])).returncode == 0 for p in PROGRAMS]


def replace(policy: Path, text: str) -> None:
    """Save as editors do."""
    beside = policy.with_suffix(".new")
    beside.write_text(text)
    beside.replace(policy)


def is_refused(path: Path) -> bool:
    """Whether reading is; this process needs no other program for it."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except PermissionError:
        return True
    return False


def wait_for_the_way_back(began: float) -> None:
    """Until the window is over; it may not be before."""
    assert is_refused(NEW)
    assert [False] * len(PROGRAMS) == runs()
    until(lambda: not is_refused(NEW), 120)
    assert WINDOW <= time.monotonic() - began


def test_start_that_locks_out(own: Daemon, policy: Path):
    assert [True] * len(PROGRAMS) == runs()
    policy.write_text(LOCKOUT)
    began = time.monotonic()
    own.is_executed = True  # nothing that it needs is there before
    own.start("--no-watch", "--confirm-within", f"{WINDOW:g}s")

    wait_for_the_way_back(began)

    assert [True] * len(PROGRAMS) == runs()
    own.stop()
    assert not any(leftovers().values())


def test_what_the_watch_did_goes_back(own: Daemon, policy: Path):
    """A file that was saved counts at once, and no longer than asked unless somebody confirms it."""
    policy.write_text(BEFORE)
    own.start("--watch-confirm-within", f"{WINDOW:g}s")
    first = own.generation()
    replace(policy, BEFORE.replace(str(OLD), str(NEW)))
    until(lambda: is_refused(NEW), 120)
    began = time.monotonic()
    until(lambda: not is_refused(NEW) and is_refused(OLD), 120)
    assert WINDOW - 2 <= time.monotonic() - began  # seen a moment after it was committed
    assert first + 2 == until(lambda: _settled(own))

    replace(policy, BEFORE.replace("metadata: {name: before}", "metadata: {name: after}"))
    until(lambda: own.status()["pending"], 120)
    own.request("confirm")
    assert "after" in told("policy", "list")
    assert not own.status()["pending"]


@pytest.mark.parametrize(
    ("text", "successor"), [(WIDER, False), (LARGER, True)], ids=["hook", "room"]
)
def test_reload_that_locks_out(daemon: Daemon, policy: Path, text: str, *, successor: bool):
    """By a hook that was not there, or by another session: both go back to the old policies."""
    earlier, first = len(_matches(daemon)), daemon.generation()
    assert is_refused(OLD)
    hooks = leftovers()["links"].count("enf_socket_bind")
    replace(policy, text)
    began = time.monotonic()
    assert successor is daemon.request("reload", confirmWithin=WINDOW)["successor"]
    assert successor or leftovers()["links"].count("enf_socket_bind") > hooks
    lockout = daemon.generation()
    assert not is_refused(OLD)

    wait_for_the_way_back(began)

    assert is_refused(OLD)
    assert [True] * len(PROGRAMS) == runs()
    generations = until(lambda: _generations(daemon, earlier, 3))
    assert [first, lockout] == generations[:2]
    assert lockout < generations[2]
    assert generations[2] == daemon.generation()


def test_confirmed_in_time_it_stays(daemon: Daemon, policy: Path):
    replace(policy, BEFORE.replace(str(OLD), str(NEW)))
    began = time.monotonic()
    daemon.request("reload", confirmWithin=WINDOW)
    daemon.request("confirm")
    until(lambda: time.monotonic() > began + WINDOW + 1)

    assert (False, True) == (is_refused(OLD), is_refused(NEW))
    assert "nothing awaits" in told("confirm")
    assert (False, True) == (is_refused(OLD), is_refused(NEW))


@pytest.mark.parametrize("change", [["reload"], ["policy", "disable", "before"]])
def test_commands_take_it_back(daemon: Daemon, policy: Path, change):
    replace(policy, BEFORE.replace(str(OLD), str(NEW)))
    began = time.monotonic()
    said = told(*change, "--confirm-within", f"{WINDOW:g}s")

    assert "enforcer confirm" in said
    until(lambda: is_refused(OLD) and not is_refused(NEW), 120)
    assert WINDOW <= time.monotonic() - began


def test_nothing_new_is_no_change(daemon: Daemon, policy: Path):
    """A reload of what is active leaves the generation alone, and says so."""
    first = daemon.generation()

    assert f"nothing differs, generation {first} stays" in told("reload")
    assert "nothing awaits confirmation" in ask("reload", "--confirm-within", "5s").stderr
    assert first == daemon.generation()
    assert is_refused(OLD)
    replace(policy, BEFORE.replace(str(OLD), str(NEW)))
    assert first + 1 == daemon.request("reload")["generation"]
    assert (False, True) == (is_refused(OLD), is_refused(NEW))


def test_start_after_an_unconfirmed_change(daemon: Daemon, policy: Path):
    earlier = len(_matches(daemon))
    replace(policy, LOCKOUT)
    began = time.monotonic()
    lockout = daemon.request("reload", confirmWithin=WINDOW)["generation"]
    daemon.kill()
    wait_for_the_way_back(began)
    assert is_refused(OLD)
    replace(policy, BEFORE)
    daemon.start("--no-watch")

    assert is_refused(OLD)
    generations = until(lambda: _generations(daemon, earlier, 3))
    assert lockout < generations[-1]
    assert sorted(set(generations)) == generations


def test_a_restart_confirms_nothing(daemon: Daemon, policy: Path):
    """What waits may be what ended the daemon, and its manager starts it again: then, and whenever after that."""
    replace(policy, BEFORE.replace(str(OLD), str(NEW)))
    began = time.monotonic()
    daemon.request("reload", confirmWithin=WINDOW)
    assert (False, True) == (is_refused(OLD), is_refused(NEW))

    daemon.kill()
    daemon.start("--no-watch")
    until(lambda: is_refused(OLD) and not is_refused(NEW), 120)
    assert WINDOW <= time.monotonic() - began
    generation = until(lambda: _settled(daemon))
    _change_and_change_back()
    assert (True, False) == (is_refused(OLD), is_refused(NEW))

    daemon.kill()
    daemon.start("--no-watch")
    # Of the others no image was made: they did not count while it began, either.
    assert generation + 3 == until(lambda: _settled(daemon))
    assert (True, False) == (is_refused(OLD), is_refused(NEW))
    _change_and_change_back()
    assert (True, False) == (is_refused(OLD), is_refused(NEW))

    daemon.request("reload")
    assert (False, True) == (is_refused(OLD), is_refused(NEW))


def test_kernel_falls_back_without_a_daemon(daemon: Daemon, policy: Path):
    replace(policy, LOCKOUT)
    began = time.monotonic()
    daemon.request("reload", confirmWithin=WINDOW)
    daemon.kill()
    assert not is_refused(OLD)

    wait_for_the_way_back(began)

    assert is_refused(OLD)
    assert [True] * len(PROGRAMS) == runs()
    lockout = ask("stop", "--force")
    assert lockout.returncode == 0, lockout.stderr
    assert not any(leftovers().values())


def _change_and_change_back() -> None:
    """What is changed at run time are the policies that count, whatever their files say by now."""
    for action in ("disable", "enable"):
        told("policy", action, "before")


def _settled(daemon: Daemon) -> int:
    """The generation once nothing waits to be confirmed, else 0."""
    status = daemon.status()
    return 0 if status["pending"] else int(status["generation"])


def _matches(daemon: Daemon) -> list[dict]:
    """The records of decisions so far, once all that there are have been written."""
    daemon.catch_up()
    return [r for r in Tail(daemon.log, limit=1 << 40).records() if r["kind"] == "match"]


def _generations(daemon: Daemon, earlier: int, number: int) -> list[int]:
    """The generations of the records behind the *earlier* ones, once there are *number*."""
    found = list(dict.fromkeys(r["generation"] for r in _matches(daemon)[earlier:]))
    return found if len(found) >= number else []
