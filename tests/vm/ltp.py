#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The system call tests of the Linux Test Project, without the engine and with it, side by side.

Runs in the guest: ``tests/vm/run --scratch 1024 -- .venv/bin/python tests/vm/ltp.py /opt/ltp``, where the
directory has a build of LTP: ``runtest/syscalls``, and the programs anywhere below ``testcases``. Every test
is run without the engine, then with all of ``policies/`` active, a hundred tests at a time. A result is the exit status and how many
checks failed, broke or were skipped. Where results differ, both are tried twice more: tests that do not always
end alike are told apart. What is left is a difference; it is one of ours unless a policy refused something in that
time, and said so in a record. Exits with 1 if there is such a difference, or if hardly a test could be run.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests")]

import engine as engines  # noqa: E402 - beside this file
from patience import scaled  # noqa: E402 - above this directory

POLICIES = ROOT / "policies"
SCRATCH = Path("/mnt/scratch")
CGROUPS = Path("/sys/fs/cgroup")
TRIES = 2  # more of each, where results differ
LONG = 10.0  # seconds of a test that are worth a line
GRACE = 5.0  # seconds that killed processes have to be gone, on a quiet machine
MOST_TOLD = 1 << 22  # bytes of what a test tells
AT_A_TIME = 100  # tests on one side, then the other has its turn: ended early, some are compared
_SUMMED = re.compile(r"^(failed|broken|skipped)\s+([0-9]+)", re.MULTILINE)
_OLD = re.compile(r"\b(TFAIL|TBROK|TCONF)\b")
_WORDS = {"TFAIL": "failed", "TBROK": "broken", "TCONF": "skipped"}


@attrs.frozen
class Test:
    """One line of the list: the name, and what a shell is to run."""

    name: str
    line: str


@attrs.frozen
class Result:
    """How a test ended; *status* None: it was stopped, having taken too long."""

    status: int | None
    counts: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        """Say it in a line."""
        ended = "stopped" if self.status is None else f"status {self.status}"
        return ", ".join([ended, *(f"{number} {word}" for word, number in self.counts)])


@attrs.frozen
class Suite:
    """A build of LTP; *programs* tells in which directory each is."""

    home: Path
    programs: dict[str, str]
    longest: float
    """Seconds that one test may take on a quiet machine."""

    @classmethod
    def at(cls, home: Path, longest: float) -> Suite:
        """Find the programs: in one directory of an installation, in hundreds of a build."""
        found = {}
        for directory, _, names in os.walk(home / "testcases"):
            found |= {n: directory for n in names if os.access(f"{directory}/{n}", os.X_OK)}
        return cls(home, found, longest)

    def tests(self, wanted: list[str], unwanted: list[str]) -> Iterator[Test]:
        """Yield the tests that are built, of those with a name like one of *wanted*."""
        for line in (self.home / "runtest/syscalls").read_text().splitlines():
            words = line.split()
            if len(words) < 2 or words[0].startswith("#"):
                continue
            name = words[0]
            if wanted and not any(fnmatch.fnmatchcase(name, each) for each in wanted):
                continue
            if any(fnmatch.fnmatchcase(name, each) for each in unwanted):
                continue
            if words[1] in self.programs or shutil.which(words[1]):
                yield Test(name, line.partition(name)[2].strip())

    def path(self, test: Test) -> str:
        """Return where to look for programs: beside the test, in LTP's library, on the machine."""
        beside = self.programs.get(test.line.split()[0])
        mine = [beside] if beside else []
        return os.pathsep.join([*mine, str(self.home / "testcases/lib"), os.environ["PATH"]])

    def run(self, test: Test) -> Result:
        """Run *test* in a directory of its own; say so if it takes long."""
        began = time.monotonic()
        result = self._run(test)
        if (took := time.monotonic() - began) > LONG:
            print(f"  {took:.0f} s: {test.name}", file=sys.stderr, flush=True)
        return result

    def _run(self, test: Test) -> Result:
        with tempfile.TemporaryDirectory(
            dir=SCRATCH, prefix="ltp-", ignore_cleanup_errors=True
        ) as place:
            Path(place).chmod(0o777)
            surroundings = os.environ | {
                "PATH": self.path(test),
                "LTPROOT": str(self.home),
                "TMPDIR": place,
                "LTP_TIMEOUT_MUL": f"{scaled(3.0):.0f}",
                "LTP_COLORIZE_OUTPUT": "n",
                # Emulated, hundreds of tests on six file systems each and by the clock would take a day.
                "LTP_SINGLE_FS_TYPE": "tmpfs",
                "LTP_RUNTIME_MUL": "0.1",
                "KCONFIG_SKIP_CHECK": "1",
            }
            told, status = _ended(test.line, Path(place), surroundings, scaled(self.longest))
            _unmount_below(place)
        return Result(status, counted(told) if status is not None else ())


def _ended(
    line: str, place: Path, surroundings: dict[str, str], longest: float
) -> tuple[str, int | None]:
    """
    Run *line* for at most *longest* seconds; return what it told, and its status, None if it was stopped.

    What a test leaves behind ends with it, by a cgroup: a session or a process group can be left. What it tells
    goes to a file: whoever waits for the end of a pipe waits for all that hold it.
    """
    group = Path(tempfile.mkdtemp(dir=CGROUPS, prefix="ltp-"))
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            ["bash", "-c", 'echo $$ >"$0/cgroup.procs" && exec bash -c "$1"', str(group), line],
            cwd=place,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status = _wait(process, longest)
        (group / "cgroup.kill").write_text("1")
        if status is None and _wait(process, scaled(GRACE)) is None:
            print(f"  cannot be killed: {line}", file=sys.stderr, flush=True)
        _remove(group)
        told.seek(0)
        return told.read(MOST_TOLD).decode("utf-8", "replace"), status


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _remove(group: Path) -> None:
    """Remove the cgroup when its last process is gone; one that cannot be killed keeps it."""
    ends = time.monotonic() + scaled(GRACE)
    while time.monotonic() < ends:
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.05)
        else:
            return
    print(f"  has processes left: {group}", file=sys.stderr, flush=True)


