# SPDX-License-Identifier: MIT
"""One daemon at a time."""

import errno
import os
import threading
from pathlib import Path

import pytest

from enforcer.errors import ControlError
from enforcer.runtime.instance.lock import InstanceLock, noted_pins


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


# ---- Where enforcement is pinned -----------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    return tmp_path / "enforcer.lock"


@pytest.mark.parametrize("pins", [None, "pins", "strange \n\udcff"])
def test_the_file_says_where_its_holder_pins(tmp_path, path, pins):
    """Also when that one is gone; and who reads only the process id finds that."""
    folder = tmp_path / pins if pins is not None else None

    with InstanceLock.of_daemon(path, folder) as lock:
        assert folder == lock.pins
        assert str(os.getpid()).encode() == path.read_bytes()[:32].strip()
        with pytest.raises(ControlError, match=f"running .pid {os.getpid()}.: stop"):
            InstanceLock.take(path, patience=0)

    assert ((folder,) if folder is not None else ()) == noted_pins(path)


def test_a_folder_is_named_whole(path, monkeypatch, tmp_path):
    """Whoever reads it may stand elsewhere."""
    monkeypatch.chdir(tmp_path)

    InstanceLock.of_daemon(path, Path("pins")).release()

    assert (tmp_path / "pins",) == noted_pins(path)


def test_folders_of_lost_daemons_are_not_forgotten(path, tmp_path):
    """As long as they are there, whoever takes the lock next."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    InstanceLock.of_daemon(path, first).release()

    InstanceLock.take(path).release()
    assert (first,) == noted_pins(path)
    with InstanceLock.of_daemon(path, second) as lock:
        assert (second, (second, first)) == (lock.pins, lock.noted)
    first.rmdir()
    InstanceLock.of_daemon(path, None).release()

    assert () == noted_pins(path)


@pytest.mark.parametrize("call", ["pwrite", "ftruncate"])
def test_notes_outlive_a_write_that_fails(path, tmp_path, monkeypatch, call):
    """There may be no room for it, or it is killed half-way: where to look is never forgotten."""
    first = tmp_path / "a folder with a longer name"
    first.mkdir()
    InstanceLock.of_daemon(path, first).release()

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with InstanceLock.take(path) as lock, monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space"):
            lock.note(first)
    assert (first,) == noted_pins(path)

    first.rmdir()
    with InstanceLock.take(path) as lock, monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space"):
            lock.note(tmp_path / "b")
    assert ((first,) if call == "pwrite" else (tmp_path / "b",)) == noted_pins(path)


def test_half_a_write_is_none(path, monkeypatch):
    """What is written in part is an error, as is what is not written at all."""
    monkeypatch.setattr(os, "pwrite", lambda *_: 3)

    with pytest.raises(OSError, match="No space"):
        InstanceLock.take(path)


def test_without_a_file_nobody_has_pinned(path):
    """That is known, unlike what a file does not say."""
    assert () == noted_pins(path)


@pytest.mark.parametrize("text", ["", "4711\n", "x" * 40, " " * 32 + "{}", " " * 32 + "[7]"])
def test_a_file_that_does_not_say_it(path, text):
    """Of an earlier version, or of nobody."""
    path.write_text(text)

    assert noted_pins(path) is None
    with InstanceLock.take(path):
        assert f"{os.getpid()}\n" == path.read_text()


@pytest.mark.parametrize("how", ["of everybody", "of another", "a link"])
def test_only_its_owner_says_what_is_removed(path, monkeypatch, how):
    """Folders that are named there are cleared by root."""
    InstanceLock.of_daemon(path, Path("/etc")).release()
    if how == "of everybody":
        path.chmod(0o622)
    elif how == "of another":
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    else:
        path.rename(path.with_name("other"))
        path.symlink_to("other")

    assert noted_pins(path) is None
