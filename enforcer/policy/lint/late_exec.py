# SPDX-License-Identifier: MIT
"""
The checks for rules on exec that are asked late: when the arguments or the new capabilities are known.

They are asked at other operations than rules on the file alone, and by then the file of a script is its interpreter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import attrs

from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.lint.contradictions import are_apart
from enforcer.policy.lint.issues import Host, Issue, check, info, warning
from enforcer.policy.model.coverage import covers, kernel_operations
from enforcer.policy.model.policy import Policy, Rule, Text, TextKind, Verb

__all__ = ["exception_asked_apart", "path_of_script"]

MAX_PAIRS = 20_000
_NEVER = sys.maxsize
_TIMES = (Op.EXEC, Op.EXEC_CREDS, Op.EXEC_ARGV)
"""When rules on exec are asked, in this order."""

_WORDS = {Op.EXEC_ARGV: "args", Op.EXEC_CREDS: "fileCapabilities"}
"""By when a rule is asked what in it is not known sooner."""


@attrs.frozen
class _Timed:
    """A rule on exec: which of the policy's it is, and at which of :data:`_TIMES` it is asked."""

    number: int
    time: int
    rule: Rule


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


@check
def exception_asked_apart(policy: Policy, host: Host) -> Iterator[Issue]:
    """An exception on exec that is asked at another time than what it is meant to lift."""
    timed = [
        _Timed(number, time, rule)
        for number, rule in enumerate(policy.rules)
        if not rule.only_marks and (time := _time(rule)) >= 0
    ]
    refusing = [each for each in timed if each.rule.action.verb >= Verb.DENY]
    exceptions = [each for each in timed if each.rule.action.verb is Verb.ALLOW]
    pairs = sum(each.time > 0 for each in exceptions) * len(timed)
    for each in exceptions:
        let_pass = _let_pass(each, timed) if each.time and pairs <= MAX_PAIRS else _NEVER
        for other in refusing:
            if other.number < each.number or other.time == each.time or let_pass < other.number:
                continue
            pairs += 1
            if pairs > MAX_PAIRS:
                yield info(policy.span, "not all exceptions on exec were compared with other rules")
                return
            if not are_apart(each.rule, other.rule, host):
                yield _without_effect(each, other)
                break
        else:
            if each.time and let_pass == _NEVER and _refuses(policy):
                yield _too_late(each, "the default")


def _let_pass(each: _Timed, timed: list[_Timed]) -> int:
    """Return where a rule first lets pass what *each* permits when more is known; past the end if none does."""
    sooner = (o for o in timed if o.time < each.time and o.rule.action.verb < Verb.DENY)
    return next((o.number for o in sooner if covers(o.rule, each.rule)), _NEVER)


def _refuses(policy: Policy) -> bool:
    default = policy.defaults.get("exec")
    return default is not None and default.verb >= Verb.DENY


def _time(rule: Rule) -> int:
    """Return when *rule* is asked, if it is on exec, else -1."""
    ops = kernel_operations(rule)
    return next((time for time, op in enumerate(_TIMES) if op in ops), -1)


def _without_effect(each: _Timed, other: _Timed) -> Issue:
    what = f"rule {other.rule.name!r} in line {other.rule.span.line}"
    if each.time > other.time:
        return _too_late(each, what)
    late = _WORDS[_TIMES[other.time]]
    return warning(
        each.rule.span,
        f"rule {each.rule.name!r} lifts nothing of {what}: that one is asked later, when what {late} compares is "
        "known; write the exception into it, such as notProcess or notIn, or put it in front if it holds here, too",
    )


def _too_late(each: _Timed, what: str) -> Issue:
    late = _WORDS[_TIMES[each.time]]
    return warning(
        each.rule.span,
        f"rule {each.rule.name!r} permits nothing of what {what} refuses: it is asked later, when what {late} "
        f"compares is known; permit the program without {late}, and refuse other uses by a rule with {late}",
    )
