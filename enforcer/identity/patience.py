# SPDX-License-Identifier: MIT
"""
Reads that may never end, in threads of their own.

``/proc/PID/cmdline`` waits for the lock of the process's memory. Who owns the process can hold that lock
for ever, without any privilege: then the read cannot be interrupted, and whoever began it hangs with it.
So a thread begins it, and the caller goes on without an answer.

Such a thread holds no lock of this process: it is in a system call. Those that wait for work end before
each fork, so that what is forked has nothing of theirs, and begin again when they are needed.
"""

from __future__ import annotations

import atexit
import os
import signal
import time
import weakref
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MOST", "PATIENCE", "Readers"]

MOST: Final = 4
"""Threads: so many reads may hang at a time. One is enough while none does."""

PATIENCE: Final = 0.05
"""
Seconds for all that does not answer, within a second: a twentieth of the loop's time.

An answer takes some hundredths of a millisecond. A thread that has not had a processor by then is waited for
longer; one that hangs is not.
"""

_LEAST: Final = 0.001  # seconds that each has, also when the others have used up the patience
_LOOKS: Final = 3
"""
How often in a row a thread must be seen to hang.

One that waits for the interpreter looks the same. It gets it while the caller waits between two looks.
"""

_LONGEST: Final = 1.0
"""Seconds for a thread that does not hang: on a busy machine it waits for a processor, as everything does."""

_Asked = SimpleQueue["tuple[Path, int] | None"]
_Answers = SimpleQueue["bytes | None"]


@attrs.define(eq=False)
class _Reader:
    """One thread, what it is asked, and what it answers."""

    asked: _Asked
    answers: _Answers
    thread: Thread

    @classmethod
    def begin(cls, read: Callable[[Path, int], bytes | None]) -> _Reader:
        asked: _Asked = SimpleQueue()
        answers: _Answers = SimpleQueue()
        # A daemon thread: the interpreter does not wait for it at its end, and the kernel ends it.
        thread = Thread(target=_work, args=(read, asked, answers), name="reader", daemon=True)
        thread.start()
        return cls(asked, answers, thread)


def _hangs(thread: int | None) -> bool:
    """Tell whether *thread*, of this process, waits for something else than a processor; True if that is not known."""
    try:
        told = Path(f"/proc/self/task/{thread}/stat").read_bytes()
    except OSError:
        return True
    return told.rpartition(b")")[2].split(maxsplit=1)[:1] != [b"R"]


@attrs.define(eq=False, repr=False)
class Readers:
    """
    Reads files with *read*, for one caller at a time.

    Attributes:
        read: takes a path and how many bytes; None is that it cannot be read.
        hangs: tells of a thread whether it waits for something else than a processor.
        unanswered: reads without an answer in time, and those that no thread was free for.
    """

    read: Callable[[Path, int], bytes | None]
    clock: Callable[[], float] = time.monotonic
    hangs: Callable[[int | None], bool] = _hangs
    unanswered: int = attrs.field(default=0, init=False)
    _left: float = attrs.field(default=PATIENCE, init=False)
    _at: float = attrs.field(init=False)
    _idle: list[_Reader] = attrs.field(factory=list, init=False)
    _stuck: list[_Reader] = attrs.field(factory=list, init=False)

    @_at.default
    def _now(self) -> float:
        return self.clock()

    def __attrs_post_init__(self) -> None:
        _all.add(self)
        weakref.finalize(self, _dismiss, self._idle)

    def ask(self, path: Path, limit: int) -> bytes | None:
        """
        Read *limit* bytes of *path*; None if it cannot be read, or no thread is free.

        Raises:
            TimeoutError: there is no answer in time.
        """
        reader = self._free()
        if reader is None:
            self.unanswered += 1
            return None
        began = self.clock()
        self._left = min(PATIENCE, self._left + (began - self._at) * PATIENCE)
        self._stuck.append(reader)  # until it has answered, whatever ends the waiting
        reader.asked.put((path, limit))
        try:
            answer = self._await(reader, began + _LONGEST)
        except Empty:
            self.unanswered += 1
            raise TimeoutError(f"{path} does not answer") from None
        finally:
            self._at = self.clock()
            self._left = max(0.0, self._left - (self._at - began))
        self._stuck.remove(reader)
        self._idle.append(reader)
        return answer

    def _await(self, reader: _Reader, until: float) -> bytes | None:
        looks = 0
        while True:
            try:
                return reader.answers.get(timeout=_LEAST if looks else max(self._left, _LEAST))
            except Empty:
                looks = looks + 1 if self.hangs(reader.thread.native_id) else 0
                if looks == _LOOKS or self.clock() >= until:
                    raise

    def rest(self) -> None:
        """End the threads that wait for work, and wait for that; those that hang cannot be ended."""
        self._recover()
        _dismiss(self._idle)
        for reader in self._idle:
            reader.thread.join()
        self._idle.clear()

    def forget(self) -> None:
        """Know that this is a forked process, which has none of the threads."""
        self._idle.clear()
        self._stuck.clear()

    def _free(self) -> _Reader | None:
        if not self._idle:
            self._recover()
        if self._idle:
            return self._idle.pop()
        if len(self._stuck) >= MOST:
            return None
        try:
            return _Reader.begin(self.read)
        except RuntimeError:
            return None  # no more threads for this process: as if all of them hung

    def _recover(self) -> None:
        """Take back those whose read has come to an end after all."""
        for reader in list(self._stuck):
            if not reader.answers.empty():
                reader.answers.get_nowait()  # too late
                self._stuck.remove(reader)
                self._idle.append(reader)


def _work(read: Callable[[Path, int], bytes | None], asked: _Asked, answers: _Answers) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are the loop's
    while (job := asked.get()) is not None:
        answers.put(read(*job))


def _dismiss(readers: list[_Reader]) -> None:
    for reader in readers:
        reader.asked.put(None)


def _rest_all() -> None:
    for each in list(_all):
        each.rest()


def _forget_all() -> None:
    for each in list(_all):
        each.forget()


_all: weakref.WeakSet[Readers] = weakref.WeakSet()
os.register_at_fork(before=_rest_all, after_in_child=_forget_all)
# A thread that wakes up while the interpreter ends is ended by it in the middle of its work, which can abort the process.
atexit.register(_rest_all)
