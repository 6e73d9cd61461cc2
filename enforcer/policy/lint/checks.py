# SPDX-License-Identifier: MIT
"""
Checks that look at one rule or condition at a time.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

from enforcer.policy.kernel_types.operand_path import PointError, local_types
from enforcer.policy.language.operations import hooks_of
from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.vocabulary import LIFTED_SYSCALLS, Dim, Kind, Op
from enforcer.policy.lint.issues import Host, Issue, check, info, warning
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.decided import decided_operations
from enforcer.policy.model.glob_match import literal_directory
from enforcer.policy.model.loaders import is_asked
from enforcer.policy.model.points import OperandType, Point, PointKind
from enforcer.policy.model.policy import (
    Condition,
    Interval,
    Policy,
    Process,
    Rule,
    Subject,
    Text,
    TextKind,
    Verb,
)
from enforcer.span import Span

__all__ = ["carried_over"]

_MAKES = frozenset({Op.CREATE, Op.MKDIR, Op.MKNOD, Op.SYMLINK, Op.LINK, Op.RENAME, Op.BIND})
_DATAGRAM_FREE = {Dim.TYPE: {1, 5}, Dim.PROTOCOL: {6, 256, 262}}


@check
def lifted_syscall(policy: Policy, host: Host) -> Iterator[Issue]:
    """Where a rule on a system call is decided."""
    del host
    by_loader = is_asked(policy)
    for rule in policy.rules:
        if rule.calls:
            yield info(rule.span, _at_entry(rule))
        if rule.syscall is None or rule.calls:
            continue
        hooks = hooks_of(decided_operations(rule, by_loader=by_loader))
        names = ", ".join(operation.name for operation in rule.operations)
        word = "exec" if rule.event == "exec" else f"{rule.event} {names}"
        yield info(
            rule.span,
            f"syscall {rule.syscall} is decided as {word}, at {', '.join(hooks)}, on the kernel's own "
            "copy of the arguments; other system calls that do the same are covered too",
        )
        left = LIFTED_SYSCALLS[rule.syscall].left
        if left and rule.action.verb >= Verb.DENY:
            said = f"rule {rule.name!r} on {rule.syscall} does not refuse it to {left}"
            yield warning(rule.span, said)


_MECHANISMS = {
    PointKind.LSM: "at the LSM hook {}, before the effect",
    PointKind.KPROBE: "where the function {} is entered",
    PointKind.KRETPROBE: "where the function {} ends, after the effect",
    PointKind.TRACEPOINT: "at the tracepoint {}, which cannot refuse",
    PointKind.RAW: "at the raw tracepoint {}, which cannot refuse",
}


@check
def point_of_rule(policy: Policy, host: Host) -> Iterator[Issue]:
    """Where a rule on a point of the kernel is decided, and what cannot be told here."""
    del host
    for rule in policy.rules:
        if rule.point is None:
            continue
        said = (
            f"rule {rule.name!r} is decided {_MECHANISMS[rule.point.kind].format(rule.point.name)}"
        )
        operands = [c.operand for c in rule.conditions if c.operand is not None]
        if any(o.type in {OperandType.TEXT, OperandType.BYTES} for o in operands):
            said += (
                "; another thread can change a string in the caller's memory between the decision "
                "and its use"
            )
        if not _is_known(rule.point):
            said += "; whether this kernel has it could not be checked here"
        yield info(rule.span, said)
        is_for_all = rule.subject == Subject() and not policy.selector
        if rule.action.verb >= Verb.DENY and not operands and is_for_all:
            yield warning(
                rule.span,
                f"rule {rule.name!r} refuses everything at {rule.point} to every process of the "
                "host, including the service manager, login and enforcer itself",
            )


def _is_known(point: Point) -> bool:
    try:
        return local_types().signature(point) is not None
    except PointError:
        return False


def _at_entry(rule: Rule) -> str:
    names = ", ".join(call.name for call in rule.calls)
    texts = any(c.field.kind is Kind.ARGS for c in rule.conditions)
    said = f"syscall {names} is decided where the call is entered, since no LSM hook stands for it"
    if texts:
        said += (
            "; its strings lie in the caller's memory, where another thread can change them between "
            "the decision and their use"
        )
    return said


@check
def missing_path(policy: Policy, host: Host) -> Iterator[Issue]:
    """A path that this machine does not have."""
    for rule in policy.rules:
        makes = bool(_MAKES & kernel_operations(rule))
        for condition in rule.conditions:
            if condition.field.dim is Dim.PATH:
                yield from _missing(condition, host, parent_only=makes)
        for part in SUBJECT_PARTS.values():
            wanted: Process = getattr(rule.subject, part.attribute)
            for condition in () if part.negate else wanted.conditions:
                if condition.field.dim is Dim.EXE:
                    yield from _missing(condition, host, parent_only=False)
    for condition in policy.selector.conditions:
        if condition.field.dim is Dim.EXE:
            yield from _missing(condition, host, parent_only=False)


def _missing(condition: Condition, host: Host, *, parent_only: bool) -> Iterator[Issue]:
    for value in condition.values:
        if not isinstance(value, Text) or value.span is None:
            continue
        path: bytes | None = value.value
        if value.kind is not TextKind.EXACT or parent_only:
            path = literal_directory(value)
        if path is not None and not host.exists(path):
            said = f"{path.decode()} does not exist on this machine"
            yield info(value.span, said, folds=True)


@check
def soft_signal(policy: Policy, host: Host) -> Iterator[Issue]:
    """A kill that the process can survive."""
    del host
    for rule in policy.rules:
        number = rule.action.signal
        if rule.action.verb is Verb.KILL and number != signal.SIGKILL:
            name = signal.Signals(number).name
            yield warning(
                rule.span,
                f"rule {rule.name!r} kills with {name}, which a process can ignore; the "
                "operation is still refused",
            )


@check
def connect_without_send(policy: Policy, host: Host) -> Iterator[Issue]:
    """A destination that datagrams still reach."""
    del host
    for rule in policy.rules:
        ops = kernel_operations(rule)
        fields = {c.field.dim for c in rule.conditions}
        if (
            rule.action.verb >= Verb.DENY
            and Op.CONNECT in ops
            and Op.SEND not in ops
            and fields & {Dim.ADDR, Dim.PORT}
            and not any(_excludes_datagrams(c) for c in rule.conditions)
            and not _is_sent_elsewhere(policy, rule)
        ):
            yield warning(
                rule.span,
                f"rule {rule.name!r} refuses connect, but datagrams can be sent to the address without "
                "connecting: use the operation egress, or restrict the rule to type stream",
            )


def _excludes_datagrams(condition: Condition) -> bool:
    harmless = _DATAGRAM_FREE.get(condition.field.dim) if condition.field.dim else None
    if harmless is None or condition.negate:
        return False
    return all(
        isinstance(v, Interval) and v.low == v.high and v.low in harmless for v in condition.values
    )


def _is_sent_elsewhere(policy: Policy, rule: Rule) -> bool:
    return any(
        other.action.verb >= Verb.DENY
        and Op.SEND in kernel_operations(other)
        and set(other.conditions) == set(rule.conditions)
        for other in policy.rules
    )


@check
def printed_abstract_name(policy: Policy, host: Host) -> Iterator[Issue]:
    """An abstract name as tools print it."""
    del host
    for rule in policy.rules:
        for condition in rule.conditions:
            if condition.field.name != "abstract":
                continue
            for value in condition.values:
                if isinstance(value, Text) and value.value.startswith(b"@") and value.span:
                    yield warning(
                        value.span,
                        "tools print @ for the NUL in front of an abstract name: leave @ out "
                        "unless the name itself begins with one",
                    )


@check
def path_of_fileless(policy: Policy, host: Host) -> Iterator[Issue]:
    """A path asked of something that has no name."""
    del host
    for rule in policy.rules:
        nameless = any(f.field.name in {"fileless", "memfd"} and f.wanted for f in rule.flags)
        for condition in rule.conditions:
            if nameless and condition.field.dim is Dim.PATH and condition.span:
                yield info(
                    condition.span,
                    "a file without a name has only the path that the kernel shows for it, such "
                    "as /memfd:NAME: the rule matches only that",
                )


@check
def carried_over(policy: Policy, host: Host) -> Iterator[Issue]:
    """What a policy written for others means otherwise here."""
    del host
    for note in policy.notes:
        yield (warning if note.matters else info)(note.span, note.text)


@check
def repeated_value(policy: Policy, host: Host) -> Iterator[Issue]:
    """The same value twice in one list."""
    del host
    for rule in policy.rules:
        for condition in rule.conditions:
            if condition.span and len(set(condition.values)) < len(condition.values):
                yield _repeated(condition, condition.span)


def _repeated(condition: Condition, span: Span) -> Issue:
    """Name the value that stands in *condition* twice, if it has a place of its own."""
    for number, value in enumerate(condition.values):
        if isinstance(value, Text) and value.span and value in condition.values[:number]:
            text = value.value.decode(errors="replace")
            return info(value.span, f"{condition.field.name} names {text} twice: leave it out here")
    return info(span, f"{condition.field.name} names a value twice: leave one out")
