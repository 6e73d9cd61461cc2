# SPDX-License-Identifier: MIT
"""
The temporary directory of one run, and what the guest leaves in it.

``exchange`` is the guest's /run/vm; its hidden ``control`` tells the guest what
to do and receives the exit code.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_PREFIX = "enforcer-vm-"
_CONTROL = ".lab"
_CONSOLE_TAIL_LINES = 30
_SETTLED_SECONDS = 60


class State:
    """A temporary directory that is removed on exit, at the latest by the next run's."""

    def __init__(self) -> None:
        _sweep()
        self.root = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Held as long as the directory is in use, whatever becomes of this process.
        self._lock = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self.exchange = self.root / "exchange"
        self.control = self.exchange / _CONTROL
        self.console = self.root / "console.log"
        self.control.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        os.close(self._lock)

    def code(self) -> int | None:
        """Return the exit code of the command, None when the guest did not get that far."""
        try:
            return int((self.control / "code").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):  # an unfinished write counts as none
            return None

    def started(self) -> float | None:
        """Return the time at which the command started, None when it did not."""
        try:
            return (self.control / "started").stat().st_mtime
        except FileNotFoundError:
            return None

    def is_clock_wrong(self) -> bool:
        """Tell whether the guest found that its clock and the machine's differ."""
        return (self.control / "wrong-clock").exists()

    def console_tail(self) -> str:
        """Return the last lines that the kernel and the guest's scripts printed."""
        try:
            text = self.console.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "".join(text.splitlines(keepends=True)[-_CONSOLE_TAIL_LINES:])

    def copy_out(self, out: Path) -> None:
        """Copy what the guest left in /run/vm, and its console, to *out*, over what an earlier run left there."""
        for left in self.exchange.rglob("*"):
            if left.is_symlink():  # alone not replaced by a copy
                (out / left.relative_to(self.exchange)).unlink(missing_ok=True)
        ignored = shutil.ignore_patterns(_CONTROL)
        shutil.copytree(self.exchange, out, symlinks=True, dirs_exist_ok=True, ignore=ignored)
        if self.console.exists():
            shutil.copy(self.console, out / "console.log")


def _sweep() -> None:
    """Remove what runs that were killed outright left behind."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # in use
        else:
            status = os.fstat(descriptor)
            # A run that has just made its directory may not have locked it yet.
            settled = time.time() - status.st_mtime > _SETTLED_SECONDS
            if settled and status.st_uid == os.geteuid():
                shutil.rmtree(directory, ignore_errors=True)
        finally:
            os.close(descriptor)
