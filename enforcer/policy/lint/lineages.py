# SPDX-License-Identifier: MIT
"""Remarks on rules about what a process came from: of whom they are, which is easily less or more than meant."""

from __future__ import annotations

from collections.abc import Iterator

from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.lint.issues import Host, Issue, check, info, warning
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.policy import Policy, Process, Rule, Text, TextKind, Verb

__all__: list[str] = []

_MANY = ("ancestors", "lineage")
"""Words that ask several processes, of which one has to fit."""


@check
def ancestors_alone(policy: Policy, host: Host) -> Iterator[Issue]:
    """A refusal for what programs have started that leaves out the programs themselves."""
    del host
    found = [rule for rule in policy.rules if _is_about_descendants(rule)]
    decided = _decided_of_themselves(policy) if found else {}
    for rule in found:
        if not kernel_operations(rule) & decided.get(rule.subject.ancestors, frozenset()):
            yield info(
                rule.span,
                f"rule {rule.name!r} matches what the programs under ancestors have started, but "
                "not these programs themselves: write lineage instead of ancestors to match both",
            )


def _is_about_descendants(rule: Rule) -> bool:
    """Tell whether *rule* refuses something to what programs have started, and says no more of who acts."""
    subject = rule.subject
    if rule.action.verb < Verb.DENY or rule.only_marks or subject.process or subject.lineage:
        return False
    names = (c for c in subject.ancestors.conditions if c.field.dim is Dim.EXE)
    return any(not c.negate for c in names) and subject.not_process != subject.ancestors


def _decided_of_themselves(policy: Policy) -> dict[Process, frozenset[Op]]:
    """Return the operations that rules decide for the processes that they describe."""
    found: dict[Process, frozenset[Op]] = {}
    for rule in policy.rules:
        for process in (rule.subject.process, rule.subject.lineage):
            if process:
                found[process] = found.get(process, frozenset()) | kernel_operations(rule)
    return found


@check
def any_other_program(policy: Policy, host: Host) -> Iterator[Issue]:
    """A list of programs, of which hardly any process has nothing but these in its lineage."""
    del host
    for rule in policy.rules:
        for word in _MANY:
            part = SUBJECT_PARTS[word]
            if _names_all_others(getattr(rule.subject, part.attribute)):
                none_of = next(
                    p for p in SUBJECT_PARTS.values() if p.negate and p.whose == part.whose
                )
                yield warning(
                    rule.span,
                    f"rule {rule.name!r} holds if any process under {word} runs another program, "
                    f"which is nearly always so: list the programs under {none_of.name} instead",
                )


def _names_all_others(process: Process) -> bool:
    """Tell whether *process* is whatever runs none of some programs, each of which has its full name."""
    return (
        len(process.conditions) == 1
        and not process.flags
        and all(
            c.field.dim is Dim.EXE
            and c.negate
            and all(isinstance(v, Text) and v.kind is TextKind.EXACT for v in c.values)
            for c in process.conditions
        )
    )
