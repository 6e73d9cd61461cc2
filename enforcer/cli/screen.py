# SPDX-License-Identifier: MIT
"""
A terminal while a dashboard has it: single keys, the alternate screen, and its state restored.

Nothing here waits. Output that the terminal does not take at once is kept; until it is written, no
frame is drawn.
"""

from __future__ import annotations

import os
import select
import selectors
import termios
from typing import TYPE_CHECKING, Any

import attrs

from enforcer.workbench.dashboard.painter import ENTER, LEAVE

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from enforcer.runtime.reactor import Reactor

__all__ = ["Screen", "give_back"]

_LOCAL = 3  # index of the local modes in what tcgetattr returns


@attrs.define(eq=False)
class Screen:
    """
    Owns the modes of the terminal between ``with`` and its end.

    Attributes:
        fd_in, fd_out: of the terminal.
        is_dumb: it cannot move its cursor, nor has it another screen.
    """

    fd_in: int
    fd_out: int
    reactor: Reactor
    is_dumb: bool = False
    _before: list[Any] | None = None
    _held: bytes = b""

    @property
    def is_busy(self) -> bool:
        """Whether it has not taken everything yet."""
        return bool(self._held)

    def size(self) -> tuple[int, int]:
        """Return columns and lines, as they are now."""
        try:
            found = os.get_terminal_size(self.fd_out)
        except OSError:
            return 80, 24
        return found.columns or 80, found.lines or 24

    def enter(self) -> None:
        """
        Take the terminal.

        Raises:
            OSError: it has gone.
        """
        self._before = termios.tcgetattr(self.fd_in)
        ours = termios.tcgetattr(self.fd_in)
        ours[_LOCAL] &= ~(
            termios.ICANON | termios.ECHO
        )  # Ctrl-C stays a signal, for all who share it
        termios.tcsetattr(self.fd_in, termios.TCSANOW, ours)
        if not self.is_dumb:
            self.write(ENTER)

    def leave(self) -> None:
        """Give the terminal back, as far as it is still there. Idempotent."""
        before, self._before = self._before, None
        if before is None:
            return
        self._held = b""
        self.reactor.forget(self.fd_out)
        give_back(self.fd_in, self.fd_out, before, says=b"" if self.is_dumb else LEAVE)

    def write(self, data: bytes) -> None:
        """
        Let the terminal show *data*, now or when it can.

        Raises:
            OSError: it has gone.
        """
        self._held += data
        self._push()

    def _push(self) -> None:
        self._held = self._held[_write(self.fd_out, self._held) :]
        if self._held:
            self.reactor.watch(self.fd_out, selectors.EVENT_WRITE, lambda _: self._push())
        else:
            self.reactor.forget(self.fd_out)

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()


def give_back(fd_in: int, fd_out: int, modes: list[Any], *, says: bytes) -> None:
    """
    Write *says* to a terminal and restore its *modes*, if it still exists.

    Nothing is waited for: a terminal that was stopped is let go on, and what it has not taken by then
    is dropped, as it was for a screen that ends now.
    """
    try:
        if says and not _is_writable(fd_out):
            termios.tcflow(fd_out, termios.TCOON)
            termios.tcflush(fd_out, termios.TCOFLUSH)
        _write(fd_out, says)
        termios.tcsetattr(fd_in, termios.TCSANOW, modes)
    except (OSError, termios.error):
        return  # it has gone: nothing is left to be given back


def _write(fd: int, data: bytes) -> int:
    """
    Write what the terminal takes now; returns how much that was.

    By a description of our own, that it may not wait: that of *fd* is shared with the shell, and what
    poll(2) calls writable takes a byte and may wait for the next.

    Raises:
        OSError: it has gone.
    """
    if not data:
        return 0
    own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return os.write(own, data)
    except BlockingIOError:
        return 0
    finally:
        os.close(own)


def _is_writable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))
