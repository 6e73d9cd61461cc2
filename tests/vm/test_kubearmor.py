# SPDX-License-Identifier: MIT
"""
Every policy of ``tests/data/kubearmor`` as it is: attacks that succeed without it and fail with it,
what it only records, and ordinary uses that go on.

The cases are ``kubearmor_cases/<policy>.yaml``. Policies are in force together, except for lists of what
is allowed: these refuse the rest of the host, so each has an engine of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

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
    read_files,
    size,
)
from engine import Engine, attempt, engine

_POLICIES = Path(__file__).parents[1] / "data" / "kubearmor"
_FILES = read_files(Path(__file__).with_name("kubearmor_cases"))
_ALONE = [name for name, file in _FILES.items() if file.get("alone")]
_TOGETHER = [name for name in _FILES if name not in _ALONE]
_GROUPS = {"together": _TOGETHER, **{name: [name] for name in _ALONE}}


_KINDS = ("attacks", "recorded", "ordinary")


def _in(group: str, kind: str) -> list[Case]:
    return cases({name: _FILES[name] for name in _GROUPS[group]}, kind)


@attrs.define
class Engines:
    """The engine of one group at a time, and how each thing to try ended before it was started."""

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
        self._stack.close()

    def _start(self) -> Engine:
        files = [_FILES[name] for name in _GROUPS[self.group]]
        self._stack.enter_context(listening(files))
        prepare(files)
        for kind in _KINDS:
            for case in _in(self.group, kind):
                self.control[case.id] = attempt(*case.run).returncode
        prepare(files)
        paths = [str(_POLICIES / f"{name}.yaml") for name in _GROUPS[self.group]]
        return self._stack.enter_context(engine(paths, self.folder / self.group))


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    found = Engines(tmp_path_factory.mktemp("kubearmor"))
    yield found
    found.close()


def test_every_policy_has_cases() -> None:
    assert {path.stem for path in _POLICIES.glob("*.yaml")} == set(_FILES)


@pytest.mark.parametrize(
    ("group", "kind", "case"),
    [
        pytest.param(group, kind, case, id=f"{kind}-{case.id}")
        for group in _GROUPS
        for kind in _KINDS
        for case in _in(group, kind)
    ],
)
def test_case(group: str, kind: str, case: Case, engines: Engines) -> None:
    """Each succeeds without the policies; with them attacks fail, and the rest goes on."""
    running = engines.beside(group)
    assert 0 == engines.control[case.id]

    match kind:
        case "attacks":
            check_attack(running, case)
        case "recorded":
            _check_recorded(running, case)
        case "ordinary":
            check_ordinary(running, case)


def _check_recorded(running: Engine, case: Case) -> None:
    """*case* goes on, and its rule, in the foreign file, has recorded it."""
    before = size(running)

    done = attempt(*case.run)

    assert 0 == done.returncode, done.stderr
    event = acted(running, before, case)
    assert "log" == event["action"]
    assert f"/{case.policy}.yaml:" in event["place"]
