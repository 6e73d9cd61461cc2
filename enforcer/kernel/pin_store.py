# SPDX-License-Identifier: MIT
"""The directory that all sessions are pinned in: held by one daemon, read by anybody."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from pathlib import Path
from typing import Final, Self

import attrs

from enforcer import places
from enforcer.errors import HeldError, KernelError
from enforcer.kernel import bpffs
from enforcer.kernel.pins import PinDirectory

__all__ = ["PinStore", "clear", "held", "left", "sessions_in"]

_STRANGE: Final = 64  # numbers that something else than a session may have, in a row
_PATIENCE: Final = 2.0  # seconds: a daemon that was just told to stop holds on for a moment


@attrs.define(eq=False)
class PinStore:
    """All sessions' pins below one directory, held by one daemon at a time."""

    base: Path
    _fd: int
    _last: int = 0
    """The highest number that it gave. A path is one session's: who has removed names does not make it another's."""

    @classmethod
    def open(cls, base: Path = places.PINS, *, patience: float = _PATIENCE) -> Self:
        """
        Create *base* if needed, mount a BPF file system if there is none, and hold *base*.

        Raises:
            KernelError: if there can be none.
            HeldError: if another daemon holds it.
        """
        return cls(base, _hold(base, patience))

    def sessions(self) -> list[PinDirectory]:
        """Return the directories of all sessions, the newest last."""
        return sessions_in(self.base)

    def newest(self) -> PinDirectory | None:
        """Return the newest session that can be taken over."""
        complete = [session for session in self.sessions() if session.generations()]
        return complete[-1] if complete else None

    def create(self) -> PinDirectory:
        """
        Make the directory of a new session, and what it lies in, if somebody has removed that.

        Raises:
            KernelError: if the file system refuses.
            HeldError: if another daemon holds what lies there now.
        """
        if not self._is_there():
            fd, self._fd = self._fd, _hold(self.base, _PATIENCE)
            os.close(fd)
        number = max((session.number for session in self.sessions()), default=0)
        first = max(number, self._last) + 1
        for self._last in range(first, first + _STRANGE):
            path = self.base / str(self._last)
            try:
                path.mkdir(mode=0o700)
                made = path.lstat()
            except FileExistsError:
                continue
            except OSError as error:
                raise KernelError(f"cannot create {path}: {error.strerror}") from error
            return PinDirectory(path, (made.st_dev, made.st_ino))
        raise KernelError(f"cannot create {path}: something else has its name, and others before")

    def _is_there(self) -> bool:
        """Tell whether the directory that is held is the one by that name."""
        try:
            return os.path.samestat(os.fstat(self._fd), self.base.stat())
        except OSError:
            return False  # who makes it anew says what is wrong

    def close(self) -> None:
        """Release the directory, and remove it if it is empty. Idempotent."""
        if self._fd < 0:
            return
        if self._is_there():  # else it is another daemon's, or nobody's
            # ENOTEMPTY: enforcement stays, or another session is there: so does the directory.
            with contextlib.suppress(OSError):
                self.base.rmdir()
        os.close(self._fd)
        self._fd = -1


def left(directory: Path = places.PINS) -> bool:
    """Whether anything of a session is pinned below *directory*."""
    return not all(session.is_empty for session in sessions_in(directory))


def held(directory: Path = places.PINS) -> bool:
    """Whether a daemon holds *directory*; False if this process may not look."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _lock(fd)
    finally:
        os.close(fd)


def clear(directory: Path = places.PINS) -> int:
    """
    End the enforcement that a lost daemon left; return how many sessions that were.

    Directories that a start has left empty enforce nothing: they are removed, and not counted.

    Raises:
        KernelError: if a daemon holds it, or something cannot be removed.
    """
    if not sessions_in(directory):
        return 0
    with contextlib.closing(PinStore.open(directory)) as store:
        sessions = store.sessions()
        ended = sum(not session.is_empty for session in sessions)
        for session in sessions:
            session.remove()
        return ended


def sessions_in(base: Path) -> list[PinDirectory]:
    """
    Return what is pinned below *base*, the newest session last.

    Raises:
        OSError: *base* cannot be read.
    """
    try:
        device = base.stat().st_dev
        with os.scandir(base) as entries:
            found = [each for each in map(_session, entries) if each is not None]
    except FileNotFoundError:
        return []
    # What a link leads to, or is mounted there, is nobody's session.
    own = (each for each in found if each.identity is not None and each.identity[0] == device)
    return sorted(own, key=lambda each: each.number)


def _session(entry: os.DirEntry[str]) -> PinDirectory | None:
    """Return the pins in *entry* of the directory of sessions; None if it is no directory that is named by a number."""
    if not (entry.name.isascii() and entry.name.isdecimal()):
        return None
    try:
        state = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # its session has ended
        return None
    if not stat.S_ISDIR(state.st_mode):
        return None
    return PinDirectory(Path(entry.path), (state.st_dev, state.st_ino))


def _hold(base: Path, patience: float) -> int:
    """Return a descriptor of *base* with its lock, as :meth:`PinStore.open`."""
    bpffs.require(base.parent)
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise KernelError(
            f"cannot create {base}, where enforcement is pinned: {error.strerror}"
        ) from error
    end = time.monotonic() + patience
    while not _lock(fd):
        if time.monotonic() > end:
            os.close(fd)
            raise HeldError(f"another daemon holds {base}: stop it first with: enforcer stop")
        time.sleep(0.05)
    return fd


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
