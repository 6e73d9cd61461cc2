# SPDX-License-Identifier: MIT
"""A listening socket in the loop: accepts connections, and pauses while descriptors are short."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from enforcer.runtime.reactor import Reactor

__all__ = ["Listener"]

_NO_DESCRIPTORS = 1.0  # seconds until the next try


@attrs.define(eq=False, repr=False)
class Listener:
    """
    Owns *listening*, which does not block.

    Attributes:
        take: gets each connection, which does not block either.
    """

    listening: socket.socket
    reactor: Reactor
    take: Callable[[socket.socket], None]
    _is_closed: bool = attrs.field(default=False, init=False)

    def begin(self) -> None:
        """Let callers in, from now on."""
        if not self._is_closed:
            self.reactor.watch(self.listening, selectors.EVENT_READ, lambda _: self._accept())

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self.reactor.forget(self.listening)
            self.listening.close()

    def _accept(self) -> None:
        try:
            accepted, _ = self.listening.accept()
        except (BlockingIOError, ConnectionError):
            return  # it went away again
        except OSError:
            # Out of descriptors or memory, and the caller still waits: do not spin on it.
            self.reactor.forget(self.listening)
            self.reactor.after(_NO_DESCRIPTORS, self.begin)
            return
        accepted.setblocking(False)
        self.take(accepted)
