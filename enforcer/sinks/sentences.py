# SPDX-License-Identifier: MIT
"""
What a daemon says to its operator, as lines that never keep its loop waiting for whoever reads them.

A pager that nobody scrolls leaves its pipe full. A loop that waits for that hears no command any more, and no
signal that is to end it.
"""

from __future__ import annotations

import select
import selectors
import time
from typing import TYPE_CHECKING

import attrs

from enforcer.safe_text import neutral
from enforcer.sinks.backlog import Backlog
from enforcer.sinks.base import NotReadyError
from enforcer.sinks.lines import LineWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.sinks.base import Loop

__all__ = ["Sentences"]

_LIMIT = 64 << 10
_PATIENCE = 1.0


@attrs.define(eq=False, repr=False)
class Sentences:
    """
    Writes each sentence as a line of *lines*, at once or when the reader goes on.

    Beyond the bound of *lines* the oldest are dropped, and that is said when the rest has arrived.

    Attributes:
        loop: waits for the reader; None: no loop runs, and a slow reader is given *patience*.
        patience: seconds that it may take in all.
    """

    lines: LineWriter
    loop: Loop | None = None
    patience: float = _PATIENCE
    clock: Callable[[], float] = time.monotonic
    _waits_on: int | None = attrs.field(default=None, init=False)
    _told_dropped: int = attrs.field(default=0, init=False)

    @classmethod
    def to(cls, fd: int, loop: Loop | None = None) -> Sentences:
        """Write to *fd*, which somebody else owns. With a *loop*, nobody else may let it wait for *fd*."""
        return cls(LineWriter(fd, backlog=Backlog(_LIMIT)), loop)

    def __call__(self, sentence: str) -> None:
        """Say *sentence*. A reader that is gone is no error: there is nobody left to tell."""
        self._accept(sentence)
        self._write()

    def end(self) -> None:
        """Say what waits, and go on without the loop, which has ended. Idempotent."""
        self._forget()
        self.loop = None
        self._write()

    def _accept(self, sentence: str) -> None:
        # Names and texts of policies are in it, whose authors are not all root: none begins a line of its own.
        self.lines.append(f"enforcer: {neutral(sentence)}\n".encode(errors="backslashreplace"))

    def _write(self) -> None:
        while self._waits_on is None:
            try:
                self.lines.flush()
            except NotReadyError as slow:
                if not self._await_reader(slow.fd):
                    return
            except OSError:
                return  # what is held is tried again with the next one: a disk may have room by then
            else:
                if not self._tell_drops():
                    return

    def _tell_drops(self) -> bool:
        dropped = self.lines.dropped
        if dropped == self._told_dropped:
            return False
        self._accept(
            f"what this daemon says was read too slowly: {dropped - self._told_dropped} more of "
            f"its sentences were dropped, {dropped} in all"
        )
        self._told_dropped = dropped
        return True

    def _await_reader(self, fd: int) -> bool:
        """Let the loop wait for the reader, or give it what is left of the patience; tell whether it goes on already."""
        if self.loop is not None:
            self._waits_on = fd
            self.loop.watch(fd, selectors.EVENT_WRITE, lambda _: self._goes_on())
            return False
        began = self.clock()
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        is_ready = bool(poll.poll(self.patience * 1000))
        self.patience = max(0.0, self.patience - (self.clock() - began))
        return is_ready

    def _goes_on(self) -> None:
        self._forget()
        self._write()

    def _forget(self) -> None:
        if self.loop is not None and self._waits_on is not None:
            self.loop.forget(self._waits_on)
        self._waits_on = None
