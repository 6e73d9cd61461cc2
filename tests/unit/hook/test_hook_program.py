# SPDX-License-Identifier: MIT
"""The hook that runtimes run: whom it asks, what it makes of the answer, and which way it falls."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from control_fakes import Served
from patience import scaled

from enforcer.errors import ControlError
from enforcer.hook import program
from enforcer.runtime.control import protocol

STATE = {"ociVersion": "1.2.0", "id": "c" * 64, "status": "creating", "pid": 4711, "bundle": "/b"}


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the hook says; this process may be root of a user namespace, and syslog is not for tests."""
    lines: list[str] = []
    monkeypatch.setattr(program, "_is_in_user_namespace", lambda: False)
    monkeypatch.setattr(program, "_tell", lines.append)
    return lines


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    found = Served(tmp_path / "s.sock")
    yield found
    found.close()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run the hook in this process; returns its exit code."""

    def run(on_failure: str = "refuse", wait: float = 60.0, state: Any = STATE) -> int:
        raw = state if isinstance(state, bytes) else json.dumps(state).encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
        words = [f"--socket={tmp_path / 's.sock'}", f"--wait={wait}", f"--on-failure={on_failure}"]
        return program.main(words)

    return run


@contextlib.contextmanager
def listening(path: Path, answer: bytes | None) -> Iterator[None]:
    """Somebody who takes one request, and says *answer*; None: says nothing until the caller leaves."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                if answer is not None:
                    connection.sendall(answer)
                else:
                    connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize("outcome", ["known", "unasked"])
def test_a_container_that_the_kernel_knows_starts(hook, served, said, outcome):
    """Or one that no policy asks for. The daemon gets its id, its process, and until when it counts."""
    before = time.monotonic()
    served.policies.answer = {"outcome": outcome, "missing": []}

    assert 0 == hook(wait=30)

    ((what, pid, number, began, wait),) = served.policies.asked
    assert ("meet", STATE["pid"], STATE["id"], 30) == (what, pid, number, wait)
    assert before <= began <= time.monotonic()
    assert [] == said


@pytest.mark.parametrize("clock", [0.1, 3.3, 1234.567, 98765.4321, 1e9 / 3])
def test_the_longest_wait_is_taken_at_any_time(monkeypatch, hook, served, said, clock):
    """What the clock shows adds nothing to it by rounding."""
    served.policies.answer = {"outcome": "known", "missing": []}
    monkeypatch.setattr(time, "monotonic", lambda: clock)

    assert 0 == hook(wait=program.WAIT_MOST)
    assert [] == said


@pytest.mark.parametrize(("on_failure", "code"), [("start", 0), ("refuse", 1)])
def test_what_the_administrator_chose_decides(hook, served, said, on_failure, code):
    """When no file describes the container, and when the daemon refuses."""
    served.policies.answer = {"outcome": "unknown", "missing": []}
    assert code == hook(on_failure)
    assert "no file of the host describes it" in said[0]

    served.policies.error = ControlError("a change waits to be confirmed")
    assert code == hook(on_failure)
    assert "a change waits to be confirmed" in said[1]
    assert f"container {STATE['id']}" in said[1]


@pytest.mark.parametrize(("on_failure", "code"), [("start", 0), ("refuse", 1)])
def test_nobody_is_waited_for_where_no_daemon_is(hook, said, on_failure, code):
    """It took its socket away: with a wait of a minute the answer comes at once."""
    assert code == hook(on_failure)
    assert "no daemon is running" in said[0]


def test_a_daemon_that_died_is_waited_for(hook, said, tmp_path):
    """Its socket is still there; the service manager starts another one."""
    place = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place))
    came: list[Served] = []

    def come() -> None:
        came.append(Served(place, answer={"outcome": "known", "missing": []}))

    timer = threading.Timer(0.2, come)
    timer.start()
    try:
        assert 0 == hook()
    finally:
        timer.join()
        came[0].close()
    assert [] == said


