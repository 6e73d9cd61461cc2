# SPDX-License-Identifier: MIT
"""
Rules that a kernel cannot enforce before the effect: refused, unless somebody asked for less.
"""

from __future__ import annotations

import signal

import attrs

from enforcer.errors import PolicyError, PolicyErrors
from enforcer.policy.model import Policy, PolicySet, Rule, Verb

__all__ = ["degrade"]


def degrade(policies: PolicySet, why: str) -> PolicySet:
    """
    Return *policies* for a kernel that cannot refuse system calls at their entry.

    Rules that refuse such calls kill after the fact instead, where that is allowed: by the policy, or
    by the operator for all.

    Args:
        policies: as they were read.
        why: what this kernel lacks, the beginning of a sentence.

    Raises:
        PolicyErrors: every rule for which it is not allowed, with its place.
    """
    refused = [
        PolicyError(
            f"{why}, so rule {rule.name!r} could only kill after the call has taken effect: match what "
            "the call does instead, or allow that with allowDegraded: true",
            rule.span,
        )
        for policy in policies.policies
        for rule in policy.rules
        if _is_late(rule) and not policy.allow_degraded
    ]
    if refused:
        raise PolicyErrors(refused)
    return PolicySet(tuple(map(_killing, policies.policies)))


def _killing(policy: Policy) -> Policy:
    rules = tuple(
        attrs.evolve(rule, action=attrs.evolve(rule.action, verb=Verb.KILL, signal=signal.SIGKILL))
        if _is_late(rule) and rule.action.verb is Verb.DENY
        else rule
        for rule in policy.rules
    )
    return attrs.evolve(policy, rules=rules)


def _is_late(rule: Rule) -> bool:
    return bool(rule.calls) and rule.action.verb >= Verb.DENY
