# SPDX-License-Identifier: MIT
"""A daemon that holds the instance lock and does not answer: find it, verify it, kill it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from enforcer.errors import ControlError
from enforcer.runtime.control.peer import has_ended

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_held", "kill_holder"]

_DYING = 10.0  # seconds that a killed process may take to end


def is_held(lock: Path) -> bool:
    """
    Whether a process holds *lock*.

    Raises:
        OSError: the lock cannot be opened.
    """
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)  # which gives the lock back
    return False


def kill_holder(lock: Path) -> int | None:
    """
    Kill the process that holds *lock*, and wait for its end.

    Returns:
        Its id, or None if nobody holds the lock.

    Raises:
        ControlError: it cannot be told who holds the lock, or the holder cannot be killed.
    """
    if not is_held(lock):
        return None
    fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        pid = _written(fd, lock)
        with _held(pid, lock) as handle:
            if _has_open(pid, fd) and not has_ended(handle):
                _kill(handle, pid)
                return pid
    finally:
        os.close(fd)
    raise ControlError(
        f"pid {pid}, which {lock} names, does not hold it: find the holder (fuser {lock}) and end "
        "it"
    )


def _written(fd: int, lock: Path) -> int:
    text = os.pread(fd, 32, 0).strip()
    if not text.isdigit() or int(text) <= 1:
        raise ControlError(
            f"{lock} is held, but does not name its holder: find the holder (fuser {lock}) "
            "and end it"
        )
    return int(text)


@contextlib.contextmanager
def _held(pid: int, lock: Path) -> Iterator[int]:
    try:
        handle = os.pidfd_open(pid)
    except OSError as error:
        raise ControlError(
            f"pid {pid} holds {lock} and cannot be reached: {error.strerror}"
        ) from error
    try:
        yield handle
    finally:
        os.close(handle)


def _has_open(pid: int, fd: int) -> bool:
    """Whether process *pid* has the file of *fd* open: then its id was not given to another."""
    wanted = os.fstat(fd)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 (names are all that is needed)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(wanted, os.stat(f"/proc/{pid}/fd/{name}")):  # noqa: PTH116
                    return True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ControlError(f"cannot list the files of pid {pid}: {error.strerror}") from error
    return False


def _kill(handle: int, pid: int) -> None:
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    except OSError as error:
        raise ControlError(f"the daemon (pid {pid}) cannot be killed: {error.strerror}") from error
    if not has_ended(handle, timeout=_DYING):
        raise ControlError(
            f"the daemon (pid {pid}) was killed, but has not ended after {_DYING:g} s"
        )
