# SPDX-License-Identifier: MIT
"""
Lines to a file descriptor, whole or not at all.

A full disk, a slow reader or a stopped terminal must neither block the loop nor split a line. What does
not fit stays in memory, and writing continues at the byte where it stopped. Beyond the bound, whole lines
are dropped, the oldest first, and counted.
"""

from __future__ import annotations

import os
import select
import stat
import time
from typing import TYPE_CHECKING

import attrs

from enforcer.sinks.backlog import Backlog
from enforcer.sinks.base import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from enforcer.sinks.rotation import Rotation

__all__ = ["LineWriter", "open_log"]

_CHUNK = 512  # a terminal or pipe that says "writable" takes this much without blocking
_FILE_CHUNK = 65536
_LOOK_EVERY = 1.0


@attrs.define(eq=False, repr=False)
class LineWriter:
    """
    Owns the descriptor if *path* is set; then it also follows when the file is rotated.

    Attributes:
        rotation: when to rotate it ourselves; None leaves that to others.
    """

    fd: int
    path: Path | None = None
    backlog: Backlog = attrs.field(factory=Backlog)
    rotation: Rotation | None = None
    clock: Callable[[], float] = time.monotonic
    _looked: float = attrs.field(default=0.0, init=False)
    _is_file: bool = attrs.field(init=False)
    _unfollowed: OSError | None = attrs.field(default=None, init=False)
    _unrotated: OSError | None = attrs.field(default=None, init=False)
    _is_begun: bool = attrs.field(default=False, init=False)  # something was written to this file

    def __attrs_post_init__(self) -> None:
        self._is_file = _is_regular(self.fd)

    @property
    def held(self) -> int:
        """Bytes accepted and not yet written."""
        return self.backlog.held

    @property
    def dropped(self) -> int:
        """Lines that will never be written."""
        return self.backlog.dropped

    def append(self, message: bytes, lines: int = 1) -> None:
        """Accept a line, which ends with a newline, or so many of them in one piece."""
        self.backlog.append(message, lines)

    def flush(self) -> None:
        """
        Write what is held.

        A log that cannot be opened by its name, or not rotated, is told each time until it can again.
        Lines go on to the old file meanwhile.

        Raises:
            OSError: something is left, or the log cannot be opened or rotated; NotReadyError if only
                because the reader is slow.
        """
        if self.path is not None:
            self._follow_rotation(self.path)
        if self._unrotated is not None and not self.backlog:
            self._rotate()
        self._write()
        trouble = self._unfollowed or self._unrotated
        if trouble is not None:
            raise trouble.with_traceback(None)

    def _write(self) -> None:
        while self.backlog:
            if not self._is_file and not self._is_writable():
                raise NotReadyError(self.fd)
            self._end_line_of_others()
            self.backlog.advance(os.write(self.fd, self._next_chunk()))
            self._rotate()

    def _end_line_of_others(self) -> None:
        """
        End the line that whoever wrote to the file before could not: the disk got full, and that was all.

        Else the first line would be one with that half, and no reader could take either.
        """
        if self._is_begun or self.path is None or not self._is_file:
            return
        if _ends_within_a_line(self.fd):
            os.write(self.fd, b"\n")
        self._is_begun = True

    def _is_writable(self) -> bool:
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        return bool(poll.poll(0))

    def _next_chunk(self) -> bytes | memoryview:
        if self._is_file:
            return self.backlog.chunk(_FILE_CHUNK)
        return self.backlog.chunk(1)[:_CHUNK]

    def _follow_rotation(self, path: Path) -> None:
        """Reopen the file if its name now belongs to another one; only between two lines."""
        now = self.clock()
        if self.backlog.sent or not self._is_file or now < self._looked + _LOOK_EVERY:
            return
        self._looked = now
        try:
            if not self._is_ours(path):
                self._change_to(path)
        except OSError as error:
            self._unfollowed = error
        else:
            self._unfollowed = None

    def _is_ours(self, path: Path) -> bool:
        """Tell whether *path* is the name of the file that lines go to."""
        ours = os.fstat(self.fd)
        try:
            named = path.stat()
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    def _rotate(self) -> None:
        """Rotate the file if it is too large; what forbids that is kept, to be told."""
        if self.path is None or self.rotation is None or not self._is_file or self.backlog.sent:
            return
        self._unrotated = None
        try:
            if os.fstat(self.fd).st_size < self.rotation.size:
                return
            # If no new file could be made the last time, this one has a number already: to turn again
            # would push out an old log for each chunk.
            if self._is_ours(self.path):
                self.rotation.turn(self.path)
            self._change_to(self.path)
        except OSError as error:
            self._unrotated = error

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
            if self.backlog.sent:
                raise
        self._change_to(self.path)

    def _change_to(self, path: Path) -> None:
        fresh = open_log(path)  # first: if this fails there is still the old one
        os.close(self.fd)
        self.fd = fresh
        self._is_file, self._is_begun = _is_regular(fresh), False
        self._unfollowed = self._unrotated = None

    def close(self) -> None:
        """Write what can be written now, count the rest as dropped, close. Idempotent."""
        if self.fd < 0:
            return
        try:
            self.flush()
        except OSError:
            self.backlog.abandon()
        if self.path is not None:
            os.close(self.fd)
        self.fd = -1


def _is_regular(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)


def _ends_within_a_line(fd: int) -> bool:
    """Tell whether the last line of a file is not whole; False if that cannot be read."""
    size = os.fstat(fd).st_size
    if not size:
        return False
    try:
        # Ours is for writing only. This name leads to the same file, whatever has its path now.
        reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.pread(reader, 1, size - 1) not in {b"\n", b""}
    except OSError:
        return False
    finally:
        os.close(reader)


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
