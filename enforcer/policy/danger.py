# SPDX-License-Identifier: MIT
"""
The check for policies that would stop the machine they protect: no shell, no service manager, no
way in. It walks the rules for an unnamed process and the files that such a machine lives by.
"""

from __future__ import annotations

from collections.abc import Iterator

from enforcer.policy.coverage import kernel_operations
from enforcer.policy.globs import accepts
from enforcer.policy.issues import Host, Issue, check, is_for_everybody, warning
from enforcer.policy.model import Condition, Policy, Rule, Text, TextKind, Verb
from enforcer.policy.vocabulary import EVENTS, Dim, Op

__all__ = ["VITAL", "breaks_the_machine", "hits_everything"]

VITAL = {
    b"/usr/bin/bash": "the shell",
    b"/usr/bin/dash": "the shell",
    b"/usr/lib/systemd/systemd": "the service manager",
    b"/usr/sbin/sshd": "sshd",
    b"/usr/bin/python3": "enforcer itself",
}
_LIBRARIES = {
    b"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": "every program (the dynamic linker)",
    b"/usr/lib/x86_64-linux-gnu/libc.so.6": "every program (the C library)",
    b"/etc/passwd": "logins",
}
_WATCHED = {
    Op.EXEC: VITAL,
    Op.READ: {**VITAL, **_LIBRARIES},
    Op.MMAP_EXEC: {**VITAL, **_LIBRARIES},
}


@check
def breaks_the_machine(policy: Policy, host: Host) -> Iterator[Issue]:
    """A wide deny or kill for everybody that the machine's own programs run into."""
    del host
    if policy.selector:
        return
    for op, paths in _WATCHED.items():
        hit: dict[Rule | None, list[str]] = {}
        for path, what in paths.items():
            verb, rule = _decide(policy, op, path)
            if verb >= Verb.DENY and (rule is None or not _names(rule, path)):
                hit.setdefault(rule, []).append(what)
        for rule, names in hit.items():
            word = "run" if op is Op.EXEC else "read"
            what = ", ".join(dict.fromkeys(names))
            said = f"rule {rule.name!r}" if rule else f"the default for {_event(op)}"
            yield warning(
                rule.span if rule else policy.span,
                f"{said} refuses everybody to {word} what this machine lives by: {what}; say who is "
                "meant under process or selector, or put an allow rule for them above",
            )


@check
def hits_everything(policy: Policy, host: Host) -> Iterator[Issue]:
    """A deny or kill that says neither who nor what."""
    del host
    for rule in policy.rules:
        if (
            rule.action.verb >= Verb.DENY
            and is_for_everybody(policy, rule)
            and not rule.conditions
            and not rule.flags
        ):
            what = ", ".join(o.name for o in rule.operations)
            yield warning(
                rule.span,
                f"rule {rule.name!r} refuses every {what} by every process: give it a match",
            )


def _event(op: Op) -> str:
    return next(e.name for e in EVENTS.values() if op in e.everything)


def _decide(policy: Policy, op: Op, path: bytes) -> tuple[Verb, Rule | None]:
    """Decide like the kernel for a process of which nothing is known, by path alone."""
    for rule in policy.rules:
        if op in kernel_operations(rule) and _matches(policy, rule, path):
            return rule.action.verb, rule
    default = policy.defaults.get(_event(op))
    return (default.verb if default else Verb.ALLOW), None


def _matches(policy: Policy, rule: Rule, path: bytes) -> bool:
    return (
        is_for_everybody(policy, rule)
        and not any(f.wanted for f in rule.flags)
        and all(_holds(c, path) for c in rule.conditions)
    )


def _holds(condition: Condition, path: bytes) -> bool:
    if condition.field.dim is not Dim.PATH:
        return False
    found = any(isinstance(v, Text) and _accepts(v, path) for v in condition.values)
    return found is not condition.negate


def _accepts(value: Text, path: bytes) -> bool:
    """Also by the name that a merged /usr gives the file."""
    return accepts(value, path) or accepts(value, path.removeprefix(b"/usr"))


def _names(rule: Rule, path: bytes) -> bool:
    """Tell whether the author wrote this very file down."""
    return any(
        isinstance(value, Text) and value.kind is TextKind.EXACT and _accepts(value, path)
        for condition in rule.conditions
        for value in condition.values
    )
