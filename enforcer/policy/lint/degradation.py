# SPDX-License-Identifier: MIT
"""
Refuse rules that this kernel cannot enforce before the effect, or not every time, unless the policy
accepts that.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import attrs

from enforcer.errors import PolicyError, PolicyErrors
from enforcer.policy.model.points import PointKind
from enforcer.policy.model.policy import Mode, Policy, PolicySet, Rule, Verb
from enforcer.span import Span

__all__ = ["degrade", "require_certainty"]


def degrade(policies: PolicySet, why: Callable[[Rule], str | None]) -> PolicySet:
    """
    Return *policies* for a kernel that cannot refuse everything that they refuse.

    Rules that come too late kill after the fact instead, where that is allowed: by the policy, or by
    the operator for all.

    Args:
        policies: as they were read.
        why: what this kernel lacks for a rule, the beginning of a sentence; None: nothing.

    Raises:
        PolicyErrors: every rule for which it is not allowed, with its place.
    """
    late = {
        id(rule): reason
        for policy in policies.policies
        for rule in policy.rules
        if rule.action.verb >= Verb.DENY and (reason := why(rule)) is not None
    }
    refused = [
        PolicyError(
            f"{late[id(rule)]}, so rule {rule.name!r} could only kill after the call has taken "
            "effect: match what the call does instead, or accept that with allowDegraded: true",
            rule.span,
        )
        for policy in policies.policies
        for rule in policy.rules
        if id(rule) in late and not policy.allow_degraded
    ]
    if refused:
        raise PolicyErrors(refused)
    return PolicySet(tuple(_killing(policy, late) for policy in policies.policies))


def require_certainty(policies: PolicySet, why: str, remedy: str) -> None:
    """
    Refuse policies that would have to prevent what this kernel's hooks do not decide by the rules at times.

    A policy that only records may miss a record; that is counted, so the policy is accepted.

    Args:
        policies: as they were read.
        why: what this kernel does, the beginning of a sentence.
        remedy: what would help, the end of one.

    Raises:
        PolicyErrors: every policy for which it is not allowed, with the place of its first such rule.
    """
    refused = [
        PolicyError(
            f"{why}, so policy {policy.name!r} would not prevent every time: {remedy}, only "
            "record (mode: audit), or accept that with allowDegraded: true",
            span,
        )
        for policy in policies.policies
        if policy.mode is Mode.ENFORCE and not policy.allow_degraded
        for span in _prevents_at_hooks(policy)[:1]
    ]
    if refused:
        raise PolicyErrors(refused)


def _prevents_at_hooks(policy: Policy) -> list[Span]:
    rules = [
        rule.span
        for rule in policy.rules
        if rule.action.verb >= Verb.DENY and not rule.calls
        if rule.point is None or rule.point.kind is PointKind.LSM
    ]
    defaults = [policy.span for action in policy.defaults.values() if action.verb >= Verb.DENY]
    return rules + defaults


def _killing(policy: Policy, late: dict[int, str]) -> Policy:
    rules = tuple(
        attrs.evolve(rule, action=attrs.evolve(rule.action, verb=Verb.KILL, signal=signal.SIGKILL))
        if id(rule) in late and rule.action.verb is Verb.DENY
        else rule
        for rule in policy.rules
    )
    return attrs.evolve(policy, rules=rules)