def _unmount_below(place: str) -> None:
    """Unmount what a test that was stopped has left, the newest first."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        where = line.split()[4]
        if where.startswith(f"{place}/"):
            subprocess.run(["umount", "--lazy", where], check=False, stderr=subprocess.DEVNULL)


def counted(told: str) -> tuple[tuple[str, int], ...]:
    """Count what a test *told* of checks that failed, broke or were skipped."""
    summed = _SUMMED.findall(told)
    if summed:
        found = {word: int(number) for word, number in summed}
    else:
        words = [_WORDS[word] for word in _OLD.findall(told)]
        found = {word: words.count(word) for word in _WORDS.values()}
    return tuple((word, number) for word, number in found.items() if number)


def refusals(log: Path, begin: int) -> tuple[list[str], int]:
    """Say which rules refused something since *begin* bytes of the *log*; return where it ends now."""
    time.sleep(0.5)  # records reach the log a little later
    data = log.read_bytes()[begin:]
    whole = data[: data.rfind(b"\n") + 1]
    found = (json.loads(line) for line in whole.splitlines())
    rules = {
        f"{each['policy']}/{each['rule']}"
        for each in found
        if each.get("enforced") and each.get("action") in {"deny", "kill"}
    }
    return sorted(rules), begin + len(whole)


@attrs.define
class Comparison:
    """What was found, test by test."""

    without: dict[str, set[Result]] = attrs.field(factory=dict)
    with_it: dict[str, set[Result]] = attrs.field(factory=dict)
    refused: dict[str, list[str]] = attrs.field(factory=dict)

    def unexplained(self) -> list[str]:
        """Name those of the tests that differ while no policy refused anything."""
        return [name for name in self.differing() if not self.refused.get(name)]

    def text(self) -> str:
        """Say in a line how many differ."""
        ours = self.unexplained()
        return (
            f"{len(self.with_it)} on both sides, {len(self.differing())} differ, {len(ours)} of them "
            f"without a record of a refusal {' '.join(ours)}"
        ).rstrip()

    def differing(self) -> list[str]:
        """Name the tests that never ended alike on both sides."""
        return [n for n, found in self.with_it.items() if not found & self.without[n]]


def compare(suite: Suite, tests: list[Test], limit: float) -> Comparison:
    """Run *tests*, some at a time on both sides, and begin no more after *limit* seconds."""
    found = Comparison()
    ends = time.monotonic() + limit
    files = [str(path) for path in sorted(POLICIES.glob("*.yaml"))]
    for first in range(0, len(tests), AT_A_TIME):
        if time.monotonic() > ends:
            break
        some = tests[first : first + AT_A_TIME]
        _tell("without the engine", first, len(tests))
        for test in some:
            found.without[test.name] = {suite.run(test)}
        _tell("with it", first, len(tests))
        with tempfile.TemporaryDirectory() as place, engines.engine(files, Path(place)) as running:
            _beside(suite, some, found, running.log)
        for test in some:
            if not found.with_it[test.name] & found.without[test.name]:
                for _ in range(TRIES):
                    found.without[test.name].add(suite.run(test))
        print(f"so far: {found.text()}", file=sys.stderr, flush=True)
    return found


def _beside(suite: Suite, some: list[Test], found: Comparison, log: Path) -> None:
    at = 0
    for test in some:
        _, at = refusals(log, at)
        found.with_it[test.name] = {suite.run(test)}
        if found.with_it[test.name] & found.without[test.name]:
            continue
        for _ in range(TRIES):
            found.with_it[test.name].add(suite.run(test))
        found.refused[test.name], at = refusals(log, at)


def _tell(side: str, number: int, of: int) -> None:
    print(f"{side}: from {number} of {of}", file=sys.stderr, flush=True)


def main() -> int:
    """Compare, and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("ltp", type=Path, help="directory with a build of LTP")
    parser.add_argument("--only", action="append", default=[], help="a name, with * and ?")
    parser.add_argument("--leave-out", action="append", default=[], help="likewise")
    parser.add_argument(
        "--seconds", type=float, default=3600.0, help="after which no more tests are begun"
    )
    parser.add_argument(
        "--longest", type=float, default=60.0, help="seconds for one test, on a quiet machine"
    )
    given = parser.parse_args()
    suite = Suite.at(given.ltp, given.longest)
    tests = list(suite.tests(given.only, given.leave_out))
    found = compare(suite, tests, given.seconds)
    differing, ours = found.differing(), found.unexplained()
    kinds = [min(results, key=str).status for results in found.without.values()]
    print(f"of {len(tests)} tests {found.text()}")
    print(f"  without the engine {kinds.count(0)} passed, {kinds.count(32)} not for this machine")
    for name in differing:
        why = ", ".join(found.refused.get(name) or ["no record"])
        print(f"{name}: {why}")
        print(f"  without: {'; '.join(sorted(map(str, found.without[name])))}")
        print(f"  with:    {'; '.join(sorted(map(str, found.with_it[name])))}")
    return 1 if ours or kinds.count(0) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
