# SPDX-License-Identifier: MIT
"""A relay on loopback that counts the bytes of all connections."""

from __future__ import annotations

import contextlib
import socket
import threading

import attrs

PIECE = 1 << 16


@attrs.define(eq=False)
class Relay:
    """Passes connections on to the server, and counts what goes each way."""

    target: int
    sent: int = 0
    received: int = 0
    _listener: socket.socket = attrs.field(init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            for source, sink, is_sent in ((client, server, True), (server, client, False)):
                words = {"is_sent": is_sent}
                threading.Thread(
                    target=self._pass, args=(source, sink), kwargs=words, daemon=True
                ).start()

    def _pass(self, source: socket.socket, sink: socket.socket, *, is_sent: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                with self._lock:
                    self.sent += len(piece) * is_sent
                    self.received += len(piece) * (not is_sent)
                sink.sendall(piece)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
