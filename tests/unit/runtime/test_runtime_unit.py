# SPDX-License-Identifier: MIT
"""Of which unit a daemon is the main process, and what protection makes of that."""

import os
from types import SimpleNamespace

import pytest

from enforcer.errors import KernelError
from enforcer.kernel.verifier import Verifier
from enforcer.runtime.policies.unattended import try_to_confirm
from enforcer.runtime.protection import unit
from enforcer.runtime.protection.daemon import protect

UNIT = "enforcer.service"
VERIFIER = Verifier(bytes(16), bytes(32))


@pytest.fixture
def process(monkeypatch):
    """Be a process that was started in a certain way; by default by the service manager."""

    def be(
        *, main=None, parent=1, namespace="pid:[4026531836]", cgroup=f"0::/system.slice/{UNIT}\n"
    ):
        monkeypatch.setenv("SYSTEMD_EXEC_PID", str(os.getpid() if main is None else main))
        monkeypatch.setattr(unit.os, "getppid", lambda: parent)
        monkeypatch.setattr(unit.Path, "readlink", lambda _: namespace)
        monkeypatch.setattr("enforcer.identity.process.read_some", lambda _: cgroup.encode())

    return be


def test_the_main_process_of_a_service(process):
    process()

    assert UNIT == unit.own_unit()


@pytest.mark.parametrize(
    "how",
    [
        {"main": 1},
        {"main": ""},
        {"parent": 812},
        {"namespace": "pid:[4026532201]"},
        {"cgroup": "0::/user.slice/user-0.slice/session-1.scope\n"},
        {"cgroup": "0::/\n"},
        {"cgroup": ""},
    ],
    ids=["child", "by hand", "manager of a user", "container", "session", "root", "not shown"],
)
def test_nobody_elses(process, how):
    """The machine's service manager would signal another process, or is not asked to."""
    process(**how)

    assert unit.own_unit() is None


def _protected(verifier, name, within=None):
    said: list[str] = []
    guard = SimpleNamespace(verifier=verifier)
    enforcement = SimpleNamespace(
        sessions=SimpleNamespace(current=SimpleNamespace(guard=guard)),
        is_confirmable=True,
        reload_within=within,
    )
    daemon = SimpleNamespace(gate=None, hangup="reload", confirm="confirm")
    tell = protect(daemon, enforcement, said.append, name)
    return daemon, enforcement, said, tell


@pytest.mark.parametrize(
    ("verifier", "name", "is_confirmable"),
    [(None, UNIT, True), (None, None, False), (VERIFIER, None, True), (VERIFIER, UNIT, True)],
)
def test_who_may_confirm(verifier, name, is_confirmable):
    """Who has the key; without one, who may give orders to the service manager."""
    daemon, enforcement, said, tell = _protected(verifier, name, 60.0)

    assert is_confirmable is enforcement.is_confirmable
    assert [] == said
    if verifier is None:
        assert ("reload", "confirm") == (daemon.hangup, daemon.confirm)
    else:
        daemon.hangup()
        daemon.confirm()
        assert ["enforcer reload", "enforcer confirm"] == [
            line.rpartition(": ")[2] for line in said
        ]
        said.clear()
    tell()
    how = "systemctl reload enforcer" if verifier is None else "enforcer reload"
    assert said[-1].endswith(f"use: {how}")


def test_a_reload_that_cannot_be_taken_back_is_told():
    assert [unit.NO_RELOAD_BACK] == _protected(None, UNIT)[2]
    assert [] == _protected(None, None)[2]
    assert [] == _protected(VERIFIER, UNIT)[2]


def test_what_a_signal_confirms():
    """It has no caller: the log says what came of it."""
    said: list[str] = []
    answer = {"generation": 7, "unchanged": False, "posture": {"sentence": "1 policy enforces"}}

    def too_late():
        raise KernelError("too late: the time to confirm is over")

    try_to_confirm(lambda: answer, said.append)
    try_to_confirm(lambda: {**answer, "unchanged": True}, said.append)
    try_to_confirm(too_late, said.append)

    assert [
        "confirmed by SIGUSR2: generation 7 stays active: 1 policy enforces",
        "nothing awaits confirmation: generation 7 stays active: 1 policy enforces",
        "SIGUSR2 confirms nothing: too late: the time to confirm is over",
    ] == said
