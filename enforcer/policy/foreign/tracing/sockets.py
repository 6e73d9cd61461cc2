# SPDX-License-Identifier: MIT
"""
Addresses, ports, families and protocols that sockets are compared with.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from enforcer.errors import PolicyError
from enforcer.policy.foreign.tracing.filters import Filter
from enforcer.policy.foreign.tracing.hooks import Socket
from enforcer.policy.foreign.tracing.numbers import number
from enforcer.policy.foreign.tracing.texts import TEXT_OPERATORS
from enforcer.policy.language.symbols import Resolver
from enforcer.policy.language.vocabulary import FIELDS
from enforcer.policy.model.policy import Address, Condition, Interval
from enforcer.policy.readers import numbers as native
from enforcer.policy.text.nodes import Node, Scalar, describe

__all__ = ["is_unix_path", "socket_condition"]

_ENDS = {Socket.ADDRESS: "SD", Socket.REMOTE: "D", Socket.LOCAL: "S", Socket.PLAIN: ""}
_PRIVILEGED, _OTHERS = Interval(0, 1023), Interval(1024, 65535)
_MAPPED = Address(0xFFFF << 32, (0xFFFF << 32) + 0xFFFF_FFFF)
"""IPv4 addresses, as they stand among those of IPv6 (RFC 4291, 2.5.5.2)."""


def is_unix_path(filter_: Filter) -> bool:
    """Tell whether the argument is compared as the path of a unix socket."""
    return filter_.argument.type == "sockaddr_un" and filter_.operator in TEXT_OPERATORS


def socket_condition(filter_: Filter, socket: Socket, resolver: Resolver) -> Condition:
    """
    Return *filter_* as a condition on address, port, family or protocol.

    Raises:
        PolicyError: this end is not known there, or a value is none.
    """
    operator = filter_.operator
    if operator in ("Family", "Protocol"):
        field = FIELDS[operator.lower()]
        found = tuple(native.one_number(node, field, resolver) for node in filter_.values)
        return Condition(field, found, span=filter_.span)
    plain = operator.removeprefix("Not")
    end, what = plain[:1], plain[1:]
    if end not in ("S", "D") or what not in ("Addr", "Port", "PortPriv"):
        msg = (
            f"argument {filter_.argument.index} is a socket: compare it with SAddr, DAddr, SPort, "
            f"DPort, Family, Protocol and their like, not with {operator}"
        )
        raise PolicyError(msg, filter_.span)
    if end not in _ENDS[socket]:
        raise PolicyError(_unknown_end(operator, socket), filter_.span)
    negate = operator.startswith("Not")
    if what == "Addr":
        addresses = tuple(part for node in filter_.values for part in _addresses(node))
        return Condition(FIELDS["address"], addresses, negate, span=filter_.span)
    if what == "Port":
        ports = tuple(map(_port, filter_.values))
        return Condition(FIELDS["port"], ports, negate, span=filter_.span)
    return Condition(FIELDS["port"], (_OTHERS if negate else _PRIVILEGED,), span=filter_.span)


def _unknown_end(operator: str, socket: Socket) -> str:
    if socket is Socket.PLAIN:
        return f"{operator} is for the address, argument 1, not for the socket"
    other = "the other end is" if socket is Socket.LOCAL else "its own address is"
    return f"{operator} is not supported by this version: {other} not known yet when it is decided"


def _addresses(node: Node) -> Iterator[Address]:
    """
    Yield what an address or a network has, with or without bits below the network part.

    A network of IPv6 has no IPv4 addresses, though these lie among its numbers here: in Tetragon, each family has
    its own table (``filter_addr_map`` in bpf/process/types/basic.h).
    """
    text = node.text if isinstance(node, Scalar) else ""
    try:
        net = ipaddress.ip_network(text, strict=False) if "%" not in text else None
    except ValueError:
        net = None
    if net is None:
        msg = f"{describe(node)} is not an address: names are not looked up"
        raise PolicyError(msg, node.span)
    low, high = int(net.network_address), int(net.broadcast_address)
    if net.version == 4:
        yield Address(low | _MAPPED.low, high | _MAPPED.low)
    elif low < _MAPPED.low and high > _MAPPED.high:
        yield from (Address(low, _MAPPED.low - 1), Address(_MAPPED.high + 1, high))
    else:
        yield Address(low, high)


def _port(node: Node) -> Interval:
    text = node.text if isinstance(node, Scalar) else ""
    low, colon, high = text.partition(":")
    parts = (low, high) if colon else (text, text)
    first, last = (number(Scalar(part, plain=False, span=node.span)) for part in parts)
    if not 0 <= first <= last <= 0xFFFF:
        msg = f"{describe(node)} is not a port, nor a range of them as low:high"
        raise PolicyError(msg, node.span)
    return Interval(first, last)
