# SPDX-License-Identifier: MIT
"""
The points of the kernel that a rule names: ``lsm``, ``kprobe``, ``tracepoint``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from enforcer.policy.kernel_types.operand_path import PointError
from enforcer.policy.language.kinds import Op, OpSpec
from enforcer.policy.language.operations import OPERATION_TABLE
from enforcer.policy.model.points import Point, PointKind
from enforcer.policy.readers.context import Context
from enforcer.policy.text.nodes import Entry, List, Map, Node, Scalar, describe

__all__ = ["POINT", "POINT_KEYS", "read_points"]

_ROW: Final = OPERATION_TABLE[Op.POINT]

POINT = OpSpec(_ROW.word, (_ROW.op,), _ROW.operands, _ROW.phrase)
"""The only operation of the events by mechanism."""

POINT_KEYS = _ROW.asked_by
_SYSCALL: Final = re.compile(r"__(?:x64|ia32)_(?:compat_)?sys_(\w+)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,62}")
_BOTH: Final = re.compile(r"([A-Za-z0-9_-]{1,39})[/:]([A-Za-z0-9_]{1,39})")
_AT: Final = {"entry": PointKind.KPROBE, "return": PointKind.KRETPROBE}


def read_points(entry: Entry, context: Context) -> tuple[Point, ...]:
    """
    Read ``lsm: HOOK`` or ``{hook: HOOK}``; ``kprobe: FUNCTION`` or ``{function, at: entry|return}``;
    ``tracepoint: CATEGORY/EVENT``, ``{category, event}`` or ``{event, raw: true}``. Names may be lists: each
    is a point, and so is each event of each category.

    Returns nothing after an error.
    """
    before = len(context.problems.errors)
    found = tuple(dict.fromkeys(_READ[entry.key](entry, context)))
    if len(context.problems.errors) > before:
        return ()
    for point in found:
        try:
            context.types.signature(point)
        except PointError as error:
            context.add(str(error), entry.span)
    return found if len(context.problems.errors) == before else ()


def _lsm(entry: Entry, context: Context) -> list[Point]:
    node = _whole(entry, ("hook",), context)
    names = _names(node, "hook", entry, context)
    return [Point(PointKind.LSM, name.removeprefix("security_")) for name in names]


def _kprobe(entry: Entry, context: Context) -> list[Point]:
    node = _whole(entry, ("function", "at"), context)
    kind = PointKind.KPROBE
    if isinstance(node, Map) and (at := node.get("at")):
        kind = _AT[context.word(at.value, "at", _AT) or "entry"]
    names = _names(node, "function", entry, context)
    for name in names:
        if call := _SYSCALL.fullmatch(name):
            context.add(
                f"{name} is the entry of a system call: write syscall: {call[1]}, which knows its "
                "arguments and its other entries",
                entry.value.span,
            )
    return [Point(kind, name) for name in names]


def _tracepoint(entry: Entry, context: Context) -> list[Point]:
    node = _whole(entry, ("category", "event", "raw"), context)
    if not isinstance(node, Map):
        return list(_whole_names(node, context))
    raw = node.get("raw")
    category, event = node.get("category"), node.get("event")
    if raw is not None and context.boolean(raw.value, "raw"):
        if category is not None:
            context.add("a raw tracepoint has no category: leave it out", category.span)
        return [Point(PointKind.RAW, name) for name in _names(node, "event", entry, context)]
    if category is None or event is None:
        context.add("a tracepoint needs category and event", node.span)
        return []
    categories = _names(node, "category", entry, context)
    events = _names(node, "event", entry, context)
    return [Point(PointKind.TRACEPOINT, f"{c}/{e}") for c in categories for e in events]


def _whole_names(node: Node, context: Context) -> Iterator[Point]:
    """Read names with their categories."""
    for item in _items(node, "tracepoint", context):
        both = _BOTH.fullmatch(item.text) if isinstance(item, Scalar) else None
        if both is None:
            context.add(f"a tracepoint must be CATEGORY/EVENT, not {describe(item)}", item.span)
        else:
            yield Point(PointKind.TRACEPOINT, f"{both[1]}/{both[2]}")


def _whole(entry: Entry, keys: tuple[str, ...], context: Context) -> Node:
    if isinstance(entry.value, Map):
        for part in entry.value:
            if part.key not in keys:
                context.unknown(part, f"key of {entry.key}", keys, {})
    return entry.value


def _names(node: Node, key: str, entry: Entry, context: Context) -> list[str]:
    if isinstance(node, Map):
        given = node.get(key)
        if given is None:
            context.add(f"{entry.key} needs {key}", node.span)
            return []
        node = given.value
    found = []
    for item in _items(node, entry.key, context):
        text = item.text if isinstance(item, Scalar) and not item.is_null else ""
        if _NAME.fullmatch(text):
            found.append(text)
        else:
            context.add(f"{describe(item)} is not a name of the kernel's for a {key}", item.span)
    return found


def _items(node: Node, what: str, context: Context) -> tuple[Node, ...]:
    items = node.items if isinstance(node, List) else (node,)
    if not items:
        context.add(f"{what} has an empty list: name some", node.span)
    return items


_READ: Final[dict[str, Callable[[Entry, Context], list[Point]]]] = {
    "lsm": _lsm,
    "kprobe": _kprobe,
    "tracepoint": _tracepoint,
}
