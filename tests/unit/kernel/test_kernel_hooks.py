# SPDX-License-Identifier: MIT
"""The page of hooks says of every hook what is decided there, and says of no hook what is not so."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from enforcer.kernel.programs import GUARD, HOOKS, IDENTITY, NAMES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/hooks.md").read_text("utf-8")
KERNEL = frozenset((ROOT / "tests/data/lsm-hooks.txt").read_text("ascii").split())
"""The hooks of Linux 7.3: functions ``bpf_lsm_*`` of its BTF, and two that need other settings."""
_NAME = re.compile(r"`([a-z0-9_]+)`")


@pytest.fixture(scope="module")
def script():
    """Return the script that makes the table."""
    spec = importlib.util.spec_from_file_location("hooks_page", ROOT / "scripts/hooks-page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables in *text*, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def with_a_program(script) -> dict[str, str]:
    """Return the hooks of the table that is made, with their operations."""
    part = PAGE.partition(script.BEGIN)[2].partition(script.END)[0]
    return {hook.strip("` "): operations for hook, operations, _ in rows(part)}


def without(script) -> list[str]:
    """Return the hooks that the page gives a reason for."""
    part = PAGE.partition(script.END)[2]
    tables = [name for hooks, _ in rows(part) for name in _NAME.findall(hooks)]
    modules = part.partition("### For security modules themselves")[2]
    return [*tables, *_NAME.findall(modules)]


def test_the_table_is_current(script) -> None:
    """docs/hooks.md carries the table as the programs have it."""
    assert PAGE == script.renew(PAGE)
    assert set(with_a_program(script)) == {
        spec.hook for spec in (*HOOKS, *IDENTITY, *NAMES, *GUARD)
    }


def test_a_hook_stands_with_the_operations_that_it_decides(script) -> None:
    """What programs decide at a hook is in its row, and else nothing."""
    table = with_a_program(script)

    for spec in HOOKS:
        for word in _NAME.findall(script.words(spec.ops).replace(".", "_")):
            assert f"`{word}`" in table[spec.hook].replace(".", "_"), spec.name
    assert {hook for hook, operations in table.items() if operations != script.NOTHING} == {
        spec.hook for spec in HOOKS
    }


def test_every_hook_of_the_newest_kernel_is_decided_on_or_has_its_reason(script) -> None:
    """No hook is left out, and none stands twice."""
    decided = {
        h for h, operations in with_a_program(script).items() if operations != script.NOTHING
    }
    reasons = without(script)

    assert len(reasons) == len(set(reasons))
    assert not decided & set(reasons)
    assert (KERNEL | set(with_a_program(script))) - decided <= set(reasons)
