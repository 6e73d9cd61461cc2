# SPDX-License-Identifier: MIT
"""``enforcer confirm`` where only the service manager may confirm: what it is asked, and what came of it."""

import os

import pytest
from control_fakes import Served

from enforcer.cli import by_manager
from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.runtime.control.posture import Posture, Tally
from enforcer.runtime.protection import unit

PROTECTED = {"pid": os.getpid(), "generation": 7, "protected": True, "keyed": False}
WAITS = {
    **PROTECTED,
    "pending": {"confirmWithin": 300.0, "left": 42.0},
    "posture": Posture(tally=Tally(enforcing=1), rules=2, programs=3).as_dict()
    | {"confirm": "enforcer confirm"},
}
STAYS = "generation 7 stays active: 1 policy enforces, 2 rules, 3 programs\n"


@pytest.fixture
def served(tmp_path):
    made = Served(tmp_path / "s.sock", status=dict(WAITS))
    yield made
    made.close()


@pytest.fixture
def run(served, capsys):
    def call():
        code = main(["confirm", "--socket", str(served.server.path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def manager(served, tmp_path, monkeypatch):
    """Have a ``systemctl`` here that ends with a code; returns the words that it was given."""
    told = tmp_path / "told"

    def make(code=0, after=None):
        program = tmp_path / "systemctl"
        program.write_text(f'#!/bin/sh\necho "$@" >{told}\necho "Access denied" >&2\nexit {code}\n')
        program.chmod(0o755)
        monkeypatch.setattr(by_manager.shutil, "which", lambda _: str(program))
        monkeypatch.setattr(unit, "service_of", lambda _: "enforcer.service")
        signal = by_manager._signal

        def signalled(pid):
            signal(pid)
            served.state.update(after or {"pending": None})

        monkeypatch.setattr(by_manager, "_signal", signalled)
        return told

    return make


def test_the_service_manager_passes_it_on(run, served, manager):
    """The daemon is not asked for what it would refuse."""
    told = manager()

    assert (Exit.OK, f"enforcer: confirmed, {STAYS}", "") == run()
    assert "kill --kill-who=main --signal=SIGUSR2 -- enforcer.service\n" == told.read_text()
    assert [] == served.policies.asked
    assert (Exit.OK, f"enforcer: nothing awaits confirmation: {STAYS}", "") == run()


def test_it_was_too_late(run, manager):
    """The earlier policies have the next generation."""
    manager(after={"pending": None, "generation": 8})

    code, out, err = run()

    assert (Exit.USAGE, "") == (code, out)
    assert "enforcer: too late: the time to confirm is over" in err


def test_the_service_manager_refuses(run, manager):
    manager(code=1)

    code, out, err = run()

    assert (Exit.USAGE, "") == (code, out)
    assert "enforcer: the service manager refuses to confirm: Access denied\n" == err


def test_there_is_no_service_manager(run, monkeypatch):
    """As in a container, or with a daemon that somebody started by hand."""
    monkeypatch.setattr(by_manager.shutil, "which", lambda _: None)

    assert "only the service manager of the daemon may confirm" in run()[2]


def test_a_daemon_that_does_not_answer(run, manager, monkeypatch):
    manager(after={"pending": WAITS["pending"]})
    monkeypatch.setattr(by_manager, "_PATIENCE", 0.3)

    assert "the daemon does not answer" in run()[2]


@pytest.mark.parametrize(
    "state",
    [{"protected": False}, {"keyed": True}, {"posture": {**WAITS["posture"], "confirm": None}}],
    ids=["unprotected", "key", "an earlier version"],
)
def test_the_daemon_is_asked_otherwise(run, served, state):
    """Without protection, with a key, and where no signal is heeded: that may end an earlier version."""
    served.state.update(state)
    served.policies.answer = {"generation": 7, "unchanged": False}

    assert (Exit.OK, "enforcer: confirmed, generation 7 stays active\n", "") == run()
    assert [("confirm",)] == served.policies.asked
