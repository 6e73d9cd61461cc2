# SPDX-License-Identifier: MIT
"""
The smallest changes of a policy that would allow an access.

Each change is made on the model and judged again. One that does not allow the access is not proposed. No
file is written: the user decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import OnError, Policy, Verb
from enforcer.workbench.explain.change import Change, replaced
from enforcer.workbench.explain.judge import Answer, Judge, Kind
from enforcer.workbench.explain.logic import Truth
from enforcer.workbench.explain.longer_lists import exceptions, extensions
from enforcer.workbench.explain.new_rule import new_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.workbench.explain.access import Facts

__all__ = ["changes"]


def changes(judge: Judge, policy: Policy, answer: Answer, facts: Facts) -> list[Change]:
    """Return the changes that make *policy*, which refuses by *answer*, allow the access."""
    candidates = _candidates(judge, policy, answer, facts)
    return [c for c in candidates if not _refuses(judge, c.policy, answer, facts)]


def _refuses(judge: Judge, policy: Policy, answer: Answer, facts: Facts) -> bool:
    """
    Tell whether *policy* still refuses the access.

    Where the record says too little of whom a rule is about, the one that refused it is known to be
    about whoever that was, and those in front of it are not.
    """
    for after in judge.answers(policy, facts):
        is_same = (after.entry.kind, after.entry.name) == (answer.entry.kind, answer.entry.name)
        if after.matches or (is_same and after.holds is Truth.UNRECORDED):
            return after.verb >= Verb.DENY
    return False


def _candidates(judge: Judge, policy: Policy, answer: Answer, facts: Facts) -> Iterator[Change]:
    """Yield changes, those that are the least to write first."""
    if answer.entry.rule is not None and answer.entry.kind is Kind.RULE:
        yield from exceptions(policy, answer.entry.rule, facts)
    yield from extensions(judge, policy, answer, facts)
    yield from new_rule(policy, answer, facts)
    rule = answer.entry.rule
    if rule is not None and answer.holds is Truth.UNKNOWN:
        changed = replaced(policy, rule, attrs.evolve(rule, on_error=OnError.SKIP))
        yield Change(
            rule.span,
            f"set onError: allow in rule {rule.name}; it then refuses nothing if an operand "
            "cannot be read",
            changed,
        )
    if rule is not None and answer.entry.kind is Kind.RULE and Op.EXEC_LOADED in facts.ops:
        changed = replaced(policy, rule, attrs.evolve(rule, loader=False))
        yield Change(
            rule.span,
            f"set loader: false in rule {rule.name}; a loader may then run what the rule refuses",
            changed,
        )
    if rule is not None and answer.entry.kind is Kind.GUARD:
        changed = replaced(policy, rule, attrs.evolve(rule, guard=False))
        yield Change(
            rule.span,
            f"set guard: false in rule {rule.name}; anybody may then rename what the rule names",
            changed,
        )
