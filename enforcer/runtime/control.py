# SPDX-License-Identifier: MIT
"""
The daemon's side of the control socket: root only, never in the way of the loop.

Everything is non-blocking. A follower that reads too slowly loses records, is told how many, and
costs nobody else anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from enforcer.errors import KernelError
from enforcer.runtime.protocol import encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from enforcer.runtime.reactor import Reactor

__all__ = ["ControlServer"]

_REQUEST_LIMIT = 65536
_BACKLOG_LIMIT = 4 << 20
_MAX_CONNECTIONS = 64
_PEER = struct.Struct("iII")  # struct ucred: pid, uid, gid


@attrs.define(eq=False)
class _Connection:
    socket: socket.socket
    request: bytes = b""
    outgoing: deque[bytes] = attrs.field(factory=deque)
    held: int = 0
    sent: int = 0  # bytes of the first outgoing line
    lost: int = 0
    is_follower: bool = False
    is_ending: bool = False


@attrs.define(eq=False)
class ControlServer:
    """
    Listens at *path*.

    Args:
        status: makes the answer to ``status``.
        stop: called once when somebody asked for the end.
    """

    path: Path
    reactor: Reactor
    status: Callable[[], dict[str, Any]]
    stop: Callable[[], None]
    _listener: socket.socket | None = attrs.field(default=None, init=False)
    _connections: set[_Connection] = attrs.field(factory=set, init=False)

    def open(self) -> None:
        """
        Listen. A socket left over by a dead daemon is replaced: the caller holds the instance lock.

        Raises:
            OSError: the socket cannot be made.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        listener = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        previous = os.umask(0o177)  # the socket is 0600 from its first moment
        try:
            listener.bind(str(self.path))
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(previous)
        listener.listen(16)
        self._listener = listener
        self.reactor.watch(listener, selectors.EVENT_READ, lambda _: self._accept(listener))

    @property
    def has_followers(self) -> bool:
        """Whether anybody wants records."""
        return any(c.is_follower for c in self._connections)

    def publish(self, line: bytes) -> None:
        """Send one record to every follower."""
        for connection in [c for c in self._connections if c.is_follower]:
            if connection.held > _BACKLOG_LIMIT:
                connection.lost += 1
            else:
                self._send(connection, line)

    def close(self) -> None:
        """Stop listening, end every connection. Idempotent."""
        if self._listener is None:
            return
        self.reactor.forget(self._listener)
        self._listener.close()
        self._listener = None
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        for connection in list(self._connections):
            self._drop(connection)

    def _accept(self, listener: socket.socket) -> None:
        try:
            peer, _ = listener.accept()
        except OSError:
            return  # it went away again, or we are out of descriptors: it will have to ask again
        peer.setblocking(False)
        connection = _Connection(peer)
        self._connections.add(connection)
        self.reactor.watch(peer, selectors.EVENT_READ, lambda ev: self._ready(connection, ev))
        if not _is_allowed(peer):
            self._finish(connection, "only root may ask")
        elif len(self._connections) > _MAX_CONNECTIONS:
            self._finish(connection, "too many connections: close some followers of events")

    def _ready(self, connection: _Connection, events: int) -> None:
        if connection not in self._connections:
            return  # closed by another call of the same round
        if events & selectors.EVENT_WRITE:
            self._push(connection)
        if events & selectors.EVENT_READ and connection in self._connections:
            self._read(connection)

    def _read(self, connection: _Connection) -> None:
        try:
            raw = connection.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:
            self._drop(connection)
            return
        if connection.is_ending:
            return  # an answer that refuses is on its way; nothing more is heard
        connection.request += raw
        while b"\n" in connection.request and connection in self._connections:
            line, _, connection.request = connection.request.partition(b"\n")
            self._handle(connection, line)
        if len(connection.request) > _REQUEST_LIMIT:
            self._finish(connection, "the request is too long")

    def _handle(self, connection: _Connection, line: bytes) -> None:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            self._finish(connection, "the request is no JSON")
            return
        command = request.get("command") if isinstance(request, dict) else None
        if command == "status":
            self._send(connection, encode(self._status()))
        elif command == "events":
            self._send(connection, encode({"ok": True}))
            connection.is_follower = True
        elif command == "stop":
            # The connection stays open: its end tells the client that enforcement has ended.
            self._send(connection, encode({"ok": True, "pid": os.getpid()}))
            self.stop()
        else:
            self._finish(connection, f"unknown command {command!r}: known are status, events, stop")

    def _status(self) -> dict[str, Any]:
        try:
            return {"ok": True, "status": self.status()}
        except KernelError as error:
            return {"ok": False, "error": f"the state cannot be read: {error}"}

    def _finish(self, connection: _Connection, error: str) -> None:
        connection.is_ending = True
        self._send(connection, encode({"ok": False, "error": error}))

    def _send(self, connection: _Connection, line: bytes) -> None:
        connection.outgoing.append(line)
        connection.held += len(line)
        self._push(connection)

    def _push(self, connection: _Connection) -> None:
        try:
            while connection.outgoing:
                first = connection.outgoing[0]
                connection.sent += connection.socket.send(first[connection.sent :])
                if connection.sent == len(first):
                    connection.outgoing.popleft()
                    connection.held -= len(first)
                    connection.sent = 0
        except BlockingIOError:
            self._watch(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
            return
        except OSError:
            self._drop(connection)
            return
        if connection.lost:
            lost, connection.lost = connection.lost, 0
            self._send(connection, encode({"kind": "skipped", "records": lost}))
        elif connection.is_ending:
            self._drop(connection)
        else:
            self._watch(connection, selectors.EVENT_READ)

    def _watch(self, connection: _Connection, events: int) -> None:
        self.reactor.watch(connection.socket, events, lambda ev: self._ready(connection, ev))

    def _drop(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        self.reactor.forget(connection.socket)
        connection.socket.close()


def _is_allowed(peer: socket.socket) -> bool:
    """Whether root, or whoever runs this daemon, is at the other end."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return _PEER.unpack(raw)[1] in {0, os.geteuid()}
