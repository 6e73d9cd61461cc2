# SPDX-License-Identifier: MIT
"""
At which operations the kernel side asks about a rule.
"""

from __future__ import annotations

from enforcer.policy.language.kinds import Op
from enforcer.policy.language.operations import BY_DESCRIPTOR
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.loaders import loaded_ops
from enforcer.policy.model.policy import Rule

__all__ = ["decided_operations"]


def decided_operations(rule: Rule, *, by_loader: bool) -> frozenset[Op]:
    """
    Return the operations at which *rule* is asked, by loaders and on open descriptors, too.

    *by_loader*: :func:`~enforcer.policy.model.loaders.is_asked` of its policy.
    """
    ops = kernel_operations(rule) | loaded_ops(rule, asked=by_loader)
    return ops | {BY_DESCRIPTOR[op] for op in ops & BY_DESCRIPTOR.keys()} if rule.strict else ops
