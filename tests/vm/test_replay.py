# SPDX-License-Identifier: MIT
"""
What the kernel decided by marks and by containers, and what a recording of it says: see ``replaying.py``.

``test_replay_work.py`` does the same with more work and all policies at once.
"""

from __future__ import annotations

import pytest
from replaying import MARKS, check, recorded


def test_a_replay_decides_as_the_kernel_did(tmp_path_factory: pytest.TempPathFactory) -> None:
    with recorded(tmp_path_factory.mktemp("replay"), MARKS, "context") as seen:
        check(seen, "context")
