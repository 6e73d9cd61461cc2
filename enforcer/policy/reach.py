# SPDX-License-Identifier: MIT
"""
Checks for what a rule cannot reach, though its author may think so. The documentation of the operation says the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from enforcer.policy.coverage import kernel_operations
from enforcer.policy.globs import literal_directory
from enforcer.policy.issues import Host, Issue, check, info, warning
from enforcer.policy.model import Policy, Text, TextKind, Verb
from enforcer.policy.vocabulary import Dim, Op

__all__ = ["made_by_source", "mapped_before", "spelled_otherwise"]

_KNOWN_LATER = frozenset({"source", "mountFlags"})


@check
def mapped_before(policy: Policy, host: Host) -> Iterator[Issue]:
    """A strict rule, and memory."""
    del host
    for rule in policy.rules:
        if rule.strict and rule.action.verb >= Verb.DENY:
            yield info(
                rule.span,
                f"rule {rule.name!r} is strict, but memory that was mapped before it came stays mapped: "
                "start processes anew that may have it",
            )


@check
def made_by_source(policy: Policy, host: Host) -> Iterator[Issue]:
    """A rule on what is not known of a file system that is made and never attached."""
    del host
    for rule in policy.rules:
        asked = {c.field.name for c in rule.conditions} & _KNOWN_LATER
        if rule.action.verb >= Verb.DENY and asked and Op.MOUNT in kernel_operations(rule):
            yield info(
                rule.span,
                f"rule {rule.name!r} does not meet a file system that is used by the descriptor of fsmount and "
                f"never attached, since {' and '.join(sorted(asked))} are not known then: name its fsType",
            )


@check
def spelled_otherwise(policy: Policy, host: Host) -> Iterator[Issue]:
    """A path where names have several spellings, of which a rule that refuses meets one."""
    for rule in policy.rules:
        for condition in rule.conditions:
            if rule.action.verb < Verb.DENY or condition.field.dim is not Dim.PATH:
                continue
            for value in condition.values:
                if not isinstance(value, Text) or value.span is None:
                    continue
                is_whole = value.kind is TextKind.EXACT
                path = value.value if is_whole else literal_directory(value)
                kind = host.folded_by(path) if path is not None else None
                if kind is not None:
                    yield warning(
                        value.span,
                        f"rule {rule.name!r} is about names on {kind}, where a file is found by other spellings, "
                        "too (of another case, or a short name), which the rule does not meet: refuse by the "
                        "directory where it is mounted",
                    )
