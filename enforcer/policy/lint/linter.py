# SPDX-License-Identifier: MIT
"""Run all checks on policies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import attrs

from enforcer.policy.lint import (
    checks,
    contradictions,
    gaps,
    late_exec,
    lineages,
    links,
    lockout,
    odd_paths,
    shadowed,
    sockets,
)
from enforcer.policy.lint.issues import CHECKS, Check, Host, Issue, Severity
from enforcer.policy.model.policy import PolicySet

__all__ = ["CHECKS", "Host", "Issue", "Severity", "lint"]

# Importing them has filled the registry; remarks at one place come in this order.
_SOURCES = tuple(
    module.__name__
    for module in (
        checks,
        lockout,
        lineages,
        gaps,
        sockets,
        contradictions,
        late_exec,
        shadowed,
        odd_paths,
        links,
    )
)


def lint(
    policies: PolicySet,
    host: Host | None = None,
    *,
    dangers_only: bool = False,
    is_folded: bool = True,
) -> tuple[Issue, ...]:
    """
    Run every check over every policy; remarks come by place, each once.

    Args:
        policies: what to look at.
        host: what the checks may ask; default this machine.
        dangers_only: only the checks for what would lock everybody out, which take little time.
        is_folded: of a remark that is the same for many rules, leave the first, with their number.
    """
    host = host or Host()
    found = {
        attrs.evolve(issue, check=name): None
        for policy in policies.policies
        for name, function in sorted(CHECKS.items(), key=_rank)
        if not dangers_only or function.__module__ == lockout.__name__
        for issue in function(policy, host)
    }
    by_place = sorted(found, key=lambda i: (i.span.file, i.span.line, i.span.column))
    return tuple(_folded(by_place) if is_folded else by_place)


def _rank(named: tuple[str, Check]) -> int:
    return _SOURCES.index(named[1].__module__)


def _folded(issues: list[Issue]) -> Iterator[Issue]:
    """Of what is said once of many rules, leave the first, with their number."""
    many = Counter(issue.check for issue in issues if issue.folds)
    said = set()
    for issue in issues:
        if not issue.folds:
            yield issue
        elif issue.check not in said:
            said.add(issue.check)
            yield attrs.evolve(issue, others=many[issue.check] - 1)
