# SPDX-License-Identifier: MIT
"""A rule that allows an access, and stands before the one that refuses it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import attrs

from enforcer.policy.language.syscall_table import SYSCALLS, Syscall, call_name
from enforcer.policy.language.vocabulary import (
    EVENTS,
    FIELDS,
    PROCESS_FIELDS,
    Dim,
    ObjectFlag,
    Op,
    OpSpec,
    SubjectFlag,
)
from enforcer.policy.model.policy import (
    Action,
    Address,
    Condition,
    Flag,
    Interval,
    Policy,
    Process,
    Rule,
    Subject,
    Text,
    Verb,
)
from enforcer.policy.readers.point_arguments import at_point
from enforcer.policy.readers.points import POINT
from enforcer.policy.readers.syscalls import CALL, NAMED, named
from enforcer.safe_text import readable
from enforcer.workbench.explain.access import SYSCALL
from enforcer.workbench.explain.atpoints import args_at, compared_at, event_at, returns_at
from enforcer.workbench.explain.change import Change
from enforcer.workbench.explain.judge import Answer, Kind
from enforcer.workbench.explain.logic import Gap
from enforcer.workbench.explain.values import exact, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enforcer.workbench.explain.access import Facts, ProcessFacts

__all__ = ["new_rule"]

_WIDE = frozenset({"any", "modify"})
_OBJECTS = (("path",), ("target",), ("abstract",), ("address", "port"))
"""What names an object; no object has more than one of them."""

_DEEDS = ("capability", "command", "signal", "module")
"""What says more of what is done."""

_OFF_HOST = "offHost"
_OFF_HOST_SAID = "that no mount of the host shows"

_OF_DESCRIPTORS = {Op.FD_READ: Op.READ, Op.FD_WRITE: Op.WRITE}


def new_rule(policy: Policy, answer: Answer, facts: Facts) -> Iterator[Change]:
    """Allow this operation on this object by this executable, before the rule that refuses it."""
    event, word = _operation(answer, facts)
    if word is None or (event == SYSCALL and not _calls(event, facts)):
        return
    conditions = list(_conditions(word, answer, facts))
    flags, what = _unnamed(word, conditions, facts)
    if not flags and _is_off_host(word, facts):
        return  # the language asks for a name alone there, and no name allows it
    calls = _calls(event, facts)
    old = answer.entry.rule
    point = old.point if old is not None else None
    if old is not None and point is not None:
        conditions = [*compared_at(old, facts), at_point(point, answer.entry.span)]
    if word.name == "capability" and not conditions:
        return  # the language asks for its name, which the record does not say
    if calls:
        conditions.append(named(calls, answer.entry.span))
    if Op.EXEC_CREDS in answer.entry.ops:
        flags.append(Flag(FIELDS["fileCapabilities"], wanted=True))
    process, whom = _actor(facts.process)
    rule = Rule(
        name=_name(policy, facts.process.exe),
        event=event,
        operations=(word,),
        action=Action(Verb.ALLOW),
        span=answer.entry.span,
        conditions=tuple(conditions),
        flags=tuple(flags),
        subject=Subject(process=process),
        calls=calls,
        point=point,
    )
    place = policy.rules.index(old) if old is not None else len(policy.rules)
    rules = (*policy.rules[:place], rule, *policy.rules[place:])
    where = f"before rule {old.name}" if old is not None else "after the last rule"
    whom = " and ".join(words for words in (what, whom) if words)
    yield Change(
        answer.entry.span,
        f"add a rule {where}, for {whom}:" if whom else f"add a rule {where}:",
        attrs.evolve(policy, rules=rules),
        tuple(_yaml(rule)),
    )


def _operation(answer: Answer, facts: Facts) -> tuple[str, OpSpec | None]:
    """Choose the word of an allowing rule: the refusing rule's own, unless it means nearly all."""
    rule = answer.entry.rule
    (first, *_) = sorted(answer.entry.ops & facts.ops)
    op = _OF_DESCRIPTORS.get(first, first)
    if answer.entry.kind is Kind.GUARD:
        event = "mount" if op is Op.MOUNT_GUARD else "file"
        return event, EVENTS[event].operations["any"]
    event = answer.entry.event
    if event == SYSCALL:
        return event, CALL
    if rule is not None and rule.point is not None:
        return event, POINT
    if event == "exec":
        return event, EVENTS["exec"].operations["exec"]
    if rule is not None:
        for word in rule.operations:
            if op in word.ops and word.name not in _WIDE:
                return event, word
    fitting = [word for word in EVENTS[event].operations.values() if op in word.ops]
    return event, min(fitting, key=lambda word: len(word.ops), default=None)


def _calls(event: str, facts: Facts) -> tuple[Syscall, ...]:
    """Return the system call that it was, if it was one; nothing if this machine knows no such call."""
    number = facts.operands.get(Dim.CODE)
    if event != SYSCALL or not isinstance(number, int):
        return ()
    call = SYSCALLS.get(call_name(number))
    return (call,) if call is not None else ()


