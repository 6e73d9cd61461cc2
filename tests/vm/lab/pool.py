# SPDX-License-Identifier: MIT
"""Jobs of a run: processes, no more at a time than there are slots, each with a log of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .tools import tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_GRACE_SECONDS = 60.0
_MOST = 64  # jobs at a time, with those that fill no slot


@dataclass(frozen=True)
class Job:
    """A process to run; *slots* says how many of the pool's it fills, none if it mostly waits."""

    name: str
    command: Sequence[str]
    log: Path
    slots: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """A job that has ended: with exit code *code*, after *seconds*."""

    job: Job
    code: int
    seconds: float


class Pool:
    """Runs jobs in *slots*; whatever interrupts it, no process is left."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._running: dict[Future[int], tuple[Job, subprocess.Popen[bytes], float]] = {}

    def run(self, following: Callable[[], Job | None], ended: Callable[[Ended], bool]) -> None:
        """
        Run what *following* returns, in that order, until it has no more and all have ended.

        It is asked when a slot is free, so what has happened until then counts, and a job may lead to
        further ones. When *ended* returns
        False the others are ended too, and *ended* does not hear of them.
        """
        held = None  # has no room yet
        with ThreadPoolExecutor(_MOST) as waiters:
            try:
                while True:
                    while self._free() > 0 and (held := held or following()):
                        if not self._has_room(held):
                            break
                        self._start(held, waiters)
                        held = None
                    if not self._running:
                        return
                    done, _ = wait(self._running, return_when=FIRST_COMPLETED)
                    for one in done:
                        finished, _, began = self._running.pop(one)
                        if not ended(Ended(finished, one.result(), time.monotonic() - began)):
                            return
            finally:
                self._end_all()

    def _free(self) -> int:
        return self._slots - sum(job.slots for job, _, _ in self._running.values())

    def _has_room(self, job: Job) -> bool:
        return not self._running or job.slots <= self._free()

    def _start(self, job: Job, waiters: ThreadPoolExecutor) -> None:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("wb") as log:
            process = subprocess.Popen(
                # The kernel ends it when this process dies without cleaning up.
                [tool("setpriv"), "--pdeathsig", "TERM", "--", *job.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | job.environment,
                start_new_session=True,
            )
        self._running[waiters.submit(process.wait)] = (job, process, time.monotonic())

    def _end_all(self) -> None:
        """End what still runs: asked first, because a machine has things to remove."""
        for _, process, _ in self._running.values():
            _signal(process, signal.SIGTERM)
        wait(self._running, timeout=_GRACE_SECONDS)
        for _, process, _ in self._running.values():
            _signal(process, signal.SIGKILL)
        self._running.clear()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send *number* to the process and its children, unless it has ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):  # it ends at this moment
            os.killpg(process.pid, number)
