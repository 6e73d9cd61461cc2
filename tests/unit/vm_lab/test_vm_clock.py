# SPDX-License-Identifier: MIT
"""A guest whose clock is wrong, or whose emulator died as it booted, is booted again, and not for ever."""

from pathlib import Path

import pytest
from lab import machine
from lab.machine import Machine, Outcome
from lab.state import State
from lab.tools import LabError


def _outcome(*, is_clock_wrong: bool) -> Outcome:
    code = None if is_clock_wrong else 0
    return Outcome(code, False, 1.0, 2.0, "", is_clock_wrong)


def _boots(monkeypatch: pytest.MonkeyPatch, *wrong: bool) -> list[bool]:
    """Let the next boots end as said; returns what is left of them."""
    left = [*wrong]
    monkeypatch.setattr(machine, "_run_once", lambda *_: _outcome(is_clock_wrong=left.pop(0)))
    return left


def _machine() -> Machine:
    return Machine(None, "true", Path("/"))  # type: ignore[arg-type]  # it is not booted


def test_a_wrong_clock_is_booted_again(monkeypatch, tmp_path):
    left = _boots(monkeypatch, True, True, False, False)

    assert 0 == machine.run(_machine(), cache=tmp_path).code
    assert [False] == left


def test_a_clock_that_is_always_wrong_is_said(monkeypatch, tmp_path):
    _boots(monkeypatch, True, True, True, False)

    with pytest.raises(LabError, match="clock was wrong at each of 3 boots"):
        machine.run(_machine(), cache=tmp_path)


_DEAD = Outcome(None, False, None, 1.0, "", is_emulator_dead=True)


@pytest.mark.parametrize(("ends", "code"), [([_DEAD, _DEAD, 0], 0), ([_DEAD, _DEAD, _DEAD], None)])
def test_an_emulator_that_dies_at_once_is_started_again(monkeypatch, tmp_path, ends, code):
    """Nothing has run in it; what it said at last is told if it dies each time."""
    left = [each or _outcome(is_clock_wrong=False) for each in ends]
    monkeypatch.setattr(machine, "_run_once", lambda *_: left.pop(0))

    assert code == machine.run(_machine(), cache=tmp_path).code
    assert [] == left


def test_the_guest_says_it_by_a_file():
    with State() as state:
        assert not state.is_clock_wrong()
        (state.control / "wrong-clock").touch()
        assert state.is_clock_wrong()
