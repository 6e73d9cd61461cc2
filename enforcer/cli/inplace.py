# SPDX-License-Identifier: MIT
"""
A dashboard on the terminal of `start`, in a separate process that attaches like any other.

Drawing takes milliseconds, and a terminal may block for minutes. The daemon's loop must wait for
neither. So the daemon only starts the process, and restores the terminal however that process ends.
The dashboard shows the daemon's messages; they are printed afterwards.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any

import attrs

from enforcer.cli.exits import UsageError
from enforcer.cli.screen import give_back
from enforcer.workbench.dashboard.painter import LEAVE

if TYPE_CHECKING:
    from pathlib import Path

    from enforcer.cli.reports import Reports
    from enforcer.runtime.reactor import Reactor

__all__ = ["InPlace", "require_terminal"]

_PATIENCE = 3.0  # seconds that it may take to give the terminal back
_NOT_ITS_OWN = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")


def require_terminal() -> None:
    """
    Require a terminal for the dashboard.

    Raises:
        UsageError: there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "--dashboard needs a terminal: start without it, then run enforcer dashboard in a "
            "terminal"
        )


@attrs.define(eq=False)
class InPlace:
    """The process, from :meth:`begin` until it or :meth:`end` ends it."""

    socket: Path
    reactor: Reactor
    reports: Reports
    _process: subprocess.Popen[bytes] | None = None
    _handle: int = -1
    _modes: list[Any] | None = None

    def begin(self) -> None:
        """Open the dashboard. If that fails it is reported: enforcement goes on without it."""
        environment = {k: v for k, v in os.environ.items() if k not in _NOT_ITS_OWN}
        command = [
            sys.executable,
            "-P",
            "-m",
            "enforcer",
            "dashboard",
            "--socket",
            str(self.socket),
        ]
        try:
            self._modes = termios.tcgetattr(sys.stdin.fileno())
            self._process = subprocess.Popen(command, env=environment)
            self._handle = os.pidfd_open(self._process.pid)
        except (OSError, termios.error) as error:
            self.reports(f"the dashboard cannot be opened, enforcement goes on without it: {error}")
            return
        self.reports.hold()
        self.reactor.watch(self._handle, selectors.EVENT_READ, lambda _: self._closed())

    def end(self) -> None:
        """Close the dashboard, if it is open, and have the terminal back. Idempotent."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reap()

    def _closed(self) -> None:
        """The dashboard was closed or has failed; enforcement goes on."""
        self._reap()
        self.reports(
            "the dashboard is closed, enforcement goes on: Ctrl-C ends it, "
            "enforcer dashboard opens another one"
        )

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        code = process.wait()
        if self._handle >= 0:
            self.reactor.forget(self._handle)
            os.close(self._handle)
            self._handle = -1
        if self._modes is not None:
            out = sys.stdout.fileno()
            give_back(sys.stdin.fileno(), out, self._modes, says=LEAVE if code else b"")
        self.reports.release()
