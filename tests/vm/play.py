# SPDX-License-Identifier: MIT
"""Who plays the script of a storm (``script.py``), and compares what comes of each line."""

from __future__ import annotations

import collections
import errno
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import attrs
from agent import Agent
from script import ROOT
from world import cast

__all__ = ["Play"]

_GROUPS = Path("/sys/fs/cgroup")
_TOGETHER = 8
"""Lines that have room in one packet of a pipe."""
_ALONE = {"fork", "become", "quit", "cgroup", "reload"}
_NAMES = {"0": "permitted", str(errno.EPERM): "refused", str(errno.ENOENT): "missing"}


@attrs.define
class _Line:
    number: int
    who: int
    done: str
    error: str
    orders: str
    is_alone: bool

    @classmethod
    def of(cls, number: int, line: str) -> _Line:
        who, done, error, orders = line.split(" ", 3)
        return cls(number, int(who), done, error, orders, orders.split(" ", 2)[1] in _ALONE)

    def may_follow(self, lines: Sequence[_Line]) -> bool:
        """Whether it can be done in one go with *lines*."""
        alone = self.is_alone or lines[-1].is_alone
        return not alone and self.who == lines[-1].who and len(lines) < _TOGETHER


@attrs.frozen
class Play:
    """
    What is played by *agents*, by their numbers.

    *reload* makes a variant of the policies the active one. *seen*: how often what has happened.
    """

    agents: Sequence[Agent]
    reload: Callable[[str], object]
    seen: collections.Counter[str] = attrs.field(factory=collections.Counter)

    @classmethod
    def begin(cls, reload: Callable[[str], object]) -> Play:
        """Start the agents."""
        return cls([Agent.start(program) for program in cast(ROOT)], reload)

    def run(self, script: Iterable[str]) -> tuple[int, str] | None:
        """Return the number of the first line of which comes something else, and that; None if all is as it says."""
        lines: list[_Line] = []
        for number, text in enumerate(script):
            if text.startswith("# "):
                self.seen[text[2:]] += 1
                continue
            line = _Line.of(number, text)
            if lines and not line.may_follow(lines):
                if differs := self._do(lines):
                    return differs
                lines = []
            lines.append(line)
        return self._do(lines) if lines else None

    def _do(self, lines: Sequence[_Line]) -> tuple[int, str] | None:
        who = lines[0].who
        for line, came in zip(lines, self._answers(who, lines), strict=True):
            if came != f"{line.done} {line.error}":
                return line.number, came
            if who:
                self.seen[_NAMES[line.error]] += 1
        return None

    def _answers(self, who: int, lines: Sequence[_Line]) -> list[str]:
        _, what, *words = lines[0].orders.split(" ")
        if what == "reload":
            self.reload(*words)
            return ["1 0"]
        if what == "cgroup":
            place = Path(f"{_GROUPS}{words[0]}", "cgroup.procs")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(str(self.agents[who].pid()))
            return ["1 0"]
        return self.agents[who].answers([line.orders for line in lines])

    def end(self) -> None:
        """End all who act."""
        for agent in self.agents:
            agent.end()
