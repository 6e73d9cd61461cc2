# SPDX-License-Identifier: MIT
"""
A thread that changes a path or an address between the entry of a call and its use never gets by a
rule that is lifted: what is decided on is what the kernel uses.

``make soak`` makes 10,000 tries of each call, divided by ``ENFORCER_SOAK``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import compiled
import pytest
from engine import Engine, engine

ROOT = Path("/srv/tp-race")
TRIES = 10_000 // int(os.environ.get("ENFORCER_SOAK", "20"))
ROUNDS = 20
THROUGH, FREE, REFUSED = range(3)
CALLS = ("open", "execve", "unlink", "truncate", "connect", "sendto")


def prepare(*names: str) -> None:
    for name in names:
        (ROOT / name).unlink(missing_ok=True)
        shutil.copy(ROOT / "race", ROOT / name)


def race(call: str) -> tuple[int, int, int]:
    """How often the forbidden was reached, how often the free one, how often neither."""
    argv = [ROOT / "race", call, str(TRIES), ROOT]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert 0 == done.returncode, done.stderr
    through, free, refused = map(int, done.stdout.split())
    assert TRIES == through + free + refused
    return through, free, refused


def race_until(call: str, names: tuple[str, ...], *wanted: int) -> tuple[int, ...]:
    """
    Race until there is some of each that is *wanted*, and return the sums.

    Where the machine has no processor left for the other thread, a whole race sees one name.
    """
    sums: tuple[int, ...] = (0, 0, 0)
    for _ in range(ROUNDS):
        prepare(*names)
        sums = tuple(one + other for one, other in zip(sums, race(call), strict=True))
        if all(sums[which] for which in wanted):
            break
    return sums


@pytest.fixture(scope="module")
def program() -> Iterator[None]:
    ROOT.mkdir()
    compiled.place("race", ROOT / "race")
    yield
    shutil.rmtree(ROOT)


@pytest.fixture(scope="module")
def control(program) -> dict[str, tuple[int, ...]]:
    found = {call: race_until(call, ("x", "o"), THROUGH, FREE) for call in CALLS}
    prepare("x", "o")  # as the engine finds them
    return found


@pytest.fixture(scope="module")
def enforced(control, tmp_path_factory) -> Iterator[Engine]:
    policy = Path(__file__).parents[1] / "data" / "race.yaml"
    with engine([str(policy)], tmp_path_factory.mktemp("race")) as it:
        yield it


@pytest.mark.parametrize("call", CALLS)
def test_without_the_policy_both_are_reached(control, call) -> None:
    """The attack works: what the call is given does change, and the forbidden is reached."""
    through, free, _ = control[call]
    assert through
    assert free


@pytest.mark.parametrize("call", CALLS)
def test_the_forbidden_is_never_reached(enforced, call) -> None:
    """However the thread times it, and the free one still is."""
    through, free, refused = race_until(call, ("o",), FREE, REFUSED)
    print(f"{call}: {through} through, {free} free, {refused} refused")
    assert 0 == through
    assert free
    assert refused
