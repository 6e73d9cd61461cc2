# SPDX-License-Identifier: MIT
"""
Hooks without an event of the language: points of the kernel, and the operands that are compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import attrs

from enforcer.errors import PolicyError
from enforcer.policy.foreign.tracing.filters import Argument, Filter
from enforcer.policy.foreign.tracing.hooks import Socket
from enforcer.policy.foreign.tracing.numbers import NUMBER_OPERATORS, bits, ordered, ranges
from enforcer.policy.foreign.tracing.sockets import socket_condition
from enforcer.policy.foreign.tracing.texts import TEXT_OPERATORS, file_type, text_condition
from enforcer.policy.kernel_types.operand_path import PointError
from enforcer.policy.model.points import RETURNS, Operand, OperandType, Point, PointKind
from enforcer.policy.model.policy import Condition, Flag, Mask, Value
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.point_arguments import MEANT, field_of
from enforcer.policy.readers.syscalls import PASSED

__all__ = ["best_point", "known_point", "read_at_point", "returned"]

_NUMBERS: Final = {
    **{f"{sign}int{n}": (n, sign == "s") for sign in "su" for n in (8, 16, 32, 64)},
    **{f"int{n}": (n, True) for n in (8, 16, 32, 64)},
    "int": (32, True),
    "capability": (32, True),
    "bpf_cmd": (32, True),
    "long": (64, True),
    "ulong": (64, False),
    "size_t": (64, False),
    "syscall64": (64, False),
}
_OTHERS: Final = {
    "string": OperandType.TEXT,
    "data_loc": OperandType.TEXT,
    "filename": OperandType.TEXT,
    "char_buf": OperandType.BYTES,
    "const_buf": OperandType.BYTES,
    "fd": OperandType.FD,
    "file": OperandType.FILE,
    "path": OperandType.PATH,
    "dentry": OperandType.DENTRY,
    "linux_binprm": OperandType.BINPRM,
    "sockaddr": OperandType.SOCKADDR,
    "sock": OperandType.SOCK,
    "socket": OperandType.SOCKET,
    "skb": OperandType.SKB,
}
_MEMBERS: Final = {
    "filename": ("name",),
    "cred": MEANT["Cred"],
    "user_namespace": MEANT["UserNamespace"],
}
"""What is compared of a structure."""

_SOCKETS: Final = {
    OperandType.SOCKADDR: Socket.ADDRESS,
    OperandType.SKB: Socket.REMOTE,
    OperandType.SKB_SOURCE: Socket.LOCAL,
}
_SOURCE: Final = re.compile(r"(?:Not)?S(?:Addr|Port|PortPriv)")
"""Operators on where a packet comes from."""


def known_point(point: Point, context: Context) -> bool:
    """Tell whether this machine's kernel has *point*, or none can tell."""
    try:
        context.types.signature(point)
    except PointError:
        return False
    return True


def best_point(function: str, context: Context, *, at_end: bool) -> Point:
    """
    Return where *function* is decided.

    One that calls an LSM hook with the same arguments is decided there, where it can be refused.
    """
    if at_end:
        return Point(PointKind.KRETPROBE, function)
    entry = Point(PointKind.KPROBE, function)
    hook = Point(PointKind.LSM, function.removeprefix("security_"))
    if hook.name != function and context.types.are_alike(entry, hook):
        return hook
    return entry


def read_at_point(
    filters: Sequence[Filter], point: Point, context: Context
) -> tuple[tuple[Condition, ...], tuple[Flag, ...]] | None:
    """Return what *filters* mean at *point*; None after an error."""
    before = len(context.problems.errors)
    conditions: list[Condition] = []
    flags: list[Flag] = []
    for filter_ in filters:
        with context.problems.catching():
            operand = _operand(filter_.argument, point, context)
            if operand.type is OperandType.SKB and _SOURCE.fullmatch(filter_.operator):
                operand = attrs.evolve(operand, type=OperandType.SKB_SOURCE)
            if filter_.operator in ("FileType", "NotFileType") and operand.type.is_path:
                flags.append(file_type(filter_))
                continue
            found = _condition(filter_, operand, context)
            conditions.append(attrs.evolve(found, operand=operand, span=filter_.span))
    if len(context.problems.errors) > before:
        return None
    return tuple(conditions), tuple(flags)


def _operand(argument: Argument, point: Point, context: Context) -> Operand:
    members = argument.resolve + _MEMBERS.get(argument.type, ())
    word = argument.type
    try:
        way = context.types.way(point, argument.index, members)
    except PointError as error:
        raise PolicyError(str(error), argument.span) from None
    if word in _OTHERS and not (word == "filename" and argument.resolve):
        kind = _OTHERS[word]
        size = argument.size if kind is OperandType.BYTES else None
        if (
            kind is OperandType.BYTES
            and size is None
            and not (way and (way.is_inline or way.is_located))
        ):
            raise PolicyError(f"{word} needs sizeArgIndex, which gives the length", argument.span)
        return Operand(argument.index, kind, members, size=size)
    if word in _NUMBERS:
        bits_, signed = _NUMBERS[word]
        return Operand(argument.index, OperandType.NUMBER, members, bits_, signed)
    if word not in ("auto", *_MEMBERS):
        raise PolicyError(f"arguments of type {word} are not compared", argument.span)
    if way is None:
        if word in _MEMBERS:
            return Operand(argument.index, OperandType.NUMBER, members, 32)
        raise PolicyError(
            (
                f"the type of argument {argument.index} of {point} is not known on this machine: "
                "give it"
            ),
            argument.span,
        )
    if way.type is OperandType.NUMBER:
        return Operand(argument.index, way.type, members, way.width * 8, way.signed)
    return Operand(argument.index, way.type, members)


def _condition(filter_: Filter, operand: Operand, context: Context) -> Condition:
    if operand.type is OperandType.NUMBER:
        return _number(filter_, operand)
    if operand.type.is_socket:
        socket = _SOCKETS.get(operand.type, Socket.REMOTE)
        return socket_condition(filter_, socket, context.resolver)
    if filter_.operator not in TEXT_OPERATORS:
        raise PolicyError(
            f"{operand} is compared with {', '.join(TEXT_OPERATORS)}, not with {filter_.operator}",
            filter_.span,
        )
    return text_condition(filter_, field_of(operand))


def _number(filter_: Filter, operand: Operand) -> Condition:
    negate = NUMBER_OPERATORS.get(filter_.operator)
    if negate is None:
        raise PolicyError(
            f"{operand} is a number: compare it with {', '.join(NUMBER_OPERATORS)}, not with "
            f"{filter_.operator}",
            filter_.span,
        )
    values: tuple[Value, ...]
    if filter_.operator == "Mask":
        values = tuple(Mask(mask) for mask, _ in bits(filter_, operand.bits))
    else:
        values = ordered(
            ranges(filter_), operand.bits, filter_, signed=operand.signed, extends=operand.signed
        )
    return Condition(PASSED, values, negate, span=filter_.span)


def returned(argument: Argument) -> Argument:
    """Return *argument* as what a function returns."""
    return attrs.evolve(argument, index=RETURNS)
