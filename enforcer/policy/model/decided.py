# SPDX-License-Identifier: MIT
"""
At which operations the kernel side asks about a rule.
"""

from __future__ import annotations

from enforcer.policy.language.kinds import Op
from enforcer.policy.language.operations import OPERATION_TABLE
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.loaders import loaded_ops
from enforcer.policy.model.policy import Rule

__all__ = ["BY_DESCRIPTOR", "decided_operations"]

BY_DESCRIPTOR: dict[Op, Op] = {
    op: row.by_descriptor for op, row in OPERATION_TABLE.items() if row.by_descriptor is not None
}
"""Of each way to open a file, what asks about it again when the descriptor is used."""


def decided_operations(rule: Rule, *, by_loader: bool) -> frozenset[Op]:
    """
    Return the operations at which *rule* is asked, by loaders and on open descriptors, too.

    *by_loader*: :func:`~enforcer.policy.model.loaders.is_asked` of its policy.
    """
    ops = kernel_operations(rule) | loaded_ops(rule, asked=by_loader)
    return ops | {BY_DESCRIPTOR[op] for op in ops & BY_DESCRIPTOR.keys()} if rule.strict else ops
