# SPDX-License-Identifier: MIT
"""Changes that make a list of a rule longer by what an access had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.policy.language.vocabulary import BITS, Dim
from enforcer.policy.language.vocabulary import Kind as FieldKind
from enforcer.policy.model.policy import Condition, Policy, Rule, Verb
from enforcer.policy.readers.syscalls import NAMED, PASSED
from enforcer.workbench.explain.change import Change, replaced
from enforcer.workbench.explain.judge import Answer, Judge, Kind
from enforcer.workbench.explain.logic import Truth
from enforcer.workbench.explain.values import longer, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.workbench.explain.access import Facts
    from enforcer.workbench.explain.conditions import Part

__all__ = ["exceptions", "extensions"]

_LISTED = BITS | {FieldKind.UNIT, FieldKind.CGROUP}
_OF_CALLS = (NAMED, PASSED)


def exceptions(policy: Policy, rule: Rule, facts: Facts) -> Iterator[Change]:
    """Add what acted, or was acted on, to a list of exceptions that the rule has already."""
    wanted = rule.subject.not_process
    if len(wanted.conditions) == 1 and not wanted.flags:
        (condition,) = wanted.conditions
        exe = facts.process.exe
        is_program = condition.field.dim == Dim.EXE and not condition.negate
        if is_program and isinstance(exe, bytes) and (more := longer(condition, exe)):
            subject = attrs.evolve(
                rule.subject, not_process=attrs.evolve(wanted, conditions=(more,))
            )
            yield Change(
                condition.span or rule.span,
                f"add {written(exe, condition.field)} to notProcess.binary of rule {rule.name}",
                replaced(policy, rule, attrs.evolve(rule, subject=subject)),
            )
    for condition in rule.conditions:
        operand = _operand(facts, condition)
        if condition.negate and operand is not None and (more := longer(condition, operand)):
            yield Change(
                condition.span or rule.span,
                f"add {written(operand, condition.field)} to the exceptions of "
                f"{condition.field.name} in rule {rule.name}",
                replaced(policy, rule, _with(rule, condition, more)),
            )


def extensions(judge: Judge, policy: Policy, answer: Answer, facts: Facts) -> Iterator[Change]:
    """Let an earlier rule that allows, and that fails in one thing only, allow that, too."""
    for earlier in judge.answers(policy, facts):
        rule = earlier.entry.rule
        if earlier.entry == answer.entry:
            return
        if rule is None or earlier.entry.kind is not Kind.RULE or earlier.verb >= Verb.DENY:
            continue
        others = [part for part in earlier.parts if part.holds is not Truth.TRUE]
        if len(others) != 1 or others[0].is_turned:
            continue
        yield from _extension(policy, rule, others[0])


def _extension(policy: Policy, rule: Rule, part: Part) -> Iterator[Change]:
    condition, operand = part.condition, part.found
    if not isinstance(condition, Condition) or condition.negate or part.holds is not Truth.FALSE:
        return
    field = condition.field
    if not isinstance(operand, bytes | int) or field.kind in _LISTED or field in _OF_CALLS:
        return
    condition = condition.as_written
    if (more := longer(condition, operand)) is None:
        return
    if condition in rule.conditions:
        changed = _with(rule, condition, more)
    elif condition in rule.subject.process.conditions:
        conditions = tuple(more if c == condition else c for c in rule.subject.process.conditions)
        process = attrs.evolve(rule.subject.process, conditions=conditions)
        changed = attrs.evolve(rule, subject=attrs.evolve(rule.subject, process=process))
    else:
        return
    yield Change(
        condition.span or rule.span,
        f"add {written(operand, condition.field)} to {part.where} of rule {rule.name}, "
        f"which {_verb(rule)}",
        replaced(policy, rule, changed),
    )


def _verb(rule: Rule) -> str:
    return "allows" if rule.action.verb is Verb.ALLOW else "logs"


def _operand(facts: Facts, condition: Condition) -> bytes | int | None:
    field = condition.field
    if field.dim == Dim.ARG_ANY or field.kind in _LISTED or field in _OF_CALLS:
        return None
    found = facts.operand(condition)
    return found if isinstance(found, bytes | int) else None


def _with(rule: Rule, condition: Condition, other: Condition) -> Rule:
    conditions = tuple(other if c == condition else c for c in rule.conditions)
    return attrs.evolve(rule, conditions=conditions)
