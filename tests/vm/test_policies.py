# SPDX-License-Identifier: MIT
"""
Every policy of ``policies/``: attacks that succeed without it and fail with it, and ordinary uses
that go on.

The cases are ``policy_cases/<policy>.yaml``. An attack that exits with 0 has succeeded. All policies
are active together, so one engine serves all cases; the record tells which of them acted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest
from cases import (
    Case,
    cases,
    check_attack,
    check_ordinary,
    compile_stand_in,
    is_possible,
    listening,
    possible,
    prepare,
    read_files,
    skip_impossible,
)
from engine import Engine, attempt, engine

_POLICIES = Path(__file__).parents[2] / "policies"
_FILES = read_files(Path(__file__).with_name("policy_cases"))
_ATTACKS = cases(_FILES, "attacks")
_ORDINARY = cases(_FILES, "ordinary")


@attrs.define
class Enforced:
    """The engine, and how each attack ended before it was started."""

    engine: Engine
    control: dict[str, int]


@pytest.fixture(scope="module")
def enforced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enforced]:
    with ExitStack() as stack:
        stack.enter_context(listening(_FILES.values()))
        control = {}
        compile_stand_in()
        prepare(possible(_FILES))
        for case in filter(is_possible, _ATTACKS):
            control[case.id] = attempt(*case.run).returncode
        prepare(possible(_FILES))
        paths = [str(path) for path in sorted(_POLICIES.glob("*.yaml"))]
        running = stack.enter_context(engine(paths, tmp_path_factory.mktemp("policies")))
        yield Enforced(running, control)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    skip_impossible(found)
    return found


def test_every_policy_has_cases() -> None:
    assert {path.stem for path in _POLICIES.glob("*.yaml")} == set(_FILES)


@pytest.mark.parametrize("case", _ATTACKS, indirect=True, ids=lambda case: case.id)
def test_attack_succeeds_without_the_policy(case: Case, enforced: Enforced) -> None:
    assert 0 == enforced.control[case.id]


@pytest.mark.parametrize("case", _ATTACKS, indirect=True, ids=lambda case: case.id)
def test_attack_is_stopped_by_its_rule(case: Case, enforced: Enforced) -> None:
    check_attack(enforced.engine, case)


@pytest.mark.parametrize("case", _ORDINARY, indirect=True, ids=lambda case: case.id)
def test_ordinary_use_goes_on(case: Case, enforced: Enforced) -> None:
    check_ordinary(enforced.engine, case)


def test_what_is_allowed_makes_no_record(enforced: Enforced) -> None:
    """After all of the above."""
    assert [] == [one for one in enforced.engine.events() if one["action"] == "allow"]
