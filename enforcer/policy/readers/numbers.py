# SPDX-License-Identifier: MIT
"""
Numeric values: ports, modes, symbolic numbers, users and groups, addresses, capabilities.
"""

from __future__ import annotations

import ipaddress
import re

from enforcer.errors import PolicyError
from enforcer.policy.language.symbols import CAPABILITIES, Resolver
from enforcer.policy.language.vocabulary import Dim, FieldSpec, Kind
from enforcer.policy.model.policy import Address, CapabilityMask, Interval, Mask
from enforcer.policy.text.look_alikes import look_alike
from enforcer.policy.text.nodes import Node, Scalar, describe, shorten
from enforcer.policy.text.problems import suggest
from enforcer.span import Span

__all__ = ["address", "bits", "largest", "mask", "network", "number", "number_range", "one_number"]

_LIMITS: dict[Dim | None, int] = {
    Dim.PORT: 0xFFFF,
    Dim.FAMILY: 0xFFFF,
    Dim.TYPE: 0xF,
    Dim.PROTOCOL: 0xFFFF,
    Dim.MODE: 0o7777,
    Dim.CODE: 0xFFFF,
}
_MAX_ID = 0xFFFFFFFE  # 2^32 - 1 means "no id"
_MAPPED = 0xFFFF << 32
_V4_BITS = 96
_WITH_PORT = re.compile(r"(?:([0-9.]+)(?=:)|\[([0-9a-fA-F:.]+)\])(?::([0-9]{1,5}))?")
_NETWORK = re.compile(r"([0-9a-fA-F:.]+)/([0-9]{1,6})")
_RANGE = re.compile(r"([^-]+)-([^-]+)")
_DIGIT_RANGE = re.compile(r"[0-9]+ *- *[0-9]+")
_MASK = re.compile(r"([^=]+)(?:=([^=]+))?")
_DIGITS = re.compile(r"0|[1-9][0-9]{0,9}")
_OCTAL = re.compile(r"(?:0o)?[0-7]{1,6}")
_PREFIXES = {
    "family": ("AF_", "PF_"),
    "type": ("SOCK_",),
    "protocol": ("IPPROTO_",),
    "capability": ("CAP_",),
    "signal": ("SIG",),
    "command": ("BPF_",),
}
"""By field what the kernel's own names begin with; any case."""


def largest(field: FieldSpec) -> int:
    """Return the largest number that *field* can be."""
    return _MAX_ID if _is_id(field) else _LIMITS.get(field.dim, 0xFFFFFFFF)


def number(node: Node, field: FieldSpec, resolver: Resolver) -> Interval:
    """Read one number or name, or ``low-high`` in digits."""
    if _DIGIT_RANGE.fullmatch(_text(node, field)):
        return number_range(node, field, resolver)
    return one_number(node, field, resolver)


def one_number(node: Node, field: FieldSpec, resolver: Resolver) -> Interval:
    """Read one number or name."""
    value = _number(_text(node, field), field, resolver, node.span)
    return Interval(value, value)


def number_range(node: Node, field: FieldSpec, resolver: Resolver) -> Interval:
    """Read ``low-high``."""
    text = _text(node, field)
    found = _RANGE.fullmatch(text)
    if not found:
        msg = f"{field.name} {shorten(text)!r} is not a range: write it as low-high"
        raise PolicyError(msg, node.span)
    low, high = (_number(part.strip(), field, resolver, node.span) for part in found.groups())
    if low > high:
        msg = f"the range {shorten(text)!r} of {field.name} is backwards: {low} is above {high}"
        raise PolicyError(msg, node.span)
    return Interval(low, high)


