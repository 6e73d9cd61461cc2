# SPDX-License-Identifier: MIT
"""
Metrics by HTTP on a loopback port.

The smallest server that Prometheus can read from: one request, one answer, end. Everything is bounded
and nothing blocks: slow, large or many requests affect only their own clients. Where there are too many
callers, the oldest makes room that has asked for nothing.
"""

from __future__ import annotations

import selectors
import socket
from typing import TYPE_CHECKING

import attrs

from enforcer.errors import EnforcerError
from enforcer.runtime.listener import Listener
from enforcer.sinks.prometheus import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.runtime.reactor import Reactor, Timer

__all__ = ["ScrapeServer"]

_MAX_CALLERS = 16
_MAX_REQUEST = 8192
_PATIENCE = 10.0  # seconds that a caller may take for everything
_SAME_NUMBERS = 1.0  # seconds: counting over many rules costs, and anybody on this machine may ask
_PATHS = frozenset({b"/metrics", b"/"})


@attrs.define(eq=False)
class _Caller:
    socket: socket.socket
    deadline: Timer
    request: bytearray = attrs.field(factory=bytearray)
    answer: memoryview | None = None


@attrs.define(eq=False)
class ScrapeServer:
    """
    Listens at *address*, a numeric loopback address and a port.

    It is opened before there is anything to tell, so that a port that is taken is known in time;
    :meth:`serve` lets callers in.
    """

    address: tuple[str, int]
    reactor: Reactor
    _text: Callable[[], bytes] = attrs.field(default=lambda: b"", init=False)
    _made: bytes = attrs.field(default=b"", init=False)
    _made_until: float = attrs.field(default=0.0, init=False)
    _listener: Listener | None = attrs.field(default=None, init=False)
    _callers: dict[_Caller, None] = attrs.field(factory=dict, init=False)  # the oldest first

    def open(self) -> None:
        """
        Listen.

        Raises:
            OSError: the port is taken, or there is no such address.
        """
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        listener = socket.socket(
            family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self.address)
            listener.listen(_MAX_CALLERS)
        except OSError as error:
            listener.close()
            host, port = self.address
            raise OSError(
                error.errno, f"metrics cannot be offered at {host} port {port}: {error.strerror}"
            ) from error
        self._listener = Listener(listener, self.reactor, self._take)

    def serve(self, text: Callable[[], bytes]) -> None:
        """Answer from now on with what *text* makes."""
        self._text = text
        if self._listener is not None:
            self._listener.begin()

    @property
    def port(self) -> int:
        """The port that is listened on, chosen by the kernel if 0 was asked for."""
        return int(self._listener.listening.getsockname()[1]) if self._listener is not None else 0

    def close(self) -> None:
        """Stop listening, end every connection. Idempotent."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        for caller in list(self._callers):
            self._drop(caller)

    def _take(self, accepted: socket.socket) -> None:
        if len(self._callers) >= _MAX_CALLERS:
            self._drop(self._least_wanted())
        caller = _Caller(accepted, self.reactor.after(_PATIENCE, lambda: self._drop(caller)))
        self._callers[caller] = None
        self.reactor.watch(accepted, selectors.EVENT_READ, lambda _: self._read(caller))

    def _least_wanted(self) -> _Caller:
        """
        Choose who makes room: the oldest that has not asked yet, else the oldest.

        Anybody on this machine may connect and say nothing. Whoever wants numbers asks at once, and is
        not one of the oldest by the time that others have come.
        """
        silent = (caller for caller in self._callers if caller.answer is None)
        return next(silent, next(iter(self._callers)))

    def _read(self, caller: _Caller) -> None:
        if caller not in self._callers:
            return  # closed by another call of the same round
        try:
            raw = caller.socket.recv(_MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:
            self._drop(caller)
            return
        caller.request += raw
        if b"\r\n\r\n" in caller.request or b"\n\n" in caller.request:
            self._answer(caller, self._respond(bytes(caller.request)))
        elif len(caller.request) >= _MAX_REQUEST:
            self._answer(caller, _response("431 Request Header Fields Too Large"))

    def _respond(self, request: bytes) -> bytes:
        words = request.split(b"\n", 1)[0].split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _response("400 Bad Request")
        if words[0] not in {b"GET", b"HEAD"}:
            return _response("405 Method Not Allowed", allow="GET, HEAD")
        if words[1].partition(b"?")[0] not in _PATHS:
            return _response("404 Not Found")
        try:
            body = self._numbers()
        except (OSError, EnforcerError) as error:  # OSError: /proc, where descriptors are short
            return _response("503 Service Unavailable", f"{error}\n".encode())
        return _response("200 OK", body, is_head=words[0] == b"HEAD")

    def _numbers(self) -> bytes:
        now = self.reactor.clock()
        if now >= self._made_until:
            self._made = self._text()
            self._made_until = now + _SAME_NUMBERS
        return self._made

    def _answer(self, caller: _Caller, response: bytes) -> None:
        caller.answer = memoryview(response)
        self._push(caller)

    def _push(self, caller: _Caller) -> None:
        if caller not in self._callers or caller.answer is None:
            return
        try:
            while caller.answer:
                caller.answer = caller.answer[caller.socket.send(caller.answer) :]
            # Closing with bytes unread would reset the connection and lose the answer.
            caller.socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            self.reactor.watch(caller.socket, selectors.EVENT_WRITE, lambda _: self._push(caller))
            return
        except OSError:
            pass  # it went away with half of the answer: that is its own affair
        self._drop(caller)

    def _drop(self, caller: _Caller) -> None:
        if caller in self._callers:
            caller.deadline.cancel()
            del self._callers[caller]
            self.reactor.forget(caller.socket)
            caller.socket.close()


def _response(
    status: str, body: bytes | None = None, *, is_head: bool = False, allow: str = ""
) -> bytes:
    body = f"{status}\n".encode() if body is None else body
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {CONTENT_TYPE}",
        f"Content-Length: {len(body)}",
        *([f"Allow: {allow}"] if allow else ()),
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if is_head else body)
