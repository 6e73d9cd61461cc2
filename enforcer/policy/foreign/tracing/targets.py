# SPDX-License-Identifier: MIT
"""
Items of ``kprobes``, ``fentries``, ``tracepoints`` and ``lsmhooks``: which hooks they mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from enforcer.policy.foreign.tracing.filters import Argument, Filter
from enforcer.policy.foreign.tracing.hooks import FUNCTIONS, LSM_HOOKS, Hook, at, entered, lifted
from enforcer.policy.foreign.tracing.lists import Lists, call_names, is_call
from enforcer.policy.foreign.tracing.points import best_point, known_point
from enforcer.policy.language.syscall_table import SYSCALLS, call_name
from enforcer.policy.model.points import Point, PointKind
from enforcer.policy.readers.context import Context
from enforcer.policy.text.nodes import Entry, Map, Node, Scalar, describe, shorten
from enforcer.policy.text.problems import suggest
from enforcer.span import Span

__all__ = ["Target", "Targets", "calls_of", "read_targets", "targets_of_calls"]

_ENTER = "sys_enter_"
_SYSCALL_FIELDS = 5
"""Fields of such a tracepoint in front of the arguments of the call."""
_ID = 4
_EXEC_FILE, _EXEC_BPRM = 4, 2
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,62}")


@attrs.frozen
class Target:
    """
    One function, hook or system call. *names* are what enforcers may be at.

    *point* is the same as a point of the kernel, for what is not compared of its meaning.
    """

    name: str
    hook: Hook
    names: tuple[str, ...] = ()
    point: Point | None = None

    @property
    def suffix(self) -> str:
        """What the names of its rules end in, where there are several."""
        return "." + self.name.removeprefix("security_")

    @property
    def lifted_from(self) -> str:
        """What was named, if it is decided by its meaning or at a hook that it calls; else nothing."""
        point = self.hook.point
        if self.hook.calls or (point is not None and point.name == self.name):
            return ""
        if point is not None and point.kind is not PointKind.LSM:
            return ""
        if self.point is None:
            word = "syscall" if self.name in SYSCALLS else "tracepoint"
        elif self.point.kind is PointKind.LSM and self.point.name == self.name:
            word = "lsm"
        else:
            word = "kprobe"
        return f"{word} {self.name}"


@attrs.frozen
class Targets:
    """
    What an item hooks.

    Attributes:
        calls: system calls, which become targets where it is known what is compared of them.
        is_raw: which system calls are meant is an argument.
        by_position: ``index`` counts the declared arguments.
        shift: what to take from the index of an argument to have that of the call.
    """

    of: tuple[Target, ...] = ()
    calls: tuple[str, ...] = ()
    is_raw: bool = False
    by_position: bool = False
    shift: int = 0


@attrs.frozen
class _SyscallKey:
    """``syscall`` as it was written, if it was."""

    entry: Entry | None
    value: bool | None


def read_targets(key: str, node: Map, lists: Lists, context: Context) -> Targets | None:
    """Read what the item *node* of *key* hooks; None after an error."""
    if key == "tracepoints":
        return _tracepoint(node, context)
    if key == "lsmhooks":
        return _lsm(node, context)
    return _function(node, lists, context)


def targets_of_calls(
    names: Sequence[str], declared: Sequence[Argument], *, compared: bool
) -> list[Target]:
    """
    Return the targets of system calls: those that a hook means, and the entries of the others.

    *compared*: arguments are; else the entries are one target.
    """
    by_descriptor = any(a.index == 0 and a.type in ("fd", "file") for a in declared)
    found: list[Target] = []
    rest: list[str] = []
    for name in names:
        hook = lifted(name, by_descriptor=by_descriptor)
        if hook is not None:
            found.append(Target(name, hook, (name,)))
        elif compared:
            found.append(Target(name, entered(name), (name,)))
        else:
            rest.append(name)
    if rest:
        found.append(Target(rest[0] if len(rest) == 1 else "entries", entered(*rest), tuple(rest)))
    return found


def calls_of(
    filters: Sequence[Filter], lists: Lists, span: Span, context: Context
) -> tuple[list[str], list[Filter]]:
    """Return the system calls that filters on the number of the call mean, and the other filters."""
    rest = [f for f in filters if f.argument.index != _ID]
    mine = [f for f in filters if f.argument.index == _ID]
    if len(mine) != 1:
        context.add(
            "raw_syscalls is not supported by this version without an item of matchArgs that names the "
            "system calls: every call would become slower",
            mine[1].span if mine else span,
        )
        return [], rest
    (filter_,) = mine
    if filter_.operator not in ("InMap", "In", "Equal"):
        context.add(
            f"system calls are named by InMap or Equal, not by {filter_.operator}", filter_.span
        )
        return [], rest
    found: dict[str, None] = {}
    for value in filter_.values:
        text = value.text if isinstance(value, Scalar) else ""
        if text.startswith("list:"):
            listed = lists.get(text[5:])
            if listed is None or not listed.is_syscalls:
                hint = suggest(text[5:], lists)
                context.add(f"there is no list of calls {shorten(text[5:])!r}{hint}", value.span)
            else:
                found |= {name: None for name, _ in listed.names}
        elif text.isdecimal() and call_name(int(text)) in SYSCALLS:
            found[call_name(int(text))] = None
        else:
            context.add(f"{describe(value)} is not a system call of x86-64", value.span)
    return list(found), rest


# ---- Kinds of items ---------------------------------------------------------------------------


def _name(node: Map, key: str, context: Context) -> tuple[str, Entry] | None:
    entry = node.get(key)
    if entry is None:
        context.add(f"a hook needs {key}", node.span)
        return None
    text = context.text(entry.value, key)
    return (text, entry) if text is not None else None


def _function(node: Map, lists: Lists, context: Context) -> Targets | None:
    given = node.get("syscall")
    flag = _SyscallKey(given, context.boolean(given.value, "syscall") if given else None)
    named = _name(node, "call", context)
    if named is None:
        return None
    text, entry = named
    if text.startswith("list:"):
        listed = lists.get(text[5:])
        if listed is None:
            hint = suggest(text[5:], lists)
            context.add(f"there is no list {shorten(text[5:])!r}{hint}", entry.value.span)
            return None
        if listed.is_syscalls:
            _check_flag(flag, context, is_call_=True)
            return Targets(calls=tuple(name for name, _ in listed.names))
        _check_flag(flag, context, is_call_=False)
        targets = [_function_target(name, span, context) for name, span in listed.names]
        return Targets(tuple(target for target in targets if target is not None))
    if is_call(text):
        _check_flag(flag, context, is_call_=True)
        calls = call_names([entry.value], context)
        return Targets(calls=tuple(name for name, _ in calls)) if calls else None
    if flag.value and text not in FUNCTIONS:
        # Said to be a call, so that a misspelt one is found among calls.
        call_names([entry.value], context)
        return None
    _check_flag(flag, context, is_call_=False)
    target = _function_target(text, entry.value.span, context)
    return Targets((target,)) if target else None


def _check_flag(said: _SyscallKey, context: Context, *, is_call_: bool) -> None:
    if said.entry is not None and said.value is not None and said.value is not is_call_:
        what = "a system call" if is_call_ else "a function of the kernel"
        context.add(f"this is {what}: write syscall: {str(is_call_).lower()}", said.entry.span)


def _function_target(text: str, span: Span, context: Context) -> Target | None:
    point = best_point(text, context, at_end=False)
    hook = FUNCTIONS.get(text)
    if hook is not None:
        return Target(text, hook, (text,), point)
    if not _NAME.fullmatch(text):
        context.add(f"{shorten(text)!r} is not a name of a function", span)
        return None
    return Target(text, at(point), (text,), point)


def _lsm(node: Map, context: Context) -> Targets | None:
    named = _name(node, "hook", context)
    if named is None:
        return None
    text, entry = named
    point = Point(PointKind.LSM, text)
    hook = LSM_HOOKS.get(text)
    if hook is None and not known_point(point, context):
        hint = suggest(text, LSM_HOOKS)
        context.add(f"this kernel has no LSM hook {shorten(text)}{hint}", entry.value.span)
        return None
    return Targets((Target(text, hook or at(point), (text,), point),))


def _tracepoint(node: Map, context: Context) -> Targets | None:
    given = node.get("raw")
    is_raw = bool(given and context.boolean(given.value, "raw"))
    subsystem, event = _name(node, "subsystem", context), _name(node, "event", context)
    if subsystem is None or event is None:
        return None
    where, what = subsystem[0], event[0]
    if (where, what) == ("sched", "sched_process_exec"):
        hook = LSM_HOOKS["bprm_check_security"]
        index = _EXEC_BPRM if is_raw else _EXEC_FILE
        target = Target(what, attrs.evolve(hook, args={index: "path"}))
        return Targets((target,), by_position=True)
    if is_raw:
        point = Point(PointKind.RAW, what)
        if not known_point(point, context):
            context.add(f"this kernel has no raw tracepoint {shorten(what)}", event[1].value.span)
            return None
        return Targets((Target(what, at(point), (what,), point),), by_position=True)
    if (where, what) == ("raw_syscalls", "sys_enter"):
        return Targets(is_raw=True, by_position=True)
    if where == "syscalls" and what.startswith(_ENTER):
        value: Node = event[1].value
        call = Scalar("sys_" + what.removeprefix(_ENTER), plain=False, span=value.span)
        calls = call_names([call], context)
        names = tuple(name for name, _ in calls)
        return Targets(calls=names, by_position=True, shift=_SYSCALL_FIELDS) if calls else None
    point = Point(PointKind.TRACEPOINT, f"{where}/{what}")
    if not known_point(point, context):
        context.add(
            f"this kernel has no tracepoint {shorten(where)}/{shorten(what)}", event[1].value.span
        )
        return None
    return Targets((Target(what, at(point), (what,), point),), by_position=True)
