# SPDX-License-Identifier: MIT
"""Ending enforcement: in order, by force, and what a lost daemon left."""

import signal
import subprocess
import sys
import threading

import pytest
from control_fakes import Served
from printed import document

from enforcer import places
from enforcer.cli import stop as module
from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.runtime.instance.lock import InstanceLock
from enforcer.runtime.instance.lost_daemon import is_held

HANG = """
import pathlib, socket, sys, time
from enforcer.runtime.instance.lock import InstanceLock
lock = InstanceLock.take(pathlib.Path(sys.argv[1]).with_suffix(".lock"))
with socket.socket(socket.AF_UNIX) as listener:
    if sys.argv[2] == "listens":
        listener.bind(sys.argv[1])
        listener.listen()
    print("hangs", flush=True)
    time.sleep(600)
"""


class Pins:
    """What lies below the BPF file system."""

    sessions = 0
    is_held = False

    def clear(self, directory):
        assert directory == places.PINS
        cleared, self.sessions = self.sessions, 0
        return cleared


@pytest.fixture
def pins(monkeypatch):
    made = Pins()
    monkeypatch.setattr(module, "_clear", made.clear)
    monkeypatch.setattr(module, "is_left", lambda _: made.sessions > 0)
    monkeypatch.setattr(module, "_is_held", lambda _: made.is_held)
    monkeypatch.setattr(module, "require_root", lambda _: None)
    return made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "enforcer.sock"


@pytest.fixture
def stop(path, capsys):
    def call(*words):
        code = main(["stop", *words, "--socket", str(path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def served(path):
    """A daemon that ends in order when it is asked to."""
    made = Served(path)
    made.on_stop = lambda: made.reactor.after(0, made.server.close)
    yield made
    made.close()


@pytest.fixture
def hang(path, monkeypatch):
    """Start a daemon that holds the lock and does not answer."""
    monkeypatch.setattr(module, "_SHORT", 0.3)
    started = []

    def start(how):
        process = subprocess.Popen(
            [sys.executable, "-c", HANG, str(path), how], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "hangs\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(30)
        process.stdout.close()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_daemon_is_asked(served, stop, pins, force):
    """By force, too: whoever answers ends in order."""
    code, out, err = stop(*force)

    assert (code, out, err) == (Exit.OK, "enforcer: stopped, nothing is enforced any more\n", "")
    assert served.stops == 1


def test_the_end_as_a_document(served, stop, pins):
    """Who was there, and what is left."""
    pins.sessions = 1

    assert {"version": 1, "daemon": True, "killed": None, "removed": 0, "pinned": True} == document(
        "stop", stop("--json")[1]
    )
    assert {"version": 1, "daemon": False, "killed": None, "removed": 1, "pinned": False} == (
        document("stop", stop("--json", "--force")[1])
    )


def test_what_outlives_its_daemon_is_told(served, stop, pins):
    """An end that leaves enforcement active does not claim the opposite."""
    pins.sessions = 1

    assert stop()[1] == (
        "enforcer: stopped, what was pinned stays active: enforcer stop --force ends it\n"
    )
    assert pins.sessions == 1


def test_a_daemon_that_listens_elsewhere_is_not_taken_for_lost(stop, pins):
    """Pins that somebody holds were not left."""
    pins.sessions, pins.is_held = 1, True

    code, _, err = stop()

    assert (code, err.count("\n")) == (Exit.USAGE, 1)
    assert "name its --socket" in err


def test_what_a_lost_daemon_left_is_told(stop, pins):
    """Without a daemon nothing is ended by a plain stop, but nobody is left in the dark."""
    pins.sessions = 2

    code, out, err = stop()

    assert (code, out) == (Exit.USAGE, "")
    assert err == (
        "enforcer: enforcement of a lost daemon is still active: "
        "enforcer start takes it over, enforcer stop --force ends it\n"
    )
    assert pins.sessions == 2


def test_what_a_lost_daemon_left_is_removed_by_force(stop, pins):
    """And told."""
    pins.sessions = 2

    assert stop("--force") == (
        Exit.OK,
        "enforcer: stopped, what 2 sessions left was removed, nothing is enforced any more\n",
        "",
    )
    assert pins.sessions == 0


def test_force_without_anything_to_end(stop, pins):
    """That is not an error: what was asked for holds."""
    assert stop("--force") == (
        Exit.OK, "enforcer: no daemon is running, and nothing is left active\n", "",
    )  # fmt: skip


@pytest.mark.parametrize("how", ["listens", "starts"])
def test_a_daemon_that_hangs_is_killed(hang, stop, pins, path, how):
    """After a short time, whether it hangs before or after it listens; then what it left goes."""
    pins.sessions = 1
    process = hang(how)

    code, out, _ = stop("--force")

    assert code == Exit.OK
    assert out == (
        f"enforcer: stopped, by killing the daemon (pid {process.pid}), which did not answer, "
        "what 1 session left was removed, nothing is enforced any more\n"
    )
    assert process.wait(30) == -signal.SIGKILL
    assert pins.sessions == 0
    assert not is_held(path.with_suffix(".lock"))


def test_a_daemon_that_hangs_is_left_alone_without_force(hang, stop):
    """The sentence says that it hangs."""
    process = hang("listens")

    code, _, err = stop()

    assert code == Exit.USAGE
    assert "does not answer" in err
    assert process.poll() is None


def test_a_daemon_that_is_about_to_listen_is_asked(stop, pins, path):
    """Holding the lock without a socket is how a daemon starts: it is waited for, not killed."""
    with InstanceLock.take(path.with_suffix(".lock")) as lock:
        late = []

        def listen_and_end():
            served = Served(path)
            served.on_stop = lambda: (
                served.reactor.after(0, served.server.close),
                served.reactor.after(0, lock.release),
            )
            late.append(served)

        timer = threading.Timer(0.3, listen_and_end)
        timer.start()
        code, out, _ = stop("--force")
        timer.join()

        assert (code, out) == (Exit.OK, "enforcer: stopped, nothing is enforced any more\n")
        assert late[0].stops == 1
        late[0].close()


def test_no_daemon_starts_while_things_are_removed(stop, pins, path, monkeypatch):
    """The lock is held for as long as that takes."""
    seen = []
    monkeypatch.setattr(
        module, "_clear", lambda _: seen.append(is_held(path.with_suffix(".lock"))) or 0
    )

    stop("--force")

    assert seen == [True]


def test_pins_of_another_place(stop, tmp_path):
    """Really looked for where they are said to be; a folder without sessions, or with an empty one, has none."""
    pins = tmp_path / "pins"
    pins.mkdir()
    (pins / "other").mkdir()
    assert "no daemon is running" in stop("--pins", str(pins))[2]

    (pins / "1").mkdir()
    assert "no daemon is running" in stop("--pins", str(pins))[2]
    (pins / "1/link-000-enf_exec").touch()

    assert "of a lost daemon is still active" in stop("--pins", str(pins))[2]


def test_force_is_for_root(stop, monkeypatch):
    """Said before anything is tried."""
    monkeypatch.setattr("enforcer.cli.arguments.os.geteuid", lambda: 1000)

    code, _, err = stop("--force")

    assert code == Exit.USAGE
    assert "needs root" in err
