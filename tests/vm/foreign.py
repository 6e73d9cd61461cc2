# SPDX-License-Identifier: MIT
"""Policies of a foreign dialect, active in groups, and what the cases of each must come to."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
from cases import (
    Case,
    acted,
    cases,
    check_attack,
    check_ordinary,
    listening,
    prepare,
    size,
    skip_impossible,
)
from engine import Engine, attempt, engine

_KINDS = ("attacks", "recorded", "ordinary")


@attrs.frozen
class Dialect:
    """Where the policies are, the cases of each, and which are active together."""

    policies: Path
    files: dict[str, dict[str, Any]]
    groups: dict[str, list[str]]

    def each(self) -> pytest.MarkDecorator:
        """Run a test for every case, group by group."""
        params = [
            pytest.param(group, kind, case, id=f"{case.id}-{kind}")
            for group in self.groups
            for kind in _KINDS
            for case in self.of(group, kind)
        ]
        return pytest.mark.parametrize(("group", "kind", "case"), params)

    def of(self, group: str, kind: str) -> list[Case]:
        """Return the cases of one *kind*."""
        return cases({name: self.files[name] for name in self.groups[group]}, kind)

    def have_cases(self) -> bool:
        """Tell whether there are cases for every policy."""
        return {path.stem for path in self.policies.glob("*.yaml")} == set(self.files)


@attrs.define
class Engines:
    """The engine of one group at a time, and how each thing to try ended before it was started."""

    dialect: Dialect
    folder: Path
    group: str = ""
    control: dict[str, int] = attrs.field(factory=dict)
    _running: Engine | None = None
    _stack: ExitStack = attrs.field(factory=ExitStack)

    def beside(self, group: str) -> Engine:
        """Return the engine of *group*, started unless it runs already."""
        if self._running is None or group != self.group:
            self._stack.close()
            self._running, self.group = None, group
            self._running = self._start()
        return self._running

    def close(self) -> None:
        """End what runs."""
        self._running = None
        self._stack.close()

    def check(self, group: str, kind: str, case: Case) -> None:
        """*case* succeeds without the policies; with them attacks fail, and the rest goes on."""
        skip_impossible(case)
        running = self.beside(group)
        assert 0 == self.control[case.id]

        match kind:
            case "attacks":
                check_attack(running, case)
            case "recorded":
                _check_recorded(running, case)
            case "ordinary":
                check_ordinary(running, case)

    def _start(self) -> Engine:
        dialect = self.dialect
        files = [dialect.files[name] for name in dialect.groups[self.group]]
        prepare(files)  # also the folders of what listens
        self._stack.enter_context(listening(files))
        # In this order, and all of them: some ordinary uses put back what attacks have changed.
        for kind in _KINDS:
            for case in dialect.of(self.group, kind):
                self.control[case.id] = attempt(*case.run).returncode
        prepare(files)
        paths = [str(dialect.policies / f"{name}.yaml") for name in dialect.groups[self.group]]
        return self._stack.enter_context(engine(paths, self.folder / self.group))


def _check_recorded(running: Engine, case: Case) -> None:
    """*case* goes on, and its rule, in the foreign file, has recorded it."""
    before = size(running)

    done = attempt(*case.run)

    assert 0 == done.returncode, done.stderr
    event = acted(running, before, case)
    assert "log" == event["action"]
    assert f"/{case.policy}.yaml:" in event["place"]
