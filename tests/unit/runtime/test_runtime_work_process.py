# SPDX-License-Identifier: MIT
"""Work in a process of its own: where there can be none, and where it ends too early."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from patience import scaled

from enforcer.errors import EnforcerError
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


@pytest.mark.parametrize("call", ["getrlimit", "setrlimit"])
def test_a_machine_that_lets_it_have_no_limits(call, monkeypatch):
    """The policies are compiled all the same."""

    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(resource, call, refused)

    assert "whole" == apart(lambda: "whole", none, Limits(seconds=10, memory=1 << 30))


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
