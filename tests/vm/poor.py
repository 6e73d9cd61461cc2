# SPDX-License-Identifier: MIT
"""
A process with many children that do one thing each, when they are told: ``poor.py DIR``.

Reads a word and numbers a line and answers with a line of JSON, so that whoever drives it needs no new
process: ``prepare N`` makes N children that wait, whatever is refused meanwhile, ``bind N EACH`` lets N
of them bind up to EACH sockets in DIR, until one is refused, ``fork N`` makes up to N children, until
one is refused. All stay until ``end``: what the kernel kept of a task that ended serves the next without
new memory.
"""

import errno
import json
import os
import signal
import socket
import sys
from pathlib import Path

DIRECTORY = Path(sys.argv[1])
MOST_REFUSED = 64
children: list[int] = []
go, answers = os.pipe(), os.pipe()


def prepare(number: int) -> dict[str, int]:
    made, refused = 0, b""
    while made < number:
        try:
            child = os.fork()
        except OSError as error:
            # After a shortage the first on each processor is still refused; not more than that.
            refused += bytes([error.errno or 255])
            if len(refused) > MOST_REFUSED:
                raise
            continue
        if child == 0:
            os.write(answers[1], bytes(bind(DIRECTORY / f"{made}", os.read(go[0], 1)[0])))
            signal.pause()
        children.append(child)
        made += 1
    return {"made": made, **count(refused)}


def bind(path: Path, most: int) -> tuple[int, int]:
    """Return how many sockets were bound, and the error that ended it."""
    for number in range(most):
        try:
            socket.socket(socket.AF_UNIX).bind(f"{path}-{number}")
        except OSError as error:
            return number, error.errno or 255
    return most, 0


def release(number: int, each: int) -> dict[str, int]:
    os.write(go[1], bytes([each]) * number)
    seen = b""
    while len(seen) < 2 * number:
        seen += os.read(answers[0], 2 * number)
    refused = seen[1::2].replace(b"\0", b"")
    return {"made": len(list(DIRECTORY.iterdir())), "OK": sum(seen[::2]), **count(refused)}


def fork(number: int) -> dict[str, int]:
    made = 0
    for _ in range(number):
        try:
            child = os.fork()
        except OSError as error:
            return {"made": made, **count(bytes([error.errno or 255]))}
        if child == 0:
            signal.pause()
        children.append(child)
        made += 1
    return {"made": made}


def count(codes: bytes) -> dict[str, int]:
    return {errno.errorcode[code]: codes.count(code) for code in set(codes)}


def end() -> dict[str, int]:
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    children.clear()
    for made in DIRECTORY.iterdir():
        made.unlink()
    return {}


WORDS = {"prepare": prepare, "bind": release, "fork": fork, "end": end}
try:
    for line in sys.stdin:
        word, *numbers = line.split()
        print(json.dumps(WORDS[word](*map(int, numbers))), flush=True)
finally:
    end()  # who waits for an answer sees the end of this process only when nobody has its output
