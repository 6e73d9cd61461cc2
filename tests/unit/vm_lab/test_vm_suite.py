# SPDX-License-Identifier: MIT
"""A run as a whole, with a script in the place of a machine."""

import argparse
import sys
from pathlib import Path

import pytest
from lab.claims import Claims, Entry
from lab.plan import Boot
from lab.pool import Job
from lab.suite import Suite

# Does with each test what its name says, as the guest would.
_MACHINE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[2] / "vm")!r})
from pathlib import Path
from lab.claims import Claims, Result
def after(name): return sys.argv[sys.argv.index(name) + 1]
machine, out = after("--machine"), Path(after("--out"))
print("hello from", machine, after("--cpus"), flush=True)
out.mkdir(parents=True)
claims = Claims(Path(after("--queue")))
if "late" in machine:
    sys.exit(125)
code = 0
while entry := claims.take(machine, cpus=int(after("--cpus"))):
    name = entry.test.rpartition("/")[2]
    if "unwritten" not in name:
        with (out / "ledger").open("a") as ledger:
            print(name, 3, 1000, file=ledger)
    if "dies" in name:
        sys.exit(250)
    result = Result(machine, seconds=7.0, complete=True)
    result.add(f"{{entry.test}}::test_it", "failed" if "bad" in name else "passed")
    result.add(f"{{entry.test}}::test_more", "skipped", "no disk")
    claims.finish(entry, result)
    if "bad" in name:
        code = 1
        if "-x" in sys.argv:
            break
sys.exit(code)
"""


class _Run:
    """A suite over made-up files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "tests/vm").mkdir(parents=True)
        (directory / "tests/vm/run").write_text(_MACHINE)

    def run(
        self, *boots: Boot, machines: int = 2, fail_early: bool = False, jobs: tuple[Job, ...] = ()
    ) -> tuple[bool, Suite]:
        options = argparse.Namespace(machines=machines, timeout=60, fail_early=fail_early)
        suite = Suite(self._directory / "build/test", jobs, boots, options)
        return suite.run(), suite


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Run:
    monkeypatch.chdir(tmp_path)
    return _Run(tmp_path)


def _boot(name: str, *tests: str, machines: int = 1) -> Boot:
    entries = [Entry(test, cpus=2 if "race" in test else 1) for test in tests]
    return Boot(name, "cloud", entries, machines=machines)


def test_all_boots_run_and_the_last_line_is_the_total(
    lab: _Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Jobs of the host and of machines count together; each has its line, its log and its loads."""
    report = '<testsuites><testsuite tests="5" failures="0" errors="0" skipped="1"/></testsuites>'
    write = f"import pathlib; pathlib.Path('build/test/host.xml').write_text({report!r})"
    host = Job("host", [sys.executable, "-c", write], tmp_path / "build/test/host.log", slots=2)

    good, suite = lab.run(
        _boot("lsms", "test_a.py"),
        _boot("cloud", "test_b.py", "test_race.py", "test_c.py", machines=2),
        jobs=(host,),
    )

    assert good
    *_, last = lines = suite.summary.text().splitlines()
    assert "8 passed, 0 failed, 5 skipped" == last
    assert any(line.startswith("host: 4 passed, 1 skipped in ") for line in lines)
    assert any(line.startswith("lsms: 1 passed, 1 skipped in ") for line in lines)
    assert "skipped in every machine: 4 of 8 tests" in lines
    assert "     4  no disk" in lines
    assert "engine: 4 starts, 4,000 instructions processed" in lines
    assert "     7 s  test_a.py: 1 starts, 1,000 instructions processed" in lines
    assert "test: lsms: done after" in capsys.readouterr().out
    assert "hello from cloud-1 2\n" == (tmp_path / "build/test/cloud-1.log").read_text()


def test_a_failed_test_fails_the_run_and_the_rest_runs(lab: _Run) -> None:
    """Nothing is left out."""
    good, suite = lab.run(_boot("cloud", "test_bad.py", "test_a.py", "test_b.py"))

    assert not good
    assert "2 passed, 1 failed, 3 skipped" == suite.summary.text().splitlines()[-1]


def test_the_first_failed_job_ends_the_run_on_request(lab: _Run) -> None:
    """No further machine boots."""
    good, suite = lab.run(
        _boot("first", "test_bad.py"), _boot("second", "test_a.py"), machines=1, fail_early=True
    )

    assert not good
    assert ["first"] == [line.name for line in suite.summary.lines]


def test_a_machine_that_dies_fails_its_file_and_is_replaced(lab: _Run) -> None:
    """The rest of its queue is for another, also what needs two processors."""
    good, suite = lab.run(_boot("cloud", "test_dies.py", "test_a.py", "test_race.py", machines=1))

    assert not good
    assert "tests/vm" not in suite.summary.text()
    assert "test_dies.py: cloud took it and left no result" in suite.summary.problems
    assert ["cloud", "cloud-2"] == [line.name for line in suite.summary.lines]
    assert "2 passed, 0 failed, 2 skipped" == suite.summary.text().splitlines()[-1]


def test_a_machine_that_never_starts_is_not_tried_for_ever(lab: _Run) -> None:
    """It took nothing; what it was for is named."""
    good, suite = lab.run(_boot("late", "test_a.py", "test_b.py"))

    assert not good
    assert ["late"] == [line.name for line in suite.summary.lines]
    assert "test_b.py: no machine took it" in suite.summary.problems


def test_no_machine_boots_for_an_empty_queue(lab: _Run) -> None:
    """Others were faster, or there never was anything."""
    good, suite = lab.run(
        _boot("none"), _boot("cloud", "test_a.py", "test_b.py", machines=2), machines=1
    )

    assert good
    assert ["cloud-1"] == [line.name for line in suite.summary.lines]


def test_tests_that_passed_without_a_ledger_fail_the_run(lab: _Run) -> None:
    """Else nothing would be counted, and every budget kept."""
    good, suite = lab.run(_boot("cloud", "test_unwritten.py"))

    assert not good
    assert ["cloud: its tests passed and left no ledger of loads"] == suite.summary.problems


def test_what_ran_somewhere_is_not_skipped(lab: _Run, tmp_path: Path) -> None:
    """A case of one kernel is no gap on the other; one whose machine is missing is excused."""
    _, suite = lab.run(_boot("cloud", "test_a.py", "test_b.py"))
    passed = Claims(tmp_path / "build/test/cloud.queue").result(Entry("test_b.py"))
    assert passed is not None

    passed.outcomes = {"test_b.py::test_more": "passed"}
    suite.summary.results.append(passed)

    assert {"test_a.py::test_more": "no disk"} == suite.summary.skips()
    assert {} == suite.summary.skips(excused={"test_a.py"})