def _is_off_host(word: OpSpec, facts: Facts) -> bool:
    """Tell whether the object of *word* has no name but one that others' mounts give it."""
    has_name = any(FIELDS[name].dim is Dim.PATH for name in word.fields)
    return has_name and Dim.PATH in facts.operands and bool(facts.flags & ObjectFlag.OFFHOST)


def _actor(who: ProcessFacts) -> tuple[Process, str]:
    """Return conditions on who acted, and words for it if it is not the executable."""
    if not isinstance(who.exe, bytes):
        return Process(), "everybody: the record does not say which executable it was"
    if isinstance(who.flags, Gap) or not who.flags & SubjectFlag.OFFHOST:
        return _by("binary", who.exe), ""
    user = _by("uid", who.uid) if isinstance(who.uid, int) else Process()
    return (
        attrs.evolve(user, flags=(Flag(PROCESS_FIELDS[_OFF_HOST], wanted=True),)),
        f"every program of this user {_OFF_HOST_SAID}",
    )


def _by(name: str, value: bytes | int) -> Process:
    field = PROCESS_FIELDS[name]
    return Process((Condition(field, (exact(value, field),)),))


def _unnamed(word: OpSpec, conditions: Sequence[Condition], facts: Facts) -> tuple[list[Flag], str]:
    """Return what is asked of a file in the place of its name, and words for all files that are so."""
    if _OFF_HOST not in word.fields or any(c.field.dim is Dim.PATH for c in conditions):
        return [], ""
    if facts.flags & ObjectFlag.OFFHOST:
        return [Flag(FIELDS[_OFF_HOST], wanted=True)], f"every file {_OFF_HOST_SAID}"
    if facts.flags & ObjectFlag.FILELESS:
        return [Flag(FIELDS["fileless"], wanted=True)], "every file without a name"
    return [], "every file, which the record does not name"


def _same(names: Sequence[str], word: OpSpec, facts: Facts) -> list[Condition]:
    """Return conditions that the fields of *names* are what they were, as far as *word* has them."""
    found = []
    for field in (FIELDS[name] for name in names if name in word.fields):
        operand = facts.operands.get(field.dim) if field.dim is not None else None
        if isinstance(operand, bytes | int) and operand != b"":
            found.append(Condition(field, (exact(operand, field),)))
    return found


def _conditions(word: OpSpec, answer: Answer, facts: Facts) -> Iterator[Condition]:
    objects = (_same(names, word, facts) for names in _OBJECTS)
    if not _is_off_host(word, facts):
        yield from next((found for found in objects if found), ())
    yield from _same(_DEEDS, word, facts)
    rule = answer.entry.rule
    if rule is None or Op.EXEC_ARGV not in answer.entry.ops:
        return
    args = FIELDS["args"]
    for number, arg in enumerate(facts.args[:4]):
        if arg:  # the language has no way to ask for an empty one
            yield Condition(args, (exact(arg, args),), index=number)


def _name(policy: Policy, exe: object) -> str:
    base = readable(exe).rpartition("/")[2] if isinstance(exe, bytes) else "this"
    stem = "allow-" + (re.sub(r"[^A-Za-z0-9_.-]", "-", base)[:40].strip("-_.") or "this")
    taken = {rule.name for rule in policy.rules}
    names = (stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _yaml(rule: Rule) -> Iterator[str]:
    yield f"- name: {rule.name}"
    what = {"exec": "{}", SYSCALL: ", ".join(call.name for call in rule.calls)}
    yield f"  {rule.event}: {what.get(rule.event) or event_at(rule) or rule.operations[0].name}"
    match = [
        f"    {c.field.name}: {_only(c)}"
        for c in rule.conditions
        if c.index is None and c.operand is None and c.field != NAMED
    ]
    args = [
        f"      - {{index: {c.index}, equal: {_quoted(c)}}}"
        for c in rule.conditions
        if c.index is not None
    ]
    args += [f"      - {line}" for line in args_at(rule)]
    match += [f"    returns: {line}" for line in returns_at(rule)]
    match += ["    args:", *args] if args else []
    match += [f"    {flag.field.name}: true" for flag in rule.flags]
    if process := rule.subject.process:
        of = [f"{flag.field.name}: true" for flag in process.flags]
        of += [f"{c.field.name}: {_only(c)}" for c in process.conditions]
        match.append(f"    process: {{{', '.join(of)}}}")
    if match:
        yield "  match:"
        yield from match
    yield "  action: allow"


def _only(condition: Condition) -> str:
    return written(_value_of(condition), condition.field)


def _quoted(condition: Condition) -> str:
    value = _value_of(condition)
    return json.dumps(readable(value)) if isinstance(value, bytes) else str(value)


def _value_of(condition: Condition) -> bytes | int:
    (value,) = condition.values
    match value:
        case Text(_, text):
            return text
        case Interval(low, _) | Address(low, _):
            return low
    raise TypeError(f"{value!r} is not a single value")
