# SPDX-License-Identifier: MIT
"""A daemon that holds the lock and does not answer."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from enforcer.errors import ControlError
from enforcer.runtime.instance import lost_daemon as module
from enforcer.runtime.instance.lock import InstanceLock, noted_pins
from enforcer.runtime.instance.lost_daemon import is_held, kill_holder

HOLD = """
import pathlib, sys, time
from enforcer.runtime.instance.lock import InstanceLock
lock = InstanceLock.take(pathlib.Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "enforcer.lock"


@pytest.fixture
def holder(path):
    """A process that holds the lock and does nothing else."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait(30)
    process.stdout.close()


def test_the_holder_is_killed(holder, path):
    """Its end is waited for, and the lock is free then."""
    assert is_held(path)

    assert kill_holder(path) == holder.pid

    assert holder.wait(30) == -signal.SIGKILL
    assert not is_held(path)
    InstanceLock.take(path, patience=0.1).release()


def test_who_has_written_where_it_pins_is_found_by_its_id(path, tmp_path):
    """What stands behind it in the file is no part of it."""
    hold = HOLD.replace(
        ".take(pathlib.Path(sys.argv[1]))", ".of_daemon(*map(pathlib.Path, sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", hold, str(path), str(tmp_path / "pins")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"

        assert kill_holder(path) == process.pid

    assert (tmp_path / "pins",) == noted_pins(path)


def test_a_lock_that_nobody_holds(path):
    """Nothing is killed, whatever the file says."""
    assert kill_holder(path) is None
    path.write_text(f"{os.getpid()}\n")
    assert kill_holder(path) is None
    assert not is_held(path)


def test_a_process_that_only_has_the_number_is_left_alone(path):
    """The id in the file may have been given to somebody else: that one is not killed."""
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    path.write_text(f"{stranger.pid}\n")
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ControlError, match=f"pid {stranger.pid}, which .* does not hold it"):
            kill_holder(path)

    assert stranger.poll() is None
    stranger.communicate(b"\n", timeout=30)
    assert stranger.returncode == 0


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1", "12 34"])
def test_a_lock_that_does_not_say_by_whom(path, text):
    """No guess, and never everybody or the first process."""
    path.write_text(text)
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ControlError, match="does not name its holder"):
            kill_holder(path)


def test_a_holder_that_is_gone(path):
    """The process ended, and another keeps what it had open."""
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    path.write_text(done.stdout)
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ControlError, match=r"(cannot be reached|does not hold it)"):
            kill_holder(path)


def test_a_holder_that_may_not_be_killed(holder, path, monkeypatch):
    """The sentence says so; nothing pretends that it ended."""

    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module.signal, "pidfd_send_signal", refused)

    with pytest.raises(ControlError, match="cannot be killed: Operation not permitted"):
        kill_holder(path)
    assert holder.poll() is None


def test_a_holder_that_does_not_die(holder, path, monkeypatch):
    """It is not waited for without end."""
    monkeypatch.setattr(module, "_DYING", 0.05)
    monkeypatch.setattr(module.signal, "pidfd_send_signal", lambda *_: None)

    with pytest.raises(ControlError, match="was killed, but has not ended after"):
        kill_holder(path)
