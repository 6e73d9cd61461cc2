#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The script of a storm: what each agent does in turn, and what must come of it.

script.py [--steps N] [--seed N] FILE    write one, compressed, for ENFORCER_STORM: the model is slow in a guest.

A line is the number of an agent, how often it can do what follows, the error of the other times, how often it tries,
and the words. ``# WORD`` is what has changed.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random, randrange

import attrs

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from storm import Storm

__all__ = ["LONG", "ROOT", "Script"]

ROOT = Path("/srv/storm")
LONG = 1_000_000 // int(os.environ.get("ENFORCER_SOAK", "1"))
"""Steps of a soak."""
_BETWEEN = (200, 2000)  # steps from one reload to the next, of a short script and of a long one
_RELOADS = 50


@attrs.frozen
class Script:
    """The script of *steps* steps that *seed* makes, the same each time; *file*: where it was written before."""

    seed: int
    steps: int
    file: Path | None = None

    @classmethod
    def read(cls, file: Path) -> Script:
        """What was written to *file*."""
        with gzip.open(file, "rt") as lines:
            seed, steps = lines.readline().split()
        return cls(int(seed), int(steps), file)

    def write(self, file: Path) -> None:
        """Write it to *file*."""
        with gzip.open(file, "wt", compresslevel=1) as out:
            print(self.seed, self.steps, file=out)
            for line in self:
                print(line, file=out)

    def __iter__(self) -> Iterator[str]:
        """Each line."""
        if self.file is None:
            for lines, _ in self._written():
                yield from lines
            return
        with gzip.open(self.file, "rt") as lines:
            for line in itertools.islice(lines, 1, None):
                yield line.rstrip("\n")

    def _written(self) -> Iterator[tuple[list[str], Storm]]:
        """The lines of each step, and the world after it; the first makes the world, the last ends it."""
        least, most = _BETWEEN
        between = min(max(least, self.steps // _RELOADS), most)
        storm = Storm(ROOT, Random(self.seed))
        for step in range(self.steps + 2):
            if step > self.steps:
                storm.end()
            elif step:
                storm.step(may_reload=step % between == 0)
            yield storm.lines, storm
            storm.lines.clear()

    def around(self, number: int) -> str:
        """Return what goes on at a line, counted from 0: who acts, and the lines of its step up to it."""
        begin, before = 0, ""
        for step, (lines, storm) in enumerate(self._written()):
            if begin + len(lines) > number:
                told = lines[: number - begin + 1]
                return "\n".join((f"seed {self.seed}, step {step}", before, *told))
            begin += len(lines)
            before = "\n".join((f"under {storm.variant}", *map(str, storm.agents)))
        raise IndexError(number)


def main() -> None:
    """Write a script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=LONG)
    parser.add_argument("--seed", type=int, default=randrange(1 << 32))
    parser.add_argument("file", type=Path)
    told = parser.parse_args()
    Script(told.seed, told.steps).write(told.file)


if __name__ == "__main__":
    main()
