# SPDX-License-Identifier: MIT
"""The deed of a case and its operands, in the words of policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer import _abi
from enforcer.policy.language.drift import DRIFT
from enforcer.policy.language.operations import OPERATION_TABLE, with_operand
from enforcer.policy.language.vocabulary import FIELDS, Dim, Kind, ObjectFlag, Op
from enforcer.policy.readers import numbers
from enforcer.policy.text.nodes import List, Map, Scalar, describe
from enforcer.policy.text.problems import suggest
from enforcer.workbench.cases.deeds import DEEDS, Operands, accesses
from enforcer.workbench.cases.drift import drift_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from enforcer.libbpf.decision import Access
    from enforcer.policy.readers.context import Context
    from enforcer.policy.text.nodes import Entry, Node

__all__ = ["DEED_KEYS", "OPERANDS", "Shape", "read_deed", "shape_of"]

_MAX_PATH: Final = 4095
_MAX_NAME: Final = _abi.ENF_NAME_MAX
_MAX_FSTYPE: Final = _abi.ENF_FSTYPE_MAX
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_PROTOCOLS: Final = {1: 6, 2: 17}  # of inet sockets: TCP for streams, UDP for datagrams
_FLAGS: Final = {name: f.flag or 0 for name, f in FIELDS.items() if f.kind is Kind.FLAG}
_V4: Final = 0xFFFF << 32
# No address, by what is reached: as enf_to_itself() has it for a socket that is not bound.
_TO_ITSELF: Final = {_V4: _V4 | 0x7F000001, 0: 1}
_SOCKET_NUMBERS: Final = ("family", "type", "protocol")

_MODES: Final = {
    Op.CREATE: 0o644,
    Op.MKDIR: 0o755,
    Op.MKNOD: 0o644,
    Op.LINK: 0o644,
    Op.BIND: 0o755,
}
_TWO_NAMES: Final = frozenset({Op.RENAME, Op.LINK, Op.MOVE_MOUNT})
_ADDRESSED: Final = with_operand("address")
_GOING: Final = frozenset({Op.CONNECT, Op.SEND})
_BY_NAME: Final = with_operand("abstract")
_ENDED: Final = frozenset({Op.UNMOUNT})


@attrs.frozen
class Shape:
    """Which operands a deed may and must have."""

    may: frozenset[str]
    must: frozenset[str]


def shape_of(op: Op) -> Shape:
    """Return which operands *op* may and must have."""
    if op is Op.EXEC:
        flags = {"setuid", "setgid", "fileCapabilities", "script", "fileless", "memfd", "offHost"}
        return Shape(frozenset({"path", "args", "interpreter", DRIFT, *flags}), frozenset({"path"}))
    if op is Op.EXEC_LOADED:
        return Shape(frozenset({"path", "fileless", "memfd", DRIFT}), frozenset({"path"}))
    if op is Op.SOCKET:
        return Shape(frozenset(_SOCKET_NUMBERS), frozenset({"family"}))
    if op in _ADDRESSED:
        named = {"path", "abstract"} if op in _BY_NAME else set()
        return Shape(frozenset({"address", "port", *_SOCKET_NUMBERS, *named}), frozenset())
    row = OPERATION_TABLE[op]
    if row.event not in {"file", "mount"}:
        return Shape(row.operands, row.operands - _FLAGS.keys())
    may, must = {"path", "fileless", "memfd", "offHost", DRIFT, "directory"}, {"path"}
    if op in _TWO_NAMES:
        may |= {"to", "replaces"} - ({"replaces"} if op is not Op.RENAME else set())
        must.add("to")
    if op in {*_MODES, Op.CHMOD}:
        may.add("mode")
    if op is Op.CHMOD:
        must.add("mode")
    if op is Op.SETXATTR:
        may.add("xattr")
        must.add("xattr")
    if (words := _MOUNT_WORDS.get(op)) is not None:
        may = {"path", *words} | (may & {"to"})
        must |= words & {"fsType"} if op is Op.MOUNT else set()
    return Shape(frozenset(may), frozenset(must))


_MOUNT_WORDS: Final[dict[Op, set[str]]] = {
    Op.MOUNT: {"source", "fsType", "mountFlags"},
    Op.BIND_MOUNT: {"source", "mountFlags"},
    Op.REMOUNT: {"fsType", "mountFlags"},
    Op.PROPAGATE: {"mountFlags"},
    Op.MOVE_MOUNT: set(),
    Op.UNMOUNT: {"fsType", "unmountFlags"},
    Op.PIVOT_ROOT: set(),
}


def read_deed(deed: Map, unknown: frozenset[str], context: Context) -> tuple[Access, ...]:
    """
    Read ``do`` and its operands.

    Args:
        deed: the keys of the case that are about the operation.
        unknown: operands that cannot be read, as the case says.
        context: gets what is wrong.
    """
    ops = _ops(deed, context)
    if not ops:
        return ()
    shapes = [shape_of(op) for op in ops]
    may = frozenset().union(*(shape.may for shape in shapes))
    must = frozenset().union(*(shape.must for shape in shapes))
    words = ", ".join(_word(op) for op in ops)
    values: dict[str, Any] = {}
    for entry in deed:
        if entry.key in {"do", "unknown"}:
            continue
        if entry.key not in may:
            context.unknown(entry, f"operand of {words}", ("do", "unknown", *sorted(may)), {})
            continue
        with context.problems.catching():
            values[entry.key] = _READERS[entry.key](entry, context)
    for key in sorted(must - deed.entries.keys() - unknown):
        context.add(f"{words} needs {key!r}", deed.span)
    _check_unknown(deed, unknown, may, words, context)
    given = {key: value for key, value in values.items() if value is not None}
    late = [key for key in ("args", "fileCapabilities") if key in deed.entries.keys() | unknown]
    if given.get("script") and late and "interpreter" not in deed.entries:
        context.add(
            f"a script with {late[0]!r} needs 'interpreter': that is the path by the time {late[0]} are known",
            deed.span,
        )
    network = [op for op in ops if op in {*_ADDRESSED, Op.SOCKET}]
    if network:
        _complete_socket(given, network, deed, unknown, context)
    return accesses(ops, _operands(ops, given, unknown))


def _ops(deed: Map, context: Context) -> tuple[Op, ...]:
    entry = deed.get("do")
    if entry is None:
        context.missing(deed, "do", "a case needs 'do': the operation, such as exec or file.write")
        return ()
    items = entry.value.items if isinstance(entry.value, List) else (entry.value,)
    found = tuple(dict.fromkeys(op for item in items if (op := _op(item, context)) is not None))
    if len({_word(op).partition(".")[0] for op in found}) > 1:
        context.add("operations that are done together must be of one event", entry.span)
        return ()
    return found if len(found) == len(items) else ()


def _op(node: Node, context: Context) -> Op | None:
    word = node.text if isinstance(node, Scalar) else ""
    if word not in DEEDS:
        inner = next((deed for deed in DEEDS if deed.partition(".")[2] == word), None)
        hint = f"; did you mean {inner!r}?" if inner else suggest(word, DEEDS)
        hint = hint or ": write one such as exec, file.read or network.connect"
        context.add(f"{describe(node)} is not an operation{hint}", node.span)
    return DEEDS.get(word)


def _word(op: Op) -> str:
    return next(word for word, other in DEEDS.items() if other is op)


def _check_unknown(
    deed: Map, unknown: frozenset[str], may: Iterable[str], words: str, context: Context
) -> None:
    entry = deed.get("unknown")
    readable = {key for key in may if key in FIELDS and FIELDS[key].dim is not None}
    for word in sorted(unknown - readable):
        if entry is not None:
            known = ", ".join(sorted({*readable, "binary"}))
            context.add(f"{word!r} cannot be unknown in {words}: {known} can", entry.span)


def _complete_socket(
    given: dict[str, Any], ops: list[Op], deed: Map, unknown: frozenset[str], context: Context
) -> None:
    """Fill in what follows from what is said, and refuse what contradicts it."""
    said = deed.entries.keys() | unknown
    ways = [key for key in ("address", "path", "abstract") if key in said]
    if set(ops) & _ADDRESSED and len(ways) != 1:
        context.add("a socket needs one of 'address', 'path' and 'abstract'", deed.span)
        return
    if ways and ways[0] == "address" and "port" not in said:
        context.add("an address needs 'port'", deed.span)
    if ways:
        by_address = _AF_INET6 if given.get("address", 0) >> 32 != 0xFFFF else _AF_INET
        given.setdefault("family", by_address if ways[0] == "address" else _AF_UNIX)
    if set(ops) & _GOING and given.get("address") in _TO_ITSELF:
        given["address"] = _TO_ITSELF[given["address"]]
    given.setdefault("type", 1)
    is_inet = given["family"] in {_AF_INET, _AF_INET6} if "family" in given else False
    given.setdefault("protocol", _PROTOCOLS.get(given["type"], 0) if is_inet else 0)


def _operands(ops: tuple[Op, ...], given: dict[str, Any], unknown: frozenset[str]) -> Operands:
    flags = 0
    found: dict[Dim, bytes | int] = {}
    for key, value in given.items():
        if key in _FLAGS:
            flags |= _FLAGS[key] if value else 0
        elif key in FIELDS and FIELDS[key].dim is not None and key not in {"path", "args"}:
            found[FIELDS[key].dim or Dim.PATH] = value
    for op in ops:
        if op in _MODES:
            found.setdefault(Dim.MODE, _MODES[op])
        if "mountFlags" in _MOUNT_WORDS.get(op, ()) or op in _ENDED:
            found.setdefault(Dim.BITS, 0)
        if "source" in _MOUNT_WORDS.get(op, ()):
            found.setdefault(Dim.NAME, b"none")
    if found.get(Dim.FAMILY) == _AF_UNIX and set(ops) & _ADDRESSED:
        flags |= ObjectFlag.UNIX
    return Operands(
        path=given.get("path"),
        to=given.get("to"),
        replaces=given.get("replaces", False),
        interpreter=given.get("interpreter"),
        args=given.get("args"),
        flags=flags,
        others=found,
        unknown=_dims(unknown),
    )


def _dims(unknown: frozenset[str]) -> frozenset[Dim]:
    found = {dim for word in unknown if word in FIELDS and (dim := FIELDS[word].dim) is not None}
    return frozenset(found)


# ---- Values -----------------------------------------------------------------------------------


def _path(entry: Entry, context: Context) -> bytes | None:
    text = context.text(entry.value, entry.key)
    if text is None:
        return None
    raw = text.encode()
    if not raw.startswith(b"/") or (len(raw) > 1 and raw.endswith(b"/")) or len(raw) > _MAX_PATH:
        context.add(
            (
                f"{entry.key} must be an absolute path as the kernel has it, not "
                f"{describe(entry.value)}"
            ),
            entry.value.span,
        )
        return None
    if any(part in {b"", b".", b".."} for part in raw.split(b"/")[1:]) and raw != b"/":
        context.add(
            f"{entry.key} must be resolved (without //, . and ..), not {describe(entry.value)}",
            entry.value.span,
        )
        return None
    return raw


def _text_of(limit: int) -> Callable[[Entry, Context], bytes | None]:
    def read(entry: Entry, context: Context) -> bytes | None:
        text = context.text(entry.value, entry.key)
        if text is not None and len(text.encode()) > limit:
            context.add(f"{entry.key} has more than {limit} bytes", entry.value.span)
            return None
        return text.encode() if text is not None else None

    return read


def _fs_type(entry: Entry, context: Context) -> bytes | None:
    """Read a type, of which the kernel looks at what stands in front of a dot."""
    text = _text_of(_MAX_FSTYPE)(entry, context)
    return text.partition(b".")[0] if text is not None else None


def _args(entry: Entry, context: Context) -> tuple[bytes, ...] | None:
    items = context.list(entry.value, entry.key)
    if items is None:
        return None
    found: list[bytes] = []
    for item in items:
        if not isinstance(item, Scalar):
            context.add(f"each of args must be text, not {describe(item)}", item.span)
        else:
            found.append(item.text.encode())
    return tuple(found)


def _number(entry: Entry, context: Context) -> int:
    return numbers.one_number(entry.value, FIELDS[entry.key], context.resolver).low


def _address(entry: Entry, _: Context) -> int:
    return numbers.address(entry.value, FIELDS[entry.key]).low


def _bits(entry: Entry, _: Context) -> int:
    items: list[Node] = list(entry.value) if isinstance(entry.value, List) else [entry.value]
    return numbers.bits(FIELDS[entry.key], "any", items).mask if items else 0


def _flag(entry: Entry, context: Context) -> bool | None:
    return context.boolean(entry.value, entry.key)


_BY_KIND: Final[dict[Kind, Callable[[Entry, Context], Any]]] = {
    Kind.PATH: _path,
    Kind.STRING: _text_of(_MAX_NAME),
    Kind.ARGS: _args,
    Kind.ADDRESS: _address,
    **dict.fromkeys((Kind.PORT, Kind.NUMBER, Kind.MODE, Kind.USER, Kind.GROUP), _number),
    **dict.fromkeys((Kind.FLAGS, Kind.CAPABILITY), _bits),
    Kind.FLAG: _flag,
    Kind.DRIFT: drift_kinds,
}
_READERS: Final[dict[str, Callable[[Entry, Context], Any]]] = {
    **{field.name: _BY_KIND[field.kind] for field in FIELDS.values()},
    "fsType": _fs_type,
    "to": _path,
    "interpreter": _path,
    "replaces": _flag,
}

OPERANDS: Final = tuple(_READERS)
"""Every operand that some deed has."""

DEED_KEYS: Final = frozenset({"do", "unknown", *OPERANDS})
"""Keys of a case that are about the deed."""
