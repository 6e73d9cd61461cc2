# SPDX-License-Identifier: MIT
"""
Remarks on policies that are valid but may not be meant.
"""

from __future__ import annotations

import attrs

from enforcer.policy import checks, danger, shadow
from enforcer.policy.issues import CHECKS, Host, Issue, Severity
from enforcer.policy.model import PolicySet

__all__ = ["CHECKS", "Host", "Issue", "Severity", "lint"]

# Importing them has filled the registry.
_SOURCES = (checks, danger, shadow)


def lint(policies: PolicySet, host: Host | None = None) -> tuple[Issue, ...]:
    """Run every check over every policy; remarks come by place, each once."""
    host = host or Host()
    found = {
        attrs.evolve(issue, check=name): None
        for policy in policies.policies
        for name, function in CHECKS.items()
        for issue in function(policy, host)
    }
    return tuple(sorted(found, key=lambda i: (i.span.file, i.span.line, i.span.column)))
