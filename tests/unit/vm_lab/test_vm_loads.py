# SPDX-License-Identifier: MIT
"""What was loaded, and its bounds."""

from pathlib import Path

import pytest
from lab.loads import Budget, Ledger, Loads, must_have
from lab.tools import LabError

_ROOT = Path(__file__).resolve().parents[3]


def test_loads_are_added_up_by_file(tmp_path: Path) -> None:
    """A load without a file is a line of its own."""
    path = tmp_path / "ledger"
    path.write_text("test_a.py start 15 900\n- start 1 5\ntest_a.py more 2 100\n")

    ledger = Ledger()
    ledger.read(path)
    whole = Ledger()
    whole.add(ledger)
    whole.add(ledger)

    assert {"test_a.py": Loads(1, 1000), "-": Loads(1, 5)} == dict(ledger.files)
    assert Loads(4, 2010) == whole.total()


@pytest.mark.parametrize(
    "line", ["test_a.py start 15", "a start many 900", "a begun 1 2", "a start 1 2 3", ""]
)
def test_a_line_of_another_form_is_an_error(tmp_path: Path, line: str) -> None:
    """What cannot be read would be missing from the sum."""
    path = tmp_path / "ledger"
    path.write_text(f"test_a.py start 1 2\n{line}\n")

    with pytest.raises(LabError, match=":2: "):
        Ledger().read(path)


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        (set(), False),
        ({"tests/vm/test_lab.py::test_a"}, False),
        ({"tests/vm/test_service.py::test_a"}, False),
        ({"tests/vm/test_lab.py::test_a", "tests/vm/test_exec.py::test_b[x/y]"}, True),
    ],
)
def test_all_but_a_few_files_leave_a_ledger(tests: set[str], *, expected: bool) -> None:
    """Any other test that passed had an engine that keeps it."""
    assert expected is must_have(tests)


def test_a_figure_at_its_bound_is_kept_and_above_it_is_named() -> None:
    """With both numbers."""
    budget = Budget(starts=10, instructions=1000, skips=0)

    assert [] == budget.exceeded(starts=10, instructions=1000, skips=0)
    assert ["instructions: 1,001 of 1,000", "skips: 1 of 0"] == budget.exceeded(
        starts=9, instructions=1001, skips=1
    )


@pytest.mark.parametrize(
    "text", ["starts = 1", "starts = 1\ninstructions = 2\nskips = 3\nmore = 4", "starts = 1.5"]
)
def test_a_budget_has_all_figures_and_no_others(tmp_path: Path, text: str) -> None:
    """A name with a mistake in it would bound nothing."""
    path = tmp_path / "budget.toml"
    path.write_text(text)

    with pytest.raises(LabError, match="whole numbers"):
        Budget.read(path)


def test_the_budget_of_the_project_can_be_read() -> None:
    """The run would find out at its end only."""
    assert Budget.read(_ROOT / "tests/vm/budget.toml").starts > 0
