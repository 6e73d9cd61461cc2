# SPDX-License-Identifier: MIT
"""
The event of a rule: one by meaning (``exec``, ``file``, …), or a ``syscall`` lifted to one of them.
"""

from __future__ import annotations

import attrs

from enforcer.policy.context import Context
from enforcer.policy.model import Span
from enforcer.policy.nodes import Entry, List, Map, Node, Scalar, describe, shorten
from enforcer.policy.problems import suggest
from enforcer.policy.unsupported import EVENT_WORDS, OPERATION_WORDS
from enforcer.policy.vocabulary import (
    EVENTS,
    LIFTED_SYSCALLS,
    EventSpec,
    LiftSpec,
    OpSpec,
)

__all__ = ["EVENT_KEYS", "Event", "read_event", "syscall_name"]

EVENT_KEYS = (*EVENTS, "syscall")


@attrs.frozen
class Event:
    """
    What a rule is about.

    *syscall* and *lift* are set if the rule names a system call; *strict* if it was written here.
    """

    name: str
    operations: tuple[OpSpec, ...]
    span: Span
    strict: bool | None = None
    syscall: str | None = None
    lift: LiftSpec | None = None

    def __str__(self) -> str:
        if self.syscall:
            return f"syscall {self.syscall}"
        if self.name == "exec":
            return "exec"
        return f"{self.name} {', '.join(o.name for o in self.operations)}"


def read_event(rule: Map, what: str, context: Context) -> Event | None:
    """Read the one event key of *rule*; None after an error."""
    keys = [entry for entry in rule if entry.key in EVENT_KEYS]
    if len(keys) == 1:
        return _event(keys[0], context)
    if keys:
        words = " and ".join(entry.key for entry in keys)
        context.add(f"{what} has {words}: write one {what} for each", keys[1].span)
    elif not any(entry.key in EVENT_WORDS for entry in rule):
        context.add(f"{what} has no event: give it one of {', '.join(EVENT_KEYS)}", rule.span)
    return None


def _event(entry: Entry, context: Context) -> Event | None:
    if entry.key == "syscall":
        return _syscall(entry, context)
    event = EVENTS[entry.key]
    if entry.key == "exec":
        return _exec(event, entry, context)
    return _operations(event, entry, context)


def _exec(event: EventSpec, entry: Entry, context: Context) -> Event | None:
    node = entry.value
    empty = not node.entries if isinstance(node, Map) else False
    if empty or (isinstance(node, Scalar) and node.value in {None, True}):
        return Event(event.name, tuple(event.operations.values()), entry.span)
    context.add("exec takes nothing ({}): what is run goes under match, as path", node.span)
    return None


def _operations(event: EventSpec, entry: Entry, context: Context) -> Event | None:
    node, strict = entry.value, None
    if isinstance(node, Map):
        for part in node:
            if part.key == "strict" and event.name == "file":
                strict = context.boolean(part.value, "strict")
            elif part.key != "operations":
                context.unknown(part, f"key of {event.name}", ("operations", "strict"), {})
        given = node.get("operations")
        if given is None:
            context.add(f"{event.name} has no operations: name some, or any", node.span)
            return None
        node = given.value
    found = _operation_list(event, node, context)
    if not found:
        return None
    return Event(event.name, tuple(found), entry.span, strict)


def _operation_list(event: EventSpec, node: Node, context: Context) -> list[OpSpec]:
    items = node.items if isinstance(node, List) else (node,)
    if not items:
        context.add(f"{event.name} has an empty list of operations: name some, or any", node.span)
    found: dict[str, OpSpec] = {}
    for item in items:
        word = item.text if isinstance(item, Scalar) else ""
        if word in found:
            context.add(f"operation {word} is given twice", item.span)
        elif word in event.operations:
            found[word] = event.operations[word]
        elif word in OPERATION_WORDS:
            message = (
                f"operation {word!r} is not supported by this version: {OPERATION_WORDS[word]}"
            )
            context.add(message, item.span)
        else:
            hint = suggest(word, event.operations) or f" (known: {', '.join(event.operations)})"
            context.add(f"{describe(item)} is no operation of {event.name}{hint}", item.span)
    return list(found.values())


def syscall_name(entry: Entry, context: Context) -> str | None:
    """Read ``syscall: NAME`` or ``syscall: {name: NAME}``; None after an error."""
    node = entry.value
    if isinstance(node, Map):
        for part in node:
            if part.key != "name":
                context.unknown(part, "key of syscall", ("name",), {})
        name = node.get("name")
        if name is None:
            context.add("syscall has no name", node.span)
            return None
        node = name.value
    if isinstance(node, List):
        context.add("syscall takes one name: write one rule for each", node.span)
        return None
    return context.text(node, "the name of a system call")


def _syscall(entry: Entry, context: Context) -> Event | None:
    name = syscall_name(entry, context)
    if name is None:
        return None
    lift = LIFTED_SYSCALLS.get(name)
    if lift is None:
        hint = suggest(name, LIFTED_SYSCALLS) or f": supported are {', '.join(LIFTED_SYSCALLS)}"
        context.add(
            f"system call {shorten(name)!r} is not supported by this version, which decides where "
            f"the kernel holds its own copy of the arguments{hint}",
            entry.span,
        )
        return None
    known = EVENTS[lift.event].operations
    operations = tuple(known[word] for word in lift.operations.split())
    return Event(lift.event, operations, entry.span, syscall=name, lift=lift)
