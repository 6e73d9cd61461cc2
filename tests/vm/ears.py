# SPDX-License-Identifier: MIT
"""Sockets that hear what attempts send: the ground truth of the network."""

from __future__ import annotations

import socket
from pathlib import Path

import attrs
from patience import scaled

__all__ = ["Ear"]

_LIMIT = 30.0


@attrs.define
class Ear:
    """A socket that waits for connections, datagrams or raw packets."""

    socket: socket.socket

    @classmethod
    def inet(cls, kind: int, address: str, port: int) -> Ear:
        """Hear what is sent to *address*."""
        address = address.removeprefix("::ffff:")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        it = socket.socket(family, kind, 253 if kind == socket.SOCK_RAW else 0)
        it.bind((address, 0 if kind == socket.SOCK_RAW else port))
        return cls._ready(it)

    @classmethod
    def unix(cls, kind: int, name: Path | str) -> Ear:
        """Hear what is sent to a path, or to an abstract name, which begins with ``@``."""
        it = socket.socket(socket.AF_UNIX, kind)
        it.bind("\0" + str(name)[1:] if str(name).startswith("@") else str(name))
        return cls._ready(it)

    @classmethod
    def _ready(cls, it: socket.socket) -> Ear:
        if it.type == socket.SOCK_STREAM:
            it.listen(16)
        return cls(it)

    def heard(self, *, wait: bool) -> bool:
        """
        Whether anything came since the last time.

        A local delivery is over when the sender has ended, so silence needs no waiting.
        """
        self.socket.settimeout(scaled(_LIMIT) if wait else 0)
        times = 0
        try:
            while True:
                if self.socket.type == socket.SOCK_STREAM:
                    self.socket.accept()[0].close()
                else:
                    self.socket.recv(65536)
                times += 1
                self.socket.settimeout(0)
        except (BlockingIOError, TimeoutError):
            return times > 0

    def close(self) -> None:
        """Stop hearing."""
        self.socket.close()
