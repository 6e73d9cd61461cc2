# SPDX-License-Identifier: MIT
"""The script of a storm is the same wherever it is written, and who plays it finds each line that comes to something else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import play
import pytest
from script import ROOT, Script

SCRIPT = Script(seed=7, steps=200)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return list(SCRIPT)


@attrs.define
class Actors:
    """All agents: they do what the script says that comes of it, but for the line *wrong*."""

    said: list[str]
    wrong: str = ""

    def answers(self, lines: Sequence[str]) -> list[str]:
        found, self.said = self.said[: len(lines)], self.said[len(lines) :]
        return [
            "0 13" if line == self.wrong else answer
            for line, answer in zip(lines, found, strict=True)
        ]

    def pid(self) -> int:
        return 1


def orders(line: str) -> str:
    return line.split(" ", 3)[3]


def played(lines: list[str], monkeypatch, place: Path, wrong: str = "") -> tuple[play.Play, object]:
    monkeypatch.setattr(play, "_GROUPS", place)
    own = ("reload", "cgroup")
    said = [
        " ".join(line.split(" ")[1:3])
        for line in lines
        if not line.startswith("#") and orders(line).split(" ")[1] not in own
    ]
    actors = Actors(said, wrong)
    found = play.Play([actors] * 6, lambda variant: None)  # type: ignore[list-item]
    return found, found.run(lines)


def test_it_is_the_same_each_time_and_in_a_file(lines, tmp_path):
    SCRIPT.write(tmp_path / "storm.gz")

    read = Script.read(tmp_path / "storm.gz")

    assert (7, 200) == (read.seed, read.steps)
    assert lines == list(Script(seed=7, steps=200)) == list(read)
    assert lines != list(Script(seed=8, steps=200))


def test_it_touches_nothing_of_this_machine(lines):
    assert any(str(ROOT) in line for line in lines)
    assert not ROOT.exists()


def test_what_comes_as_written_is_good_and_counted(lines, monkeypatch, tmp_path):
    it, differs = played(lines, monkeypatch, tmp_path)

    assert differs is None
    assert 200 == sum(line.startswith("# ") for line in lines)
    assert sum(not line.startswith(("#", "0 ")) for line in lines) == sum(
        it.seen[each] for each in ("permitted", "refused", "missing")
    )


def test_the_first_line_that_comes_to_something_else_is_told(lines, monkeypatch, tmp_path):
    """With who acts, and what he has done in that step."""
    number = next(
        n for n, line in enumerate(lines) if n > 400 and " open " in line and line[0] != "0"
    )
    first = next(
        n
        for n, line in enumerate(lines)
        if not line.startswith("#") and orders(line) == orders(lines[number])
    )

    _, differs = played(lines, monkeypatch, tmp_path, wrong=orders(lines[number]))

    assert (first, "0 13") == differs
    told = SCRIPT.around(first).splitlines()
    assert told[0].startswith("seed 7, step ")
    assert told[1].startswith("under ")
    assert lines[first] == told[-1]
    assert "uid=" in told[2]
