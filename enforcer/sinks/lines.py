# SPDX-License-Identifier: MIT
"""
Lines to a file descriptor, whole or not at all.

A disk that is full, a reader that sleeps and a terminal that was stopped must neither block the loop
nor tear a line in two: what does not fit stays in memory, and writing goes on at the very byte where
it ended. Beyond the bound whole lines are dropped, the oldest first, and counted.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections import deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["LineWriter", "open_log"]

_CHUNK = 512  # a terminal or pipe that says "writable" takes this much without blocking
_FILE_CHUNK = 65536
_LOOK_EVERY = 1.0


@attrs.define
class LineWriter:
    """Owns the descriptor if *path* is set; then it also follows when the file is rotated."""

    fd: int
    path: Path | None = None
    limit: int = 4 << 20
    clock: Callable[[], float] = time.monotonic
    dropped: int = attrs.field(default=0, init=False)
    _lines: deque[bytes] = attrs.field(factory=deque, init=False)
    _sent: int = attrs.field(default=0, init=False)  # bytes of the first line already written
    _held: int = attrs.field(default=0, init=False)
    _looked: float = attrs.field(default=0.0, init=False)
    _is_file: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._is_file = stat.S_ISREG(os.fstat(self.fd).st_mode)

    @property
    def held(self) -> int:
        """Bytes accepted and not yet written."""
        return self._held

    def append(self, line: bytes) -> None:
        """Accept *line*, which ends with a newline."""
        self._lines.append(line)
        self._held += len(line)
        while self._held > self.limit and len(self._lines) > 1:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        # A line that is half written is finished: its reader has seen the beginning.
        at = 1 if self._sent else 0
        self._held -= len(self._lines[at])
        del self._lines[at]
        self.dropped += 1

    def flush(self) -> None:
        """
        Write what is held.

        Raises:
            OSError: something is left; BlockingIOError if only because the reader is slow.
        """
        if self.path is not None:
            self._follow_rotation(self.path)
        self._write()

    def _write(self) -> None:
        while self._lines:
            if not self._is_file and not self._is_writable():
                raise BlockingIOError(errno.EAGAIN, "the reader is slow")
            self._advance(os.write(self.fd, self._next_chunk()))

    def _is_writable(self) -> bool:
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        return bool(poll.poll(0))

    def _next_chunk(self) -> bytes:
        if not self._is_file:
            return self._lines[0][self._sent : self._sent + _CHUNK]
        chunk = bytearray(self._lines[0][self._sent :])
        for line in list(self._lines)[1:]:
            if len(chunk) >= _FILE_CHUNK:
                break
            chunk += line
        return bytes(chunk)

    def _advance(self, written: int) -> None:
        self._sent += written
        while self._lines and self._sent >= len(self._lines[0]):
            line = self._lines.popleft()
            self._sent -= len(line)
            self._held -= len(line)

    def _follow_rotation(self, path: Path) -> None:
        """Open the file anew when its name was given to another one, between two lines only."""
        now = self.clock()
        if self._sent or not self._is_file or now < self._looked + _LOOK_EVERY:
            return
        self._looked = now
        ours = os.fstat(self.fd)
        try:
            named = path.stat()
        except FileNotFoundError:
            named = None
        if named is None or (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino):
            self._change_to(path)

    def reopen(self) -> None:
        """
        Write what is held to the old file, then go on in the one that has its name now.

        What the old file does not take any more goes to the new one, unless its last line would
        then be torn in two.

        Raises:
            OSError: it cannot be opened, or a line is half written; the old file is kept.
        """
        if self.path is None or self.fd < 0:
            return
        try:
            self._write()
        except OSError:
            if self._sent:
                raise
        self._change_to(self.path)

    def _change_to(self, path: Path) -> None:
        fresh = open_log(path)  # first: if this fails there is still the old one
        os.close(self.fd)
        self.fd = fresh
        self._is_file = stat.S_ISREG(os.fstat(fresh).st_mode)

    def close(self) -> None:
        """Write what can be written now, count the rest as dropped, close. Idempotent."""
        if self.fd < 0:
            return
        try:
            self.flush()
        except OSError:
            self.dropped += len(self._lines)
        if self.path is not None:
            os.close(self.fd)
        self.fd = -1
        self._lines.clear()
        self._held = self._sent = 0


def open_log(path: Path) -> int:
    """
    Open a log for appending, readable by its owner only.

    Links are followed: the log of a container is often ``/dev/stdout``, which is one. Who may write
    the folder chooses the file.

    Raises:
        OSError: it cannot be opened; a FIFO without a reader is refused rather than waited for.
    """
    return os.open(
        path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600
    )
