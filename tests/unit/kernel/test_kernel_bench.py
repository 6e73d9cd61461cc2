# SPDX-License-Identifier: MIT
"""``make bench-reload`` measures what a daemon does; nothing else would notice that it no longer can."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench/reload.py"


@pytest.mark.parametrize("words", [("--rules", "20"), ("--containers", "2")])
def test_it_prints_what_each_part_takes(bpf, words) -> None:
    done = subprocess.run(
        [sys.executable, BENCH, *words, "--times", "1"],
        capture_output=True,
        text=True,
        check=False,
        cwd=BENCH.parents[2],
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert "from the save until it is active" in done.stdout
