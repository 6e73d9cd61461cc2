# SPDX-License-Identifier: MIT
"""
Families, types and protocols of sockets: their words, and which of them count as another one.

The kernel has TCP under more than one protocol number, and IP under more than one family. A rule on the
well-known one is about all of them. Only this module says which *counts as* which.
"""

from __future__ import annotations

from typing import Final

from enforcer import _abi

__all__ = [
    "BY_DEFAULT",
    "CHOSEN_PORTS",
    "FAMILIES",
    "FAMILY_COUNTS_AS",
    "OF_VERSION_6",
    "PROTOCOLS",
    "PROTOCOL_COUNTS_AS",
    "TYPES",
    "WITH_ADDRESS",
]

OF_VERSION_6: Final = _abi.ENF_FAMILY_V6
"""Added by the kernel side to a family that carries IPv4 or IPv6, where it is IPv6."""

BY_DEFAULT: Final = _abi.ENF_PROTOCOL_DEFAULT
"""Added by the kernel side to the protocol that a socket gets which is made with protocol 0."""

FAMILIES: Final = {
    "unix": 1,
    "inet": 2,
    "inet6": 10,
    "netlink": 16,
    "packet": 17,
    "rxrpc": 33,
    "rxrpc6": 33 | OF_VERSION_6,
    "vsock": 40,
    "alg": 38,
    "smc": 43,
    "smc6": 43 | OF_VERSION_6,
    "xdp": 44,
}

FAMILY_COUNTS_AS: Final = {
    FAMILIES["smc"]: (FAMILIES["inet"],),
    FAMILIES["smc6"]: (FAMILIES["inet6"], FAMILIES["smc"]),
    FAMILIES["rxrpc"]: (FAMILIES["inet"],),
    FAMILIES["rxrpc6"]: (FAMILIES["inet6"], FAMILIES["rxrpc"]),
}
"""AF_SMC begins with TCP and often stays with it; AF_RXRPC sends UDP. Both have addresses of IP."""

TYPES: Final = {"stream": 1, "dgram": 2, "raw": 3, "rdm": 4, "seqpacket": 5, "packet": 10}

PROTOCOLS: Final = {
    "ip": 0,
    "icmp": 1,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "icmpv6": 58,
    "sctp": 132,
    "smc": 256,
    "mptcp": 262,
}

PROTOCOL_COUNTS_AS: Final = {
    PROTOCOLS["smc"]: (PROTOCOLS["tcp"],),
    PROTOCOLS["mptcp"]: (PROTOCOLS["tcp"],),
    **{
        BY_DEFAULT | PROTOCOLS[word]: (PROTOCOLS["ip"], PROTOCOLS[word])
        for word in ("tcp", "udp", "dccp", "sctp")
    },
}
"""MPTCP is TCP on the wire, SMC begins as TCP; what is made with 0 is both 0 and what it becomes."""

WITH_ADDRESS: Final = frozenset({FAMILIES["inet"], FAMILIES["inet6"], *FAMILY_COUNTS_AS})
"""Families whose sockets have an IP address and a port."""

CHOSEN_PORTS: Final = (32768, 60999)
"""Ends of the range from which the kernel chooses (``net.ipv4.ip_local_port_range``), unless root has changed it."""
