# SPDX-License-Identifier: MIT
"""
The server that API servers ask: HTTPS with one path for questions, one for probes and one for counts.

It listens where every pod may reach it, so all that comes is bounded: connections, bytes, seconds, and what waits.
Whoever reaches it can keep it busy, and what is not checked then is stored: agents decide, and nothing else hangs on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.webhook.checkers import BusyError
from enforcer.cluster.webhook.connections import Connection, peer_of, to_end
from enforcer.cluster.webhook.counts import CONTENT_TYPE
from enforcer.cluster.webhook.http_request import MAX_HEAD, Head, HttpError, response
from enforcer.cluster.webhook.verdict import Outcome
from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.cluster.agent.troubles import Troubles
    from enforcer.cluster.webhook.certificate import Certificate
    from enforcer.cluster.webhook.checkers import Checkers
    from enforcer.cluster.webhook.counts import Counts

__all__ = ["HEALTH", "METRICS", "VALIDATE", "Bounds", "LostError", "WebhookServer"]

VALIDATE: Final = "/validate"
HEALTH: Final = "/healthz"
METRICS: Final = "/metrics"

_METHODS: Final = {VALIDATE: "POST", HEALTH: "GET", METRICS: "GET"}
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"
_BROKEN: Final = (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError)


class LostError(EnforcerError):
    """The server cannot go on."""


@attrs.frozen
class Bounds:
    """
    What all callers may take, together and each.

    Attributes:
        connections: at a time. For one more, :func:`to_end` says which is ended.
        share: connections that one peer may have, however many peers there are.
        held: bytes of bodies at a time.
        handshake: seconds until a connection is encrypted.
        request: seconds from the first byte of a request to its last, and again for the answer.
        quiet: seconds until a request, on a connection on which no question was answered yet.
        idle: seconds between two requests, on one on which a question was answered.
        closing: seconds until the end of a connection is agreed upon.
        ending: seconds that answers may take when the server ends.
    """

    connections: int = 64
    share: int = 4
    held: int = 32 << 20
    handshake: float = 5.0
    request: float = 5.0
    quiet: float = 10.0
    idle: float = 90.0
    closing: float = 2.0
    ending: float = 5.0


@attrs.define(eq=False, repr=False)
class WebhookServer:
    """Listens on *listener*, a socket that is bound and listens."""

    listener: socket.socket
    certificate: Certificate
    checkers: Checkers
    counts: Counts
    troubles: Troubles
    bounds: Bounds = attrs.field(factory=Bounds)
    _open: dict[asyncio.Task[None], Connection] = attrs.field(factory=dict, init=False)
    _held: int = attrs.field(default=0, init=False)
    _is_ending: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def run(self) -> None:
        """
        Serve until SIGTERM or SIGINT.

        Raises:
            LostError: a process that checks is gone.
        """
        asyncio.run(self._run())

    async def _run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)
        await self.serve()

    def stop(self) -> None:
        """End when answers that are on their way are given."""
        self._is_ending.set()

    async def serve(self) -> None:
        """
        Serve until :meth:`stop`.

        Raises:
            LostError: a process that checks is gone.
        """
        asyncio.get_running_loop().set_exception_handler(self._unexpected)
        self.listener.setblocking(False)
        await self.checkers.open()
        accepting = asyncio.create_task(self._accept())
        ending = asyncio.create_task(self._is_ending.wait())
        first: set[asyncio.Future[Any]] = {accepting, ending, self.checkers.lost}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        accepting.cancel()
        ending.cancel()
        self.listener.close()
        await self._end()
        await self.checkers.leave()
        if self.checkers.lost.done():
            raise LostError(self.checkers.lost.result())
        if not accepting.cancelled() and accepting.done() and (error := accepting.exception()):
            raise error

    def _unexpected(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Count and tell what the loop says of a connection: only that one is concerned."""
        self.troubles.failed("connections", context.get("message", "a connection failed"))

    async def _end(self) -> None:
        """End idle connections, and wait for answers that are on their way."""
        self._is_ending.set()
        for task, each in list(self._open.items()):
            if not each.is_busy:
                task.cancel()
        if self._open:
            _, late = await asyncio.wait(self._open, timeout=self.bounds.ending)
            for task in late:
                task.cancel()

    # ---- Connections ----------------------------------------------------------------------------

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(self.listener)
            except OSError as error:
                # No descriptors or no memory: those who are there go on, and others may come later.
                self.troubles.failed("new connections", error)
                await asyncio.sleep(1.0)
                continue
            self.troubles.works("new connections")
            peer = peer_of(address)
            if not self._has_room(peer):
                self.counts.dropped += 1
                accepted.close()
                continue
            connection = Connection(accepted, peer)
            task = loop.create_task(self._serve(connection))
            self._open[task] = connection
            task.add_done_callback(functools.partial(self._forget, connection))

    def _has_room(self, peer: str) -> bool:
        """Make room for another connection of *peer*."""
        bounds = self.bounds
        if len(self._open) < bounds.connections:
            return True
        ended = to_end(self._open, peer, bounds.connections, bounds.share)
        if ended is None:
            return False
        self.counts.dropped += 1
        ended.cancel()
        del self._open[ended]
        return True

    def _forget(self, connection: Connection, task: asyncio.Task[None]) -> None:
        self._open.pop(task, None)
        if connection.accepted is not None:  # it was ended before it began
            connection.accepted.close()
        if not task.cancelled() and (bug := task.exception()) is not None:
            self.troubles.failed("connections", f"a bug: {bug!r}")

    async def _serve(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        accepted, connection.accepted = connection.accepted, None
        if accepted is None:
            return
        reader = asyncio.StreamReader(MAX_HEAD)
        protocol = asyncio.StreamReaderProtocol(reader)
        # From here on the loop owns the socket, and closes it whatever happens. Closed here, its number would be the next
        # connection's while the loop still waits for it.
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                accepted,
                ssl=self.certificate.context,
                ssl_handshake_timeout=self.bounds.handshake,
                ssl_shutdown_timeout=self.bounds.closing,
            )
        except (OSError, TimeoutError):
            self.counts.handshakes += 1
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self._converse(connection, reader, writer)
        except _BROKEN:
            self.counts.errors[HTTPStatus.REQUEST_TIMEOUT] += 1
        except asyncio.CancelledError:
            # For another: what it holds, a quarter of a mebibyte, must go before that is there.
            transport.abort()
            raise
        finally:
            writer.close()
            # What was written is sent. Whoever does not take it is cut off.
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(self.bounds.closing):
                    await writer.wait_closed()
            transport.abort()

    async def _converse(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request after another."""
        is_last = False
        while not is_last and not self._is_ending.is_set():
            first = await self._first(connection, reader)
            if not first:
                return
            allow = ""
            try:
                async with asyncio.timeout(self.bounds.request):
                    head = await self._head(first, reader)
                allow = _METHODS.get(head.path, "")
                is_last = head.is_last
                status, media_type, body = await self._answer(connection, head, reader)
                allow = ""
            except HttpError as error:
                # Of the body nothing was read, and what follows would be taken for a request.
                is_last, status, media_type, body = True, error.status, _TEXT, f"{error}\n".encode()
                allow = allow if status == HTTPStatus.METHOD_NOT_ALLOWED else ""
                self.counts.errors[status] += 1
            writer.write(response(status, body, media_type, is_last=is_last, allow=allow))
            async with asyncio.timeout(self.bounds.request):
                await writer.drain()

    async def _first(self, connection: Connection, reader: asyncio.StreamReader) -> bytes:
        """Return the first byte of a request; nothing if there is none."""
        patience = self.bounds.idle if connection.is_heard else self.bounds.quiet
        try:
            async with asyncio.timeout(patience):
                return await reader.read(1)
        except TimeoutError:
            return b""

    async def _head(self, first: bytes, reader: asyncio.StreamReader) -> Head:
        try:
            return Head.read(first + await reader.readuntil(b"\r\n\r\n"))
        except asyncio.LimitOverrunError:
            raise HttpError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the head has more than {MAX_HEAD} bytes",
            ) from None

    # ---- Answers --------------------------------------------------------------------------------

    async def _answer(
        self, connection: Connection, head: Head, reader: asyncio.StreamReader
    ) -> tuple[int, str, bytes]:
        """
        Return status, type and body of the answer.

        Raises:
            HttpError: it is an error, and the body was not read.
        """
        wanted = _METHODS.get(head.path)
        if wanted is None:
            raise HttpError(HTTPStatus.NOT_FOUND, f"there are {', '.join(_METHODS)}")
        if head.method != wanted:
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, f"{head.path} takes {wanted}")
        if head.path != VALIDATE:
            if head.length:
                raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "there is no body to this")
            return (
                (HTTPStatus.OK, _TEXT, b"ok\n")
                if head.path == HEALTH
                else (HTTPStatus.OK, CONTENT_TYPE, self.counts.text(self.certificate.end))
            )
        if head.media_type != _JSON:
            raise HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {_JSON}")
        with self._holding(head.length):
            async with asyncio.timeout(self.bounds.request):
                body = await reader.readexactly(head.length)
            connection.is_busy = True
            try:
                status, media_type, answer = await self._checked(body)
            finally:
                connection.is_busy = False
            if status == HTTPStatus.OK:
                connection.heard()
            return status, media_type, answer

    async def _checked(self, body: bytes) -> tuple[int, str, bytes]:
        try:
            found = await self.checkers.check(body)
        except BusyError as error:
            # Without having read the question there is no uid, so no answer to it but this: the server goes by its
            # failurePolicy, which is Ignore in the chart. The body was read, so the connection can go on.
            self.counts.outcomes[Outcome.UNDECIDED.value] += 1
            self.counts.errors[HTTPStatus.SERVICE_UNAVAILABLE] += 1
            self.troubles.failed("checks", error)
            return HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, f"{error}\n".encode()
        status = found["status"]
        self.troubles.works("checks")
        self.counts.outcomes[found["outcome"]] += 1
        if found["told"]:
            self.counts.tell(found["told"])
        if status != HTTPStatus.OK:
            self.counts.errors[status] += 1
        return status, _JSON if status == HTTPStatus.OK else _TEXT, found["body"].encode()

    @contextlib.contextmanager
    def _holding(self, length: int) -> Iterator[None]:
        """
        Keep room for a body of *length* bytes.

        Raises:
            HttpError: others have it.
        """
        if self._held + length > self.bounds.held:
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, "too much is being read")
        self._held += length
        try:
            yield
        finally:
            self._held -= length
