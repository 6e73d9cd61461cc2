# SPDX-License-Identifier: MIT
"""
One deed on SCTP, whose calls take many addresses at once: ``sctp.py DEED PORT ADDRESS...``.

The exit code is its errno. ``connect`` and ``sendto`` take one address; ``connectx``, ``bindx`` and ``sendv``
any number, of which the first is where the association is made, or the socket is bound to.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import Attempts

SCTP = socket.IPPROTO_SCTP
BINDX_ADD, CONNECTX = 100, 110  # include/uapi/linux/sctp.h
DSTADDRV4 = 7
NOTHING = (SCTP, 2, bytes(16))  # SCTP_SNDINFO without anything
DEEDS = Attempts()


def packed(address: str, port: int) -> bytes:
    """An address as these calls take it: one behind the other, without holes."""
    found = ipaddress.ip_address(address)
    if found.version == 6:
        return struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(port), 0, found.packed, 0)
    return struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), found.packed)


def _socket(kind: socket.SocketKind, *addresses: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in "".join(addresses) else socket.AF_INET
    return socket.socket(family, kind, SCTP)


@DEEDS.add
def connect(port: str, address: str) -> None:
    _socket(socket.SOCK_STREAM, address).connect((address, int(port)))


@DEEDS.add
def connectx(port: str, *addresses: str) -> None:
    where = b"".join(packed(address, int(port)) for address in addresses)
    _socket(socket.SOCK_STREAM, *addresses).setsockopt(SCTP, CONNECTX, where)


@DEEDS.add
def bindx(port: str, first: str, *more: str) -> None:
    it = _socket(socket.SOCK_STREAM, first, *more)
    it.bind((first, int(port)))
    it.setsockopt(SCTP, BINDX_ADD, b"".join(packed(address, int(port)) for address in more))


@DEEDS.add
def sendto(port: str, address: str) -> None:
    _socket(socket.SOCK_SEQPACKET, address).sendto(b"x", (address, int(port)))


@DEEDS.add
def sendv(port: str, first: str, *more: str) -> None:
    where = [(SCTP, DSTADDRV4, ipaddress.ip_address(address).packed) for address in more]
    it = _socket(socket.SOCK_SEQPACKET, first, *more)
    it.sendmsg([b"x"], [NOTHING, *where], 0, (first, int(port)))


main = DEEDS.main

if __name__ == "__main__":
    sys.exit(main())
