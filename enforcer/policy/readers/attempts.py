# SPDX-License-Identifier: MIT
"""
Attempts that the kernel itself refuses: ``attempts`` of a rule, and the system calls that it watches.

The calls follow from the table of lifted ones: a call that stands for an operation when it succeeds is an
attempt at it when it fails.
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Iterator
from typing import Final

import attrs

from enforcer import _abi
from enforcer.policy.language.lifted import LIFTED_SYSCALLS, How, LiftSpec
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import EVENTS, Op
from enforcer.policy.model.policy import Attempts, Rule
from enforcer.policy.readers.actions import read_errno
from enforcer.policy.readers.context import Context
from enforcer.policy.text.nodes import Entry, List, Scalar

__all__ = [
    "MAX_ERRORS",
    "Ended",
    "attempted",
    "check_attempts",
    "ended_calls",
    "left_out",
    "read_attempts",
]

MAX_ERRORS: Final = 16

_NAMED: Final = ("exec", "file", "mount")
"""Events whose operations are on what a call names by a path, or by a descriptor."""

_KNOWN: Final = (*_NAMED, "network", "process", "kernel")

_GOES_ON: Final = (errno.EINTR, errno.EAGAIN, errno.EINPROGRESS)

_DIRECTORY_AT: Final = _abi.ENF_END_NAME_BITS // 2


@attrs.frozen
class Ended:
    """
    A system call that is looked at when it ends, as ``struct enf_sys`` has it.

    *packed* says where its names stand, and how its operations follow from its arguments.
    """

    name: str
    number: int
    packed: int

    @property
    def is_nameless(self) -> bool:
        """Whether it is about nothing that has a path."""
        return LIFTED_SYSCALLS[self.name].event not in _NAMED


def read_attempts(entry: Entry, context: Context) -> Attempts | None:
    """Read ``true``, an error, or a list of errors; None: attempts are not recorded."""
    node = entry.value
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return Attempts(span=entry.span) if node.value else None
    items = node.items if isinstance(node, List) else (node,)
    if not items:
        context.add("attempts has an empty list: name errors, or write true for any", node.span)
    if len(items) > MAX_ERRORS:
        context.add(f"{len(items)} errors, the limit is {MAX_ERRORS}", node.span)
    read = (read_errno(item, context, "each of attempts") for item in items)
    found = [number for number in read if number is not None]
    return Attempts(tuple(dict.fromkeys(found)), span=entry.span)


def check_attempts(rule: Rule, context: Context) -> None:
    """Refuse ``attempts`` where nothing could be recorded."""
    if rule.attempts is None:
        return
    span = rule.attempts.span or rule.span
    if rule.event not in _KNOWN:
        context.add(
            f"attempts is for rules on {', '.join(_KNOWN)}: this version does not find out what "
            "other refused calls would have been",
            span,
        )
        return
    fields = [part.field.name for part in rule.conditions]
    fields += [flag.field.name for flag in rule.flags]
    known = (
        "only the path that the caller gave"
        if rule.event in _NAMED
        else ("only the process that made it")
    )
    if others := [name for name in fields if name != "path" or rule.event not in _NAMED]:
        context.add(
            f"attempts: when the kernel refuses a call, {known} is known, so {others[0]} cannot "
            "be compared: write attempts on a rule without it",
            span,
        )
    elif not ended_calls(rule):
        words = ", ".join(operation.name for operation in rule.operations)
        context.add(
            f"attempts: no known system call stands for {rule.event} {words}, so none can be "
            "watched",
            span,
        )


def attempted(rule: Rule) -> frozenset[Op]:
    """Return the operations whose attempts *rule* records."""
    return frozenset(op for operation in rule.operations for op in operation.ops)


def left_out(rule: Rule) -> tuple[int, ...]:
    """Return the errors that ``attempts: true`` of *rule* does not mean: the call goes on, or is to be repeated."""
    return _GOES_ON if rule.event == "network" else ()


def ended_calls(rule: Rule) -> tuple[Ended, ...]:
    """Return the system calls that are looked at for ``attempts`` of *rule*."""
    if rule.attempts is None:
        return ()
    wanted = attempted(rule)
    return tuple(
        _ended(name)
        for name, lift in LIFTED_SYSCALLS.items()
        if lift.event == rule.event and wanted & _ops(lift)
    )


def _ops(lift: LiftSpec) -> frozenset[Op]:
    """Return all that a call may be."""
    known = EVENTS[lift.event].operations
    meant = frozenset(op for word in lift.operations.split() for op in known[word].ops)
    return meant | {known[word].ops[0] for word in lift.also.split()}


@functools.cache
def _ended(name: str) -> Ended:
    lift = LIFTED_SYSCALLS[name]
    first, *_ = EVENTS[lift.event].operations[lift.operations.split()[0]].ops
    packed = lift.how << _abi.ENF_END_HOW_AT | first << _abi.ENF_END_OP_AT
    for at, place in enumerate(_places(name, lift)):
        packed |= place << at * _abi.ENF_END_NAME_BITS
    return Ended(name, SYSCALLS[name].number | _abi.ENF_SYS_AT_END, packed)


def _places(name: str, lift: LiftSpec) -> Iterator[int]:
    """Yield for each name which argument it is, and which its directory; for a signal where that stands."""
    if lift.how is How.SIGNAL:
        yield next(iter(lift.args)) + 1
        return
    if lift.event not in _NAMED:
        return
    indexes = [index for index, field in lift.args.items() if field == "path"]
    if lift.other is not None:
        indexes.append(lift.other)
    kinds = SYSCALLS[name].kinds
    for index in indexes:
        # A number in front of a name is the descriptor of the directory that it begins at.
        has_directory = index > 0 and kinds[index - 1].name in {"S32", "U32"}
        yield index + 1 | (index << _DIRECTORY_AT if has_directory else 0)
    if not indexes:
        yield 1 << _DIRECTORY_AT  # a descriptor of the object itself
