# SPDX-License-Identifier: MIT
"""``lists``, ``enforcers``, and the names of functions in a policy."""

from __future__ import annotations

import re

import attrs

from enforcer.policy.foreign.tracing.filters import items
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import refuse_unknown
from enforcer.policy.text.nodes import Entry, Map, Node, Scalar, describe, shorten
from enforcer.policy.text.problems import suggest
from enforcer.span import Span

__all__ = ["Listed", "Lists", "call_names", "is_call", "read_enforcers", "read_lists"]

_TYPES = ("syscalls", "generated_syscalls", "generated_ftrace")
_NATIVE = re.compile(r"(?:__x64_)?sys_([a-z0-9_]+)")
_OTHER_ENTRY = re.compile(r"(?:__ia32_(?:compat_)?sys_|__x32_compat_sys_|i386/sys_)([a-z0-9_]+)")
_FOREIGN = re.compile(r"__(?:arm64|riscv|s390x?|powerpc)_sys_|arm32/")


@attrs.frozen
class Listed:
    """A list: functions, or names of system calls, with the place of each."""

    is_syscalls: bool
    names: tuple[tuple[str, Span], ...]


Lists = dict[str, Listed]


def is_call(text: str) -> bool:
    """Tell whether *text* is what a system call may be called by."""
    return bool(_NATIVE.fullmatch(text) or _OTHER_ENTRY.fullmatch(text) or _FOREIGN.match(text))


def call_names(nodes: list[Node], context: Context) -> tuple[tuple[str, Span], ...]:
    """
    Return the system calls that *nodes* name, each once.

    They are decided for 64-bit and 32-bit programs alike, so the name of another entry beside that
    of the call says nothing more; alone it would mean less than can be said.
    """
    found: dict[str, Span] = {}
    others: dict[str, Node] = {}
    for node in nodes:
        text = node.text if isinstance(node, Scalar) else ""
        native, other = _NATIVE.fullmatch(text), _OTHER_ENTRY.fullmatch(text)
        name = native[1] if native else other[1] if other else None
        if name is None or name not in SYSCALLS:
            hint = suggest(text, [f"sys_{call}" for call in SYSCALLS])
            if _FOREIGN.match(text):
                hint = ": write sys_NAME, whatever the machine is"
            context.add(f"{describe(node)} is not a system call{hint}", node.span)
        elif native:
            found.setdefault(name, node.span)
        else:
            others.setdefault(name, node)
    for name, node in others.items():
        if name not in found:
            context.add(
                f"{describe(node)} is for 32-bit programs only, which are not distinguished: "
                f"write sys_{name} for all programs",
                node.span,
            )
    return tuple(found.items())


def read_lists(entry: Entry | None, context: Context) -> Lists:
    """Read ``lists``."""
    found: Lists = {}
    for node in items(entry, context) if entry else ():
        refused = {"validated": "Tetragon writes it itself, leave it out"}
        refuse_unknown(
            node, "key of a list", ("name", "type", "values", "pattern"), refused, context
        )
        given = node.get("name")
        name = context.text(given.value, "the name of a list") if given else None
        if given is None:
            context.add("a list needs a name", node.span)
        listed = _list(node, context)
        if name in found and given:
            context.add(f"list {shorten(name)!r} is given twice", given.span)
        elif name is not None and listed is not None:
            found[name] = listed
    return found


def _list(node: Map, context: Context) -> Listed | None:
    kind, values, pattern = node.get("type"), node.get("values"), node.get("pattern")
    word = context.word(kind.value, "type of a list", _TYPES) if kind else ""
    if pattern is not None or word == "generated_ftrace":
        context.add(
            "lists of functions by a pattern are not supported by this version: name the functions",
            (pattern or kind or node).span,
        )
        return None
    listed = context.list(values.value, "values") if values else None
    if listed is None or not listed.items:
        if word is not None and values is None:
            message = "a list needs values: name the system calls"
            if word == "generated_syscalls":
                message = (
                    "lists of all system calls are not supported by this version, since every "
                    "system call would become slower: give it values"
                )
            context.add(message, node.span)
        elif listed is not None:
            context.add("values is an empty list: name system calls", listed.span)
        return None
    if word is None:
        return None
    nodes = list(listed.items)
    if word:
        return Listed(is_syscalls=True, names=call_names(nodes, context))
    names = [(n.text, n.span) for n in nodes if isinstance(n, Scalar) and n.text]
    for item in nodes:
        text = item.text if isinstance(item, Scalar) else ""
        if not text:
            context.add(f"a function must be a text, not {describe(item)}", item.span)
        elif is_call(text):
            context.add(
                f"{shorten(text)} is a system call: give the list type: syscalls", item.span
            )
    return Listed(is_syscalls=False, names=tuple(names))


def read_enforcers(entry: Entry | None, lists: Lists, context: Context) -> frozenset[str] | None:
    """Read ``enforcers``: the calls that selectors may have refused; None if there are none."""
    if entry is None:
        return None
    found: set[str] = set()
    for node in items(entry, context):
        refuse_unknown(node, "key of enforcers", ("calls",), {}, context)
        given = node.get("calls")
        listed = context.list(given.value, "calls") if given else None
        if given is None:
            context.add("an enforcer needs calls", node.span)
        plain: list[Node] = []
        for item in listed or ():
            text = item.text if isinstance(item, Scalar) else ""
            if not text.startswith("list:"):
                plain.append(item)
            elif text[5:] in lists:
                found |= {name for name, _ in lists[text[5:]].names}
            else:
                context.add(
                    f"there is no list {shorten(text[5:])!r}{suggest(text[5:], lists)}", item.span
                )
        functions = [n for n in plain if isinstance(n, Scalar) and n.text.startswith("security_")]
        found |= {node.text for node in functions}
        calls = [node for node in plain if node not in functions]
        found |= {name for name, _ in call_names(calls, context)}
    return frozenset(found)
