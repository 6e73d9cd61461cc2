# SPDX-License-Identifier: MIT
"""
What takes an hour: ``make soak`` runs it in the guest, with the modules of ``tests/vm``.

What needs no guest runs on the host before.
"""

import os
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_ANYWHERE = frozenset({"test_records.py"})
sys.path.insert(0, str(_HERE.with_name("vm")))


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this directory, and skip them where nobody asked for an hour."""
    skip = pytest.mark.skip(reason="not in the guest: make soak")
    for item in items:
        if item.path.is_relative_to(_HERE):
            if item.path.name in _ANYWHERE:
                if "ENFORCER_SOAK" not in os.environ:
                    item.add_marker(pytest.mark.skip(reason="takes long: make soak"))
                continue
            item.add_marker(pytest.mark.vm)
            if os.environ.get("ENFORCER_GUEST") != "1":
                item.add_marker(skip)
