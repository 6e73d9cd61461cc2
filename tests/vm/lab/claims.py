# SPDX-License-Identifier: MIT
"""
The queue of tests that machines share: who took what, and what came of it.

It is a directory that the host makes and each guest can write. A machine takes an entry by making a
directory, which succeeds once, also between guests: both 9p and virtiofs hand the call to the host.
The order is a matter of time only: whatever it is, each entry is taken once.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

# From best to worst: a test whose clean-up fails after it passed counts as an error.
OUTCOMES = ("passed", "xfailed", "skipped", "failed", "error")
BAD = frozenset({"failed", "error"})


@dataclass(frozen=True)
class Entry:
    """A test file, or a test of one; *cpus* are the processors that it cannot do without."""

    test: str
    cpus: int = 1


@dataclass
class Result:
    """
    What became of an entry.

    *outcomes* has one of OUTCOMES for the name of each test, *reasons* why a test was skipped, *seconds*
    the time it took in the guest, *busy* the processors' part of it, and *spent* how much of that time each test took, with
    what was set up for it. An entry that was left in the middle is not *complete*.
    """

    machine: str
    seconds: float = 0.0
    busy: float = 0.0
    complete: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)

    def spend(self, test: str, seconds: float) -> None:
        """Add *seconds* to what *test* took."""
        self.spent[test] = round(self.spent.get(test, 0.0) + seconds, 3)

    def add(self, test: str, outcome: str, reason: str = "") -> None:
        """Note the *outcome* of *test*; the worst of several stays."""
        before = self.outcomes.get(test, OUTCOMES[0])
        self.outcomes[test] = max(before, outcome, key=OUTCOMES.index)
        if reason:
            self.reasons[test] = reason

    def count(self, *outcomes: str) -> int:
        """Return how many tests ended with one of *outcomes*."""
        return sum(outcome in outcomes for outcome in self.outcomes.values())


class Claims:
    """The queue in *directory*."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._order = directory / "order.json"
        self._claimed = directory / "claimed"

    def fill(self, entries: Iterable[Entry]) -> None:
        """Make the queue, of *entries* in their order. Only the host does, before a machine boots."""
        self._claimed.mkdir(parents=True)
        listed = [dataclasses.asdict(entry) for entry in entries]
        self._order.write_text(json.dumps(listed), encoding="utf-8")

    def entries(self) -> list[Entry]:
        """Return all entries, in their order."""
        return [Entry(**entry) for entry in json.loads(self._order.read_text(encoding="utf-8"))]

    def take(self, machine: str, *, cpus: int) -> Entry | None:
        """Take the next entry for *machine*; None when nothing is left that *cpus* processors can run."""
        fitting = [entry for entry in self.entries() if entry.cpus <= cpus]
        # Others may have fewer processors: what they cannot run must not be left for the end.
        for entry in sorted(fitting, key=lambda entry: -entry.cpus):
            claim = self._claim(entry)
            try:
                claim.mkdir()
            except FileExistsError:
                continue
            (claim / "machine").write_text(machine, encoding="utf-8")
            return entry
        return None

    def finish(self, entry: Entry, result: Result) -> None:
        """Leave *result*, whole or not at all, with the *entry* that was taken."""
        part = self._claim(entry) / "result.part"
        part.write_text(json.dumps(dataclasses.asdict(result)), encoding="utf-8")
        part.rename(part.with_name("result.json"))

    def owner(self, entry: Entry) -> str | None:
        """Return the machine that took *entry*, "" when it died before it said so, None for nobody."""
        claim = self._claim(entry)
        if not claim.is_dir():
            return None
        try:
            return (claim / "machine").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def result(self, entry: Entry) -> Result | None:
        """Return what became of *entry*, None when nobody left a result."""
        try:
            text = (self._claim(entry) / "result.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return Result(**json.loads(text))

    def waiting(self) -> list[Entry]:
        """Return the entries that nobody took."""
        return [entry for entry in self.entries() if self.owner(entry) is None]

    def problems(self) -> list[str]:
        """Say of each entry without exactly one complete result what is wrong; [] when all is well."""
        found = []
        for entry in self.entries():
            owner, result = self.owner(entry), self.result(entry)
            if owner is None:
                found.append(f"{entry.test}: no machine took it")
            elif result is None:
                found.append(f"{entry.test}: {owner or 'a machine'} took it and left no result")
            elif result.machine != owner:
                found.append(f"{entry.test}: {owner} took it, and {result.machine} left the result")
            elif not result.complete:
                found.append(f"{entry.test}: {owner} left it in the middle")
            elif not result.outcomes:
                found.append(f"{entry.test}: it has no test")
        listed = {self._claim(entry).name for entry in self.entries()}
        strangers = (claim.name for claim in self._claimed.iterdir() if claim.name not in listed)
        return found + [f"{name}: taken, and not in the queue" for name in sorted(strangers)]

    def _claim(self, entry: Entry) -> Path:
        return self._claimed / quote(entry.test, safe="")
