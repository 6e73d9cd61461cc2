# SPDX-License-Identifier: MIT
"""
Policies written for others, and the same after conversion, decide as they should on every build.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml
from builds import GENERATION, checked, decide_by_all
from test_tables import WORLD, access, expected, live, said

from enforcer.compiler import BareHost, compile_policies
from enforcer.policy.language.symbols import TableResolver
from enforcer.policy.store import load_policies, load_text
from enforcer.policy.writers.printer import print_policies

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
HOST = BareHost(workloads=WORLD)
TABLES = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((HERE / "foreign").glob("*.yaml"))
}


def cases():
    for dialect, table in TABLES.items():
        for name, listed in table.items():
            for number, case in enumerate(listed, start=1):
                what = case.get("about") or f"{number} {case['do']}"
                yield pytest.param(f"{dialect}/{name}", case, id=f"{dialect} {name}: {what}")


@cache
def load(name: str):
    policies = load_policies([DATA / f"{name}.yaml"])
    return policies, checked(compile_policies(policies, host=HOST, generation=GENERATION))


@cache
def converted(name: str):
    policies = load_policies([DATA / f"{name}.yaml"], TableResolver())
    again = load_text(print_policies(policies.policies), "converted.yaml")
    return again, checked(compile_policies(again, host=HOST, generation=GENERATION))


@pytest.mark.parametrize("dialect", TABLES)
def test_every_policy_has_cases(dialect) -> None:
    assert {path.stem for path in (DATA / dialect).glob("*.yaml")} == set(TABLES[dialect])


@pytest.mark.parametrize("read", [load, converted], ids=["as it is", "converted"])
@pytest.mark.parametrize(("name", "case"), list(cases()))
def test_every_build_gives_the_verdict_of_the_table(builds, read, name, case) -> None:
    """Reference and compiled builds say what the table says, and name the rule."""
    policies, compiled = read(name)
    actor, asked = live(case), access(case)

    outcome = decide_by_all(builds, policies, compiled, actor, asked)

    assert expected(case) == said(policies, outcome.enforced)
    assert case.get("on_error", False) == outcome.enforced.on_error
    if "would" in case:
        assert (case["would"], case["would_by"]) == said(policies, outcome.audited)
