# SPDX-License-Identifier: MIT
"""
Connections of callers, and which of them is ended where one more comes than there is room for.

Each caller has an address, and each address a share of the connections. A caller that takes more than its share loses
its own connections first. Among callers within their shares, connections on which no question was answered yet go
before those of API servers, which wait between two questions.
"""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Mapping

__all__ = ["Connection", "peer_of", "to_end"]

_NETWORK: Final = 64  # bits of an IPv6 address that say which network it is in: a host has all addresses of its own


@attrs.define(eq=False, repr=False)
class Connection:
    """
    One caller.

    Attributes:
        accepted: its socket, until the loop has it.
        peer: who it is, for shares.
        since: when it came, or when the last question on it was answered.
        is_heard: a question on it was answered.
        is_busy: a question is being answered, so it is not ended for another.
    """

    accepted: socket.socket | None
    peer: str
    since: float = attrs.field(factory=time.monotonic)
    is_heard: bool = False
    is_busy: bool = False

    def heard(self) -> None:
        """Note that a question was answered."""
        self.is_heard, self.since = True, time.monotonic()


def peer_of(address: Any) -> str:
    """Return whose connections count together: an IPv4 address, or a network of IPv6."""
    host = str(address[0]).partition("%")[0]
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _NETWORK), strict=False))


def to_end(
    connections: Mapping[asyncio.Task[None], Connection], peer: str, most: int, share: int
) -> asyncio.Task[None] | None:
    """
    Choose the connection to end for one more of *peer*; None: that one is not let in.

    Args:
        connections: all that are open.
        peer: whose is the new one.
        most: connections at a time.
        share: connections that a peer may have in any case, however many peers there are.
    """
    counts = Counter(each.peer for each in connections.values())
    counts[peer] += 1
    share = max(share, most // len(counts))

    def beyond(who: str) -> int:
        return max(0, counts[who] - share)

    idle = [(task, each) for task, each in connections.items() if not each.is_busy]
    if not idle:
        return None
    task, found = min(
        idle, key=lambda each: (-beyond(each[1].peer), each[1].is_heard, each[1].since)
    )
    # A peer beyond its share takes the place of its own connections only.
    return task if beyond(peer) <= beyond(found.peer) else None
