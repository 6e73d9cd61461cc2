# SPDX-License-Identifier: MIT
"""The processes that check, as the server sees them: who is free, and how many may wait."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.cluster.webhook.check_process import HEAD, Limits, serve
from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    from enforcer.cluster.webhook.check_process import CheckAnswer

__all__ = ["BusyError", "Checkers"]

NUMBER: Final = 2
_MAX_WAITING: Final = 32
_MORE: Final = (
    2.0  # seconds beside those of a check, until a checker that says nothing counts as lost
)


class BusyError(EnforcerError):
    """Nobody was free in time."""


@attrs.define(eq=False, repr=False)
class Checkers:
    """
    Some processes that check one text after the other, each text in a process of its own.

    Attributes:
        lost: why they cannot go on; None: they can. They are forked once, before there is a key, so a lost one
            ends the server, which is started anew by whoever runs it.
    """

    limits: Limits = attrs.field(factory=Limits)
    lost: asyncio.Future[str] = attrs.field(init=False)
    _sockets: list[socket.socket] = attrs.field(factory=list, init=False)
    _pids: list[int] = attrs.field(factory=list, init=False)
    _free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = attrs.field(
        init=False
    )
    _writers: list[asyncio.StreamWriter] = attrs.field(factory=list, init=False)
    _waiting: int = attrs.field(default=0, init=False)
    _tasks: set[asyncio.Task[CheckAnswer]] = attrs.field(factory=set, init=False)

    def start(self) -> None:
        """Fork them. This process has no thread, no loop and no key yet."""
        for _ in range(NUMBER):
            here, there = socket.socketpair()
            self._sockets.append(here)
            pid = os.fork()
            if not pid:
                self._begin(there)
            there.close()
            self._pids.append(pid)

    def _begin(self, there: socket.socket) -> None:
        try:
            # Ends of the others would keep these from learning that the server is gone.
            for each in self._sockets:
                each.close()
            signal.signal(
                signal.SIGINT, signal.SIG_IGN
            )  # of a terminal: the server ends, and this then
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            serve(there, self.limits)
        finally:
            os._exit(0)

    async def open(self) -> None:
        """Connect them with the running loop."""
        self.lost = asyncio.get_running_loop().create_future()
        self._free = asyncio.Queue()
        for each in self._sockets:
            streams = await asyncio.open_connection(sock=each)
            self._writers.append(streams[1])
            self._free.put_nowait(streams)

    async def leave(self) -> None:
        """Give the connections up, by which they end when what they have begun is done. No check is to come."""
        for each in self._writers:
            each.close()
            with contextlib.suppress(OSError):
                await each.wait_closed()

    async def check(self, text: bytes) -> CheckAnswer:
        """
        Check *text*.

        Raises:
            BusyError: no checker was free within the time that a check may take, or one was lost.
        """
        if self._waiting >= _MAX_WAITING:
            raise BusyError("too many wait")
        self._waiting += 1
        try:
            async with asyncio.timeout(self.limits.seconds):
                streams = await self._free.get()
        except TimeoutError:
            raise BusyError("nobody was free in time") from None
        finally:
            self._waiting -= 1
        task = asyncio.create_task(self._exchange(text, *streams))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        # Whoever asked may go away: the answer must be read all the same, or the next would get it.
        return await asyncio.shield(task)

    async def _exchange(
        self, text: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> CheckAnswer:
        try:
            async with asyncio.timeout(self.limits.seconds + _MORE):
                writer.write(HEAD.pack(len(text)) + text)
                await writer.drain()
                head = await reader.readexactly(HEAD.size)
                found: CheckAnswer = json.loads(await reader.readexactly(HEAD.unpack(head)[0]))
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            if not self.lost.done():
                self.lost.set_result(f"a process that checks is lost ({type(error).__name__})")
            raise BusyError("a process that checks is lost") from error
        self._free.put_nowait((reader, writer))
        return found

    def _ended(self, task: asyncio.Task[CheckAnswer]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be left to take it; it was told as lost

    def close(self) -> None:
        """End them. Idempotent."""
        for each in self._sockets:
            each.close()
        for pid in self._pids:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
        self._sockets.clear()
        self._pids.clear()
