# SPDX-License-Identifier: MIT
"""
Arguments under ``match``: of the program that exec runs, or of the system call that a rule names.

One item is ``{index, <operator>: values}``, ``{index, match: {type, literal}}`` or
``{index, type, operator, values}``; all three become the first form.
"""

from __future__ import annotations

import attrs

from enforcer import _abi
from enforcer.policy.language.syscall_table import SYSCALLS, ArgKind
from enforcer.policy.language.vocabulary import FIELDS, OPERATORS, FieldSpec, Kind
from enforcer.policy.model.policy import Condition
from enforcer.policy.readers.conditions import read_conditions
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.events import Event
from enforcer.policy.readers.syscalls import NUMBER_OPERATORS, as_cast, numbers_of
from enforcer.policy.text.nodes import Entry, List, Map, Node, Scalar, describe

__all__ = ["ARGUMENT_OPERATORS", "MAX_INDEX", "TYPES", "read_arguments", "read_item"]

MAX_INDEX = _abi.ENF_MAX_ARG_INDEX - 1
ANY = -1

_INTEGERS = [
    "Int",
    "UInt",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Size",
]
TYPES: dict[Kind, tuple[str, ...]] = {
    Kind.PATH: ("String", "Path", "File", "Filename"),
    Kind.STRING: ("String",),
    Kind.ARGS: ("String",),
    Kind.NUMBER: tuple(_INTEGERS),
    Kind.MODE: tuple(_INTEGERS),
}
"""Argument types that mean the field's kind; any case."""

_PASSED = frozenset(t.casefold() for t in (*_INTEGERS, "Pointer", "Fd", "Long", "ULong"))

ARGUMENT_OPERATORS = {
    "Equal": "in",
    "NotEqual": "notIn",
    "In": "in",
    "NotIn": "notIn",
    "Prefix": "prefix",
    "Postfix": "suffix",
    "Suffix": "suffix",
    "Contains": "contains",
    "Glob": "glob",
    "NotPrefix": "notPrefix",
    "NotPostfix": "notSuffix",
    "NotSuffix": "notSuffix",
    "NotContains": "notContains",
    "NotGlob": "notGlob",
    "InRange": "range",
    "Range": "range",
    "Mask": "mask",
}
"""``operator`` of the long form, as the language's own operator."""

_LONG_FORM = ("index", "type", "operator", "values")
_OWN = sorted({operator for kind in TYPES for operator in OPERATORS[kind]} | {*NUMBER_OPERATORS})


@attrs.frozen
class _Argument:
    """One item, brought to ``{operator: values}``; *index* is a number or ANY."""

    index: int
    operators: Entry
    type: Scalar | None


def read_arguments(entry: Entry, event: Event, context: Context) -> tuple[Condition, ...]:
    """Read the list under ``args``."""
    items = context.list(entry.value, "args", "write [{index: 1, equal: TEXT}]")
    if items is None:
        return ()
    if not items.items:
        context.add("args is an empty list: leave it out", items.span)
    found: tuple[Condition, ...] = ()
    for item in items:
        argument = _argument(item, context)
        if argument is not None:
            found += _conditions(argument, event, context)
    return found


def _conditions(argument: _Argument, event: Event, context: Context) -> tuple[Condition, ...]:
    span, index = argument.operators.span, argument.index
    if event.calls:
        return _of_calls(argument, event, context)
    if event.lift is None:
        field = FIELDS["args"]
    elif index in event.lift.args:
        field = FIELDS[event.lift.args[index]]
    else:
        context.add(_not_compared(event, index), span)
        return ()
    _check_type(field, argument.type, context)
    number = index if event.lift is None and index != ANY else None
    return read_conditions(field, argument.operators, context, index=number)


def _has(number: int) -> str:
    """Say which arguments there are; they count from 0."""
    if number == 0:
        return "it has none"
    return "it has only argument 0" if number == 1 else f"its arguments are 0 to {number - 1}"


def _of_calls(argument: _Argument, event: Event, context: Context) -> tuple[Condition, ...]:
    """Read what is compared as it is passed: the kinds of the argument must agree."""
    span, index = argument.operators.span, argument.index
    short = [call.name for call in event.calls if not 0 <= index < len(call.kinds)]
    if short:
        which = "index any: its arguments are compared one by one"
        if index != ANY:
            which = f"argument {index}: {_has(len(SYSCALLS[short[0]].kinds))}"
        context.add(f"{short[0]} has no {which}", span)
        return ()
    kinds = {call.kinds[index] for call in event.calls}
    if len(kinds) > 1:
        context.add(
            f"argument {index} is not the same in all of these calls: write one rule for each", span
        )
        return ()
    (kind,) = kinds
    if kind is ArgKind.TEXT:
        _check_type(FIELDS["args"], argument.type, context)
        return read_conditions(FIELDS["args"], argument.operators, context, index=index)
    if argument.type is not None and argument.type.text.casefold() not in _PASSED:
        context.add(
            f"argument {index} of {event.calls[0].name} is compared as a number, not as "
            f"{argument.type.text!r}",
            argument.type.span,
        )
    found = numbers_of(argument.operators, index, kind, context)
    return tuple(as_cast(condition, event.calls) for condition in found)


