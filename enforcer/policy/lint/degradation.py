# SPDX-License-Identifier: MIT
"""
Refuse rules that this kernel cannot enforce before the effect, or not every time, unless the policy
accepts that.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Container, Iterable

import attrs

from enforcer.errors import PolicyError, PolicyErrors
from enforcer.policy.model.points import PointKind
from enforcer.policy.model.policy import Mode, Policy, PolicySet, Rule, Verb
from enforcer.span import Span

__all__ = ["Gap", "degrade", "is_at_call"]


@attrs.frozen
class Gap:
    """
    Why this kernel does not decide every operation at some of its places.

    Attributes:
        why: what it does, the beginning of a sentence.
        remedy: what would help, the end of one.
        at_calls: it is so at system calls and functions; else at hooks.
    """

    why: str
    remedy: str
    at_calls: bool = False


def degrade(
    policies: PolicySet, why: Callable[[Rule], str | None], gaps: Iterable[Gap] = ()
) -> PolicySet:
    """
    Return *policies* for a kernel that cannot refuse everything that they refuse, or not every time.

    Rules that come too late kill after the fact instead, where that is allowed: by the policy, or by
    the operator for all. A policy that only records may miss a record; that is counted, so it is accepted.

    Args:
        policies: as they were read.
        why: what this kernel lacks for a rule, the beginning of a sentence; None: nothing.
        gaps: where it does not decide every operation.

    Raises:
        PolicyErrors: every rule that is late and every policy that would not prevent every time, for which
            that is not allowed, with its place: that of the policy's first such rule.
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
    refused += [
        PolicyError(
            f"{gap.why}, so policy {policy.name!r} would not prevent every time: {gap.remedy}, only "
            "record (mode: audit), or accept that with allowDegraded: true",
            span,
        )
        for gap in gaps
        for policy in policies.policies
        if policy.mode is Mode.ENFORCE and not policy.allow_degraded
        for span in _prevents(policy, late, at_calls=gap.at_calls)[:1]
    ]
    if refused:
        raise PolicyErrors(refused)
    return PolicySet(tuple(_killing(policy, late) for policy in policies.policies))


def is_at_call(rule: Rule) -> bool:
    """Tell whether *rule* is about a system call or a function of the kernel, and not about a hook."""
    if rule.point is None:
        return bool(rule.calls)
    return rule.point.kind is not PointKind.LSM


def _prevents(policy: Policy, late: Container[int], *, at_calls: bool) -> list[Span]:
    """Return the places where *policy* refuses; of what is late anyway, enough is said."""
    rules = [
        rule.span
        for rule in policy.rules
        if rule.action.verb >= Verb.DENY and id(rule) not in late and is_at_call(rule) is at_calls
    ]
    if at_calls:
        return rules
    defaults = [policy.span for action in policy.defaults.values() if action.verb >= Verb.DENY]
    return rules + defaults


def _killing(policy: Policy, late: Container[int]) -> Policy:
    rules = tuple(
        attrs.evolve(rule, action=attrs.evolve(rule.action, verb=Verb.KILL, signal=signal.SIGKILL))
        if id(rule) in late and rule.action.verb is Verb.DENY
        else rule
        for rule in policy.rules
    )
    return attrs.evolve(policy, rules=rules)
