# SPDX-License-Identifier: MIT
"""What a run says at its end: by job, by kernel, by reason of a skip, and in one last line."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from .claims import BAD
from .loads import Ledger, Loads

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .claims import Result

HOST = "host"
SLOWEST = 20  # tests that a run names at its end


@dataclass
class Counts:
    """How many tests ended in which way; one that was expected to fail counts as skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @classmethod
    def of(cls, results: Iterable[Result]) -> Counts:
        """Count the tests of *results*."""
        found = cls()
        for result in results:
            found.passed += result.count("passed")
            found.failed += result.count(*BAD)
            found.skipped += result.count("skipped", "xfailed")
        return found

    @classmethod
    def of_report(cls, path: Path) -> Counts:
        """Read what pytest's ``--junitxml`` wrote; there is nothing to count where it wrote nothing."""
        if not path.exists():
            return cls()
        suites = list(ET.parse(path).iter("testsuite"))

        def total(name: str) -> int:
            return sum(int(suite.get(name, "0")) for suite in suites)

        failed, skipped = total("failures") + total("errors"), total("skipped")
        return cls(total("tests") - failed - skipped, failed, skipped)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    def short(self) -> str:
        """Leave out that nothing failed."""
        failed = f"{self.failed} failed, " if self.failed else ""
        return f"{self.passed} passed, {failed}{self.skipped} skipped"


@dataclass
class Line:
    """One job that has ended: *part* is that of its boot in plan.py, HOST for one that booted none."""

    name: str
    part: str
    code: int
    seconds: float
    counts: Counts


@dataclass
class Summary:
    """Gathers what a run found out, and says it."""

    lines: list[Line] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    seconds: dict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # of guests, by file of tests
    busy: dict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # likewise, of processors
    problems: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)

    def skips(self, *, excused: Iterable[str] = ()) -> dict[str, str]:
        """
        Return the tests that ran on no machine of the run, with the reason why the last skipped it.

        Those of the files *excused* are left out: the machine that they need did not boot.
        """
        ran = {
            test
            for result in self.results
            for test, outcome in result.outcomes.items()
            if outcome != "skipped"
        }
        return {
            test: result.reasons.get(test, "no reason")
            for result in self.results
            for test, outcome in result.outcomes.items()
            if outcome == "skipped" and test not in ran and test.partition("::")[0] not in excused
        }

    def total(self) -> Counts:
        """Return the tests of all jobs together; what was skipped on one machine and ran on another, ran."""
        whole = sum((line.counts for line in self.lines), Counts())
        elsewhere = sum(result.count("skipped") for result in self.results) - len(self.skips())
        return Counts(whole.passed, whole.failed, whole.skipped - elsewhere)

    def ledger(self) -> Ledger:
        """Return the loads of all kernels together."""
        whole = Ledger()
        for ledger in self.ledgers.values():
            whole.add(ledger)
        return whole

    def text(self) -> str:
        """Return the closing lines; the very last one is the total, alone."""
        parts = [
            self._by_job(),
            self._by_part(),
            self._by_reason(),
            self._by_file(),
            self._slowest(),
        ]
        parts.append([f"not proven: {each}" for each in self.unproven])
        parts.append([f"failed: {each}" for each in self.problems])
        parts.append([str(self.total())])
        return "\n".join(line for part in parts for line in part)

    def _by_job(self) -> list[str]:
        longest = sorted(self.lines, key=lambda line: -line.seconds)
        return [
            *(f"{line.name}: {line.counts.short()} in {line.seconds:.0f}s" for line in self.lines),
            "time: " + ", ".join(f"{line.name} {line.seconds:.0f} s" for line in longest),
        ]

    def _by_part(self) -> list[str]:
        parts = list(dict.fromkeys(line.part for line in self.lines if line.part != HOST))
        if len(parts) < 2:
            return []
        lines = []
        for part in parts:
            of_part = [line for line in self.lines if line.part == part]
            counts = sum((line.counts for line in of_part), Counts())
            seconds = sum(line.seconds for line in of_part)
            loads = self.ledgers.get(part, Ledger()).total()
            lines.append(f"part {part}: {counts.short()}, {seconds:.0f} s of machines, {loads}")
        return lines

    def _by_reason(self) -> list[str]:
        skips = self.skips()
        tests = {test for result in self.results for test in result.outcomes}
        reasons = Counter(skips.values()).most_common()
        return [
            f"skipped in every machine: {len(skips)} of {len(tests)} tests",
            *(f"{count:6}  {reason}" for reason, count in reasons),
        ]

    def _slowest(self) -> list[str]:
        spent = [
            (seconds, test) for result in self.results for test, seconds in result.spent.items()
        ]
        found = sorted(spent, reverse=True)[:SLOWEST]
        return [f"{seconds:6.0f} s  {test}" for seconds, test in found]

    def _by_file(self) -> list[str]:
        ledger = self.ledger()
        files = {*ledger.files, *self.seconds}
        longest = sorted(files, key=lambda file: (-self.seconds.get(file, 0.0), file))
        return [
            f"engine: {ledger.total()}",
            *(
                f"{self.seconds.get(file, 0.0):6.0f} s, {self.busy.get(file, 0.0):.0f} s busy  {file}: "
                f"{ledger.files.get(file, Loads())}"
                for file in longest
            ),
        ]
