# SPDX-License-Identifier: MIT
"""
What tests make the kernel verify, and the bounds of it.

Each guest leaves a ledger, a line for every load of the engine's object: the file of tests, or ``-``
where none is known, ``start`` or ``more`` of an engine that began, the programs loaded, and the
instructions that the verifier processed for them.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from .tools import LabError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "ledger"

# The laboratory's own tests load nothing; the daemons of the service and of the package are systemd's, as they are
# shipped, and keep no ledger.
_WITHOUT_LEDGER = frozenset(
    {"test_lab.py", "test_service.py", "test_package.py", "test_printed_package.py"}
)


@dataclass
class Loads:
    """How often the engine was loaded, and what the verifier processed for that."""

    starts: int = 0
    instructions: int = 0

    def __str__(self) -> str:
        return f"{self.starts} starts, {self.instructions:,} instructions processed"


@dataclass
class Ledger:
    """The loads of a run, by the file of tests."""

    files: dict[str, Loads] = field(default_factory=lambda: defaultdict(Loads))

    def read(self, path: Path) -> None:
        """
        Add the lines of *path*.

        Raises:
            LabError: when a line has not its four fields.
            FileNotFoundError: when there is no such file.
        """
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                test, kind, programs, instructions = line.split()
                begun = ("more", "start").index(kind)
                processed = int(instructions) if int(programs) else 0
            except ValueError as error:
                raise LabError(f"{path}:{number}: no ledger has such a line: {line!r}") from error
            self.files[test].starts += begun
            self.files[test].instructions += processed

    def add(self, other: Ledger) -> None:
        """Add the loads of *other*."""
        for test, loads in other.files.items():
            self.files[test].starts += loads.starts
            self.files[test].instructions += loads.instructions

    def total(self) -> Loads:
        """Return the sum over all files."""
        return Loads(
            sum(loads.starts for loads in self.files.values()),
            sum(loads.instructions for loads in self.files.values()),
        )


def must_have(tests: set[str]) -> bool:
    """Tell whether a guest in which *tests* passed has loaded an engine that keeps the ledger."""
    names = {test.partition("::")[0].rpartition("/")[2] for test in tests}
    return bool(names - _WITHOUT_LEDGER)


@dataclass(frozen=True)
class Budget:
    """The most that a run may take."""

    starts: int
    instructions: int
    skips: int

    @classmethod
    def read(cls, path: Path) -> Budget:
        """
        Read the budget of *path*.

        Raises:
            LabError: when it is not exactly one whole number for each figure.
        """
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        names = [each.name for each in fields(cls)]
        if sorted(table) != sorted(names) or not all(type(x) is int for x in table.values()):
            raise LabError(
                f"{path}: a budget has whole numbers for {', '.join(names)}, nothing else"
            )
        return cls(**table)

    def exceeded(self, **found: int) -> list[str]:
        """Say which of the figures *found* is above its bound."""
        return [
            f"{name}: {figure:,} of {bound:,}"
            for name, figure in found.items()
            if figure > (bound := getattr(self, name))
        ]
