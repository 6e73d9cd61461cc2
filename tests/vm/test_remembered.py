# SPDX-License-Identifier: MIT
"""
What a set of subjects may do with a file is remembered: until anything changes that it depends on, and no longer.

Whoever acts has done the same several times before, so that there is every reason to remember.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random, randrange

import compiled
import pytest
from daemon import Daemon, managed
from storm import Storm
from storm_policy import PROGRAMS, policy

IS_SOAK = "ENFORCER_SOAK" in os.environ
ROOT = Path("/srv/storm")
STEPS = 1_000_000 // int(os.environ.get("ENFORCER_SOAK", "1")) if IS_SOAK else 3000
SEED = int(os.environ.get("ENFORCER_SEED", randrange(1 << 32)))
RELOADS = 400 if not IS_SOAK else 2000  # steps between two
EVERYTHING = {
    "permitted",
    "refused",
    "missing",
    "rename",
    "exchange",
    "mount",
    "namespace",
    "program",
}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    (ROOT / "bin").mkdir(parents=True)
    for program in (*(ROOT / "bin" / name for name in PROGRAMS), ROOT / "mover"):
        compiled.place("storm", program)
    yield ROOT
    shutil.rmtree(ROOT, ignore_errors=True)


@pytest.fixture(scope="module")
def daemon(place, tmp_path_factory) -> Iterator[Daemon]:
    with managed(tmp_path_factory.mktemp("remembered"), place / "policy.yaml") as it:
        (place / "policy.yaml").write_text(policy(place, "a"))
        it.start("--no-watch")
        yield it


def activate(daemon: Daemon, text: str) -> None:
    """Make *text* the active policies."""
    (ROOT / "policy.yaml").write_text(text)
    daemon.request("reload")


def test_a_storm_finds_nothing_that_the_reference_does_not_say(daemon, place) -> None:
    """``ENFORCER_SEED`` makes the same steps again."""
    print(f"seed {SEED}, {STEPS} steps")
    storm = Storm(place, Random(SEED), lambda variant: activate(daemon, policy(place, variant)))
    began, before = time.monotonic(), daemon.status()["kernel"]["decisions"]
    try:
        for number in range(STEPS):
            storm.step(may_reload=number % RELOADS == RELOADS - 1)
    finally:
        print(f"{number + 1} steps in {time.monotonic() - began:.1f} s: {storm.seen}")
    storm.end()
    print(daemon.status()["kernel"]["decisions"] - before, "decisions")
    assert EVERYTHING <= set(storm.seen)
