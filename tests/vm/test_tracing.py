# SPDX-License-Identifier: MIT
"""
Every policy of ``tests/data/tracing`` as it is: attacks that succeed without it and fail with it,
what it only records, and ordinary uses that go on.

The cases are ``tracing_cases/<policy>.yaml``. Policies are active together, those that decide where
system calls are entered only on a kernel that lets their results be replaced.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import shared
from cases import Case, prepare, read_files
from daemon import ask
from engine import attempt, engine
from foreign import Dialect, Engines

from enforcer.kernel.entries import can_override

_FILES = read_files(Path(__file__).with_name("tracing_cases"))
_GROUPS = {
    "lifted": [name for name, file in _FILES.items() if "kernel" not in file],
    "entries": [name for name, file in _FILES.items() if "kernel" in file],
}
_DIALECT = Dialect(Path(__file__).parents[1] / "data" / "tracing", _FILES, _GROUPS)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    found = Engines(_DIALECT, tmp_path_factory.mktemp("tracing"))
    yield found
    found.close()


def test_every_policy_has_cases() -> None:
    assert _DIALECT.have_cases()


@_DIALECT.each()
def test_case(group: str, kind: str, case: Case, engines: Engines) -> None:
    """Each succeeds without the policies; with them attacks fail, and the rest goes on."""
    if group == "entries" and not can_override():
        pytest.skip("this kernel cannot replace the result of a system call")
    engines.check(group, kind, case)


@pytest.fixture
def cannot_override(engines: Engines) -> None:
    if can_override():
        pytest.skip("this kernel can replace the result of a system call")
    engines.close()  # of two daemons one would be refused
    shared.close()


@pytest.mark.usefixtures("cannot_override")
def test_an_override_that_this_kernel_cannot_do_is_refused(tmp_path: Path) -> None:
    """With its place, and the option that the kernel lacks; lifted rules beside it would prevent."""
    file = _DIALECT.policies / "entry-text.yaml"

    ended = ask("start", str(file), "--socket", str(tmp_path / "socket"))

    assert 1 == ended.returncode
    lines = ended.stderr.splitlines()
    assert 2 == sum("CONFIG_BPF_KPROBE_OVERRIDE" in line for line in lines)
    assert all(line.startswith((f"{file}:", "enforcer: ")) for line in lines)


@pytest.mark.usefixtures("cannot_override")
def test_a_kill_comes_late_where_this_kernel_cannot_refuse(tmp_path: Path) -> None:
    """Sigkill promises no more there, so it is enough: the record says that nothing was prevented."""
    cases = _FILES["entry-list"]
    prepare([cases])
    with engine([str(_DIALECT.policies / "entry-list.yaml")], tmp_path / "engine") as running:
        for case in _DIALECT.of("entries", "attacks"):
            if case.policy == "entry-list":
                assert -signal.SIGKILL == attempt(*case.run).returncode
        event = running.wait_for(lambda e: e.get("rule") == "kprobes.1.selectors.1")
        assert ("kill", False) == (event["action"], event["prevented"])
