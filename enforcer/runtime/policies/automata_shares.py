# SPDX-License-Identifier: MIT
"""
What the policies of namespaces may take of the automata that an engine has for all patterns.

How many a pattern needs depends on the others: hundreds that begin alike fit into one, and a few that begin with
wildcards do not. So policies are not estimated but compiled, those of a namespace by themselves, and only where all
together have come to more than one namespace may have. What is new is refused; what was active has its room first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enforcer.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from enforcer.policy.model.policy import Policy

__all__ = ["OF_ALL", "OF_ONE", "alone", "beyond"]

OF_ONE: Final = 16
"""Automata for the policies of one namespace. 30 patterns such as ``/**/*a*b*c`` take some twenty."""

OF_ALL: Final = 48
"""For those of all namespaces, of 64: the rest is for policies without one, which may have to hold everywhere."""


def beyond(
    policies: Iterable[Policy],
    is_new: Callable[[Policy], bool],
    count: Callable[[Sequence[Policy]], int],
    total: int,
) -> Iterator[PolicyError]:
    """
    Yield an error for each new policy of a namespace that has no room beside those in front of it.

    Args:
        policies: all that are to be active.
        is_new: whether one was not active before.
        count: compiles some of them by themselves, and returns how many automata they need.
        total: how many all of them need.
    """
    if total <= OF_ONE:
        return
    tenants = [policy for policy in policies if policy.namespace]
    refused: set[str] = set()
    for namespace in sorted({policy.namespace for policy in tenants if is_new(policy)}):
        mine = [policy for policy in tenants if policy.namespace == namespace]
        for policy in _beyond(mine, is_new, count, OF_ONE):
            refused.add(policy.name)
            yield _error(f"the policies of namespace {namespace}", policy, OF_ONE)
    if total <= OF_ALL:
        return
    rest = [policy for policy in tenants if policy.name not in refused]
    for policy in _beyond(rest, is_new, count, OF_ALL):
        yield _error("the policies of all namespaces", policy, OF_ALL)


def alone(policies: Iterable[Policy], total: int) -> Iterator[PolicyError]:
    """Yield an error for each of *policies*, those of one file, if they need *total* automata and may not."""
    for policy in policies:
        if policy.namespace and total > OF_ONE:
            yield _error(f"the policies of namespace {policy.namespace}", policy, OF_ONE)


def _beyond(
    policies: list[Policy],
    is_new: Callable[[Policy], bool],
    count: Callable[[Sequence[Policy]], int],
    most: int,
) -> list[Policy]:
    """Return those of the new ones that have no room, found by halving."""
    new = [policy for policy in policies if is_new(policy)]
    if not new or count(policies) <= most:
        return []
    old = [policy for policy in policies if not is_new(policy)]
    fits, fails = 0, len(new)
    while fails - fits > 1:
        half = (fits + fails) // 2
        if count([*old, *new[:half]]) <= most:
            fits = half
        else:
            fails = half
    # Of none it is not known whether it fits: then what was active is too much, and nothing new comes to it.
    return new[fits:]


def _error(whose: str, policy: Policy, most: int) -> PolicyError:
    return PolicyError(
        f"{whose} would need more than {most} automata for patterns: write them with fewer wildcards between "
        "literals, or let patterns begin with a folder",
        policy.span,
    )