@pytest.mark.parametrize(("on_failure", "code"), [("start", 0), ("refuse", 1)])
def test_a_dead_daemon_is_not_waited_for_for_ever(hook, said, tmp_path, on_failure, code):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s.sock"))

    assert code == hook(on_failure, wait=0.2)
    assert "the daemon does not answer" in said[0]


@pytest.mark.parametrize(("on_failure", "code"), [("start", 0), ("refuse", 1)])
def test_a_slow_daemon_is_not_waited_for_for_ever(hook, said, tmp_path, on_failure, code):
    with listening(tmp_path / "s.sock", None):
        assert code == hook(on_failure, wait=0.2)
    assert "daemon" in said[0]


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"no json\n", b"[]\n", b"{}\n", b"null\n", b'{"ok": true}\n'),
        b'{"ok": 1, "outcome": "known"}\n',
        b'{"ok": true, "outcome": "known"}',
        b"{" + b" " * (1 << 17),
    ],
)
def test_what_is_no_answer_is_none(hook, said, tmp_path, answer):
    """Neither another program, nor half a line, nor one without an end."""
    with listening(tmp_path / "s.sock", answer):
        assert 1 == hook()
    assert 1 == len(said)


@pytest.mark.parametrize(
    "state",
    [
        *(b"", b"no json", b"[]", b"{}", b"null", b"[" * 100_000),
        {"id": "c"},
        {"pid": 3},
        {**STATE, "pid": "many"},
        {**STATE, "annotations": {"a": "x" * (5 << 20)}},
    ],
)
@pytest.mark.parametrize(("on_failure", "code"), [("start", 0), ("refuse", 1)])
def test_a_state_that_cannot_be_read(hook, said, state, on_failure, code):
    """The daemon is not asked, and the choice holds."""
    assert code == hook(on_failure, state=state)
    assert 1 == len(said)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--socket=/s", "--wait=1"],
        ["--socket=/s", "--wait=1", "--on-failure=perhaps"],
        ["--socket=/s", "--wait=soon", "--on-failure=start"],
        ["--socket=/s", "--wait=nan", "--on-failure=start"],
        ["--socket=/s", "--wait=1e9", "--on-failure=start"],
        ["--socket=/s", "--wait=-1", "--on-failure=start"],
        ["--socket=/s", "--wait=1", "--on-failure=start", "--more=1"],
    ],
)
def test_arguments_that_cannot_be_read_refuse(said, words):
    """A choice that is not understood must not be the lax one."""
    assert 1 == program.main(words)
    assert "no container starts" in said[0]


def test_in_a_user_namespace_nobody_is_asked(monkeypatch, hook, said):
    """A rootless container is its user's process, also where others must be known."""
    monkeypatch.setattr(program, "_is_in_user_namespace", lambda: True)

    assert 0 == hook("refuse")
    assert [] == said


def test_it_speaks_as_the_daemon_does():
    """It imports nothing of ours, so these are written twice."""
    source = Path(program.__file__).read_text()

    assert f'"command": "{protocol.CONTAINER_BEGINS}"' in source
    assert protocol.WAIT_MOST == program.WAIT_MOST


def test_as_runtimes_run_it(served, tmp_path):
    """Alone, without an environment, and with few modules: nothing of ours, of sites, or of many arguments."""
    served.policies.answer = {"outcome": "known", "missing": []}
    words = [f"--socket={tmp_path / 's.sock'}", "--wait=60", "--on-failure=refuse"]
    command = [sys.executable, "-I", "-S", "-X", "importtime", program.__file__, *words]

    done = subprocess.run(
        command,
        input=json.dumps(STATE),
        env={},
        check=False,
        capture_output=True,
        text=True,
        timeout=scaled(60),
    )

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    is_asked = bool(served.policies.asked)
    assert {"json", "socket"} <= imported
    assert not {"argparse", "enforcer", "pathlib", "site", "subprocess", "typing"} & imported
    # In a user namespace, as tests may run in one, it has nothing to ask.
    uid_map = Path("/proc/self/uid_map").read_text().split()
    assert 0 == done.returncode, done.stderr
    assert is_asked == (uid_map == ["0", "0", "4294967295"])
