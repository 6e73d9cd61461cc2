# SPDX-License-Identifier: MIT
"""
The checks for rules on exec that are asked late: when the arguments or the new capabilities are known.

They are asked at other operations than rules on the file alone, and by then the file of a script is its interpreter.
"""

from __future__ import annotations

from collections.abc import Iterator

from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.lint.issues import Host, Issue, check, warning
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.policy import Policy, Rule, Text, TextKind

__all__ = ["path_of_script"]

_WORDS = {Op.EXEC_ARGV: "args", Op.EXEC_CREDS: "fileCapabilities"}
"""By when a rule is asked what in it is not known sooner."""


@check
def path_of_script(policy: Policy, host: Host) -> Iterator[Issue]:
    """A script by its path, where a rule is asked about the interpreter."""
    for rule in policy.rules:
        if (late := _late(rule)) is None:
            continue
        for condition in rule.conditions:
            if condition.field.dim is not Dim.PATH or condition.negate:
                continue
            for value in condition.values:
                if isinstance(value, Text) and value.kind is TextKind.EXACT:
                    yield from _of_script(value, late, host)


def _of_script(value: Text, late: str, host: Host) -> Iterator[Issue]:
    if value.span is None or not host.is_script(value.value):
        return
    instead = ", and the script as an argument" if late == "args" else ""
    yield warning(
        value.span,
        f"{value.value.decode(errors='replace')} is a script on this machine: to a rule with {late} the path "
        f"is that of the interpreter, so name that one{instead}",
    )


def _late(rule: Rule) -> str | None:
    """Return what in *rule*, if it is on exec, is known late."""
    return next((_WORDS[op] for op in kernel_operations(rule) if op in _WORDS), None)
