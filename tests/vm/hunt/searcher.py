# SPDX-License-Identifier: MIT
"""Runs a searcher, which is a program on ``hunt.c``, and reads what it reports."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BROKEN", "FORBIDDEN", "REFUSED", "Count", "Report", "Searcher"]

FORBIDDEN, REFUSED, BROKEN = 10, 11, 12  # enum hunt_code
_CODES = {0, FORBIDDEN, REFUSED, BROKEN}


@dataclass(frozen=True)
class Count:
    """How often steps of a kind were tried, and what came of it."""

    tried: int
    idle: int
    succeeded: int
    refused: int


@dataclass(frozen=True)
class Report:
    """What a run has done; *code* and *finding* are those of its last sequence, and *steps* are that."""

    seed: int
    next: int
    sequences: int
    steps: int
    crashed: int
    hung: int
    findings: int
    code: int
    finding: str
    kinds: dict[str, Count]
    lines: list[str] = field(default_factory=list)

    def poor(self, floor: float) -> dict[str, Count]:
        """Return the kinds of steps of which a smaller part than *floor* succeeded or was refused by the policy."""
        return {
            name: count
            for name, count in self.kinds.items()
            if count.succeeded + count.refused < floor * count.tried
        }

    def __str__(self) -> str:
        rates = ", ".join(
            f"{name} {count.succeeded}+{count.refused}/{count.tried}"
            for name, count in self.kinds.items()
        )
        return (
            f"seed {self.seed}, {self.sequences} sequences, {self.steps} steps, {self.crashed} crashed, "
            f"{self.hung} hung, {self.findings} findings; succeeded+refused/tried: {rates}"
        )


@dataclass(frozen=True)
class Searcher:
    """The *program*, with the *arguments* that it is prepared with, and a *directory* for what it found."""

    program: Path
    arguments: Sequence[str]
    directory: Path

    def search(
        self,
        seed: int,
        *,
        seconds: float,
        first: int = 0,
        sequences: int | None = None,
        is_control: bool = False,
    ) -> Report:
        """Make sequences of *seed* from *first* on until something is found; in a control go on then."""
        hit = self.directory / "hit.steps"
        options = ["--seed", str(seed), "--first", str(first), "--seconds", str(int(seconds))]
        options += ["--hit", str(hit)] + ["--control"] * is_control
        if sequences is not None:
            options += ["--sequences", str(sequences)]
        hit.unlink(missing_ok=True)
        return self._run(options, hit)

    def replay(self, lines: Sequence[str], *, is_control: bool = False) -> Report:
        """Make one sequence."""
        return self._run(self._replaying(lines) + ["--control"] * is_control, None)

    def told(self, lines: Sequence[str]) -> str:
        """Make one sequence, and return what its steps say of themselves."""
        command = [str(self.program), *self._replaying(lines), "--verbose", "--", *self.arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr

    def _replaying(self, lines: Sequence[str]) -> list[str]:
        steps = self.directory / "replayed.steps"
        steps.write_text("".join(line + "\n" for line in lines))
        return ["--replay", str(steps)]

    def _run(self, options: Sequence[str], hit: Path | None) -> Report:
        command = [str(self.program), *options, "--", *self.arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode not in _CODES or not ended.stdout:
            message = f"{self.program.name} ended with {ended.returncode}: {ended.stderr}"
            raise AssertionError(message)
        read = json.loads(ended.stdout)
        read["kinds"] = {name: Count(**count) for name, count in read["kinds"].items()}
        return Report(**read, lines=steps_of(hit) if hit and hit.exists() else [])


def steps_of(path: Path) -> list[str]:
    """Return the lines of a kept sequence, without remarks."""
    lines = path.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]
