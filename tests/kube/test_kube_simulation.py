# SPDX-License-Identifier: MIT
"""The simulation of a cluster, with few nodes: its nodes report, and somebody sums up what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

NODES, POLICIES = 40, 12


def test_a_small_cluster():
    """Every node reports the policy, it is in the status, and each write of a status is told to every agent."""
    script = Path(__file__).with_name("simulate_cluster.py")
    words = [f"--nodes={NODES}", f"--policies={POLICIES}", "--minutes=2", "--node-change=1000"]
    done = subprocess.run(
        [sys.executable, script, *words], capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout)
    policy, start = found["policy"], found["start"]
    took = [policy[word] for word in ("active on 99 %", "reported by 99 %", "99 % in the status")]
    assert sorted(took) == took
    assert 0 < took[0] < took[-1] < 120
    assert NODES == round(start["owners: requests"] * start["seconds"])
    assert start["totals written"] >= POLICIES
    ratio = start["events of policies: bytes out"] / start["totals: bytes out"]
    assert NODES + 1 == round(ratio)
