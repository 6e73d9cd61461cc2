# SPDX-License-Identifier: MIT
"""Checks for rules on sockets that cover less than they seem to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from enforcer.policy.language.sockets import CHOSEN_PORTS, FAMILIES
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.lint.issues import Host, Issue, check, info, warning
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.policy import (
    Address,
    Condition,
    Interval,
    Policy,
    Rule,
    Text,
    Verb,
)

__all__ = [
    "address_of_one_machine",
    "dhcp_port",
    "family_of_one_version",
    "local_address_of_many",
    "port_that_the_kernel_picks",
    "sockets_of_the_machine",
]

_LOCAL: Final = frozenset({Op.BIND, Op.LISTEN, Op.ACCEPT})
_V4: Final = 0xFFFF << 32
_ANY: Final = (0, _V4)  # :: and 0.0.0.0
_OWN: Final = ((0, 1), (_V4, _V4), (_V4 | 0x7F000000, _V4 | 0x7FFFFFFF))  # with ::1 and 127.0.0.0/8
_GROUPS_4: Final = (_V4 | 0xE0000000, _V4 | 0xEFFFFFFF)  # 224.0.0.0/4
_GROUPS_6: Final = (0xFF << 120, (1 << 128) - 1)  # ff00::/8
_BROADCAST: Final = (_V4 | 0xFFFFFFFF,) * 2
_GROUPS: Final = (_GROUPS_4, _GROUPS_6, _BROADCAST)
_VERSION_4: Final = (_V4, _V4 | 0xFFFFFFFF)
_HOST_BITS: Final = range(2, 25)  # from /30, since a /31 has no broadcast address (RFC 3021), to /8
_FOUR: Final = 4
_OCTET: Final = 0xFF
_DATAGRAMS: Final = {"type": (2, 3, 5), "protocol": (1, 17, 58, 136, 255)}
"""Types and protocols of sockets that may send to several machines at once."""
_UNIX: Final = FAMILIES["unix"]
_DHCP: Final = 68
_UDP: Final = 17
_DGRAM: Final = 2
_CLIENTS: Final = (b"dhc", b"networkd", b"NetworkManager", b"nm-")


@check
def family_of_one_version(policy: Policy, host: Host) -> Iterator[Issue]:
    """A refusal for sockets of IPv4 alone: those of IPv6 reach IPv4, too."""
    del host
    for rule, condition in _refusing(policy, Dim.FAMILY):
        if condition.negate or Op.SOCKET in kernel_operations(rule):
            continue
        if _has(condition, FAMILIES["inet"]) and not _has(condition, FAMILIES["inet6"]):
            yield info(
                condition.span or rule.span,
                "family is that of the socket, and an inet6 socket also sends to IPv4 addresses: "
                "write [inet, inet6], or name the addresses instead",
            )


@check
def port_that_the_kernel_picks(policy: Policy, host: Host) -> Iterator[Issue]:
    """A refusal to bind to ports that the kernel may pick for port 0."""
    del host
    low, high = CHOSEN_PORTS
    for rule, condition in _refusing(policy, Dim.PORT):
        if condition.negate or Op.BIND not in kernel_operations(rule) or _has(condition, 0):
            continue
        met = [v for v in condition.values if isinstance(v, Interval)]
        if any(v.low <= end <= v.high for v in met for end in (low, high)):
            continue  # the rule has port 0 as well
        if any(v.low <= high and v.high >= low for v in met):
            yield info(
                condition.span or rule.span,
                "the kernel may choose one of these ports for a socket that asks for none: name them in "
                "net.ipv4.ip_local_reserved_ports, or add 0 to the ports",
            )


@check
def local_address_of_many(policy: Policy, host: Host) -> Iterator[Issue]:
    """A refusal of one local address: a socket that binds to all addresses has it, too."""
    del host
    for rule, condition in _refusing(policy, Dim.ADDR):
        if condition.negate or not _LOCAL & kernel_operations(rule):
            continue
        values = [v for v in condition.values if isinstance(v, Address)]
        if not any(v.low <= number <= v.high for v in values for number in _ANY):
            yield info(
                condition.span or rule.span,
                'a socket that is bound to 0.0.0.0 or "::" has this address, too, but the rule '
                "does not match it: add these addresses, or name only the port",
            )


@check
def address_of_one_machine(policy: Policy, host: Host) -> Iterator[Issue]:
    """A refusal of one machine's address: datagrams to broadcast and multicast addresses reach it, too."""
    del host
    for rule, condition in _refusing(policy, Dim.ADDR):
        if condition.negate or Op.SEND not in kernel_operations(rule) or _is_of_streams(rule):
            continue
        missing = _unnamed([v for v in condition.values if isinstance(v, Address)])
        if missing:
            yield info(
                condition.span or rule.span,
                f"datagrams to {' and '.join(dict.fromkeys(kind for kind, _ in missing))} addresses reach "
                f"this machine as well: add {', '.join(what for _, what in missing)}",
            )


def _unnamed(values: Sequence[Address]) -> list[tuple[str, str]]:
    """Kind and name of what reaches the machines of *values*, too, of the same version of IP, and is not in them."""
    machines = [v for v in values if not any(_is_within(v, r) for r in (*_OWN, *_GROUPS))]
    hosts = [v for v in machines if _overlaps(v, _VERSION_4)]
    missing = []
    if hosts and not any(_overlaps(v, _BROADCAST) for v in values):
        missing.append(("broadcast", "255.255.255.255"))
    if _lacks_broadcast(hosts, values):
        missing.append(("broadcast", "the broadcast address of its network"))
    if hosts and not any(_overlaps(v, _GROUPS_4) for v in values):
        missing.append(("multicast", "224.0.0.0/4"))
    if len(hosts) < len(machines) and not any(_overlaps(v, _GROUPS_6) for v in values):
        missing.append(("multicast", '"ff00::/8"'))
    return missing


