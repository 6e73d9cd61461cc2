# SPDX-License-Identifier: MIT
"""
Checks for what a policy leaves open beside what it refuses.
"""

from __future__ import annotations

from collections.abc import Iterator

from enforcer.policy.issues import Host, Issue, check, info
from enforcer.policy.loaders import could_be_met
from enforcer.policy.model import Condition, Policy, Process, Rule, Text, TextKind, Verb
from enforcer.policy.vocabulary import Dim, Op

__all__: list[str] = []

_EVERYTHING = frozenset({b"/**", b"**", b"/"})


@check
def run_without_the_kernel(policy: Policy, host: Host) -> Iterator[Issue]:
    """A program may bring its own way to run what a policy refuses to run."""
    del host
    mapped = {
        value
        for rule in policy.rules
        if rule.action.verb >= Verb.DENY and _is_about_mapping(rule)
        for value in _values(rule)
    }
    for rule in policy.rules:
        if _refuses_by_path(rule) and _values(rule) - mapped:
            yield info(
                rule.span,
                f"rule {rule.name!r} does not keep a copied loader, or a program that maps code by "
                "itself, from running the file: file mmapExec on the same path does",
                folds=True,
            )


@check
def trusted_by_name(policy: Policy, host: Host) -> Iterator[Issue]:
    """A program that is trusted with whatever is loaded into it."""
    del host
    for rule in policy.rules:
        is_exempt = rule.action.verb >= Verb.DENY and _is_by_name(rule.subject.not_process)
        is_let = rule.action.verb is Verb.ALLOW and _is_by_name(rule.subject.process)
        if (is_exempt or is_let) and not rule.only_marks:
            yield info(
                rule.span,
                f"rule {rule.name!r} trusts a program by its binary, also when whoever starts it has it "
                "load other code (LD_PRELOAD): trustedCode: true beside binary asks for its own",
                folds=True,
            )


@check
def arguments_by_loader(policy: Policy, host: Host) -> Iterator[Issue]:
    """A rule on arguments that a loader's own arguments must meet."""
    del host
    for rule in policy.rules:
        has_args = any(c.field.dim is Dim.ARG_ANY for c in rule.conditions)
        if rule.event != "exec" or rule.action.verb < Verb.DENY or not has_args or rule.calls:
            continue
        if rule.loader and not could_be_met(rule):
            yield info(
                rule.span,
                f"rule {rule.name!r} compares arguments and no path: of a program that a loader runs "
                "(ld.so PROGRAM) it sees the arguments of the loader, with the program's behind them",
            )


def _is_by_name(process: Process) -> bool:
    """Tell whether nothing but its binary says which process it is."""
    return bool(process.conditions) and all(
        c.field.dim is Dim.EXE and not c.negate for c in process.conditions
    ) and not process.flags  # fmt: skip


def _is_about_mapping(rule: Rule) -> bool:
    return any(Op.MMAP_EXEC in operation.ops for operation in rule.operations)


def _paths(rule: Rule) -> list[Condition]:
    return [c for c in rule.conditions if c.field.dim is Dim.PATH and not c.negate]


def _values(rule: Rule) -> set[object]:
    return {value for condition in _paths(rule) for value in condition.values}


def _refuses_by_path(rule: Rule) -> bool:
    """Tell whether *rule* refuses some programs; one that refuses all of them refuses the loader, too."""
    if rule.event != "exec" or rule.action.verb < Verb.DENY or not could_be_met(rule):
        return False
    values = [v for c in _paths(rule) for v in c.values if isinstance(v, Text)]
    whole = any(v.kind is TextKind.GLOB and v.value in _EVERYTHING for v in values)
    return bool(values) and not whole
