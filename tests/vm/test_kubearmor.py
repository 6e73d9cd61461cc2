# SPDX-License-Identifier: MIT
"""
Every policy of ``tests/data/kubearmor`` as it is: attacks that succeed without it and fail with it,
what it only records, and ordinary uses that go on.

The cases are ``kubearmor_cases/<policy>.yaml``. Policies are active together, except for lists of what
is allowed: these refuse the rest of the host, so each has an engine of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import Case, read_files
from foreign import Dialect, Engines

_FILES = read_files(Path(__file__).with_name("kubearmor_cases"))
_ALONE = [name for name, file in _FILES.items() if file.get("alone") and not file.get("cannot")]
_TOGETHER = [name for name, file in _FILES.items() if not file.get("alone")]
_GROUPS = {"together": _TOGETHER, **{name: [name] for name in _ALONE}}
_DIALECT = Dialect(Path(__file__).parents[1] / "data" / "kubearmor", _FILES, _GROUPS)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    found = Engines(_DIALECT, tmp_path_factory.mktemp("kubearmor"))
    yield found
    found.close()


def test_every_policy_has_cases() -> None:
    assert _DIALECT.have_cases()


@_DIALECT.each()
def test_case(group: str, kind: str, case: Case, engines: Engines) -> None:
    """Each succeeds without the policies; with them attacks fail, and the rest goes on."""
    engines.check(group, kind, case)