def _lasts(host: Address) -> set[int]:
    """Return the last addresses of the networks that *host* may be in. Which of them it is in is not known here."""
    low, high = max(host.low, _VERSION_4[0]), min(host.high, _VERSION_4[1])
    lasts = {low | (1 << bits) - 1 for bits in _HOST_BITS}
    if high - low < _FOUR - 1 and high & _OCTET != _OCTET:
        lasts.discard(high)  # more likely a machine than the last address of a network of four
    return {last for last in lasts if last >= high} or {high}


def _lacks_broadcast(hosts: Sequence[Address], values: Sequence[Address]) -> bool:
    """Whether for one of *hosts*, which is no broadcast address of another, no broadcast address is in *values*."""
    lasts = {host: _lasts(host) for host in hosts}
    return any(
        not any(_overlaps(value, (last, last)) for value in values for last in own)
        for host, own in lasts.items()
        if not any(host.low == host.high and host.low in others for others in lasts.values())
    )


def _is_of_streams(rule: Rule) -> bool:
    return any(
        c.field.name in ("protocol", "type")
        and not c.negate
        and not any(_has(c, n) for n in _DATAGRAMS[c.field.name])
        for c in rule.conditions
    )


def _is_within(value: Address, among: tuple[int, int]) -> bool:
    low, high = among
    return low <= value.low and value.high <= high


def _overlaps(value: Address, among: tuple[int, int]) -> bool:
    low, high = among
    return value.low <= high and low <= value.high


@check
def sockets_of_the_machine(policy: Policy, host: Host) -> Iterator[Issue]:
    """A refusal of all connections: those to unix sockets and to the resolver are among them."""
    del host
    is_lifted = False
    for rule in policy.rules:
        if rule.event != "network":
            continue
        if rule.action.verb is Verb.ALLOW:
            is_lifted = is_lifted or _is_about_unix(rule)
        elif (
            rule.action.verb >= Verb.DENY
            and not (rule.conditions or rule.flags or is_lifted)
            and kernel_operations(rule) & {Op.CONNECT, Op.SEND}
        ):
            yield warning(
                rule.span,
                f"rule {rule.name!r} names neither address nor family, so it also refuses unix sockets "
                "(the journal, D-Bus, databases) and DNS: write match: {family: [inet, inet6]} or "
                "addresses, and allow port 53 of the resolver in a rule above",
            )


@check
def dhcp_port(policy: Policy, host: Host) -> Iterator[Issue]:
    """A refusal to bind to low ports that the DHCP client needs to keep the machine's address."""
    del host
    is_lifted = bool(policy.selector)
    for rule in policy.rules:
        ports = [c for c in rule.conditions if c.field.dim is Dim.PORT]
        if rule.event != "network" or Op.BIND not in kernel_operations(rule) or not ports:
            continue
        if not all(_has(c, _DHCP) is not c.negate for c in ports) or _is_without_datagrams(rule):
            continue
        if rule.action.verb is Verb.ALLOW:
            is_lifted = True
        elif (
            rule.action.verb >= Verb.DENY
            and not is_lifted
            and not any(_is_only(c, _DHCP) for c in ports)
            and not rule.subject.process
            and not _excepts_clients(rule)
        ):
            yield warning(
                ports[0].span or rule.span,
                f"rule {rule.name!r} also refuses UDP port {_DHCP}, by which the DHCP client renews the "
                "machine's address: name protocol tcp, or except the client by notProcess",
            )


def _is_about_unix(rule: Rule) -> bool:
    families = [c for c in rule.conditions if c.field.dim is Dim.FAMILY]
    if any(isinstance(v, Text) for c in rule.conditions for v in c.values):
        return True  # a path, or an abstract name
    return not rule.conditions or any(_has(c, _UNIX) is not c.negate for c in families)


def _is_without_datagrams(rule: Rule) -> bool:
    by_dim = {Dim.PROTOCOL: _UDP, Dim.TYPE: _DGRAM}
    asked = [c for c in rule.conditions if c.field.dim in by_dim]
    return any(_has(c, by_dim[c.field.dim]) is c.negate for c in asked if c.field.dim)


def _excepts_clients(rule: Rule) -> bool:
    for process in (rule.subject.not_process, rule.subject.not_lineage):
        for condition in process.conditions:
            if any(
                isinstance(v, Text) and any(c in v.value for c in _CLIENTS)
                for v in condition.values
            ):
                return True
            if condition.field.name in {"uid", "user", "euid"} and _has(condition, 0):
                return True
    return False


def _is_only(condition: Condition, number: int) -> bool:
    return all(isinstance(v, Interval) and v.low == v.high == number for v in condition.values)


def _refusing(policy: Policy, dim: Dim) -> Iterator[tuple[Rule, Condition]]:
    for rule in policy.rules:
        if rule.event == "network" and rule.action.verb >= Verb.DENY:
            for condition in rule.conditions:
                if condition.field.dim is dim:
                    yield rule, condition


def _has(condition: Condition, number: int) -> bool:
    return any(isinstance(v, Interval) and v.low <= number <= v.high for v in condition.values)
