# SPDX-License-Identifier: MIT
"""
One deed on SCTP, whose calls take many addresses at once: ``sctp.py DEED PORT ADDRESS...``.

The exit code is its errno. ``connect`` and ``sendto`` take one address; ``connectx``, ``bindx`` and ``sendv``
any number, of which the first is where the association is made, or the socket is bound to.
"""

import ipaddress
import socket
import struct
import sys

SCTP = socket.IPPROTO_SCTP
BINDX_ADD, CONNECTX = 100, 110  # include/uapi/linux/sctp.h
DSTADDRV4 = 7
NOTHING = (SCTP, 2, bytes(16))  # SCTP_SNDINFO without anything


def packed(address: str, port: int) -> bytes:
    """An address as these calls take it: one behind the other, without holes."""
    found = ipaddress.ip_address(address)
    if found.version == 6:
        return struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(port), 0, found.packed, 0)
    return struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), found.packed)


def main(deed: str, port: int, addresses: list[str]) -> None:
    """Do it."""
    first = (addresses[0], port)
    family = socket.AF_INET6 if ":" in "".join(addresses) else socket.AF_INET
    kind = socket.SOCK_SEQPACKET if deed in {"sendto", "sendv"} else socket.SOCK_STREAM
    it = socket.socket(family, kind, SCTP)
    if deed == "connect":
        it.connect(first)
    elif deed == "connectx":
        it.setsockopt(SCTP, CONNECTX, b"".join(packed(a, port) for a in addresses))
    elif deed == "bindx":
        it.bind(first)
        it.setsockopt(SCTP, BINDX_ADD, b"".join(packed(a, port) for a in addresses[1:]))
    elif deed == "sendto":
        it.sendto(b"x", first)
    elif deed == "sendv":
        more = [(SCTP, DSTADDRV4, ipaddress.ip_address(a).packed) for a in addresses[1:]]
        it.sendmsg([b"x"], [NOTHING, *more], 0, first)
    else:
        raise ValueError(deed)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(error.errno)
