# SPDX-License-Identifier: MIT
"""A run as a whole, with a script in the place of a machine."""

import argparse
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import suite
from lab.claims import Claims, Entry
from lab.omissions import OUTER, OUTER_TESTS
from lab.plan import Boot
from lab.pool import Job
from lab.suite import Suite

# Does with each test what its name says, as the guest would.
_MACHINE = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[2] / "vm")!r})
from pathlib import Path
from lab.claims import Claims, Result
def after(name): return sys.argv[sys.argv.index(name) + 1]
machine, out = after("--machine"), Path(after("--out"))
print("hello from", machine, after("--cpus"), flush=True)
out.mkdir(parents=True)
if "SAID" in os.environ:
    with open(os.environ["SAID"], "a") as said:
        print(*sys.argv, file=said)
claims = Claims(Path(after("--queue")))
if "late" in machine:
    sys.exit(125)
code = 0
while entry := claims.take(machine, cpus=int(after("--cpus"))):
    name = entry.test.rpartition("/")[2]
    if "unwritten" not in name:
        with (out / "ledger").open("a") as ledger:
            print(name, "start", 3, 1000, file=ledger)
    if "dies" in name:
        sys.exit(250)
    result = Result(machine, seconds=7.0, busy=3.0, complete=True)
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
        options = argparse.Namespace(
            machines=machines, timeout=60, fail_early=fail_early, blocks=None
        )
        made = Suite(self._directory / "build/test", jobs, boots, options)
        return made.run(), made


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

    good, made = lab.run(
        _boot("lsms", "test_a.py"),
        _boot("cloud", "test_b.py", "test_race.py", "test_c.py", machines=2),
        jobs=(host,),
    )

    assert good
    *_, last = lines = made.summary.text().splitlines()
    assert "8 passed, 0 failed, 5 skipped" == last
    assert any(line.startswith("host: 4 passed, 1 skipped in ") for line in lines)
    assert any(line.startswith("lsms: 1 passed, 1 skipped in ") for line in lines)
    assert "skipped in every machine: 4 of 8 tests" in lines
    assert "     4  no disk" in lines
    assert "engine: 4 starts, 4,000 instructions processed" in lines
    assert "     7 s, 3 s busy  test_a.py: 1 starts, 1,000 instructions processed" in lines
    assert "test: lsms: done after" in capsys.readouterr().out
    assert "hello from cloud-1 2\n" == (tmp_path / "build/test/cloud-1.log").read_text()


def test_a_failed_test_fails_the_run_and_the_rest_runs(lab: _Run) -> None:
    """Nothing is left out."""
    good, made = lab.run(_boot("cloud", "test_bad.py", "test_a.py", "test_b.py"))

    assert not good
    assert "2 passed, 1 failed, 3 skipped" == made.summary.text().splitlines()[-1]


def test_the_first_failed_job_ends_the_run_on_request(lab: _Run) -> None:
    """No further machine boots."""
    good, made = lab.run(
        _boot("first", "test_bad.py"), _boot("second", "test_a.py"), machines=1, fail_early=True
    )

    assert not good
    assert ["first"] == [line.name for line in made.summary.lines]


def test_a_machine_that_dies_fails_its_file_and_is_replaced(lab: _Run) -> None:
    """The rest of its queue is for another, also what needs two processors."""
    good, made = lab.run(_boot("cloud", "test_dies.py", "test_a.py", "test_race.py", machines=1))

    assert not good
    assert "tests/vm" not in made.summary.text()
    assert "test_dies.py: cloud took it and left no result" in made.summary.problems
    assert ["cloud", "cloud-2"] == [line.name for line in made.summary.lines]
    assert "2 passed, 0 failed, 2 skipped" == made.summary.text().splitlines()[-1]


def test_a_machine_that_never_starts_is_not_tried_for_ever(lab: _Run) -> None:
    """It took nothing; what it was for is named."""
    good, made = lab.run(_boot("late", "test_a.py", "test_b.py"))

    assert not good
    assert ["late"] == [line.name for line in made.summary.lines]
    assert "test_b.py: no machine took it" in made.summary.problems


