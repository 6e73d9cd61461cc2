# SPDX-License-Identifier: MIT
"""Processes from the server of the tests: children of this one, as if it had executed them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import warm

ENFORCER = str(Path(sys.executable).with_name("enforcer"))


@pytest.fixture
def waiting(tmp_path) -> Iterator[warm.Process]:
    """A command whose daemon takes its question and never answers."""
    with closing(socket.socket(socket.AF_UNIX)) as daemon, (tmp_path / "output").open("wb") as sink:
        daemon.bind(str(tmp_path / "socket"))
        daemon.listen()
        process = warm.start([ENFORCER, "status", "--socket", str(tmp_path / "socket")], sink)
        with daemon.accept()[0]:
            yield process
            process.kill()
            process.wait()


def test_a_command_ends_as_an_executed_one_does():
    """Exit code and both streams."""
    for words in (["--version"], ["nonsense"], ["status", "--socket", "/none"], ["check", "/none"]):
        executed = subprocess.run(
            [ENFORCER, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

        forked = warm.run([ENFORCER, *words], timeout=60)

        assert (executed.returncode, executed.stdout, executed.stderr) == (
            forked.returncode, forked.stdout, forked.stderr
        )  # fmt: skip


def test_it_has_the_directory_and_environment_of_its_caller(tmp_path, monkeypatch):
    """As they are when it is asked for."""
    (tmp_path / "here.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "50")

    narrow = warm.run([ENFORCER, "--help"], timeout=60).stdout
    monkeypatch.setenv("COLUMNS", "200")
    wide = warm.run([ENFORCER, "--help"], timeout=60).stdout

    assert len(narrow.splitlines()) > len(wide.splitlines())
    assert warm.run([ENFORCER, "check", "here.yaml"], timeout=60).stderr.startswith("here.yaml:")


def test_it_looks_like_an_executed_one(waiting):
    """Its parent, session, group, name, program, signals, and no descriptor but its own."""
    status = Path(f"/proc/{waiting.pid}/status").read_text()
    stat = Path(f"/proc/{waiting.pid}/stat").read_text().rpartition(")")[2].split()
    links = {fd.name: str(fd.readlink()) for fd in Path(f"/proc/{waiting.pid}/fd").iterdir()}
    named = dict(line.split(":\t", 1) for line in status.splitlines())

    assert [os.getpid(), os.getpgrp(), os.getsid(0)] == [int(word) for word in stat[1:4]]
    assert "enforcer" == named["Name"]
    assert Path(sys.executable).resolve() == Path(f"/proc/{waiting.pid}/exe").resolve()
    # An executed one inherits what is ignored here, as in the background of a shell; Python ignores two more.
    ignored = {n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN}
    ignored |= {signal.SIGPIPE, signal.SIGXFSZ}
    assert [0, sum(1 << n - 1 for n in ignored)] == [
        int(named[name], 16) for name in ("SigBlk", "SigIgn")
    ]
    assert "/dev/null" == links.pop("0")
    assert links.pop("1") == links.pop("2")
    assert all(link.startswith(("socket:", "anon_inode:")) for link in links.values())


def test_its_end_is_seen_as_of_any_child(waiting):
    """It runs, does not end in time, is killed; that is known afterwards, too."""
    assert waiting.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.01)

    waiting.send_signal(signal.SIGKILL)

    assert -signal.SIGKILL == waiting.wait(60)
    assert [-signal.SIGKILL] * 2 == [waiting.poll(), waiting.returncode]
    waiting.terminate()  # reaches nobody


def test_who_does_not_end_in_time_is_killed(tmp_path):
    """And is not a child any more."""
    with closing(socket.socket(socket.AF_UNIX)) as daemon:
        daemon.bind(str(tmp_path / "socket"))
        daemon.listen()
        with pytest.raises(subprocess.TimeoutExpired):
            warm.run([ENFORCER, "status", "--socket", str(tmp_path / "socket")], timeout=0.2)

    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in children]
    assert "enforcer" not in names


def test_orphans_of_others_are_not_adopted():
    """Only while the server forks."""
    code = "import os, time\nif os.fork() == 0: time.sleep(1)\nelse: os._exit(0)"
    warm.run([ENFORCER, "--version"], timeout=60)

    subprocess.run([sys.executable, "-c", code], check=True)

    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children]
    assert not any(b"time.sleep(1)" in line for line in lines), lines


def test_json_carries_names_that_are_no_text():
    """Arguments and environment may be any bytes."""
    assert "a\udcff" == json.loads(json.dumps("a\udcff"))
    assert 2 == warm.run([ENFORCER, "status", "--socket", "/\udcff"], timeout=60).returncode
