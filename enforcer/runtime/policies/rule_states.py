# SPDX-License-Identifier: MIT
"""The rules of one policy, as ``policy show`` lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.compiler import RowKind
from enforcer.policy.model.policy import Policy, PolicySet
from enforcer.runtime.policies.compilation import prepare, without_marks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.runtime.control.policy_answers import RuleState
    from enforcer.runtime.sessions.counts import Ledger

__all__ = ["rule_states"]


def rule_states(policy: Policy, counts: Ledger) -> Iterator[RuleState]:
    """
    Describe each rule of *policy*, with how often it decided by *counts*.

    Raises:
        EnforcerError: the policy cannot be compiled.
    """
    # Alone: nothing that is told of a row is about marks of other policies.
    image = prepare(PolicySet((without_marks(policy),))).image
    permitting, before = frozenset(policy.permitting), None
    for number, row in enumerate(image.rows):
        if row.kind is RowKind.GUARD or row == before:
            continue  # counted with its rule; a rule with alternatives has a row for each
        before = row
        of_rule = counts.of_rule(policy.name, row.rule)
        yield {
            "rule": row.rule,
            "place": str(row.span),
            "says": image.explain(number),
            "enforced": of_rule.enforced,
            "refused": 0 if row.rule in permitting else of_rule.enforced,
            "audited": of_rule.audited,
        }