def test_no_machine_boots_for_an_empty_queue(lab: _Run) -> None:
    """Others were faster, or there never was anything."""
    good, made = lab.run(
        _boot("none"), _boot("cloud", "test_a.py", "test_b.py", machines=2), machines=1
    )

    assert good
    assert ["cloud-1"] == [line.name for line in made.summary.lines]


def test_tests_that_passed_without_a_ledger_fail_the_run(lab: _Run) -> None:
    """Else nothing would be counted, and every budget kept."""
    good, made = lab.run(_boot("cloud", "test_unwritten.py"))

    assert not good
    assert ["cloud: its tests passed and left no ledger of loads"] == made.summary.problems


def test_what_is_left_to_the_outer_circle_is_deselected(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every machine, unless files are named."""
    said = clone / "said"
    monkeypatch.setenv("SAID", str(said))
    (clone / "tests/vm/test_marks.py").touch()
    _set_budget(clone, starts=3, instructions=3000, skips=2)

    assert 0 == suite.main(["test"])
    inner = said.read_text()
    said.unlink()
    assert 0 == suite.main(["test", "test_marks.py"])

    assert "--deselect=tests/vm/test_marks.py::test_marks_outlive_a_successor" in inner
    assert "--deselect=" not in said.read_text()


def test_what_ran_somewhere_is_not_skipped(lab: _Run, tmp_path: Path) -> None:
    """A case of one kernel is not a gap on the other; one whose machine is missing is excused."""
    _, made = lab.run(_boot("cloud", "test_a.py", "test_b.py"))
    passed = Claims(tmp_path / "build/test/cloud.queue").result(Entry("test_b.py"))
    assert passed is not None

    passed.outcomes = {"test_b.py::test_more": "passed"}
    made.summary.results.append(passed)

    assert {"test_a.py::test_more": "no disk"} == made.summary.skips()
    assert "2 passed, 0 failed, 1 skipped" == made.summary.text().splitlines()[-1]
    assert {} == made.summary.skips(excused={"test_a.py"})


_HOST = """#!/bin/bash
for argument; do
    case $argument in
    --junitxml=*) echo '<testsuite tests="9" failures="0" errors="0" skipped="0"/>' >"${argument#*=}" ;;
    esac
done
"""


@pytest.fixture
def clone(lab: _Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with two test files, without a kernel on which results can be replaced."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(suite, "REPOSITORY", tmp_path)
    monkeypatch.setenv("ENFORCER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENFORCER_LAB_KERNELS", str(tmp_path / "kernels"))
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/pytest").write_text(_HOST)
    (tmp_path / ".venv/bin/pytest").chmod(0o755)
    for name in ("test_exec.py", "test_syscalls.py"):
        (tmp_path / "tests/vm" / name).touch()
    _set_budget(tmp_path)
    yield tmp_path
    for number, handler in before.items():
        signal.signal(number, handler)


def _set_budget(clone: Path, starts: int = 2, instructions: int = 2000, skips: int = 1) -> None:
    text = f"starts = {starts}\ninstructions = {instructions}\nskips = {skips}\n"
    (clone / "tests/vm/budget.toml").write_text(text)


def test_a_missing_kernel_is_said_at_the_end_and_fails_nothing(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What only it can show does not count as skipped; all figures are at their bounds."""
    assert 0 == suite.main(["test"])

    *_, unproven, last = capsys.readouterr().out.splitlines()
    assert "not proven: bpf_override_return: the kernel lab is not in the cache" == unproven
    assert "20 passed, 0 failed, 2 skipped" == last


