# SPDX-License-Identifier: MIT
"""Child processes that never outlive the laboratory, and what they print."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING

from .tools import tool

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK = 65536


def start(command: Sequence[str], *, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """
    Start *command* apart from the terminal.

    The kernel kills it when this process dies without cleaning up.  It gets a
    session of its own because Ctrl-C is for this process, which then stops it.
    """
    return subprocess.Popen(
        [tool("setpriv"), "--pdeathsig", "KILL", "--", *command],
        stdin=subprocess.DEVNULL,
        pass_fds=pass_fds,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[bytes], *, grace: float = 0.0) -> None:
    """End *process*, at once or when it has not ended by itself after *grace* seconds."""
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Relay:
    """A pipe whose bytes are copied to the descriptor *target* by a thread."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._source, self.write_end = os.pipe()
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def close(self, *, timeout: float) -> None:
        """Close this process's write end and wait until all is copied."""
        self.release()
        self._thread.join(timeout)

    def release(self) -> None:
        """Close this process's write end, once the child has its own."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def _copy(self) -> None:
        reader_is_there = True
        while chunk := os.read(self._source, _CHUNK):
            while chunk and reader_is_there:
                try:
                    chunk = chunk[os.write(self._target, chunk) :]
                except OSError:
                    # Whoever read our output is gone.  Keep draining: a guest that cannot
                    # write would hang instead of ending its command.
                    reader_is_there = False
        os.close(self._source)
