# SPDX-License-Identifier: MIT
"""
The event of a rule: one by meaning (``exec``, ``file``, …), a ``syscall``, lifted if possible, or a point
of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from enforcer.policy.language.syscall_table import SYSCALLS, Syscall
from enforcer.policy.language.unsupported import EVENT_WORDS, OPERATION_WORDS
from enforcer.policy.language.vocabulary import (
    EVENTS,
    LIFTED_SYSCALLS,
    OPERATION_EVENTS,
    EventSpec,
    LiftSpec,
    OpSpec,
)
from enforcer.policy.model.points import Point
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.points import POINT, POINT_KEYS, read_points
from enforcer.policy.readers.syscalls import CALL, read_names
from enforcer.policy.text.nodes import Entry, List, Map, Node, Scalar, describe
from enforcer.policy.text.problems import closest, suggest
from enforcer.span import Span

__all__ = ["EVENT_KEYS", "Event", "read_events"]

EVENT_KEYS = (*EVENTS, "syscall", *POINT_KEYS)
_RULE_WORDS = (*EVENT_KEYS, "name", "match", "action", "message", "mark")


@attrs.frozen
class Event:
    """
    What a rule is about.

    *syscall* is set if the rule names one system call, *lift* if an LSM hook means it; *calls* are
    those that none means. *named* are all system calls of the rule that this stands for. *point* is set for
    an event by mechanism. *strict* is set if it was written here.
    """

    name: str
    operations: tuple[OpSpec, ...]
    span: Span
    strict: bool | None = None
    syscall: str | None = None
    lift: LiftSpec | None = None
    calls: tuple[Syscall, ...] = ()
    point: Point | None = None
    named: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """The operations in words."""
        if self.name == "exec":
            return "exec"
        return f"{self.name} {', '.join(o.name for o in self.operations)}"

    def of_calls(self, names: tuple[str, ...]) -> Event:
        """Return it for *names* only, of calls that are decided where they are entered."""
        single = names[0] if len(names) == 1 else None
        calls = tuple(SYSCALLS[name] for name in names)
        return attrs.evolve(self, calls=calls, syscall=single, named=names)

    def __str__(self) -> str:
        if self.point is not None:
            return str(self.point)
        if self.syscall:
            return f"syscall {self.syscall}"
        if self.calls:
            return f"syscall {', '.join(call.name for call in self.calls)}"
        return self.meaning


def read_events(rule: Map, what: str, context: Context) -> tuple[Event, ...]:
    """
    Read the one event key of *rule*; nothing after an error.

    It is one event, except for lists of system calls: each that is lifted is one of its own.
    """
    keys = [entry for entry in rule if entry.key in EVENT_KEYS]
    if len(keys) == 1:
        return _events(keys[0], context)
    if keys:
        words = " and ".join(entry.key for entry in keys)
        context.add(f"{what} has {words}: write one for each", keys[1].span)
    else:
        is_unknown = any(_may_be_event(entry.key) for entry in rule)
        add = context.problems.add_consequence if is_unknown else context.add
        add(f"{what} has no event: give it one of {', '.join(EVENT_KEYS)}", rule.span)
    return ()


def _may_be_event(key: str) -> bool:
    """Tell whether *key*, which is reported if it is unknown, was meant to be the event."""
    return key in {*EVENT_WORDS, *OPERATION_EVENTS} or closest(key, _RULE_WORDS) in EVENT_KEYS


def _events(entry: Entry, context: Context) -> tuple[Event, ...]:
    if entry.key == "syscall":
        return tuple(_calls(entry, context))
    if entry.key in POINT_KEYS:
        return tuple(
            Event(entry.key, (POINT,), entry.span, point=point)
            for point in read_points(entry, context)
        )
    spec = EVENTS[entry.key]
    read = _exec if entry.key == "exec" else _operations
    event = read(spec, entry, context)
    return (event,) if event is not None else ()


def _exec(event: EventSpec, entry: Entry, context: Context) -> Event | None:
    node = entry.value
    empty = not node.entries if isinstance(node, Map) else False
    if empty or (isinstance(node, Scalar) and node.value in {None, True}):
        return Event(event.name, tuple(event.operations.values()), entry.span)
    context.add("exec must be empty ({}): name the program under match, as path", node.span)
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
            hint = _hint(event, word)
            context.add(f"{describe(item)} is not an operation of {event.name}{hint}", item.span)
    return list(found.values())


def _hint(event: EventSpec, word: str) -> str:
    """Say what to write instead of *word*, which is no operation of *event*."""
    several = [part.strip() for part in word.split(",")]
    if len(several) > 1 and event.operations.keys() >= {*several}:
        return f": write a list, [{', '.join(several)}]"
    if word.startswith("/"):
        return ": write the path under match, and here an operation, or any"
    if other := OPERATION_EVENTS.get(word):
        return f", but of {other}: write {other}: {word}"
    return suggest(word, event.operations) or f" (known: {', '.join(event.operations)})"


def _calls(entry: Entry, context: Context) -> Iterator[Event]:
    names = read_names(entry, context)
    seen: list[LiftSpec] = []
    for name in names:
        lift = LIFTED_SYSCALLS.get(name)
        if lift is None or lift in seen:
            continue
        seen.append(lift)
        known = EVENTS[lift.event].operations
        operations = tuple(known[word] for word in lift.operations.split())
        alike = tuple(other for other in names if LIFTED_SYSCALLS.get(other) == lift)
        yield Event(lift.event, operations, entry.span, syscall=name, lift=lift, named=alike)
    rest = tuple(name for name in names if name not in LIFTED_SYSCALLS)
    if rest:
        yield Event("syscall", (CALL,), entry.span).of_calls(rest)