def test_each_test_of_the_host_is_run_by_one_of_two(clone: Path) -> None:
    """What the first is given is what the second leaves out, beside what machines run."""
    (clone / ".venv/bin/pytest").write_text('#!/bin/sh\necho "$@"\n')

    suite.main(["test"])

    first, second = ((clone / f"build/test/host-{n}.log").read_text().split() for n in (1, 2))
    given, ignored = first[:-1], [word.removeprefix("--ignore=") for word in second[1:-1]]
    assert "tests" == second[0]
    assert ["tests/vm", "tests/soak", *given] == ignored
    assert all((Path(__file__).parents[3] / path).is_dir() for path in ignored)


def test_a_kernel_that_is_there_boots(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then every skip counts, and its loads do."""
    (clone / "kernels/6.12-lab").mkdir(parents=True)
    (clone / "kernels/6.12-lab/bzImage").touch()
    _set_budget(clone, starts=3, instructions=3000, skips=2)

    assert 0 == suite.main(["test"])

    out = capsys.readouterr().out
    assert "part lab: 1 passed, 1 skipped, " in out
    assert sorted([*OUTER, *OUTER_TESTS]) == sorted(
        re.findall(r"^not proven: (.+?): .+: make test-all$", out, re.MULTILINE)
    )
    assert "engine: 3 starts, 3,000 instructions processed" in out


def test_packages_are_a_job_of_the_outer_circle(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It fails the run as any other, and what a change must pass has none."""
    (clone / "Makefile").write_text("try-packages:\n\t@echo no wheel >&2; exit 3\n")

    assert 0 == suite.main(["test"])
    assert "packages" not in capsys.readouterr().out
    assert 1 == suite.main(["all", "--part", "packages"])
    out = capsys.readouterr().out
    assert "test: packages: FAILED with code 2" in out
    assert "no wheel" in out
    assert "host" not in out


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ({"starts": 1}, "starts: 2 of 1"),
        ({"instructions": 1999}, "instructions: 2,000 of 1,999"),
        ({"skips": 0}, "skips: 1 of 0"),
    ],
)
def test_a_figure_above_its_budget_fails_the_run(
    clone: Path, capsys: pytest.CaptureFixture[str], bound: dict[str, int], message: str
) -> None:
    """The figure, its bound and the file in which it can be changed are named."""
    _set_budget(clone, **bound)

    assert 1 == suite.main(["test"])

    lines = capsys.readouterr().out.splitlines()
    assert f"failed: above the budget of tests/vm/budget.toml: {message}" in lines


def test_a_choice_of_files_has_no_budget_and_no_host(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options may stand before and after."""
    _set_budget(clone, starts=0, instructions=0, skips=0)

    assert 0 == suite.main(["--machines", "1", "test", "--timeout", "9", "test_exec.py"])

    assert "1 passed, 0 failed, 1 skipped" == capsys.readouterr().out.splitlines()[-1]


def test_a_file_that_is_not_there_is_refused(clone: Path) -> None:
    """A run of nothing would succeed."""
    with pytest.raises(SystemExit) as caught:
        suite.main(["test", "test_nothing.py"])

    assert 2 == caught.value.code


def test_the_outer_circle_has_parts(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A kernel alone runs what the whole runs on it, and neither the host nor the soak."""
    assert 0 == suite.main(["all", "--part", "7.3", "--part", "6.1"])

    lines = capsys.readouterr().out.splitlines()
    ended = {line.split(": ")[1] for line in lines if ": done after" in line}
    assert {"6.1", "7.3"} == {name.rpartition("-")[0] or name for name in ended}


def test_what_a_change_must_pass_has_no_parts(clone: Path) -> None:
    """Its budget is of the whole."""
    with pytest.raises(SystemExit) as caught:
        suite.main(["test", "--part", "host"])

    assert 2 == caught.value.code


def test_the_log_of_a_failed_job_is_printed(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads the output of the run has no other."""
    (clone / "tests/vm/test_bad.py").touch()

    assert 1 == suite.main(["test", "--fail-early", "test_bad.py"])

    out = capsys.readouterr().out
    assert "hello from cloud-1 2" in out
    assert "failed: cloud-1: ended with 1, see build/test/cloud-1.log" in out
