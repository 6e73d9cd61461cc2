# SPDX-License-Identifier: MIT
"""One run of the tests: on the host, then in every machine of a circle, as jobs of one pool."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from . import loads, omissions, plan
from .claims import Claims
from .cli import EXIT_GUEST_DIED, EXIT_LAB, EXIT_TIMEOUT
from .kernel import LAB, cache_directory, find_lab
from .machine import QUEUE_DIRECTORY
from .pool import Ended, Job, Pool
from .summary import HOST, Counts, Line, Summary
from .tools import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .plan import Boot

REPOSITORY = Path(__file__).resolve().parents[3]
BUDGET = plan.TESTS / "budget.toml"

_PYTEST = ".venv/bin/pytest"
# Parts of pytest that no guest needs.
_LEFT_OUT = ("cacheprovider", "doctest", "junitxml", "legacypath", "logging", "unittest")
_TEMPORARY = "/tmp/tests"
# Seconds after which a test says in the log where it waits, and goes on: a machine that is ended tells nothing.
_SAYS_WHERE = 600
_NO_MACHINE_LEFT = {EXIT_TIMEOUT, EXIT_LAB, EXIT_GUEST_DIED}
_SCRIPT = plan.TESTS / "script.py"
_SOAKED_ON_HOST = "tests/soak/test_records.py"
PACKAGES = "packages"
_TRY_PACKAGES = ("make", "--no-print-directory", "try-packages")


class Suite:
    """
    The jobs of a run, and what they found out.

    *boots* are in the order in which they begin; a boot with several machines comes last, so that its
    queue keeps every slot busy until the end. The tests *left* are run in none.
    """

    def __init__(
        self,
        directory: Path,
        jobs: Sequence[Job],
        boots: Sequence[Boot],
        options: argparse.Namespace,
        left: Sequence[str] = (),
    ) -> None:
        self.summary = Summary()
        self.failed: list[Path] = []
        self._directory = directory
        self._options = options
        self._left = list(left)
        self._host_jobs = list(jobs)
        self._boots = list(boots)
        self._waiting = [
            (boot, number)
            for boot in boots
            for number in range(1, min(boot.machines, len(boot.entries)) + 1)
        ]
        self._queues = {boot.name: Claims(directory / f"{boot.name}.queue") for boot in boots}
        self._booted: dict[str, Boot] = {}
        for boot in boots:
            self._queues[boot.name].fill(boot.entries)

    def run(self) -> bool:
        """Run everything, or until the first failure where that was asked for; False when one failed."""
        Pool(self._options.machines).run(self._following, self._ended)
        if self.failed and self._options.fail_early:
            return False  # what did not run then is not a finding
        for boot in self._boots:
            self.summary.problems += self._queues[boot.name].problems()
        return not self.failed and not self.summary.problems

    def _following(self) -> Job | None:
        if self._host_jobs:
            return self._host_jobs.pop(0)
        while self._waiting:
            boot, number = self._waiting.pop(0)
            if self._queues[boot.name].waiting():  # else others were faster
                return self._machine(boot, number)
        return None

    def _machine(self, boot: Boot, number: int) -> Job:
        name = boot.name if boot.machines == 1 and number == 1 else f"{boot.name}-{number}"
        self._booted[name] = boot
        options = ["--kernel", boot.kernel, "--cpus", str(boot.processors(number)), *boot.options]
        options += ["--timeout", str(self._options.timeout)]
        options += ["--queue", str(self._queues[boot.name].directory)]
        options += ["--out", str(self._directory / name)]
        if plugin := self._options.blocks:
            options += ["--plugin", f"{plugin},out={self._directory / name}.blocks"]
        # What other packages bring for pytest is for the host, and takes seconds to import.
        command = ["env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1"]
        command += [f"{key}={value}" for key, value in boot.environment.items()]
        command += ["ENFORCER_COVERAGE=1"] * bool(self._options.blocks)
        command += [_PYTEST, *(f"-pno:{each}" for each in _LEFT_OUT), str(plan.TESTS)]
        command += ["--claims", QUEUE_DIRECTORY, "--machine", name]
        # Else pytest first removes what runs on the host have left in theirs, file by file.
        command += ["--basetemp", _TEMPORARY, "-o", f"faulthandler_timeout={_SAYS_WHERE}"]
        command += [f"--deselect={test}" for test in self._left]
        command += ["-x"] * self._options.fail_early
        run = [sys.executable, str(plan.TESTS / "run"), *options, "--", *command]
        return Job(name, run, self._directory / f"{name}.log", boot.slots)

    def _ended(self, end: Ended) -> bool:
        boot = self._booted.get(end.job.name)
        line = self._line(end, boot)
        self.summary.lines.append(line)
        ending = "done" if end.code == 0 else f"FAILED with code {end.code}"
        _say(f"{line.name}: {ending} after {end.seconds:.0f} s, {line.counts.short()}")
        if boot and end.code in _NO_MACHINE_LEFT:
            self._replace(boot, end.job.name)
        if end.code:
            self.failed.append(end.job.log)
            self.summary.problems.append(
                f"{end.job.name}: ended with {end.code}, see {_shown(end.job.log)}"
            )
        return not (end.code and self._options.fail_early)

    def _line(self, end: Ended, boot: Boot | None) -> Line:
        if boot is None:
            counts = Counts.of_report(end.job.log.with_suffix(".xml"))
            return Line(end.job.name, HOST, end.code, end.seconds, counts)
        claims = self._queues[boot.name]
        results = []
        for entry in claims.entries():
            result = claims.result(entry)
            if result and result.machine == end.job.name:
                results.append(result)
                file = Path(entry.test.partition("::")[0]).name
                self.summary.seconds[file] += result.seconds
                self.summary.busy[file] += result.busy
        self.summary.results += results
        passed = {
            test for result in results for test, how in result.outcomes.items() if how == "passed"
        }
        self._read_ledger(end.job.name, boot, passed)
        return Line(end.job.name, boot.part, end.code, end.seconds, Counts.of(results))

    def _read_ledger(self, name: str, boot: Boot, passed: set[str]) -> None:
        book = self.summary.ledgers.setdefault(boot.part, loads.Ledger())
        try:
            book.read(self._directory / name / loads.NAME)
        except FileNotFoundError:
            # Without one nothing would be counted, and every budget would be kept.
            if loads.must_have(passed):
                self.summary.problems.append(
                    f"{name}: its tests passed and left no ledger of loads"
                )
        except LabError as error:
            self.summary.problems.append(f"{name}: {error}")

    def _replace(self, boot: Boot, name: str) -> None:
        """Boot another machine for one that died, if there is a rest; one that took nothing is not worth it."""
        claims = self._queues[boot.name]
        owned = any(claims.owner(entry) == name for entry in claims.entries())
        if owned and claims.waiting():
            numbers = sum(each is boot for each in self._booted.values())
            waiting = sum(each is boot for each, _ in self._waiting)
            self._waiting.append((boot, numbers + waiting + 1))


def main(arguments: Sequence[str]) -> int:
    """Run the suite as *arguments* say and return the exit code."""
    options = _parse(arguments)
    os.chdir(REPOSITORY)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        return _run(options)
    except LabError as error:
        _say(str(error))
        return EXIT_LAB
    except KeyboardInterrupt:
        _say("interrupted")
        return 128 + signal.SIGINT


def _run(options: argparse.Namespace) -> int:
    directory = REPOSITORY / "build/test"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    has_lab = find_lab(cache_directory()) is not None
    budget = loads.Budget.read(BUDGET)
    is_inner = options.circle == "test" and not options.files
    left = omissions.OUTER | omissions.OUTER_TESTS if is_inner else {}
    files = options.files or sorted(
        path.name for path in plan.TESTS.glob("test_*.py") if path.name not in left
    )
    circle = plan.outer if options.circle == "all" else plan.inner
    all_beside = () if options.files else plan.BESIDE
    beside = [path for path in all_beside if Path(path).is_file() and path not in left]
    boots = circle(files, beside, machines=options.machines, cpus=options.cpus, has_lab=has_lab)
    if options.files:
        boots = [boot for boot in boots if boot.name != plan.SOAK]
    if options.part:
        boots = [boot for boot in boots if boot.part in options.part]
    jobs = [] if options.files else _host_jobs(options, directory)
    for boot in boots:
        if file := boot.environment.get(plan.STORM):
            _say(f"writes the script of the storm of {boot.name}")
            here = {**os.environ, **boot.environment}
            subprocess.run([sys.executable, str(_SCRIPT), file], check=True, env=here)
    suite = Suite(directory, jobs, boots, options, [plan.node_id(name) for name in left])

    good = suite.run()
    summary = suite.summary
    summary.unproven += [f"{file}: {why}: make test-all" for file, why in left.items()]
    excused = set()
    if not has_lab:
        excused = {str(plan.TESTS / test.partition("::")[0]) for test in plan.OVERRIDING}
        summary.unproven.append(f"{plan.OVERRIDE}: the kernel {LAB} is not in the cache")
    if good and not options.files and options.circle == "test":
        total = summary.ledger().total()
        exceeded = budget.exceeded(
            starts=total.starts,
            instructions=total.instructions,
            skips=len(summary.skips(excused=excused)),
        )
        summary.problems += [f"above the budget of {BUDGET}: {each}" for each in exceeded]
    for log in suite.failed:
        print(
            f"---- {_shown(log)}\n{log.read_text(encoding='utf-8', errors='replace')}", flush=True
        )
    print(summary.text(), flush=True)
    return 1 if suite.failed or summary.problems else 0


def _host_jobs(options: argparse.Namespace, directory: Path) -> list[Job]:
    """Return the jobs that boot no machine, or their own."""
    asked = set(options.part or (HOST, PACKAGES))
    jobs = []
    if options.circle == "all" and PACKAGES in asked:
        jobs.append(Job(PACKAGES, _TRY_PACKAGES, directory / f"{PACKAGES}.log"))
    return [*jobs, *_host_tests(options, directory)] if HOST in asked else jobs


def _host_tests(options: argparse.Namespace, directory: Path) -> list[Job]:
    # What a change must pass tries fewer random examples: tests/amount.py.
    usual = {"ENFORCER_OUTER": "1"} if options.circle == "all" else {}

    def job(name: str, *arguments: str, soak: str = "") -> Job:
        report = directory / f"{name}.xml"
        return Job(
            name,
            [_PYTEST, *arguments, f"--junitxml={report}", *(["-x"] * options.fail_early)],
            report.with_suffix(".log"),
            environment={"ENFORCER_SOAK": soak} if soak else usual,
        )

    left = ["tests/vm", "tests/soak", *plan.FIRST_ON_HOST]
    jobs = [
        job(f"{HOST}-1", *plan.FIRST_ON_HOST),
        job(f"{HOST}-2", "tests", *(f"--ignore={path}" for path in left)),
    ]
    if options.circle == "all":
        jobs.append(job("host-soak", _SOAKED_ON_HOST, soak="10"))
    return jobs


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/vm/suite", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("circle", choices=("test", "all"), help="what a change must pass, or every kernel as well")
    add("files", nargs="*", metavar="FILE", help="only these, test_NAME.py of tests/vm; no budget")
    add("--machines", type=int, default=2, metavar="N", help="machines at a time (2)")
    add("--cpus", type=int, default=2, metavar="N", help="processors of an ordinary machine (2)")
    add("--timeout", type=int, default=4200, metavar="S", help="seconds for a machine (4200)")
    parts = (HOST, PACKAGES, *plan.PARTS)
    add("--part", action="append", choices=parts, help="only this part, or these, of all")
    add("--fail-early", action="store_true", help="the first failed job ends the run")
    add("--blocks", metavar="FILE", help="note with this plugin of QEMU which code of a guest runs")
    options = parser.parse_intermixed_args(arguments)
    if options.part and options.circle != "all":
        parser.error("what a change must pass has no parts")  # its budget is of the whole
    unknown = [name for name in options.files if not (REPOSITORY / plan.TESTS / name).is_file()]
    if unknown:
        parser.error(f"no such file in {plan.TESTS}: {', '.join(unknown)}")
    return options


def _shown(log: Path) -> Path:
    return log.relative_to(Path.cwd()) if log.is_relative_to(Path.cwd()) else log


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(f"test: {text}", flush=True)
