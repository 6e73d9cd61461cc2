# SPDX-License-Identifier: MIT
"""The queue of tests: each entry has one owner and one result, or the run says what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from lab.claims import Claims, Entry, Result

_VM = Path(__file__).resolve().parents[2] / "vm"
_FILES = [f"tests/vm/test_{number}.py" for number in range(40)]

# Takes everything that is left, as one machine of several; says what it got.
_GREEDY = """
import sys
from pathlib import Path
from lab.claims import Claims, Result
claims, name = Claims(Path(sys.argv[1])), sys.argv[2]
sys.stdin.readline()
while (entry := claims.take(name, cpus=1)) is not None:
    print(entry.test)
    claims.finish(entry, Result(name, complete=True, outcomes={entry.test: "passed"}))
"""


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    """An unfilled queue."""
    return Claims(tmp_path / "queue")


def _done(machine: str) -> Result:
    return Result(machine, complete=True, outcomes={"test": "passed"})


def test_entries_are_taken_once_and_in_order(claims: Claims) -> None:
    """The order is the host's."""
    claims.fill(Entry(test) for test in ("c", "a", "b"))

    taken = [claims.take(machine, cpus=1) for machine in ("one", "two", "one", "two")]

    assert [Entry("c"), Entry("a"), Entry("b"), None] == taken
    assert ["one", "two", "one"] == [claims.owner(entry) for entry in claims.entries()]


def test_what_only_some_can_run_is_left_to_them_and_taken_first(claims: Claims) -> None:
    """Two processors do not show up where there is one."""
    claims.fill([Entry("a"), Entry("race", cpus=2), Entry("b")])

    assert Entry("a") == claims.take("small", cpus=1)
    assert Entry("race", cpus=2) == claims.take("large", cpus=2)
    assert Entry("b") == claims.take("small", cpus=1)
    assert None is claims.take("small", cpus=1)


def test_an_entry_that_nobody_can_run_is_a_problem(claims: Claims) -> None:
    """It is not left out silently."""
    claims.fill([Entry("race", cpus=2)])

    assert None is claims.take("small", cpus=1)
    assert ["race: no machine took it"] == claims.problems()
    assert [Entry("race", cpus=2)] == claims.waiting()


def test_processes_that_grab_at_once_share_without_overlap(claims: Claims) -> None:
    """Four take as fast as they can; each entry has gone to exactly one."""
    claims.fill(Entry(file) for file in _FILES)
    machines = [
        subprocess.Popen(
            [sys.executable, "-c", _GREEDY, str(claims.directory), f"machine-{number}"],
            cwd=_VM,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]

    outputs = [machine.communicate("go\n")[0].split() for machine in machines]

    assert sorted(_FILES) == sorted(file for output in outputs for file in output)
    assert [] == claims.problems()


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (None, "one took it and left no result"),
        (Result("one", outcomes={"t": "passed"}), "one left it in the middle"),
        (Result("one", complete=True), "it has no test"),
        (_done("two"), "one took it, and two left the result"),
    ],
)
def test_a_claim_without_a_good_result_is_a_problem(
    claims: Claims, result: Result | None, problem: str
) -> None:
    """A machine that dies leaves a claim behind, and its file must not count as proven."""
    claims.fill([Entry("a"), Entry("b")])
    for _ in range(2):
        entry = claims.take("one", cpus=1)
        assert entry is not None
        if entry.test == "a":
            claims.finish(entry, _done("one"))
        elif result is not None:
            claims.finish(entry, result)

    assert [f"b: {problem}"] == claims.problems()


def test_half_a_result_is_none(claims: Claims) -> None:
    """What was being written when the machine died does not count."""
    claims.fill([Entry("a")])
    claims.take("one", cpus=1)
    (claim,) = (claims.directory / "claimed").iterdir()
    (claim / "result.part").write_text('{"machine": "one", "complete": true')

    assert ["a: one took it and left no result"] == claims.problems()


def test_a_claim_on_what_was_never_queued_is_a_problem(claims: Claims) -> None:
    """Then the queue is not the one that the host made."""
    claims.fill([])
    (claims.directory / "claimed" / "stranger").mkdir()

    assert ["stranger: taken, and not in the queue"] == claims.problems()


def test_the_worst_outcome_of_a_test_stays() -> None:
    """A test that passed and whose clean-up failed has not passed."""
    result = Result("one")

    for outcome in ("passed", "error", "passed"):
        result.add("a", outcome)
    result.add("b", "skipped", "no disk")

    assert {"a": "error", "b": "skipped"} == result.outcomes
    assert {"b": "no disk"} == result.reasons
    assert (1, 1) == (result.count("failed", "error"), result.count("skipped"))
