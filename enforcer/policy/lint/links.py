# SPDX-License-Identifier: MIT
"""Checks for symbolic links on the way of what a policy names."""

from __future__ import annotations

from collections.abc import Iterator

from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.vocabulary import Dim
from enforcer.policy.lint.issues import Host, Issue, check, warning
from enforcer.policy.model.glob_match import literal_directory
from enforcer.policy.model.policy import Condition, Policy, Text, TextKind
from enforcer.policy.model.workloads import named_inside, seen_inside

__all__ = ["link_of_others"]


@check
def link_of_others(policy: Policy, host: Host) -> Iterator[Issue]:
    """A link that somebody other than root can have made, where following it would permit more."""
    for condition in _cautious(policy):
        for value in condition.values:
            if not isinstance(value, Text) or value.span is None:
                continue
            path: bytes | None = value.value
            if value.kind is not TextKind.EXACT:
                path = literal_directory(value)
            if path is not None and (link := host.link_of_others(path)) is not None:
                yield warning(
                    value.span,
                    f"the link {link.decode(errors='replace')} is not followed, since others than root can "
                    "have made it, and what it leads to would be permitted: write where it leads, or "
                    "have the link and the directories above it belong to root",
                )


def _cautious(policy: Policy) -> Iterator[Condition]:
    """Yield the conditions for which only links by root count."""
    for rule in (None, *policy.rules):
        selector, subject = seen_inside(policy, rule)
        parts = (selector, *(getattr(subject, part.attribute) for part in SUBJECT_PARTS.values()))
        found = [condition for part in parts for condition in part.conditions]
        found += named_inside(policy, rule).conditions if rule is not None else ()
        for condition in found:
            if condition.by_root and condition.field.dim in {Dim.PATH, Dim.EXE}:
                yield condition
