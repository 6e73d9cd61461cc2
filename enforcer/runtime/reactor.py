# SPDX-License-Identifier: MIT
"""
One thread waits for everything: file descriptors, signals, timers.

Signals arrive through ``signal.set_wakeup_fd``: the handlers themselves only note which one came, so nothing
else runs between two instructions of something else. However many come, all else has its turn between two
calls of one.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import signal
import socket
import time
from typing import TYPE_CHECKING, Any, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["Reactor", "Timer"]

_HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_BYTES = 4096  # more than wait in the socket that wakes the loop, as a rule


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


def _no_call() -> None:
    """Be the call of a timer that has none."""


def _since_boot() -> float:
    """Return the clock that the kernel measures windows of confirmation by: it goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@attrs.define(eq=False, repr=False)
class Timer:
    """A call that is due once; ``cancel`` makes it none."""

    due: float
    call: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Do not call, and hold nothing that the call would need."""
        self.is_cancelled, self.call = True, _no_call


@attrs.define(eq=False, repr=False)
class Reactor:
    """Calls back when something is ready, until :meth:`stop`."""

    clock: Callable[[], float] = _since_boot
    is_stopping: bool = attrs.field(default=False, init=False)
    _selector: selectors.BaseSelector = attrs.field(factory=selectors.DefaultSelector, init=False)
    _timers: list[tuple[float, int, Timer]] = attrs.field(factory=list, init=False)
    _order: Iterator[int] = attrs.field(factory=itertools.count, init=False)
    _held: dict[int, Any] = attrs.field(factory=dict, init=False)  # what was the handler before
    _came: list[int] = attrs.field(factory=list, init=False)

    def watch(self, source: int | _HasFileno, events: int, call: Callable[[int], None]) -> None:
        """Call *call* with the ready events; replaces an earlier watch on *source*."""
        try:
            self._selector.modify(source, events, call)
        except KeyError:
            self._selector.register(source, events, call)

    def forget(self, source: int | _HasFileno) -> None:
        """Watch *source* no more."""
        # ValueError: *source* was closed first, and the kernel forgot it then.
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(source)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once, *seconds* from now."""
        timer = Timer(self.clock() + seconds, call)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        return timer

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call again and again, *seconds* after the last call ended."""

        def again() -> None:
            call()
            self.after(seconds, again)

        self.after(seconds, again)

    def stop(self) -> None:
        """Leave :meth:`run` after the current round."""
        self.is_stopping = True

    def run(self) -> None:
        """Wait and call until stopped."""
        while not self.is_stopping:
            self.turn(self._patience())

    def turn(self, timeout: float | None) -> None:
        """Wait once, at most *timeout* seconds, and call what is ready."""
        for key, events in self._selector.select(timeout):
            key.data(events)
        self._call_timers()

    def _patience(self) -> float | None:
        return max(0.0, self._timers[0][0] - self.clock()) if self._timers else None

    def _call_timers(self) -> None:
        now = self.clock()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if not timer.is_cancelled:
                timer.call()

    def hold_signals(self) -> None:
        """Let signals wait until :meth:`signals` says what they mean, or :meth:`release_signals`."""
        for number in _HELD:
            if number not in self._held and signal.getsignal(number) is not signal.SIG_IGN:
                self._held[number] = signal.signal(number, lambda got, _: self._came.append(got))

    def release_signals(self) -> None:
        """Let those that wait come. Idempotent."""
        for number, handler in self._held.items():
            signal.signal(number, handler)
        self._held.clear()
        while self._came:
            os.kill(os.getpid(), self._came.pop())

    @contextlib.contextmanager
    def signals(
        self, calls: dict[int, Callable[[], None]], spent: Collection[int] = ()
    ) -> Iterator[None]:
        """
        Within the block, *calls* say what a signal means: first those that must not wait for the others.

        In a turn, each is called once, however often its signal came. Once the loop is to stop, none is.

        What was ignored before stays ignored: that is how ``nohup`` and background jobs ask for it.
        So are those *spent* after the block: what they ask for is done.
        """
        here, there = socket.socketpair()
        here.setblocking(False)
        there.setblocking(False)
        noted: set[int] = set()

        def note(number: int, _frame: object) -> None:
            noted.add(number)
            # The loop may have read the interpreter's byte, and looked, before this ran: it must look again.
            with contextlib.suppress(BlockingIOError):  # it is full, so the loop will
                there.send(b"\0")

        def heed(_: int) -> None:
            here.recv(_BYTES)
            for number, call in calls.items():
                if number in noted and not self.is_stopping:
                    noted.discard(number)  # first: what comes during the call is noted again
                    call()

        previous_fd = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
        previous = {}
        for number in calls:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before = signal.signal(number, note)
                previous[number] = self._held.pop(number, before)
        self.watch(here, selectors.EVENT_READ, heed)
        try:
            self.release_signals()  # those that waited, too, now mean what *calls* say
            yield
        finally:
            self.forget(here)
            for number, handler in previous.items():
                signal.signal(number, signal.SIG_IGN if number in spent else handler)
            signal.set_wakeup_fd(previous_fd)
            here.close()
            there.close()

    def close(self) -> None:
        """Let go of the selector. Idempotent."""
        self._selector.close()
