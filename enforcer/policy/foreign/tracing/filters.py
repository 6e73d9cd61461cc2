# SPDX-License-Identifier: MIT
"""
The arguments that a hook declares, and one comparison of an argument as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from enforcer.policy.foreign.tracing.keys import ARG_KEYS, ARG_REFUSED
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import refuse_unknown
from enforcer.policy.text.nodes import Entry, List, Map, Node, Scalar, describe
from enforcer.span import Span

__all__ = [
    "TYPES",
    "Argument",
    "Filter",
    "index_of",
    "items",
    "read_arguments",
    "read_filter",
    "values_of",
]

TYPES = (
    *("auto", "int", "sint8", "int8", "uint8", "sint16", "int16", "uint16", "uint32", "sint32"),
    *("int32", "ulong", "uint64", "size_t", "long", "sint64", "int64", "char_buf", "char_iovec"),
    *("skb", "sock", "sockaddr", "socket", "sockaddr_un", "string", "fd", "file", "filename"),
    *("path", "nop", "bpf_attr", "perf_event", "bpf_map", "user_namespace", "capability"),
    *("kiocb", "iov_iter", "cred", "const_buf", "load_info", "module", "syscall64"),
    *("kernel_cap_t", "cap_inheritable", "cap_permitted", "cap_effective", "linux_binprm"),
    *("data_loc", "net_device", "bpf_cmd", "dentry", "bpf_prog"),
)
_BOOLEANS = ("returnCopy", "maxData")
_MAX_INDEX = 15
_MEMBER = re.compile(r"[A-Za-z_0-9]{1,63}")
_WITHOUT_VALUES = ("SPortPriv", "NotSPortPriv", "NotSportPriv", "DPortPriv", "NotDPortPriv")


@attrs.frozen
class Argument:
    """
    An argument that a hook declares: where it stands, and as what it is read.

    *resolve* leads to a member; *size* is the index of the argument that says how long it is.
    """

    index: int
    type: str
    span: Span
    resolve: tuple[str, ...] = ()
    size: int | None = None


@attrs.frozen
class Filter:
    """An item of ``matchArgs`` or ``matchData``; its argument is one of those declared."""

    argument: Argument
    operator: str
    values: tuple[Node, ...]
    span: Span


def items(entry: Entry, context: Context) -> list[Map]:
    """Return the mappings of the list under *entry*; an empty list is the same as none."""
    nodes = context.list(entry.value, entry.key)
    found = [context.map(node, f"an item of {entry.key}") for node in nodes or ()]
    return [node for node in found if node is not None]


def index_of(node: Map, what: str, context: Context) -> int | None:
    """Read ``index``, 0 if it is left out; None after an error."""
    entry = node.get("index")
    if entry is None:
        return 0
    value = entry.value.value if isinstance(entry.value, Scalar) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_INDEX:
        return value
    context.add(
        f"index of {what} must be a number from 0 to {_MAX_INDEX}, not {describe(entry.value)}",
        entry.value.span,
    )
    return None


def read_arguments(entry: Entry | None, context: Context) -> tuple[Argument, ...]:
    """Read ``args``: what of them only says what is shown of it is checked for its form."""
    found: list[Argument] = []
    for node in items(entry, context) if entry else ():
        argument = read_argument(node, context)
        if argument is not None:
            found.append(argument)
    return tuple(found)


def read_argument(node: Map, context: Context, *, also: tuple[str, ...] = ()) -> Argument | None:
    """Read one argument, or ``returnArg``."""
    refuse_unknown(node, "key of an argument", (*ARG_KEYS, *also), ARG_REFUSED, context)
    for key in _BOOLEANS:
        if given := node.get(key):
            context.boolean(given.value, key)
    if label := node.get("label"):
        context.text(label.value, "label")
    size = node.get("sizeArgIndex")
    counted = index_of(Map({"index": size}, node.span), "the size", context) if size else None
    kind = node.get("type")
    word = context.word(kind.value, "type of an argument", TYPES) if kind else "auto"
    index = index_of(node, "an argument", context)
    if index is None or word is None:
        return None
    # sizeArgIndex counts from 1.
    return Argument(
        index, word, node.span, _resolve(node, context), counted - 1 if counted else None
    )


def _resolve(node: Map, context: Context) -> tuple[str, ...]:
    entry = node.get("resolve")
    text = context.text(entry.value, "resolve") if entry else None
    if entry is None or text is None:
        return ()
    names = tuple(text.split("."))
    if not all(_MEMBER.fullmatch(name) for name in names):
        context.add(
            f"resolve must be a path of members like mm.owner.pid, not {describe(entry.value)}",
            entry.span,
        )
    return names


def values_of(node: Map, operator: str, context: Context) -> tuple[Node, ...]:
    """Read ``values``."""
    entry = node.get("values")
    if operator in _WITHOUT_VALUES:
        if entry is not None and not (isinstance(entry.value, List) and not entry.value.items):
            context.add(f"{operator} takes no values", entry.span)
        return ()
    if entry is None:
        context.add(f"{operator} needs values", node.span)
        return ()
    # A single value without a list is what people also write.
    listed = entry.value if isinstance(entry.value, List) else List((entry.value,), entry.span)
    if not listed.items:
        context.add("values is an empty list, which nothing could satisfy", listed.span)
    found: list[Node] = []
    for item in listed:
        if isinstance(item, Scalar) and not item.is_null and item.text:
            found.append(item)
        else:
            context.add(f"a value must be a text or a number, not {describe(item)}", item.span)
    return tuple(found)


def read_filter(
    node: Map,
    declared: Sequence[Argument],
    context: Context,
    *,
    by_position: bool,
    fixed: Argument | None = None,
) -> Filter | None:
    """
    Read an item of ``matchArgs``; None after an error.

    *by_position*: its ``index`` counts the arguments as they are declared, as in tracepoints.
    *fixed*: the one argument that there is, of ``matchReturnArgs``.
    """
    refuse_unknown(node, "key of matchArgs", ("index", "args", "operator", "values"), {}, context)
    entry = node.get("operator")
    if entry is None:
        context.add("an item of matchArgs needs an operator", node.span)
        return None
    operator = entry.value.text if isinstance(entry.value, Scalar) else ""
    argument = fixed or _argument(node, declared, context, by_position=by_position)
    values = values_of(node, operator, context)
    if argument is None or not (values or operator in _WITHOUT_VALUES):
        return None
    return Filter(argument, operator, values, entry.value.span)


def _argument(
    node: Map, declared: Sequence[Argument], context: Context, *, by_position: bool
) -> Argument | None:
    given = node.get("args")
    if given is not None:
        listed = context.list(given.value, "args")
        if listed is None:
            return None
        if len(listed.items) != 1:
            context.add("one argument is compared at a time: give args one position", given.span)
            return None
        place = index_of(
            Map({"index": Entry("args", listed.items[0], given.span)}, given.span), "args", context
        )
        if place is not None and place < len(declared):
            return declared[place]
        if place is not None:
            context.add(f"args has {len(declared)} arguments, counted from 0", given.span)
        return None
    index = index_of(node, "matchArgs", context)
    if index is None:
        return None
    found = [argument for argument in declared if argument.index == index]
    if by_position and index < len(declared):
        if found and found[0] is not declared[index]:
            context.add(
                f"index {index} may be the place of an argument among args or in the tracepoint: write "
                "args: with its place among args",
                node.span,
            )
            return None
        return declared[index]
    if not found:
        context.add(
            f"argument {index} is not declared: add it to args with its index and type", node.span
        )
        return None
    return found[0]
