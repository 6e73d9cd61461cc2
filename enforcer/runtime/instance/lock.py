# SPDX-License-Identifier: MIT
"""One daemon at a time: a lock that the kernel takes back when its holder dies."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import attrs

from enforcer.errors import ControlError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = ["InstanceLock"]


@attrs.define(eq=False, repr=False)
class InstanceLock:
    """Holds *path* locked; the file stays, its content is the holder's process id."""

    path: Path
    _fd: int

    @classmethod
    def take(cls, path: Path, *, patience: float = 1.0) -> InstanceLock:
        """
        Take the lock.

        Raises:
            ControlError: another process has it, and kept it for *patience* seconds.
            OSError: the file cannot be made.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _lock(fd, patience)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            message = (
                f"a daemon is already running (pid {holder}): stop it first with: enforcer stop"
            )
            raise ControlError(message) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return cls(path, fd)

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _lock(fd: int, patience: float) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # A daemon that was just told to stop holds the lock for a moment longer.
        from enforcer.runtime.retry import while_busy  # noqa: PLC0415 (slow to import, rarely needed)

        while_busy(patience)(fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