def mask(node: Node, field: FieldSpec, resolver: Resolver) -> Mask:
    """Read ``MASK`` (any of these bits) or ``MASK=VALUE``."""
    text = _text(node, field)
    found = _MASK.fullmatch(text)
    if not found:
        msg = f"{field.name} mask {shorten(text)!r}: write MASK, or MASK=VALUE"
        raise PolicyError(msg, node.span)
    bits = _number(found[1].strip(), field, resolver, node.span)
    if bits == 0:
        msg = f"{field.name} mask {shorten(text)!r} has no bits"
        raise PolicyError(msg, node.span)
    if found[2] is None:
        return Mask(bits)
    value = _number(found[2].strip(), field, resolver, node.span)
    if value & ~bits:
        msg = f"{field.name} mask {shorten(text)!r}: the value has bits outside the mask"
        raise PolicyError(msg, node.span)
    return Mask(bits, value)


def address(node: Node, field: FieldSpec) -> Address:
    """Read one IP address."""
    text = _text(node, field)
    if "/" in text:
        msg = f"{shorten(text)!r} is a network: use cidr, in or notIn for networks"
        raise PolicyError(msg, node.span)
    return network(node, field)


def network(node: Node, field: FieldSpec) -> Address:
    """Read an IP address, a network ``address/bits``, or ``low-high``."""
    text = _text(node, field)
    try:
        first, last = _address_range(text, node.span)
    except ValueError as error:
        msg = f"{shorten(text)!r} is not an address: {_how_to_write(text)}"
        raise PolicyError(msg, node.span) from error
    if first > last:
        msg = f"the range {shorten(text)!r} of {field.name} is backwards"
        raise PolicyError(msg, node.span)
    return Address(first, last)


def _how_to_write(text: str) -> str:
    """Say what to write instead of *text*, which is no address."""
    if found := _WITH_PORT.fullmatch(text):
        address, port = found[1] or found[2], found[3]
        return f"write {address}, and port: {port} beside it" if port else f"write {address}"
    if found := _NETWORK.fullmatch(text):
        most = 128 if ":" in found[1] else 32
        if int(found[2]) > most:
            return f"the number behind / is {most} at most"
    return (
        "write one like 192.0.2.7, 2001:db8::1, 192.0.2.0/24 or 192.0.2.7-192.0.2.9 "
        "(names are not looked up)"
    )


def _address_range(text: str, span: Span) -> tuple[int, int]:
    if "%" in text:
        msg = f"{shorten(text)!r} names an interface, which is not compared: leave %… out"
        raise PolicyError(msg, span)
    if found := _RANGE.fullmatch(text):
        low, high = (ipaddress.ip_address(part.strip()) for part in found.groups())
        if low.version != high.version:
            msg = f"the range {shorten(text)!r} mixes IPv4 and IPv6"
            raise PolicyError(msg, span)
        return _bits(low), _bits(high)
    net = ipaddress.ip_network(text, strict=False)
    _check_host_bits(text, net, span)
    return _bits(net.network_address), _bits(net.broadcast_address)


def bits(field: FieldSpec, how: str, nodes: list[Node]) -> CapabilityMask:
    """Read names that stand for one bit each."""
    if field.kind is Kind.CAPABILITY:
        return _capabilities(how, nodes)
    found = 0
    for node in nodes:
        word = _written(node).lower()
        if word not in field.names:
            hint = suggest(_written(node), field.names) or f": known are {', '.join(field.names)}"
            raise PolicyError(f"{describe(node)} is not a value of {field.name}{hint}", node.span)
        found |= field.names[word]
    return CapabilityMask(how, found)


def _capabilities(how: str, nodes: list[Node]) -> CapabilityMask:
    """Read capability names, with or without ``CAP_``, in any case."""
    bits = 0
    for node in nodes:
        value = _written(node)
        name = value if value.upper().startswith("CAP_") else f"CAP_{value}"
        if name.upper() not in CAPABILITIES:
            msg = f"{describe(node)} is not a capability{suggest(name, CAPABILITIES)}"
            raise PolicyError(msg, node.span)
        bits |= 1 << CAPABILITIES[name.upper()]
    return CapabilityMask(how, bits)


