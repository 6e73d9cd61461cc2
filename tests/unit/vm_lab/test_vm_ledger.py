# SPDX-License-Identifier: MIT
"""What is written down of a load."""

from types import SimpleNamespace

import ledger
import pytest

from enforcer.errors import KernelError
from enforcer.libbpf.handles import BpfObject


@pytest.fixture
def loads(tmp_path, monkeypatch):
    """Loads that reach no kernel; returns the names of those that were made."""
    made = []
    monkeypatch.setattr(BpfObject, "load", lambda self: made.append(self.name))
    monkeypatch.setattr(ledger, "LEDGER", tmp_path / "ledger")
    monkeypatch.setattr(ledger.calls, "verified_instructions", {5: 100, 6: 23}.__getitem__)
    return made


def opened(name: str, label_tasks: int = 6) -> SimpleNamespace:
    programs = {"one": 5, ledger.LABEL_TASKS: label_tasks, "left out": -22}
    return SimpleNamespace(
        name=name, programs={each: SimpleNamespace(fd=fd) for each, fd in programs.items()}
    )


def test_a_load_is_a_line(loads, monkeypatch):
    """The test's file, the programs that were loaded, their instructions; other objects are none."""
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/vm/test_x.py::test_y[a b] (setup)")
    ledger.keep()
    ledger.keep()

    BpfObject.load(opened("enforcer"))
    BpfObject.load(opened("probe"))
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    BpfObject.load(opened("enforcer", label_tasks=-22))

    assert ["enforcer", "probe", "enforcer"] == loads
    assert "test_x.py start 2 123\n- more 1 100\n" == ledger.LEDGER.read_text()


def test_what_is_refused_is_not_written_down(loads, monkeypatch):
    """The error goes on to who asked for the load."""

    def refuse(_: BpfObject) -> None:
        raise KernelError("the verifier refuses")

    monkeypatch.setattr(BpfObject, "load", refuse)
    ledger.keep()

    with pytest.raises(KernelError):
        BpfObject.load(opened("enforcer"))

    assert not ledger.LEDGER.exists()
