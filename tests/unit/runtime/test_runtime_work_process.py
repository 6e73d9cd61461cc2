# SPDX-License-Identifier: MIT
"""Work in a process of its own: where there can be none, and where it ends too early."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from patience import scaled

from enforcer.errors import EnforcerError
from enforcer.runtime.policies import work_process
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import Order, make_apart
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.policies.work_process import Limits, apart


def none(*_: object) -> None:
    """Do nothing."""


def descriptors() -> set[str]:
    """Those that are open, but the one by which this looks."""
    return {each.name for each in Path("/proc/self/fd").iterdir() if each.exists()}


@pytest.mark.parametrize(
    "error",
    [
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=lambda error: errno.errorcode[error.errno],
)
def test_where_nothing_can_be_forked_the_change_fails(tmp_path, monkeypatch, error):
    """As one that is wrong does, again and again, and nothing stays open."""

    def fail():
        raise error

    monkeypatch.setattr(os, "fork", fail)
    before = descriptors()

    for _ in range(3):
        with pytest.raises(EnforcerError, match=f"cannot be begun: {error.strerror}") as caught:
            make_apart(Order(Sources((tmp_path,)), Overlay(), generation=1))
        assert not isinstance(caught.value, OSError)

    assert before == descriptors()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_where_nothing_can_be_opened_the_change_fails(monkeypatch):
    """Nor is anything forked."""

    def fail(**_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socketpair", fail)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))

    with pytest.raises(EnforcerError, match="Too many open files"):
        apart(none, none)


@pytest.mark.parametrize("whole", [0, 1])
def test_half_an_answer_is_none(monkeypatch, whole):
    """Whoever writes it is killed half-way, in its length or behind it."""
    sent = []

    def half(self, part):
        os.write(self.fileno(), part if len(sent) < whole else part[:5])
        if len(sent) == whole:
            os.kill(os.getpid(), signal.SIGKILL)
        sent.append(part)

    before = descriptors()
    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "sendall", half)
        with pytest.raises(EnforcerError, match=r"without an answer \(signal 9\)"):
            apart(lambda: "a text of some length", none)

    assert before == descriptors()
    assert "whole" == apart(lambda: "whole", none)


def limits_of(child: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(resource.getrlimit(kind)[0] for kind in child)


_ALL = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)


@pytest.mark.parametrize("call", ["getrlimit", "setrlimit"])
@pytest.mark.parametrize("is_ended", [False, True])
def test_a_machine_that_lets_it_have_no_limits(call, is_ended, monkeypatch):
    """The policies are compiled all the same, and it is told in one sentence, also if the process is killed."""

    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(resource, call, refused)
    told: list[str] = []

    def work():
        if is_ended:
            os.kill(os.getpid(), signal.SIGKILL)
        return "whole"

    with pytest.raises(EnforcerError) if is_ended else contextlib.nullcontext():
        assert "whole" == apart(work, none, Limits(10, 1 << 30), told.append)

    (sentence,) = told
    assert sentence.startswith("this machine refuses limits to the process that compiles policies")
    for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_CORE"):
        assert f"{name}: [Errno 1] Operation not permitted" in sentence


def test_a_machine_that_lets_it_have_limits():
    """It has them, and nothing is told. A process without limits has those of this one."""
    told: list[str] = []
    own = limits_of(_ALL)

    memory, seconds, core = apart(lambda: limits_of(_ALL), none, Limits(10, 1 << 30), told.append)

    assert 1 << 30 < memory < 1 << 40
    assert (10, 0) == (seconds, core)
    assert own == apart(lambda: limits_of(_ALL), none, report=told.append) == limits_of(_ALL)
    assert [] == told


def test_the_service_permits_the_calls():
    """Whatever groups of calls systemd has: its filter takes away one of those that have setrlimit."""
    unit = Path(__file__).parents[3] / "packaging/enforcer.service"
    *_, denied, allowed = re.findall(r"(?m)^SystemCallFilter=(.*)$", unit.read_text())

    assert denied.startswith("~")
    assert {"setrlimit", "prlimit64"} <= set(allowed.split())


@pytest.mark.parametrize(("before", "after"), [("-900", "0"), ("0", "0"), ("300", "300")])
@pytest.mark.parametrize("limits", [None, Limits(10, 1 << 30)])
def test_the_kernel_ends_the_process_before_the_daemon(before, after, limits):
    """A daemon may be the last that is ended if memory is short; what can be begun again may not."""
    told: list[str] = []
    place = Path("/proc/self/oom_score_adj")

    def daemon():
        try:
            place.write_text(before)
        except PermissionError:
            return None
        score = apart(lambda: place.read_text().strip(), none, limits, told.append)
        return score, place.read_text().strip(), told

    found = apart(daemon, none)

    if found is None:
        pytest.skip("this process may not lower its oom_score_adj")
    assert (after, before, []) == found


def test_a_score_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    """Whether there are limits or not."""
    score = tmp_path / "absent"
    monkeypatch.setattr(work_process, "_OOM_SCORE", score)
    told: list[str] = []

    assert "whole" == apart(lambda: "whole", none, report=told.append)

    (sentence,) = told
    assert sentence.endswith(f": {score}: No such file or directory")


def test_what_fails_beside_it_is_no_error_of_the_work():
    """It is raised as it is, and nobody works on."""
    reading, writing = os.pipe()

    def fail():
        raise OSError(errno.EIO, "of something else")

    with pytest.raises(OSError, match="of something else"):
        apart(signal.pause, fail)

    os.close(writing)
    assert b"" == os.read(reading, 1)  # nobody else has the other end
    os.close(reading)


def test_who_started_this_may_ignore_children():
    """Then nobody hears how one has ended, and the answer counts all the same."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert "whole" == apart(lambda: "whole", none)
        with pytest.raises(EnforcerError, match="nobody says how"):
            apart(lambda: os._exit(0), none)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_bug_that_nobody_reads_of_is_an_error_of_the_work(monkeypatch):
    """The standard error is a pipe that is full: whoever waits for the answer does not wait for its reader."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)

    def fail():
        raise ZeroDivisionError

    ends = time.monotonic() + scaled(20)

    def idle():
        assert time.monotonic() < ends, "nobody answers"

    with os.fdopen(writing, "w", 1, closefd=False) as full, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", full)
        with pytest.raises(EnforcerError, match="without an answer"):
            apart(fail, idle)
    os.close(writing)
    os.close(reading)
