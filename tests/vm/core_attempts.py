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


def main() -> None:
    """Try until told to stop."""
    directory = Path(sys.argv[1])
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    plain, made, secret = (str(directory / name) for name in ("plain", "made", "secret"))
    counts = {name: [0, 0] for name in ("plain", "made", "secret")}
    has_begun = False
    while not ended:
        for name, path in (("plain", plain), ("secret", secret)):
            try:
                os.close(os.open(path, os.O_RDONLY))
            except PermissionError:
                counts[name][1] += 1
            else:
                counts[name][0] += 1
        try:
            os.close(os.open(made, os.O_WRONLY | os.O_CREAT, 0o600))
            os.unlink(made)  # noqa: PTH108 (a loop that must be quick)
        except PermissionError:
            counts["made"][1] += 1
        else:
            counts["made"][0] += 1
        if not has_begun:
            print("begun", flush=True)
            has_begun = True
    sys.stdout.write(
        json.dumps({name: {"done": d, "refused": r} for name, (d, r) in counts.items()})
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
