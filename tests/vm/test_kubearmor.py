# SPDX-License-Identifier: MIT
"""
Every policy of ``tests/data/kubearmor`` as it is: attacks that succeed without it and fail with it,
what it only records, and ordinary uses that go on.

The cases are ``kubearmor_cases/<policy>.yaml``. Policies are in force together, except for lists of what
is allowed: these refuse the rest of the host, so each has an engine of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
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


@attrs.define
class Enforced:
    """The engine of one group, and how each thing to try ended before it was started."""

    engine: Engine
    control: dict[str, int]


def _in(group: str, kind: str) -> list[Case]:
    return cases({name: _FILES[name] for name in _GROUPS[group]}, kind)


def _each(*kinds: str) -> pytest.MarkDecorator:
    """Run a test for every case of *kinds*, beside the engine of its group."""
    params = [
        pytest.param(group, case, id=case.id)
        for group in _GROUPS
        for kind in kinds
        for case in _in(group, kind)
    ]
    return pytest.mark.parametrize(("enforced", "case"), params, indirect=["enforced"])


@pytest.fixture(scope="module")
def enforced(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Enforced]:
    group = request.param
    files = [_FILES[name] for name in _GROUPS[group]]
    with listening(files):
        prepare(files)
        control = {
            case.id: attempt(*case.run).returncode for kind in _KINDS for case in _in(group, kind)
        }
        prepare(files)
        paths = [str(_POLICIES / f"{name}.yaml") for name in _GROUPS[group]]
        with engine(paths, tmp_path_factory.mktemp(group)) as running:
            yield Enforced(running, control)


def test_every_policy_has_cases() -> None:
    assert {path.stem for path in _POLICIES.glob("*.yaml")} == set(_FILES)


@_each(*_KINDS)
def test_without_the_policy_it_succeeds(case: Case, enforced: Enforced) -> None:
    assert 0 == enforced.control[case.id]


@_each("attacks")
def test_attack_is_stopped_by_its_rule(case: Case, enforced: Enforced) -> None:
    check_attack(enforced.engine, case)


@_each("recorded")
def test_what_is_audited_happens_and_is_recorded(case: Case, enforced: Enforced) -> None:
    before = size(enforced.engine)

    done = attempt(*case.run)

    assert 0 == done.returncode, done.stderr
    event = acted(enforced.engine, before, case)
    assert "log" == event["action"]
    assert f"/{case.policy}.yaml:" in event["place"]


@_each("ordinary")
def test_ordinary_use_goes_on(case: Case, enforced: Enforced) -> None:
    check_ordinary(enforced.engine, case)
