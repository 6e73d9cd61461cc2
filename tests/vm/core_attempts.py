# SPDX-License-Identifier: MIT
"""
Somebody who does what no rule forbids, and what one does, again and again, and writes down how each ended.

    core_attempts.py DIRECTORY

In DIRECTORY: reads ``plain``, makes and unlinks ``made``, reads ``secret``. Says "begun" when each was tried
once; on SIGTERM prints how often each was done and refused, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

LEAST = 25
"""Times that each is tried at least."""


def main() -> None:
    """Try until told to stop, and :data:`LEAST` times: a busy machine gives it few turns before that."""
    directory = Path(sys.argv[1])
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    paths = {name: str(directory / name) for name in ("plain", "made", "secret")}
    counts = {name: [0, 0] for name in paths}
    try_each(paths, counts)
    print("begun", flush=True)
    while not ended or sum(counts["plain"]) < LEAST:
        try_each(paths, counts)
    sys.stdout.write(
        json.dumps({name: {"done": d, "refused": r} for name, (d, r) in counts.items()})
    )
    sys.stdout.flush()


def try_each(paths: dict[str, str], counts: dict[str, list[int]]) -> None:
    """Try each once, and count whether it was done or refused."""
    for name in ("plain", "secret"):
        try:
            os.close(os.open(paths[name], os.O_RDONLY))
        except PermissionError:
            counts[name][1] += 1
        else:
            counts[name][0] += 1
    try:
        os.close(os.open(paths["made"], os.O_WRONLY | os.O_CREAT, 0o600))
        os.unlink(paths["made"])  # noqa: PTH108 (a loop that must be quick)
    except PermissionError:
        counts["made"][1] += 1
    else:
        counts["made"][0] += 1


if __name__ == "__main__":
    main()
