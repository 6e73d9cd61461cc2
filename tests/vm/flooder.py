# SPDX-License-Identifier: MIT
"""
Processes that are refused the same things again and again, and count that themselves.

Standalone: any Python runs it, and it knows nothing of enforcer. The answer on standard output is JSON.

usage: flooder.py loop TIMES THREADS DEED…      all deeds by turns: refusals by deed, and the moments around them
       flooder.py fork TIMES DEED               as many children, one deed each: refusals
       flooder.py each DEED…                    each deed once: refusals

A deed is ``read PATH``, ``mkdir PATH`` or ``unlink PATH`` in one argument.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time


def is_refused(deed: str) -> bool:
    """Do *deed*, and tell whether that was refused."""
    verb, _, path = deed.partition(" ")
    try:
        if verb == "read":
            os.close(os.open(path, os.O_RDONLY))
        elif verb == "mkdir":
            os.mkdir(path)  # noqa: PTH102
        else:
            os.unlink(path)  # noqa: PTH108
    except PermissionError:
        return True
    return False


def _now() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def loop(times: int, threads: int, deeds: list[str]) -> dict[str, object]:
    """Do all *deeds* by turns, in several threads."""
    counts = [dict.fromkeys(deeds, 0) for _ in range(threads)]
    lasts = [0] * threads

    def run(number: int) -> None:
        for _ in range(times):
            for deed in deeds:
                lasts[number] = _now()
                counts[number][deed] += is_refused(deed)

    began = _now()
    running = [threading.Thread(target=run, args=(n,)) for n in range(1, threads)]
    for thread in running:
        thread.start()
    run(0)
    for thread in running:
        thread.join()
    refused = {deed: sum(count[deed] for count in counts) for deed in deeds}
    return {"refused": refused, "began": began, "last": max(lasts), "ended": _now()}


def fork(times: int, deed: str) -> dict[str, object]:
    """Let *times* children do *deed* once."""
    refused = 0
    for _ in range(times):
        child = os.fork()
        if not child:
            os._exit(is_refused(deed))
        refused += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"refused": {deed: refused}}


def main() -> None:
    """Do what the command line says, and print what came of it."""
    how, *rest = sys.argv[1:]
    if how == "loop":
        found = loop(int(rest[0]), int(rest[1]), list(rest[2:]))
    elif how == "fork":
        found = fork(int(rest[0]), rest[1])
    else:
        found = {"refused": {deed: int(is_refused(deed)) for deed in rest}}
    print(json.dumps(found | {"pid": os.getpid()}))


if __name__ == "__main__":
    main()
