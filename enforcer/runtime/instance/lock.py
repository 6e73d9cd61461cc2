# SPDX-License-Identifier: MIT
"""
One daemon at a time: a lock that the kernel takes back when its holder dies.

Its file says where daemons have pinned enforcement, for who ends that without their help.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.errors import ControlError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["InstanceLock", "noted_pins"]

_HOLDER: Final = 32
"""Bytes of the file that are the holder's process id; earlier versions read these, and nothing else."""

_NOTES: Final = 1 << 16  # bytes after them, at most


@attrs.define(eq=False, repr=False)
class InstanceLock:
    """
    Holds *path* locked; the file stays.

    Attributes:
        pins: the folder in which its holder pins enforcement; None: in none.
        noted: what the file says: that folder, and those of holders before; None: nothing.
    """

    path: Path
    _fd: int
    pins: Path | None = None
    noted: tuple[Path, ...] | None = None

    @classmethod
    def take(cls, path: Path, *, patience: float = 1.0) -> InstanceLock:
        """
        Take the lock. What its file says of pins stays in it.

        Raises:
            ControlError: another process has it, and kept it for *patience* seconds.
            OSError: the file cannot be made.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _lock(fd, patience)
        except BlockingIOError:
            holder = os.pread(fd, _HOLDER, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            message = (
                f"a daemon is already running (pid {holder}): stop it first with: enforcer stop"
            )
            raise ControlError(message) from None
        made = cls(path, fd, noted=_read(fd))
        made._write()
        return made

    @classmethod
    def of_daemon(cls, path: Path, pins: Path | None) -> InstanceLock:
        """
        Take the lock for a daemon that pins enforcement in *pins*, if anywhere; write that down.

        Raises:
            ControlError, OSError: as :meth:`take`.
        """
        made = cls.take(path)
        made.note(pins)
        return made

    def note(self, pins: Path | None) -> None:
        """Write down that the holder pins enforcement in *pins*, if anywhere."""
        own = [pins.absolute()] if pins is not None else []
        # What a lost daemon has left elsewhere stays active, whoever comes after it.
        others = [each for each in self.noted or () if each not in own and os.path.isdir(each)]  # noqa: PTH112
        self.pins, self.noted = own[0] if own else None, (*own, *others)
        self._write()

    def _write(self) -> None:
        text = f"{os.getpid()}\n"
        if self.noted is not None:
            names = json.dumps([str(each) for each in self.noted])
            text = f"{os.getpid():<{_HOLDER - 1}}\n{names}\n"
        # Cut last, so that it never says nothing: without room it says what it said, and after an end in between the
        # rest of a longer text stands behind the line that counts.
        raw = text.encode()
        if os.pwrite(self._fd, raw, 0) < len(raw):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        os.ftruncate(self._fd, len(raw))

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


def noted_pins(path: Path) -> tuple[Path, ...] | None:
    """
    Return the folders in which daemons have pinned enforcement, as the file of the lock *path* says.

    None if it does not say so. Without a file no daemon has been there.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return ()
    except OSError:
        return None
    try:
        return _read(fd)
    finally:
        os.close(fd)


def _read(fd: int) -> tuple[Path, ...] | None:
    state = os.fstat(fd)
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        return None  # nobody else chooses what is removed
    try:
        names = json.loads(os.pread(fd, _NOTES, _HOLDER).partition(b"\n")[0])
    except (OSError, ValueError):
        return None
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        return None
    return tuple(map(Path, names))


def _lock(fd: int, patience: float) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # A daemon that was just told to stop holds the lock for a moment longer.
        from enforcer.runtime.retry import while_busy  # noqa: PLC0415 (slow to import, rarely needed)

        while_busy(patience)(fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
