# SPDX-License-Identifier: MIT
"""
Which hook decides each rule and why, and which operands another thread could change meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.policy.kernel_types.operand_path import PointError, local_types
from enforcer.policy.language.operations import hooks_of
from enforcer.policy.language.vocabulary import Kind
from enforcer.policy.model.decided import decided_operations
from enforcer.policy.model.loaders import is_asked
from enforcer.policy.model.points import OperandType, PointKind
from enforcer.policy.model.policy import Verb
from enforcer.policy.readers.attempts import ended_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from enforcer.policy.language.vocabulary import Op
    from enforcer.policy.model.points import Operand, Point
    from enforcer.policy.model.policy import Policy, PolicySet, Rule

__all__ = ["Decided", "decided"]

_RACED = "can be raced: another thread can change it between the decision and its use"
_OUTRIGHT = frozenset((OperandType.TEXT, OperandType.BYTES, OperandType.SOCKADDR))
"""Operands that are read by whatever address they have; of the others only the kernel's are."""

_PLACES = {
    PointKind.LSM: "at LSM hook {}, before the effect",
    PointKind.KPROBE: "where function {} is entered",
    PointKind.KRETPROBE: "where function {} ends, after the effect",
    PointKind.TRACEPOINT: "at tracepoint {}, which cannot refuse",
    PointKind.RAW: "at raw tracepoint {}, which cannot refuse",
}


@attrs.frozen
class Decided:
    """Where one rule is decided, and further sentences on its limits."""

    policy: Policy
    rule: Rule
    says: str
    notes: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yield it as text."""
        yield f"{self.rule.span}: policy {self.policy.name}, rule {self.rule.name}: {self.says}"
        yield from (f"    {note}" for note in self.notes)


def decided(policies: PolicySet, late: Callable[[Rule], str | None]) -> Iterator[Decided]:
    """
    Yield where every rule is decided.

    *late* says why this kernel comes too late for a rule; None if it does not, or if that is not known.
    """
    for policy in policies.policies:
        by_loader = is_asked(policy)
        for rule in policy.rules:
            says = _place(rule, decided_operations(rule, by_loader=by_loader))
            notes = [*_doubts(rule), *_attempts(rule)]
            why = late(rule) if rule.action.verb >= Verb.DENY else None
            if why is not None:
                then = "kills after it" if policy.allow_degraded else "is refused"
                notes.append(f"{why}, so the rule {then} here")
            yield Decided(policy, rule, says, tuple(notes))


def _attempts(rule: Rule) -> Iterator[str]:
    """Say what is recorded of what the kernel refuses, and how far it can be relied on."""
    calls = ended_calls(rule)
    if not calls:
        return
    names = ", ".join(call.name for call in calls)
    yield (
        f"attempts: recorded when {names} fail with an error of the kernel itself; nothing is "
        "refused"
    )
    if all(call.is_nameless for call in calls):
        return
    yield (
        "attempts: the path is a string in the caller's memory, which another thread can change before "
        "it is recorded; symbolic links in it are not followed"
    )


def _place(rule: Rule, ops: Iterable[Op]) -> str:
    if rule.calls:
        names = ", ".join(call.name for call in rule.calls)
        return (
            f"syscall {names}, not lifted: decided where the call is entered, since no LSM hook "
            "stands for it"
        )
    if rule.point is not None:
        where = _PLACES[rule.point.kind].format(rule.point.name)
        if rule.lifted_from:
            return (
                f"{rule.lifted_from}, lifted: decided {where}, which it calls with the same "
                "arguments"
            )
        return f"{rule.point}: decided {where}, as the rule names it"
    hooks = hooks_of(ops)
    at = f"decided at LSM hook{'s' if len(hooks) > 1 else ''} {', '.join(hooks)}"
    written = f"syscall {rule.syscall}" if rule.syscall else rule.lifted_from
    if not written:
        return f"{_meaning(rule)}: {at}"
    return (
        f"{written}, lifted to {_meaning(rule)}: {at}, on the kernel's own objects, whichever "
        "system call reaches them"
    )


def _meaning(rule: Rule) -> str:
    if rule.event == "exec":
        return "exec"
    return f"{rule.event} {', '.join(operation.name for operation in rule.operations)}"


# ---- What could be changed ----------------------------------------------------------------------


def _doubts(rule: Rule) -> Iterator[str]:
    if rule.calls:
        texts = dict.fromkeys(
            "args" if c.index is None else f"args[{c.index}]"
            for c in rule.conditions
            if c.field.kind is Kind.ARGS
        )
        for name in texts:
            yield f"{name} is a string in the caller's memory, which {_RACED}"
    if rule.point is None:
        return
    for operand in dict.fromkeys(c.operand for c in rule.conditions if c.operand is not None):
        if _may_be_callers(rule.point, operand):
            yield f"{operand} may lie in the caller's memory, and then {_RACED}"


def _may_be_callers(point: Point, operand: Operand) -> bool:
    """
    Tell whether memory that *operand* is read from may be that of the process.

    Hooks are given the kernel's own copies, wherever the type of the argument says that it is a pointer;
    of functions nothing says whose memory they are given. A tracepoint's own strings are the kernel's.
    """
    is_read = operand.type in _OUTRIGHT or (operand.type is OperandType.NUMBER and operand.members)
    if not is_read:
        return False
    try:
        first = local_types().way(point, operand.index, (), whole=True)
    except PointError:
        return True  # the argument is a structure, or not there: the compiler tells which
    if first is None:
        return True
    if point.kind is PointKind.TRACEPOINT and (first.is_located or first.is_inline):
        return False
    if point.kind is PointKind.LSM:
        return not first.word.endswith("*")
    return True
