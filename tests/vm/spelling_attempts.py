# SPDX-License-Identifier: MIT
# ruff: noqa: PTH104, PTH108
"""
Uses of files by whatever spelling is given: ``spelling_attempts.py NAME PATH …``.

What was read, or what a program said, goes to standard output; the exit code is the errno that stopped it. Before
each attempt the kernel forgets the names that it has looked up: it would go on to call a file as somebody else
has spelled it. Standalone, as file_attempts.py is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import Attempts

WAYS = Attempts()


def _forget() -> None:
    Path("/proc/sys/vm/drop_caches").write_text("2")


@WAYS.add
def read(path: str) -> None:
    _forget()
    fd = os.open(path, os.O_RDONLY)
    os.write(1, os.read(fd, 100))


@WAYS.add
def overwrite(path: str) -> None:
    _forget()
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b"changed")


@WAYS.add
def make(path: str) -> None:
    _forget()
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


@WAYS.add
def remove(path: str) -> None:
    _forget()
    os.unlink(path)


@WAYS.add
def rename(old: str, new: str) -> None:
    _forget()
    os.rename(old, new)


@WAYS.add
def link(old: str, new: str) -> None:
    _forget()
    os.link(old, new)


@WAYS.add
def run(path: str, *arguments: str) -> None:
    """Run a program that is a busybox."""
    _forget()
    os.execv(path, arguments)


main = WAYS.main

if __name__ == "__main__":
    sys.exit(main())
