# SPDX-License-Identifier: MIT
"""One change of a policy."""

from __future__ import annotations

import attrs

from enforcer.policy.model.policy import Policy, Rule
from enforcer.span import Span

__all__ = ["Change", "replaced"]


@attrs.frozen
class Change:
    """
    One change.

    Attributes:
        place: where in the file.
        says: what to do there, in a sentence.
        snippet: lines of YAML to put there, if any.
        policy: what the policy would be.
    """

    place: Span
    says: str
    policy: Policy = attrs.field(repr=False)
    snippet: tuple[str, ...] = ()


def replaced(policy: Policy, rule: Rule, other: Rule) -> Policy:
    """Return *policy* with *other* in the place of *rule*."""
    rules = tuple(other if each is rule else each for each in policy.rules)
    return attrs.evolve(policy, rules=rules)
