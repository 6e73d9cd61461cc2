# SPDX-License-Identifier: MIT
"""One daemon at a time."""

import os
import threading

import pytest

from enforcer.errors import ControlError
from enforcer.runtime.instance.lock import InstanceLock


def test_a_second_daemon_is_refused(tmp_path):
    """The sentence names the one that runs and how to stop it."""
    path = tmp_path / "run" / "enforcer.lock"

    with InstanceLock.take(path), pytest.raises(ControlError) as refused:
        InstanceLock.take(path, patience=0)

    assert f"already running (pid {os.getpid()})" in str(refused.value)
    assert "enforcer stop" in str(refused.value)


def test_the_lock_is_free_afterwards(tmp_path):
    """Releasing twice is not an error, and the next one gets it."""
    path = tmp_path / "enforcer.lock"
    first = InstanceLock.take(path)
    first.release()
    first.release()

    with InstanceLock.take(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_daemon_that_is_just_ending_is_waited_for(tmp_path):
    """`enforcer stop && enforcer start` works."""
    path = tmp_path / "enforcer.lock"
    first = InstanceLock.take(path)
    ending = threading.Timer(0.1, first.release)
    ending.start()

    InstanceLock.take(path, patience=30).release()

    ending.join()


def test_a_link_is_not_followed(tmp_path):
    """Nobody makes root truncate another file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "enforcer.lock").symlink_to(victim)

    with pytest.raises(OSError, match="symbolic"):
        InstanceLock.take(tmp_path / "enforcer.lock")

    assert victim.read_text() == "precious"
