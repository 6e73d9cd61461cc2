# SPDX-License-Identifier: MIT
"""
Checks for what a policy leaves open beside what it refuses.
"""

from __future__ import annotations

from collections.abc import Iterator

from enforcer.policy.issues import Host, Issue, check, info
from enforcer.policy.loaders import could_be_met
from enforcer.policy.model import Condition, Policy, Rule, Text, TextKind, Verb
from enforcer.policy.vocabulary import Dim, Op

__all__: list[str] = []

_EVERYTHING = frozenset({b"/**", b"**", b"/"})


@check
def run_without_the_kernel(policy: Policy, host: Host) -> Iterator[Issue]:
    """Say, once, that a program may bring its own way to run what a policy refuses to run."""
    del host
    mapped = {
        value
        for rule in policy.rules
        if rule.action.verb >= Verb.DENY and _is_about_mapping(rule)
        for condition in _paths(rule)
        for value in condition.values
    }
    open_rules = [
        rule for rule in policy.rules if _refuses_by_path(rule) and _values(rule) - mapped
    ]
    if not open_rules:
        return
    first, *others = open_rules
    more = f" (and {len(others)} more)" if others else ""
    yield info(
        first.span,
        f"rule {first.name!r}{more} does not keep a copied loader, or a program that maps code by itself, "
        "from running the file: file mmapExec on the same path does",
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
