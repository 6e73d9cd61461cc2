# SPDX-License-Identifier: MIT
"""
``matchArgs`` to conditions on the object of the operation that a hook means.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from enforcer.errors import PolicyError
from enforcer.policy.foreign.tracing.choices import chosen, undecided
from enforcer.policy.foreign.tracing.filters import Filter
from enforcer.policy.foreign.tracing.hooks import Choices, Hook, Operand, Socket
from enforcer.policy.foreign.tracing.numbers import (
    NUMBER_OPERATORS,
    Ranges,
    bits,
    passed,
    ranges,
)
from enforcer.policy.foreign.tracing.points import read_at_point
from enforcer.policy.foreign.tracing.sockets import is_unix_path, socket_condition
from enforcer.policy.foreign.tracing.texts import TEXT_OPERATORS, file_type, text_condition
from enforcer.policy.language.syscall_table import ArgKind
from enforcer.policy.language.vocabulary import EVENTS, FIELDS, FieldSpec, Kind
from enforcer.policy.model.policy import CapabilityMask, Condition, Flag, Interval, Mask, Value
from enforcer.policy.readers import numbers as native
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.syscalls import PASSED, WIDTHS, as_cast
from enforcer.policy.text.nodes import Node, describe
from enforcer.policy.text.problems import suggest
from enforcer.span import Span

__all__ = ["Object", "is_compared", "read_object"]

_INTEGERS = (
    *("auto", "int", "sint8", "int8", "uint8", "sint16", "int16", "uint16", "uint32", "sint32"),
    *("int32", "ulong", "uint64", "size_t", "long", "sint64", "int64"),
)
_UNSIGNED = ("uint8", "uint16", "uint32", "ulong", "uint64", "size_t", "syscall64")
_TYPES: dict[str, tuple[str, ...]] = {
    "a file": ("file", "path", "dentry", "linux_binprm", "string", "filename", "fd", "auto"),
    "a text": ("string", "filename", "auto", "data_loc"),
    "a number": (*_INTEGERS, "capability", "bpf_cmd", "syscall64"),
    "a socket": ("sock", "socket", "auto"),
    "an address": ("sockaddr", "sockaddr_un", "auto"),
}
_REFUSED = {
    "CelExpr": "write one item of matchArgs for each comparison",
    "SubStringIgnCase": "texts are compared with their case: list the spellings",
    "SubStringIgnoreCase": "texts are compared with their case: list the spellings",
    "CapabilitiesGained": (
        "write a rule of kind EnforcerPolicy on process capset, with match: {gained: …}"
    ),
    "State": "the state of a connection is not compared: rules decide when it is made",
}
_KNOWN = (
    *NUMBER_OPERATORS,
    *TEXT_OPERATORS,
    *("FileType", "NotFileType"),
    *("SAddr", "NotSAddr", "DAddr", "NotDAddr", "SPort", "NotSPort", "DPort", "NotDPort"),
    *("SPortPriv", "NotSPortPriv", "DPortPriv", "NotDPortPriv", "Protocol", "Family"),
)


@attrs.frozen
class Object:
    """
    What must be so of the object, and the operations that can have it.

    *undecided*: what the filters mean as well and nothing decides on.
    """

    operations: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    flags: tuple[Flag, ...] = ()
    undecided: tuple[str, ...] = ()


def read_object(
    filters: Sequence[Filter], hook: Hook, name: str, span: Span, context: Context
) -> Object | None:
    """
    Return what *filters* mean for *hook*, called *name*; None after an error.

    *span* is where the selector stands.
    """
    if hook.point is not None:
        read = read_at_point(filters, hook.point, context)
        return Object(hook.operations, *read) if read is not None else None
    before = len(context.problems.errors)
    operations = hook.operations
    conditions, flags = list(hook.fixed), list(hook.flags)
    for filter_ in filters:
        operand = hook.args.get(filter_.argument.index)
        if operand is None:
            context.add(_not_compared(filter_, hook, name), filter_.argument.span)
            continue
        with context.problems.catching():
            if isinstance(operand, Choices):
                _check_number(filter_, name)
                wanted = chosen(filter_, operand, name)
                operations = tuple(word for word in operations if word in wanted)
            elif filter_.operator in ("FileType", "NotFileType") and operand == "path":
                flags.append(file_type(filter_))
            else:
                conditions.append(_condition(filter_, operand, name, context))
    _check_needed(filters, hook, name, span, context)
    _check_twice(conditions, context)
    if len(context.problems.errors) > before:
        return None
    kept = _having(operations, hook, [*conditions, *flags])
    if not kept:
        context.add(f"no operation of {name} has all of these, so the rule would never match", span)
        return None
    found = tuple(as_cast(_untagged(condition), hook.calls) for condition in conditions)
    return Object(kept, found, tuple(flags), tuple(undecided(filters, hook)))


def is_compared(filter_: Filter, hook: Hook) -> bool:
    """Tell whether *hook* compares the argument of *filter_* itself."""
    return filter_.argument.index in hook.args and not filter_.argument.resolve


def _having(
    operations: tuple[str, ...], hook: Hook, parts: Sequence[Condition | Flag]
) -> tuple[str, ...]:
    """Leave out operations that lack something: conditions on it never hold there."""
    if hook.calls:
        return operations
    known = EVENTS[hook.event].operations
    needed = {part.field.name for part in parts}
    return tuple(word for word in operations if needed <= known[word].fields)


def _not_compared(filter_: Filter, hook: Hook, name: str) -> str:
    if filter_.argument.index < 0:
        return f"of {name}, only the arguments of the call are compared, not the fields before them"
    known = ", ".join(f"{index} ({_called(operand)})" for index, operand in hook.args.items())
    return (
        f"argument {filter_.argument.index} of {name} is not supported by this version, which compares "
        f"{known or 'none of its arguments'}: match what it does instead"
    )


def _called(operand: Operand) -> str:
    if isinstance(operand, str):
        return operand
    if isinstance(operand, Choices):
        return "number"
    if isinstance(operand, Socket):
        return "socket address" if operand is Socket.ADDRESS else "socket"
    return "text" if operand is ArgKind.TEXT else "number"


def _check_needed(
    filters: Sequence[Filter], hook: Hook, name: str, span: Span, context: Context
) -> None:
    index = hook.needs
    if index is None:
        return
    positive = [
        f for f in filters if f.argument.index == index and not f.operator.startswith("Not")
    ]
    if positive:
        return
    if hook.operations == ("capability",):
        why = "checking every capability would cost too much: name those that are meant"
    else:
        why = "only some of its values are decided: name them, such as the bit 4, executable"
    context.add(f"{name} needs argument {index} under matchArgs: {why}", span)


def _check_twice(conditions: Sequence[Condition], context: Context) -> None:
    """Two arguments that are one field here, such as both names of a rename, never hold together."""
    paths = [c for c in conditions if c.field is FIELDS["path"] and c.span is not None]
    for condition in paths[1:]:
        if condition.index != paths[0].index and condition.span is not None:
            context.add(
                f"arguments {paths[0].index} and {condition.index} are decided on one after the other, "
                "each as path: write one selector for each",
                condition.span,
            )


# ---- One comparison ---------------------------------------------------------------------------


def _condition(filter_: Filter, operand: Operand, name: str, context: Context) -> Condition:
    operator, argument = filter_.operator, filter_.argument
    if why := _REFUSED.get(operator):
        msg = f"operator {operator} is not supported by this version: {why}"
        raise PolicyError(msg, filter_.span)
    if operator not in _KNOWN:
        msg = f"{operator!r} is not an operator{suggest(operator, _KNOWN)}"
        raise PolicyError(msg, filter_.span)
    what = _what(operand)
    if argument.type not in _TYPES[what]:
        msg = (
            f"argument {argument.index} of {name} is {what} here: its type must be "
            f"{' or '.join(_TYPES[what][:2])}, not {argument.type}"
        )
        raise PolicyError(msg, argument.span)
    if isinstance(operand, Socket):
        if is_unix_path(filter_):
            return _tagged(text_condition(filter_, FIELDS["path"]), filter_)
        return _tagged(socket_condition(filter_, operand, context.resolver), filter_)
    if isinstance(operand, ArgKind):
        return _of_call(filter_, operand)
    assert isinstance(operand, str)  # noqa: S101 - choices are decided on before
    field = FIELDS[operand]
    if field.kind in (Kind.PATH, Kind.STRING):
        return _tagged(text_condition(filter_, field), filter_)
    return _tagged(_of_field(filter_, field, context), filter_)


def _tagged(condition: Condition, filter_: Filter) -> Condition:
    """Note the argument until it is known that no other is compared as the same field."""
    return attrs.evolve(condition, index=filter_.argument.index, span=filter_.span)


def _untagged(condition: Condition) -> Condition:
    is_argument = condition.field in (PASSED, FIELDS["args"])
    return condition if is_argument else attrs.evolve(condition, index=None)


def _what(operand: Operand) -> str:
    if isinstance(operand, Socket):
        return "an address" if operand is Socket.ADDRESS else "a socket"
    if isinstance(operand, ArgKind):
        return "a text" if operand is ArgKind.TEXT else "a number"
    kind = FIELDS[operand].kind if isinstance(operand, str) else Kind.NUMBER
    if kind is Kind.PATH:
        return "a file"
    return "a text" if kind is Kind.STRING else "a number"


def _negates(filter_: Filter) -> bool:
    negates = NUMBER_OPERATORS.get(filter_.operator)
    if negates is None:
        msg = (
            f"argument {filter_.argument.index} is a number: compare it with "
            f"{', '.join(NUMBER_OPERATORS)}, not with {filter_.operator}"
        )
        raise PolicyError(msg, filter_.span)
    return negates


def _check_number(filter_: Filter, name: str) -> None:
    """Refuse what is not compared with numbers, of an argument that is one."""
    _negates(filter_)
    if filter_.argument.type not in _TYPES["a number"]:
        msg = (
            f"argument {filter_.argument.index} of {name} is a number, not {filter_.argument.type}"
        )
        raise PolicyError(msg, filter_.argument.span)


def _of_call(filter_: Filter, kind: ArgKind) -> Condition:
    index = filter_.argument.index
    if kind is ArgKind.TEXT:
        return attrs.evolve(text_condition(filter_, FIELDS["args"]), index=index)
    negate = _negates(filter_)
    values: tuple[Value, ...]
    if filter_.operator == "Mask":
        values = tuple(Mask(mask) for mask, _ in bits(filter_, WIDTHS[kind]))
    else:
        is_unsigned = filter_.argument.type in _UNSIGNED
        has_sign = kind in (ArgKind.S32, ArgKind.LONG)
        signed = not is_unsigned and (has_sign or filter_.argument.type != "auto")
        values = passed(ranges(filter_), kind, filter_, signed=signed)
    return Condition(PASSED, values, negate, index, filter_.span)


def _of_field(filter_: Filter, field: FieldSpec, context: Context) -> Condition:
    negate = _negates(filter_)
    if field.kind is Kind.FLAGS:
        return Condition(field, (_flags(filter_, field),), span=filter_.span)
    if filter_.operator == "Mask":
        if field.kind not in (Kind.NUMBER, Kind.MODE):
            msg = f"{field.name} is not a set of bits"
            raise PolicyError(msg, filter_.span)
        most = native.largest(field)
        masks = tuple(Mask(mask) for mask, _ in bits(filter_, most.bit_length()))
        return Condition(field, masks, span=filter_.span)

    def named(text: str, item: Node) -> int:
        del text
        return native.one_number(item, field, context.resolver).low

    names = None if field.kind is Kind.MODE else named
    found = ranges(filter_, names)
    return Condition(field, _within(found, field, filter_), negate, span=filter_.span)


def _within(found: Ranges, field: FieldSpec, filter_: Filter) -> tuple[Interval, ...]:
    most = native.largest(field)
    values: list[Interval] = []
    for (low, high), item in zip(found.of, filter_.values, strict=True):
        first, last = max(low or 0, 0), most if high is None else min(high, most)
        if first > last or (low is not None and low == high and low != first):
            msg = f"{field.name} is a number from 0 to {most}, never {describe(item)}"
            raise PolicyError(msg, item.span)
        values.append(Interval(first, last))
    return tuple(dict.fromkeys(values))


def _flags(filter_: Filter, field: FieldSpec) -> CapabilityMask:
    if filter_.operator != "Mask":
        msg = f"{field.name} are bits: compare them with Mask"
        raise PolicyError(msg, filter_.span)
    known = 0
    for bit in field.names.values():
        known |= bit
    wanted = 0
    for mask, item in bits(filter_, known.bit_length()):
        if mask & ~known:
            raise PolicyError(
                (f"{describe(item)} has bits that {field.name} does not have"), item.span
            )
        wanted |= mask
    return CapabilityMask("any", wanted)
