#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
How long a changed policy file takes until it is active, how long the swap takes, and how much memory
the daemon and the maps have then.

Run as root where the kernel enforces: ``tests/soak/timing.py [--rules 10,10000] [--times 5]``.
Active means that the kernel refuses what only the new text forbids; that is tried all the time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "vm"))

from daemon import Daemon, managed
from many_rules import PER_FILE, write

_LIMIT = 600.0
_TIMES = ("watched", "asked", "compile", "swap")
_SIZES = ("resident", "map")


def ordinary(first: int, number: int) -> list[str]:
    """Rules about things that are not there."""
    shapes = (
        "file: read, match: {{path: /opt/enforcer-timing/none/{n}}}",
        "exec: {{}}, match: {{path: /opt/enforcer-timing/none/{n}}}",
        "network: connect, match: {{address: 10.{high}.{low}.0/24, type: stream}}",
        "file: [write, unlink], match: {{path: /opt/enforcer-timing/none/{n}/**}}",
    )
    return [
        f"{shapes[n % len(shapes)].format(n=n, high=n >> 8 & 255, low=n & 255)}, action: deny"
        for n in range(first, first + number)
    ]


def fill(folder: Path, rules: int) -> None:
    """Write so many rules, but for the one that :func:`save` changes."""
    for first in range(0, rules - 1, PER_FILE):
        write(folder, f"rest-{first}", ordinary(first, min(PER_FILE, rules - 1 - first)))


def save(folder: Path, forbidden: Path) -> float:
    """Let one rule forbid *forbidden*; returns when it was saved."""
    write(folder, "one", [f"file: read, match: {{path: {forbidden}}}, action: deny"])
    return time.monotonic()


def wait_refused(path: Path) -> float:
    """Try to read *path* until it is refused; returns when it was."""
    end = time.monotonic() + _LIMIT
    while time.monotonic() < end:
        try:
            os.close(os.open(path, os.O_RDONLY))
        except PermissionError:
            return time.monotonic()
        time.sleep(0.001)
    raise SystemExit(f"timing: {path} is still not refused after {_LIMIT:g} s")


def measure(root: Path, rules: int, times: int) -> dict[str, list[float]]:
    """Change one of *rules* rules again and again."""
    folder, files = root / f"policies-{rules}", (root / "even", root / "odd")
    folder.mkdir()
    fill(folder, rules)
    save(folder, files[0])
    found: dict[str, list[float]] = {name: [] for name in (*_TIMES, *_SIZES)}
    with managed(root / f"daemon-{rules}", folder, is_executed=True) as daemon:
        daemon.start()
        wait_refused(files[0])
        for n in range(times):
            saved = save(folder, files[1])
            found["watched"].append(wait_refused(files[1]) - saved)
            _settle(daemon)
            saved = save(folder, files[0])
            answer = daemon.request("reload")
            found["asked"].append(wait_refused(files[0]) - saved)
            for name in ("compile", "swap"):
                found[name].append(float(answer["seconds"][name]))
            memory = daemon.status()["memory"]
            for name in _SIZES:
                found[name].append(memory[f"{name}Bytes"] / (1 << 20))
            print(f"timing: {rules:,} rules, {n + 1} of {times}", file=sys.stderr)
    return found


def _settle(daemon: Daemon) -> None:
    """Let the daemon answer once, so that nothing of the last round is still to be done."""
    daemon.status()


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", default="10,10000", help="numbers of rules (10,10000)")
    parser.add_argument("--times", type=int, default=5, help="changes for each number (5)")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="enforcer-timing-", dir="/opt"))
    try:
        for name in ("even", "odd"):
            (root / name).touch()
        rows = {int(n): measure(root, int(n), args.times) for n in args.rules.split(",")}
    finally:
        shutil.rmtree(root)
    print(
        "medians           save to active, by itself  save to active, asked   compile       swap"
        "   daemon       maps"
    )
    for rules, found in rows.items():
        medians = [statistics.median(found[k]) for k in ("watched", "asked", "compile")]
        swap = statistics.median(found["swap"]) * 1000
        resident, maps = (statistics.median(found[k]) for k in _SIZES)
        print(
            f"{rules:>9,} rules {medians[0]:>23.2f} s {medians[1]:>21.2f} s "
            f"{medians[2]:>8.2f} s {swap:>7.2f} ms {resident:>4.0f} MiB {maps:>6.1f} MiB"
        )


if __name__ == "__main__":
    main()