def _check_type(field: FieldSpec, given: Scalar | None, context: Context) -> None:
    known = TYPES.get(field.kind, tuple(_INTEGERS))
    if given is not None and given.text.casefold() not in {t.casefold() for t in known}:
        shown = " or ".join(known[:2])
        context.add(
            (
                f"the argument is compared as {field.name} and must have the type {shown}, not "
                f"{given.text!r}"
            ),
            given.span,
        )


def _not_compared(event: Event, index: int) -> str:
    lift = event.lift
    known = lift.args if lift else {}
    indexes = ", ".join(f"{i} ({name})" for i, name in known.items()) or "none of its arguments"
    advice = f"match the fields of {event.name} {event.operations[0].name} instead"
    if event.name == "exec":
        advice = "for the program's arguments write an exec rule with args"
    which = "any argument" if index == ANY else f"argument {index}"
    return (
        f"{which} of {event.syscall} is not supported by this version, which compares "
        f"{indexes}: {advice}"
    )


def _argument(item: Node, context: Context) -> _Argument | None:
    node = context.map(item, "an item of args")
    if node is None:
        return None
    before = len(context.problems.errors)
    word, operators = read_item(node, context)
    index = _index(node, context)
    if len(context.problems.errors) > before or index is None:
        return None
    if operators is None:
        context.add("an item of args has no operator: give it one", node.span)
        return None
    return _Argument(index, operators, word)


def read_item(
    node: Map, context: Context, also: tuple[str, ...] = ()
) -> tuple[Scalar | None, Entry | None]:
    """
    Bring the item *node* of args to its type and ``{operator: values}``, each None if not given.

    *also* are keys that the caller reads.
    """
    kind = node.get("type")
    operators: dict[str, Entry] = {}
    for part in node:
        if part.key in _LONG_FORM or part.key in also:
            continue
        if part.key == "match":
            kind = _nested(part, operators, context) or kind
        elif part.key in _OWN:
            operators[part.key] = part
        else:
            context.unknown(part, "key of args", (*_LONG_FORM, *also, "match", *_OWN), {})
    _long_form(node, operators, context)
    if kind is not None and not isinstance(kind.value, Scalar):
        context.add(f"type must be a word, not {describe(kind.value)}", kind.value.span)
    word = kind.value if kind and isinstance(kind.value, Scalar) else None
    return word, Entry("args", Map(operators, node.span), node.span) if operators else None


def _index(node: Map, context: Context) -> int | None:
    """Read ``index``; ANY for any, None after an error."""
    given = node.get("index")
    if given is None:
        context.missing(node, "index", "an item of args needs an index: a number, or any")
        return None
    value = given.value.value if isinstance(given.value, Scalar) else None
    if value == "any":
        return ANY
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INDEX:
        return value
    context.add(
        f"index must be a number from 0 to {MAX_INDEX}, or any, not {describe(given.value)}",
        given.value.span,
    )
    return None


def _nested(part: Entry, operators: dict[str, Entry], context: Context) -> Entry | None:
    """Read ``match: {type, literal}`` or ``match: {type, <operator>}``; return the type."""
    node = context.map(part.value, "match of an argument")
    if node is None:
        return None
    for inner in node:
        if inner.key == "literal":
            _put("in" if isinstance(inner.value, List) else "equal", inner, operators, context)
        elif inner.key in _OWN:
            _put(inner.key, inner, operators, context)
        elif inner.key != "type":
            context.unknown(inner, "key of match here", ("type", "literal", *_OWN), {})
    return node.get("type")


def _long_form(node: Map, operators: dict[str, Entry], context: Context) -> None:
    """Read ``operator`` and ``values``."""
    operator, given = node.get("operator"), node.get("values")
    if operator is None and given is None:
        return
    if operator is None or given is None:
        context.add("operator and values go together: give both", node.span)
        return
    word = context.word(operator.value, "operator", ARGUMENT_OPERATORS)
    if word is None:
        return
    listed = given.value if isinstance(given.value, List) else List((given.value,), given.span)
    _put(ARGUMENT_OPERATORS[word], Entry(word, listed, given.span), operators, context)


def _put(operator: str, entry: Entry, operators: dict[str, Entry], context: Context) -> None:
    if operator in operators:
        context.add(f"the argument is compared twice with {operator}", entry.span)
        return
    operators[operator] = Entry(operator, entry.value, entry.span)
