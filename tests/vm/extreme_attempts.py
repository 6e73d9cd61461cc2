# SPDX-License-Identifier: MIT
"""
Attempts on operands at their ends, each by its own word; prints what each gave as JSON.

Run as a program: with the directory of the files as its argument.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
from collections.abc import Callable

__all__ = ["ABSTRACT", "BYTES", "DEEP_NAME", "LONGEST", "LONG_XATTR", "deep"]

BYTES = [byte for byte in range(1, 256) if byte != ord("/")]
LONGEST = b"n" * 255
DEEP_NAME = b"d" * 200
LONG_XATTR = "user." + "x" * 250
ABSTRACT = {"longest": b"enforcer-" + b"l" * 98, "with-nul": b"enforcer-nul\0behind", "one": b"\1"}


def deep(folder: bytes, depth: int) -> int:
    """Make directories one in the other, and return a descriptor of the last: its path may be too long to name."""
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        with contextlib.suppress(FileExistsError):
            os.mkdir(DEEP_NAME, dir_fd=here)
        inner = os.open(DEEP_NAME, os.O_PATH | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = inner
    return here


def _tried(deed: Callable[[], object]) -> str:
    try:
        deed()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def _read(path: bytes, folder: int | None = None) -> None:
    fd = os.open(path, os.O_RDONLY, dir_fd=folder)
    try:
        assert b"content" == os.read(fd, 100)
    finally:
        os.close(fd)


def _bound(name: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(b"\0" + name)
        taken.listen()
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(b"\0" + name)


def main(root: bytes) -> int:
    """Try each, and print a JSON object: what it is, and what came of it."""
    found = {}
    for place in (b"named", b"beside"):
        word = place.decode()
        for byte in BYTES:
            name = root + b"/" + place + b"/" + bytes([byte]) + b"x"
            found[f"{word}-byte-{byte}"] = _tried(lambda name=name: _read(name))
        found[f"{word}-longest"] = _tried(
            lambda place=place: _read(root + b"/" + place + b"/" + LONGEST)
        )
        for depth in (18, 19, 20, 25):
            folder = deep(root + b"/" + place, depth)
            found[f"{word}-deep-{depth}"] = _tried(lambda folder=folder: _read(b"file", folder))
            os.close(folder)
        target = root + b"/" + place + b"/plain"
        for size in (1, 250):
            found[f"{word}-xattr-{size}"] = _tried(
                lambda target=target, size=size: os.setxattr(target, "user." + "x" * size, b"")
            )
    for word, name in ABSTRACT.items():
        found[f"abstract-{word}"] = _tried(lambda name=name: _bound(name))
        beside = name[:-1] + b"z" if len(name) > 1 else b"\2"
        found[f"abstract-{word}-beside"] = _tried(lambda name=beside: _bound(name))
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(os.fsencode(sys.argv[1])))
