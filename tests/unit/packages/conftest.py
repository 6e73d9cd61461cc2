# SPDX-License-Identifier: MIT
"""One wheel of this tree, as pip makes it, for all that looks at packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("wheel")
    made = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", into],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert 0 == made.returncode, made.stderr
    (found,) = into.iterdir()
    return found