def _written(node: Node) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _text(node: Node, field: FieldSpec) -> str:
    if isinstance(node, Scalar) and not isinstance(node.value, bool) and not node.is_null:
        return node.text
    msg = f"{field.name} must be {_form(field)}, not {describe(node)}"
    raise PolicyError(msg, node.span)


def _form(field: FieldSpec) -> str:
    forms = {
        Kind.ADDRESS: "an IP address or network",
        Kind.PORT: "a port number",
        Kind.MODE: "permission bits in octal",
        Kind.USER: "a user name or number",
        Kind.GROUP: "a group name or number",
    }
    return forms.get(field.kind, "a number" if not field.names else "a name or number")


def _is_id(field: FieldSpec) -> bool:
    return field.kind in {Kind.USER, Kind.GROUP}


def _number(text: str, field: FieldSpec, resolver: Resolver, span: Span) -> int:
    if field.kind is Kind.MODE:
        value = _octal(text, field, span)
    elif _is_id(field):
        value = _identity(text, field, resolver, span)
    else:
        value = _plain_number(text, field, span)
    most = largest(field)
    if value > most:
        shown = f"{most:#o}" if field.kind is Kind.MODE else str(most)
        msg = f"{field.name} {shorten(text)} is above {shown}, the largest there is"
        raise PolicyError(msg, span)
    return value


def _octal(text: str, field: FieldSpec, span: Span) -> int:
    if not _OCTAL.fullmatch(text):
        msg = f"{field.name} {shorten(text)!r} is not octal: write it like 0644 or 04755"
        raise PolicyError(msg, span)
    return int(text.removeprefix("0o"), 8)


def _identity(text: str, field: FieldSpec, resolver: Resolver, span: Span) -> int:
    if _DIGITS.fullmatch(text):
        return int(text)
    what = "user" if field.kind is Kind.USER else "group"
    found = resolver.user(text) if field.kind is Kind.USER else resolver.group(text)
    if found is None:
        other = look_alike(text)
        seems = f" ({other})" if other else ""
        msg = f"there is no {what} {shorten(text)!r} on this host{seems}: create it, or write its number"
        raise PolicyError(msg, span)
    return found


def _plain_number(text: str, field: FieldSpec, span: Span) -> int:
    if _DIGITS.fullmatch(text):
        return int(text)
    if re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text) or re.fullmatch(r"0o[0-7]{1,11}", text):
        return int(text, 0)
    word = _without_prefix(text, field)
    if word.lower() in field.names:
        return field.names[word.lower()]
    hint = suggest(word, field.names)
    if field.names and not hint:
        hint = f": one of {', '.join(field.names)}, or a number"
    if field.kind is Kind.PORT:
        hint = _how_to_write_ports(text)
    fault = "is not known" if field.names else f"is not {_form(field)}"
    msg = f"{field.name} {shorten(text)!r} {fault}{hint}"
    raise PolicyError(msg, span)


def _without_prefix(text: str, field: FieldSpec) -> str:
    known = _PREFIXES.get(field.name, ())
    found = next((prefix for prefix in known if text.upper().startswith(prefix)), "")
    return text[len(found) :]


def _how_to_write_ports(text: str) -> str:
    if found := re.fullmatch(r"([0-9]+)[:.]+([0-9]+)", text):
        return f": write {found[1]}-{found[2]} for a range"
    if re.fullmatch(r"[0-9]+(?:[, ]+[0-9]+)+", text):
        return f": write a list, [{', '.join(re.findall('[0-9]+', text))}]"
    return ": names of services are not looked up" if text.isalpha() else ""


def _bits(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    return int(ip) | _MAPPED if ip.version == 4 else int(ip)


def _check_host_bits(
    text: str, net: ipaddress.IPv4Network | ipaddress.IPv6Network, span: Span
) -> None:
    given = ipaddress.ip_address(text.partition("/")[0])
    if given != net.network_address:
        msg = f"{shorten(text)!r} has bits below the network part: write {net}, or {given} alone"
        raise PolicyError(msg, span)
