# SPDX-License-Identifier: MIT
"""
Tests that need a kernel to enforce in: they run in the guest of ``tests/vm/run``.

On the host they are collected and skipped, so a plain ``pytest`` says what it left out.
"""

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_IN_GUEST = os.environ.get("ENFORCER_GUEST") == "1"


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this directory, and skip them on the host."""
    skip = pytest.mark.skip(reason="not in the guest: tests/vm/run -- .venv/bin/pytest tests/vm")
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.vm)
            if not _IN_GUEST:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def scratch() -> Path:
    """Return the directory of an ext4 file system, for what an overlay cannot show."""
    path = Path("/mnt/scratch")
    if not path.is_mount():
        pytest.skip("no ext4: start the guest with --scratch 64")
    return path
