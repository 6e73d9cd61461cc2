# SPDX-License-Identifier: MIT
"""
The smallest changes of a policy that would allow an access.

Each change is made on the model and judged again. One that does not allow the access is not proposed. No
file is written: the user decides.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import attrs

from enforcer.explain.access import SYSCALL
from enforcer.explain.atpoints import args_at, compared_at, event_at, returns_at
from enforcer.explain.judge import Answer, Judge, Kind
from enforcer.explain.logic import Truth
from enforcer.explain.values import exact, longer, written
from enforcer.policy.language.syscall_table import SYSCALLS, Syscall, call_name
from enforcer.policy.language.vocabulary import (
    BITS,
    EVENTS,
    FIELDS,
    PROCESS_FIELDS,
    Dim,
    ObjectFlag,
    Op,
    OpSpec,
)
from enforcer.policy.language.vocabulary import Kind as FieldKind
from enforcer.policy.model.policy import (
    Action,
    Address,
    Condition,
    Flag,
    Interval,
    OnError,
    Policy,
    Process,
    Rule,
    Subject,
    Text,
    Verb,
)
from enforcer.policy.readers.point_arguments import at_point
from enforcer.policy.readers.points import POINT
from enforcer.policy.readers.syscalls import CALL, NAMED, PASSED, named
from enforcer.safe_text import readable
from enforcer.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enforcer.explain.access import Facts
    from enforcer.explain.conditions import Part

__all__ = ["Change", "changes"]

_WIDE = frozenset({"any", "modify"})
_LISTED = BITS | {FieldKind.UNIT, FieldKind.CGROUP}
_OBJECTS = (("path",), ("target",), ("abstract",), ("address", "port"))
"""What names an object; no object has more than one of them."""

_DEEDS = ("capability", "command", "signal", "module")
"""What says more of what is done."""

_OF_CALLS = (NAMED, PASSED)
_OF_DESCRIPTORS = {Op.FD_READ: Op.READ, Op.FD_WRITE: Op.WRITE}


@attrs.frozen
class Change:
    """
    One change.

    Attributes:
        place: where in the file.
        says: what to do there, in a sentence.
        snippet: lines of YAML to put there, if any.
        policy: what the policy would be.
    """

    place: Span
    says: str
    policy: Policy = attrs.field(repr=False)
    snippet: tuple[str, ...] = ()


def changes(judge: Judge, policy: Policy, answer: Answer, facts: Facts) -> list[Change]:
    """Return the changes that make *policy*, which refuses by *answer*, allow the access."""
    candidates = _candidates(judge, policy, answer, facts)
    return [c for c in candidates if not _refuses(judge, c.policy, answer, facts)]


def _refuses(judge: Judge, policy: Policy, answer: Answer, facts: Facts) -> bool:
    """
    Tell whether *policy* still refuses the access.

    Where the record says too little of whom a rule is about, the one that refused it is known to be
    about whoever that was, and those in front of it are not.
    """
    for after in judge.answers(policy, facts):
        is_same = (after.entry.kind, after.entry.name) == (answer.entry.kind, answer.entry.name)
        if after.matches or (is_same and after.holds is Truth.UNRECORDED):
            return after.verb >= Verb.DENY
    return False


def _candidates(judge: Judge, policy: Policy, answer: Answer, facts: Facts) -> Iterator[Change]:
    """Yield changes, those that are the least to write first."""
    if answer.entry.rule is not None and answer.entry.kind is Kind.RULE:
        yield from _exceptions(policy, answer.entry.rule, facts)
    yield from _extensions(judge, policy, answer, facts)
    yield from _new_rule(policy, answer, facts)
    rule = answer.entry.rule
    if rule is not None and answer.holds is Truth.UNKNOWN:
        changed = _replaced(policy, rule, attrs.evolve(rule, on_error=OnError.SKIP))
        yield Change(
            rule.span,
            f"set onError: allow in rule {rule.name}; it then refuses nothing if an operand "
            "cannot be read",
            changed,
        )
    if rule is not None and answer.entry.kind is Kind.RULE and Op.EXEC_LOADED in facts.ops:
        changed = _replaced(policy, rule, attrs.evolve(rule, loader=False))
        yield Change(
            rule.span,
            f"set loader: false in rule {rule.name}; a loader may then run what the rule refuses",
            changed,
        )
    if rule is not None and answer.entry.kind is Kind.GUARD:
        changed = _replaced(policy, rule, attrs.evolve(rule, guard=False))
        yield Change(
            rule.span,
            f"set guard: false in rule {rule.name}; anybody may then rename what the rule names",
            changed,
        )


# ---- Longer lists ---------------------------------------------------------------------------------


def _exceptions(policy: Policy, rule: Rule, facts: Facts) -> Iterator[Change]:
    """Add what acted, or was acted on, to a list of exceptions that the rule has already."""
    wanted = rule.subject.not_process
    if len(wanted.conditions) == 1 and not wanted.flags:
        (condition,) = wanted.conditions
        exe = facts.process.exe
        is_program = condition.field.dim == Dim.EXE and not condition.negate
        if is_program and isinstance(exe, bytes) and (more := longer(condition, exe)):
            subject = attrs.evolve(
                rule.subject, not_process=attrs.evolve(wanted, conditions=(more,))
            )
            yield Change(
                condition.span or rule.span,
                f"add {written(exe, condition.field)} to notProcess.binary of rule {rule.name}",
                _replaced(policy, rule, attrs.evolve(rule, subject=subject)),
            )
    for condition in rule.conditions:
        operand = _operand(facts, condition)
        if condition.negate and operand is not None and (more := longer(condition, operand)):
            yield Change(
                condition.span or rule.span,
                f"add {written(operand, condition.field)} to the exceptions of "
                f"{condition.field.name} in rule {rule.name}",
                _replaced(policy, rule, _with(rule, condition, more)),
            )


def _extensions(judge: Judge, policy: Policy, answer: Answer, facts: Facts) -> Iterator[Change]:
    """Let an earlier rule that allows, and that fails in one thing only, allow that, too."""
    for earlier in judge.answers(policy, facts):
        rule = earlier.entry.rule
        if earlier.entry == answer.entry:
            return
        if rule is None or earlier.entry.kind is not Kind.RULE or earlier.verb >= Verb.DENY:
            continue
        others = [part for part in earlier.parts if part.holds is not Truth.TRUE]
        if len(others) != 1 or others[0].is_turned:
            continue
        yield from _extension(policy, rule, others[0])


def _extension(policy: Policy, rule: Rule, part: Part) -> Iterator[Change]:
    condition, operand = part.condition, part.found
    if not isinstance(condition, Condition) or condition.negate or part.holds is not Truth.FALSE:
        return
    field = condition.field
    if not isinstance(operand, bytes | int) or field.kind in _LISTED or field in _OF_CALLS:
        return
    condition = condition.as_written
    if (more := longer(condition, operand)) is None:
        return
    if condition in rule.conditions:
        changed = _with(rule, condition, more)
    elif condition in rule.subject.process.conditions:
        conditions = tuple(more if c == condition else c for c in rule.subject.process.conditions)
        process = attrs.evolve(rule.subject.process, conditions=conditions)
        changed = attrs.evolve(rule, subject=attrs.evolve(rule.subject, process=process))
    else:
        return
    yield Change(
        condition.span or rule.span,
        f"add {written(operand, condition.field)} to {part.where} of rule {rule.name}, "
        f"which {_verb(rule)}",
        _replaced(policy, rule, changed),
    )


def _verb(rule: Rule) -> str:
    return "allows" if rule.action.verb is Verb.ALLOW else "logs"


def _operand(facts: Facts, condition: Condition) -> bytes | int | None:
    field = condition.field
    if field.dim == Dim.ARG_ANY or field.kind in _LISTED or field in _OF_CALLS:
        return None
    found = facts.operand(condition)
    return found if isinstance(found, bytes | int) else None


def _with(rule: Rule, condition: Condition, other: Condition) -> Rule:
    conditions = tuple(other if c == condition else c for c in rule.conditions)
    return attrs.evolve(rule, conditions=conditions)


def _replaced(policy: Policy, rule: Rule, other: Rule) -> Policy:
    rules = tuple(other if each is rule else each for each in policy.rules)
    return attrs.evolve(policy, rules=rules)


# ---- A rule in front ------------------------------------------------------------------------------


def _new_rule(policy: Policy, answer: Answer, facts: Facts) -> Iterator[Change]:
    """Allow this operation on this object by this executable, before the rule that refuses it."""
    event, word = _operation(answer, facts)
    if word is None or (event == SYSCALL and not _calls(event, facts)):
        return
    calls = _calls(event, facts)
    old = answer.entry.rule
    point = old.point if old is not None else None
    conditions = list(_conditions(word, answer, facts))
    if old is not None and point is not None:
        conditions = [*compared_at(old, facts), at_point(point, answer.entry.span)]
    if word.name == "capability" and not conditions:
        return  # the language asks for its name, which the record does not say
    if calls:
        conditions.append(named(calls, answer.entry.span))
    flags: tuple[Flag, ...] = ()
    if Op.EXEC_CREDS in answer.entry.ops:
        flags = (Flag(FIELDS["fileCapabilities"], wanted=True),)
    exe = facts.process.exe
    binary = PROCESS_FIELDS["binary"]
    process = Process()
    if isinstance(exe, bytes):
        process = Process((Condition(binary, (exact(exe, binary),)),))
    rule = Rule(
        name=_name(policy, exe),
        event=event,
        operations=(word,),
        action=Action(Verb.ALLOW),
        span=answer.entry.span,
        conditions=tuple(conditions),
        flags=flags,
        subject=Subject(process=process),
        calls=calls,
        point=point,
    )
    place = policy.rules.index(old) if old is not None else len(policy.rules)
    rules = (*policy.rules[:place], rule, *policy.rules[place:])
    where = f"before rule {old.name}" if old is not None else "after the last rule"
    whom = "" if process else ", for everybody: the record does not say which executable it was"
    yield Change(
        answer.entry.span,
        f"add a rule {where}{whom}:",
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
    if any(flag.field.flag == ObjectFlag.FILECAPS for flag in rule.flags):
        match.append("    fileCapabilities: true")
    for condition in rule.subject.process.conditions:
        match.append(f"    process: {{{condition.field.name}: {_only(condition)}}}")
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
