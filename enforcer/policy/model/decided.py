# SPDX-License-Identifier: MIT
"""
At which operations the kernel side asks about a rule.
"""

from __future__ import annotations

from enforcer.policy.language.kinds import Op
from enforcer.policy.language.operations import BY_DESCRIPTOR
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.loaders import loaded_ops
from enforcer.policy.model.policy import Rule, Verb

__all__ = ["decided_operations", "settled_operations"]


def decided_operations(rule: Rule, *, by_loader: bool) -> frozenset[Op]:
    """
    Return the operations at which *rule* is asked, by loaders and on open descriptors, too.

    *by_loader*: :func:`~enforcer.policy.model.loaders.is_asked` of its policy.
    """
    ops = kernel_operations(rule) | loaded_ops(rule, asked=by_loader)
    return ops | _by_descriptor(ops) if rule.strict else ops


def settled_operations(rule: Rule, *, by_loader: bool) -> frozenset[Op]:
    """
    Return the operations at which no rule below is asked where *rule* matches.

    What may be opened may be used on the open descriptor, whatever a strict rule below says.
    """
    ops = decided_operations(rule, by_loader=by_loader)
    is_open = rule.action.verb < Verb.DENY and not rule.only_marks
    return ops | _by_descriptor(ops) if is_open else ops


def _by_descriptor(ops: frozenset[Op]) -> frozenset[Op]:
    return frozenset(BY_DESCRIPTOR[op] for op in ops & BY_DESCRIPTOR.keys())
