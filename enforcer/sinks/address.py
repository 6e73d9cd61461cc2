# SPDX-License-Identifier: MIT
"""
Addresses of sockets as settings write them: ``unix:/dev/log``, ``udp:192.0.2.1:514``, ``tcp:[::1]:601``.

``unix-stream:`` is a unix socket that takes connections, as few log daemons have.

Hosts are numbers: looking up a name can take long, and the loop must not wait.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

import attrs

__all__ = ["PREFIXES", "Address", "host_and_port", "loopback", "read_address"]

_UNIX_MAX: Final = 107  # of sun_path, without its NUL
_UNIX: Final = {"unix": socket.SOCK_DGRAM, "unix-stream": socket.SOCK_STREAM}
_INET: Final = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
PREFIXES: Final = (*_UNIX, *_INET)
"""How an address begins."""


@attrs.frozen
class Address:
    """
    Where a socket leads.

    Attributes:
        text: as it was written.
        family, kind: as :mod:`socket` names them.
        target: as :meth:`socket.socket.connect` takes it.
    """

    text: str
    family: int
    kind: int
    target: str | tuple[str, int]

    @property
    def is_stream(self) -> bool:
        """Whether messages run together, and need marks where they end."""
        return self.kind == socket.SOCK_STREAM


def read_address(text: str) -> Address:
    """
    Read an address.

    Raises:
        ValueError: the text is not an address; the message says what one looks like.
    """
    kind, _, rest = text.partition(":")
    if kind in _UNIX:
        if not rest.startswith("/") or len(rest.encode()) > _UNIX_MAX:
            raise ValueError(f"{text!r}: write an absolute path of at most 107 bytes after {kind}:")
        return Address(text, socket.AF_UNIX, _UNIX[kind], rest)
    if kind in _INET:
        host, port = host_and_port(rest)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return Address(text, family, _INET[kind], (host, port))
    raise ValueError(
        f"{text!r} is not an address: write unix:/dev/log, udp:192.0.2.1:514 or tcp:[2001:db8::1]:601"
    )


def host_and_port(text: str) -> tuple[str, int]:
    """
    Read ``192.0.2.1:514`` or ``[2001:db8::1]:514``.

    Raises:
        ValueError: the text is not an address.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        raise ValueError(f"{text!r} has no port: write {text}:PORT")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        number = ipaddress.ip_address(bare)
    except ValueError:
        raise ValueError(
            f"{text!r} is not an IP address with a port, 192.0.2.1:514 or [2001:db8::1]:514: "
            "names are not looked up"
        ) from None
    if (number.version == 6) != (bare != host):
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, an IPv4 address without")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise ValueError(f"{text!r}: the port must be a number from 1 to 65535")
    return bare, int(port)


def loopback(text: str) -> tuple[str, int]:
    """
    Read an address that only this machine can reach.

    Raises:
        ValueError: the text is not an address, or others could reach it.
    """
    host, port = host_and_port(text)
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(
            f"others can reach {text!r}: metrics are for this machine only, use 127.0.0.1 or [::1]"
        )
    return host, port
