# SPDX-License-Identifier: MIT
"""
Arguments under ``match`` of a rule on a point of the kernel: which one, as what, compared how.

One item is ``{index, type, resolve, size, <operator>: values}``, or, for a socket or its address,
``{index, address, port, family, …}``; ``returns`` is the item for the result of a function.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from enforcer import _abi
from enforcer.policy.kernel_types.operand_path import PointError, Way
from enforcer.policy.language.kinds import Dim, FieldSpec, Kind
from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.vocabulary import FIELDS
from enforcer.policy.model.points import RETURNS, Operand, OperandType, Point, PointKind
from enforcer.policy.model.policy import Condition, Interval
from enforcer.policy.readers.arguments import read_item
from enforcer.policy.readers.conditions import read_conditions
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.syscalls import NAMED, PASSED, Number, read_numbers
from enforcer.policy.text.nodes import Entry, Map, Node, Scalar, describe
from enforcer.span import Span

__all__ = [
    "MAX_POINT_INDEX",
    "MEANT",
    "OTHER_TYPES",
    "POINT_TYPES",
    "SOCKET_KEYS",
    "at_point",
    "field_of",
    "read_point_arguments",
    "read_returns",
]

_SIGNED: Final = "Int"
_NUMBERS: Final = {
    **{
        f"{sign}{bits}": (bits, sign == _SIGNED)
        for sign in ("Int", "UInt")
        for bits in (8, 16, 32, 64)
    },
    "Int": (32, True),
    "UInt": (32, False),
    "Long": (64, True),
    "ULong": (64, False),
    "Size": (64, False),
    "Pointer": (64, False),
    "Bool": (8, False),
    "Capability": (32, True),
    "Cred": (32, False),
    "Task": (32, True),
    "UserNamespace": (32, False),
}
OTHER_TYPES: Final = {
    "String": OperandType.TEXT,
    "Bytes": OperandType.BYTES,
    "File": OperandType.FILE,
    "Path": OperandType.PATH,
    "Dentry": OperandType.DENTRY,
    "Binprm": OperandType.BINPRM,
    "Fd": OperandType.FD,
    "Sockaddr": OperandType.SOCKADDR,
    "Sock": OperandType.SOCK,
    "Socket": OperandType.SOCKET,
    "Skb": OperandType.SKB,
    "SkbSource": OperandType.SKB_SOURCE,
}
_CAPABILITIES: Final = {name.lower(): bit for name, bit in CAPABILITIES.items()}
_NAMES: Final = {
    "capability": {
        **_CAPABILITIES,
        **{name.removeprefix("cap_"): bit for name, bit in _CAPABILITIES.items()},
    },
    "bool": {"true": 1, "false": 0},
}
POINT_TYPES: Final = (*_NUMBERS, *OTHER_TYPES)
"""Words for the type of an operand; any case."""

MEANT: Final = {
    "Cred": ("euid", "val"),
    "Task": ("tgid",),
    "UserNamespace": ("ns", "inum"),
}
"""Words for structures that are compared as a number, with the members that this is."""

BYTES: Final = FieldSpec("bytes", Kind.STRING, "Bytes at a point.", Dim.NAME)
SOCKET_KEYS: Final = ("address", "port", "family", "socketType", "protocol")
_ADDRESS_ONLY: Final = ("address", "port", "family")
_KEYS: Final = ("resolve", "size", *SOCKET_KEYS)
_MEMBER: Final = re.compile(r"[A-Za-z_0-9]{1,63}")
_MAX_MEMBERS: Final = 12
MAX_POINT_INDEX: Final = _abi.ENF_POINT_ARGS - 1
_WORDS: Final = {word.casefold(): word for word in POINT_TYPES}


def at_point(point: Point, span: Span) -> Condition:
    """Return the condition that it is *point*."""
    return Condition(NAMED, (Interval(point.number, point.number),), span=span)


def field_of(operand: Operand) -> FieldSpec:
    """Return what an operand that is not a socket is compared as."""
    if operand.type is OperandType.NUMBER:
        return PASSED
    if operand.type is OperandType.TEXT:
        return FIELDS["args"]
    return BYTES if operand.type is OperandType.BYTES else FIELDS["path"]


def read_point_arguments(entry: Entry, point: Point, context: Context) -> tuple[Condition, ...]:
    """Read the list under ``args``."""
    items = context.list(entry.value, "args")
    if items is None:
        return ()
    if not items.items:
        context.add("args is an empty list: leave it out", items.span)
    found: tuple[Condition, ...] = ()
    for item in items:
        found += _item(item, None, point, context)
    return found


def read_returns(entry: Entry, point: Point, context: Context) -> tuple[Condition, ...]:
    """Read ``returns``."""
    if point.kind is not PointKind.KRETPROBE:
        context.add(
            "returns is known at the end of a function: write kprobe: {function: NAME, at: return}",
            entry.span,
        )
        return ()
    return _item(entry.value, RETURNS, point, context)


def _item(node: Node, fixed: int | None, point: Point, context: Context) -> tuple[Condition, ...]:
    given = context.map(node, "an item of args" if fixed is None else "returns")
    if given is None:
        return ()
    before = len(context.problems.errors)
    index = fixed if fixed is not None else _index(given, context)
    members = _members(given.get("resolve"), context)
    word, plain = read_item(given, context, (*_KEYS, "index"))
    size = _size(given.get("size"), context)
    sockets = [part for part in given if part.key in SOCKET_KEYS]
    if index is None or len(context.problems.errors) > before:
        return ()
    wanted = _Wanted(index, members, word, size, given.span)
    operand = _operand(wanted, point, context)
    if operand is None:
        return ()
    if operand.type.is_socket:
        return _of_socket(operand, sockets, plain, given, context)
    if sockets:
        context.add(
            f"{sockets[0].key} needs an argument of type Sockaddr, Sock or Socket",
            sockets[0].span,
        )
        return ()
    if plain is None:
        context.add("an item of args has no operator: give it one", given.span)
        return ()
    names = _NAMES.get(word.text.casefold(), {}) if word is not None else {}
    return _compared(operand, plain, names, context)


def _compared(
    operand: Operand, plain: Entry, names: dict[str, int], context: Context
) -> tuple[Condition, ...]:
    if operand.type is OperandType.NUMBER:
        number = Number(operand.bits, operand.signed, names)
        found = read_numbers(plain, f"{operand}", number, context)
    else:
        found = read_conditions(field_of(operand), plain, context)
    return tuple(attrs.evolve(c, operand=operand) for c in found)


def _of_socket(
    operand: Operand, parts: list[Entry], plain: Entry | None, item: Map, context: Context
) -> tuple[Condition, ...]:
    if plain is not None or not parts:
        known = ", ".join(SOCKET_KEYS)
        context.add(f"a socket is compared with {known}: write {{index, address: …}}", item.span)
        return ()
    found: tuple[Condition, ...] = ()
    for part in parts:
        name = "type" if part.key == "socketType" else part.key
        if operand.type is OperandType.SOCKADDR and name not in _ADDRESS_ONLY:
            context.add(f"an address has no {part.key}: it is of a Sock or a Socket", part.span)
            continue
        if operand.type.is_packet and name == "type":
            context.add("a packet has no socketType: match its protocol", part.span)
            continue
        found += tuple(
            attrs.evolve(c, operand=operand) for c in read_conditions(FIELDS[name], part, context)
        )
    return found


# ---- Which one ------------------------------------------------------------------------------------


def _index(item: Map, context: Context) -> int | str | None:
    entry = item.get("index")
    value = entry.value.value if entry and isinstance(entry.value, Scalar) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_POINT_INDEX:
        return value
    if isinstance(value, str) and _MEMBER.fullmatch(value) and value != "any":
        return value
    what = "nothing" if entry is None else describe(entry.value)
    context.add(
        f"index must be a number from 0 to {MAX_POINT_INDEX}, or the kernel's name of the "
        f"argument or field, not {what}",
        entry.span if entry else item.span,
    )
    return None


def _members(entry: Entry | None, context: Context) -> tuple[str, ...]:
    if entry is None:
        return ()
    text = entry.value.text if isinstance(entry.value, Scalar) else ""
    names = tuple(text.split("."))
    if not all(_MEMBER.fullmatch(name) for name in names) or len(names) > _MAX_MEMBERS:
        context.add(
            f"resolve must be a path of members like f_inode.i_ino, at most {_MAX_MEMBERS}, not "
            f"{describe(entry.value)}",
            entry.span,
        )
    return names


def _size(entry: Entry | None, context: Context) -> int | None:
    if entry is None:
        return None
    value = entry.value.value if isinstance(entry.value, Scalar) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_POINT_INDEX:
        return value
    context.add(
        f"size must be the index of the argument that gives the length, not {value}", entry.span
    )
    return None


@attrs.frozen
class _Wanted:
    """What an item says of its operand."""

    index: int | str
    members: tuple[str, ...]
    word: Scalar | None
    size: int | None
    span: Span


def _operand(wanted: _Wanted, point: Point, context: Context) -> Operand | None:
    """Find what the operand is: by the word that is given, else by what the kernel says."""
    name, index, members, size = None, wanted.index, wanted.members, wanted.size
    if wanted.word is not None:
        name = _WORDS.get(wanted.word.text.casefold())
        if name is None:
            context.word(wanted.word, "the type of an argument", POINT_TYPES)
            return None
    if name in MEANT:
        members = (*members, *MEANT[name])
    try:
        way = context.types.way(point, index, members, whole=name == "Pointer")
    except PointError as error:
        context.add(f"{error}", wanted.span)
        return None
    if name in _NUMBERS:
        bits, signed = _NUMBERS[name]
        return Operand(index, OperandType.NUMBER, members, bits, signed)
    if name is not None:
        kind = OTHER_TYPES[name]
    elif way is None:
        context.add(
            f"the type there of {point} is not known on this machine: give it, one of "
            f"{', '.join(POINT_TYPES)}",
            wanted.span,
        )
        return None
    elif way.type is OperandType.NUMBER:
        return Operand(index, way.type, members, way.width * 8, way.signed)
    else:
        kind = way.type
    if kind is OperandType.BYTES and size is None and not _has_size(way):
        context.add("Bytes need size: the index of the argument that gives the length", wanted.span)
    if kind is not OperandType.BYTES and size is not None:
        context.add("size is for the type Bytes: leave it out", wanted.span)
    return Operand(index, kind, members, size=size if kind is OperandType.BYTES else None)


def _has_size(way: Way | None) -> bool:
    return way is not None and (way.is_inline or way.is_located)
