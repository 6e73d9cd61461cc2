# SPDX-License-Identifier: MIT
"""Checks for rules on sockets that cover less than they seem to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from enforcer.policy.language.sockets import FAMILIES
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.lint.issues import Host, Issue, check, info
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.policy import Address, Condition, Interval, Policy, Rule, Verb

__all__ = ["family_of_one_version", "local_address_of_many", "port_that_the_kernel_picks"]

_PICKED: Final = (32768, 60999)  # net.ipv4.ip_local_port_range, unless root has changed it
_LOCAL: Final = frozenset({Op.BIND, Op.LISTEN, Op.ACCEPT})
_ANY: Final = (0, 0xFFFF << 32)  # :: and 0.0.0.0


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
    low, high = _PICKED
    for rule, condition in _refusing(policy, Dim.PORT):
        if condition.negate or Op.BIND not in kernel_operations(rule) or _has(condition, 0):
            continue
        if any(
            isinstance(v, Interval) and v.low <= high and v.high >= low for v in condition.values
        ):
            yield info(
                condition.span or rule.span,
                "for a bind to port 0 the kernel picks the port after this rule has decided: add "
                "0 to the ports, or refuse listen, where the port is known",
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


def _refusing(policy: Policy, dim: Dim) -> Iterator[tuple[Rule, Condition]]:
    for rule in policy.rules:
        if rule.event == "network" and rule.action.verb >= Verb.DENY:
            for condition in rule.conditions:
                if condition.field.dim is dim:
                    yield rule, condition


def _has(condition: Condition, number: int) -> bool:
    return any(isinstance(v, Interval) and v.low <= number <= v.high for v in condition.values)
