# SPDX-License-Identifier: MIT
"""Processes that do what they are told (``storm.c``)."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs

__all__ = ["Agent"]


@attrs.frozen(eq=False)
class Agent:
    """A process, or the one that it goes on as; *orders*: where it reads what to do."""

    process: subprocess.Popen[bytes]
    orders: io.FileIO

    @classmethod
    def start(cls, program: Path) -> Agent:
        """Start *program*, as a child of this process."""
        # One read takes one line, of a pipe that is a sequence of packets.
        reading, writing = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
        argv = [str(program), "agent"]
        process = subprocess.Popen(argv, stdin=reading, stdout=subprocess.PIPE)
        os.close(reading)
        return cls(process, io.FileIO(writing, "wb"))

    def answers(self, lines: Sequence[str]) -> list[str]:
        """Have it do *lines* in one go; return what it says of each, nothing if it has ended."""
        assert self.process.stdout is not None
        self.orders.write(os.fsencode("".join(f"{line}\n" for line in lines)))
        return [self.process.stdout.readline().decode().rstrip("\n") for _ in lines]

    def do(self, *words: object, times: int = 1) -> tuple[int, int]:
        """How often it could do that, and the error of the last time that it could not."""
        line = " ".join(map(str, (times, *words)))
        (answer,) = self.answers([line])
        assert answer, f"it has ended at {line!r}"
        done, error = map(int, answer.split())
        return done, error

    def must(self, *words: object) -> None:
        """Do what nothing forbids."""
        assert (1, 0) == self.do(*words), words

    def pid(self) -> int:
        """The process that acts now."""
        return self.do("who")[1]

    def end(self) -> None:
        """End it, and all that wait for it."""
        assert self.process.stdout is not None
        self.orders.close()
        self.process.wait(60)
        self.process.stdout.close()
