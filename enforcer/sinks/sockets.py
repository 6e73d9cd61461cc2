# SPDX-License-Identifier: MIT
"""
Messages over non-blocking sockets.

A collector may be absent or slow, or disappear at any time. What it did not take stays in memory up to a
bound, and the connection is made again. It is not known whether data that its kernel had already taken
arrived.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING

import attrs

from enforcer.sinks.backlog import Backlog
from enforcer.sinks.base import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.sinks.address import Address

__all__ = ["DatagramWriter", "StreamWriter"]

_CHUNK = 65536
_READS = 4  # of what the other side says, for each flush
_READ = 4096
_MOST_SAID = 8192  # bytes of one connection: less than the reads of one flush take
_SYN_TRIES = 3  # some 15 seconds until a host that does not answer is given up


def _no_way(_: socket.socket, __: bytes) -> bool:
    return False


@attrs.define(eq=False)
class _Writer(abc.ABC):
    """What both ways have: messages that wait, and a socket while there is one."""

    address: Address
    backlog: Backlog = attrs.field(factory=Backlog)
    _socket: socket.socket | None = attrs.field(default=None, init=False)

    @property
    def dropped(self) -> int:
        """Messages that will never be sent."""
        return self.backlog.dropped

    @property
    def held(self) -> int:
        """Bytes of messages that were not sent yet."""
        return self.backlog.held

    @abc.abstractmethod
    def flush(self) -> None:
        """
        Send what is held.

        Raises:
            OSError: nobody takes it; NotReadyError if only because the reader is slow.
        """

    def reopen(self) -> None:  # noqa: B027 - nothing is to be done, by either
        """There is no file to reopen."""

    def close(self) -> None:
        """Send what can be sent now, count the rest as dropped, close. Idempotent."""
        with contextlib.suppress(OSError):
            self.flush()
        self.backlog.abandon()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@attrs.define(eq=False)
class DatagramWriter(_Writer):
    """
    One datagram for each message.

    Attributes:
        send_large: hands over a message that is too large for a datagram, and tells whether it
            could; else the message is dropped and counted.
    """

    send_large: Callable[[socket.socket, bytes], bool] = _no_way

    def append(self, message: bytes) -> None:
        """Accept *message*."""
        self.backlog.append(message)

    def flush(self) -> None:
        """Send what is held."""
        if not self.backlog:
            return
        if self._socket is None:
            self._socket = _connected(self.address)
        try:
            while self.backlog:
                self._send(self._socket, self.backlog.first())
        except BlockingIOError:
            raise NotReadyError(self._socket.fileno()) from None
        except OSError:
            self._hang_up()
            raise

    def _send(self, to: socket.socket, message: bytes) -> None:
        try:
            to.send(message)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            if not self.send_large(to, message):
                self.backlog.discard()
                return
        self.backlog.pop()


def _connected(address: Address) -> socket.socket:
    made = _socket(address)
    try:
        made.connect(address.target)
    except OSError:
        made.close()
        raise
    return made


def _socket(address: Address) -> socket.socket:
    return socket.socket(address.family, address.kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


@attrs.define(eq=False)
class StreamWriter(_Writer):
    """Messages one after another, each after its length in digits and a blank (RFC 6587)."""

    _is_connecting: bool = attrs.field(default=False, init=False)
    _said: int = attrs.field(default=0, init=False)

    def append(self, message: bytes) -> None:
        """Accept *message*."""
        self.backlog.append(b"%d %b" % (len(message), message))

    def flush(self) -> None:
        """Send what is held."""
        if not self.backlog:
            return
        try:
            to = self._ready()
            while self.backlog:
                self.backlog.advance(to.send(self.backlog.chunk(_CHUNK)))
        except NotReadyError:
            raise
        except BlockingIOError:
            if self._socket is None:
                raise  # too many wait to be accepted: nothing tells when there is room
            raise NotReadyError(self._socket.fileno()) from None
        except OSError:
            self._hang_up()
            raise

    def _ready(self) -> socket.socket:
        """Return a socket whose other side is there, as far as can be known."""
        if self._socket is not None and not self._is_connecting and self._has_gone(self._socket):
            self._hang_up()
        if self._socket is None:
            self._socket = self._begin()
        if self._is_connecting:
            self._finish(self._socket)
        return self._socket

    def _begin(self) -> socket.socket:
        made = _socket(self.address)
        if self.address.family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, _SYN_TRIES)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        code = made.connect_ex(self.address.target)
        if code not in {0, errno.EINPROGRESS}:
            made.close()
            raise OSError(code, os.strerror(code))
        self._is_connecting = code == errno.EINPROGRESS
        return made

    def _finish(self, made: socket.socket) -> None:
        code = made.connect_ex(self.address.target)
        if code in {errno.EALREADY, errno.EINPROGRESS}:
            raise NotReadyError(made.fileno())
        if code not in {0, errno.EISCONN}:
            raise OSError(code, os.strerror(code))
        self._is_connecting = False

    def _hang_up(self) -> None:
        """Let go; what was half sent is sent whole to the next connection."""
        super()._hang_up()
        self._is_connecting = False
        self._said = 0
        self.backlog.rewind()

    def _has_gone(self, connected: socket.socket) -> bool:
        """
        Whether the other side has hung up; what it says is not for us, and thrown away.

        A collector has nothing to say. Whoever listens in its place could say things faster than they are read,
        and so hold up everything, so neither the reads nor what is taken in all is unlimited.

        Raises:
            OSError: it has said too much.
        """
        try:
            with contextlib.suppress(BlockingIOError):  # it is silent, as it should be
                for _ in range(_READS):
                    said = len(connected.recv(_READ))
                    if not said:
                        return True
                    self._said += said
        except OSError:
            return True
        if self._said > _MOST_SAID:
            raise OSError(
                errno.EPROTO,
                f"hung up, as it said more than {_MOST_SAID:,} bytes and a collector has nothing to say",
            )
        return False
