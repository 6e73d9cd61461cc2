# SPDX-License-Identifier: MIT
"""What `enforcer doctor` says of a kernel that gives everything."""

import json

import pytest

from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.kernel import probe
from enforcer.kernel.placement import Placement
from enforcer.libbpf import abi
from enforcer.policy.language.operations import OPERATION_TABLE


@pytest.fixture(autouse=True)
def _kernel(monkeypatch):
    operations = tuple(probe.OperationSupport(op, probe.PREVENTS, ("file_open",)) for op in abi.OPS)
    report = probe.Report("6.12.1", Placement.HOOKS, operations, ())
    monkeypatch.setattr("enforcer.cli.arguments.os.geteuid", lambda: 0)
    monkeypatch.setattr(probe, "examine", lambda: report)
    monkeypatch.setenv("COLUMNS", "200")


def test_the_table_has_every_operation(capsys):
    """By the names that policies and records have for them."""
    assert Exit.OK == main(["doctor"])

    said = capsys.readouterr().out
    names = [line.split()[0] for line in said.splitlines() if probe.PREVENTS in line.split()]
    assert [row.full for row in sorted(OPERATION_TABLE.values(), key=lambda row: row.op)] == names
    assert "Enforced at: LSM hooks." in said


def test_the_document_has_every_operation(capsys):
    """By their names in the ABI."""
    assert Exit.OK == main(["doctor", "--json"])

    found = json.loads(capsys.readouterr().out)["operations"]
    assert list(abi.OPS) == [each["operation"] for each in found]
