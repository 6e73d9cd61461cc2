# SPDX-License-Identifier: MIT
"""The ``match`` of a rule: conditions on the object and on the subject. All parts must hold."""

from __future__ import annotations

import attrs

from enforcer.policy.language.drift import VOLUMES_KEY
from enforcer.policy.language.sockets import WITH_ADDRESS
from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.unsupported import MATCH_WORDS
from enforcer.policy.language.vocabulary import (
    FIELDS,
    PORT_OF_BIND,
    PROCESS_FIELDS,
    FieldSpec,
    Kind,
    Op,
)
from enforcer.policy.model.policy import Condition, Flag, Interval, Process, Subject, Within
from enforcer.policy.readers.arguments import read_arguments
from enforcer.policy.readers.conditions import read_conditions, read_flag
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.drift import check_volumes, read_drift
from enforcer.policy.readers.events import Event
from enforcer.policy.readers.marks import MAX_ASKED, WITHIN_KEYS, read_within
from enforcer.policy.readers.point_arguments import at_point, read_point_arguments, read_returns
from enforcer.policy.readers.process import read_process
from enforcer.policy.readers.syscalls import named
from enforcer.policy.text.nodes import Entry, Map, Node

__all__ = ["Match", "check_capability", "check_match", "read_match"]

_AT_POINTS = ("args", "returns")
_OF_RULES = dict.fromkeys(
    (
        "action",
        "severity",
        "message",
        "tags",
        "onError",
        "guard",
        "strict",
        "attempts",
        "rateLimit",
    ),
    "is a key of the rule: write it beside match",
)
_KNOWN_LAST = ("args", "fileCapabilities")
_INET = ("address", "port")
_UNIX = ("path", "abstract")
_FAMILY_OF = {"path": {1}, "abstract": {1}, "address": WITH_ADDRESS, "port": WITH_ADDRESS}


@attrs.frozen
class Match:
    """What was read."""

    conditions: tuple[Condition, ...] = ()
    flags: tuple[Flag, ...] = ()
    subject: Subject = attrs.field(factory=Subject)
    within: tuple[Within, ...] = ()


def read_match(node: Node | None, event: Event, context: Context) -> Match:
    """Read the mapping under ``match``; None if there is none."""
    entries = context.map(node, "match") if node is not None else Map({}, event.span)
    if entries is None:
        return Match()
    conditions: tuple[Condition, ...] = ()
    flags: tuple[Flag, ...] = ()
    parts: dict[str, Process] = {}
    asked: tuple[Within, ...] = ()
    for entry in entries:
        if entry.key in SUBJECT_PARTS:
            parts[SUBJECT_PARTS[entry.key].attribute] = read_process(entry, context)
        elif entry.key in WITHIN_KEYS:
            asked += read_within(entry, context)
        elif event.point is not None and entry.key in _AT_POINTS:
            read = read_returns if entry.key == "returns" else read_point_arguments
            conditions += read(entry, event.point, context)
        elif entry.key == "args" and (event.lift is not None or event.calls):
            conditions += read_arguments(entry, event, context)
        elif entry.key == VOLUMES_KEY:
            check_volumes(entries, context)
        elif entry.key in FIELDS:
            field = FIELDS[entry.key]
            if not _is_known_here(field, entry, event, context):
                continue
            if field.kind is Kind.ARGS:
                conditions += read_arguments(entry, event, context)
            elif field.kind is Kind.FLAG:
                flags += read_flag(field, entry, context)
            elif field.kind is Kind.DRIFT:
                conditions += read_drift(field, entry, entries, context)
            else:
                is_bind = field.kind is Kind.PORT and any(
                    Op.BIND in o.ops for o in event.operations
                )
                conditions += read_conditions(PORT_OF_BIND if is_bind else field, entry, context)
        else:
            _unknown(entry, event, context)
    if event.calls:
        conditions += (named(event.calls, event.span),)
    if event.point is not None:
        conditions += (at_point(event.point, event.span),)
    if len(asked) > MAX_ASKED:
        context.add(f"{len(asked)} marks are asked about, the limit is {MAX_ASKED}", entries.span)
    match = Match(conditions, flags, Subject(**parts), asked)
    _check_together(match, event, context)
    return match


def check_match(node: Node, context: Context) -> None:
    """Record what is wrong with the mapping under ``match`` of a rule whose event is not known."""
    known = (*FIELDS, *SUBJECT_PARTS, *WITHIN_KEYS, *_AT_POINTS)
    entries = context.map(node, "match") or Map({}, node.span)
    for entry in entries:
        field = FIELDS.get(entry.key)
        if entry.key in SUBJECT_PARTS:
            read_process(entry, context)
        elif entry.key in WITHIN_KEYS:
            read_within(entry, context)
        elif field is None and entry.key in PROCESS_FIELDS:
            _of_process(entry, context)
        elif entry.key == VOLUMES_KEY:
            check_volumes(entries, context)
        elif field is None and entry.key not in _AT_POINTS:
            context.unknown(entry, "field of a rule", known, MATCH_WORDS, _OF_RULES)
        elif field is not None and field.kind is Kind.FLAG:
            read_flag(field, entry, context)
        elif field is not None and field.kind is Kind.DRIFT:
            read_drift(field, entry, entries, context)
        elif field is not None and field.kind is not Kind.ARGS:  # those mean what the event says
            read_conditions(field, entry, context)


def _is_known_here(field: FieldSpec, entry: Entry, event: Event, context: Context) -> bool:
    without = [o.name for o in event.operations if field.name not in o.fields]
    if not without:
        return True
    what = "exec" if event.name == "exec" else f"{event.name} {' and '.join(without)}"
    message = f"{field.name} does not exist for {what}, so the rule would never match"
    if field.name in PROCESS_FIELDS:
        message += f": put {field.name} under process if it is about the acting process"
    elif len(without) < len(event.operations):
        message += ": write another rule for the other operations"
    context.add(message, entry.span)
    return False


def _unknown(entry: Entry, event: Event, context: Context) -> None:
    if entry.key in PROCESS_FIELDS:
        _of_process(entry, context)
        return
    here = {f for o in event.operations for f in o.fields}
    known = (*(f for f in FIELDS if f in here), *SUBJECT_PARTS, *WITHIN_KEYS)
    if event.point is not None:
        known = (*_AT_POINTS, *SUBJECT_PARTS, *WITHIN_KEYS)
    context.unknown(entry, f"field of {event}", known, MATCH_WORDS, _OF_RULES)


def _of_process(entry: Entry, context: Context) -> None:
    *others, last = (part.name for part in SUBJECT_PARTS.values() if not part.negate)
    where = f"{', '.join(others)} or {last}"
    context.add(f"{entry.key} is about the acting process: put it under {where}", entry.span)


def _check_together(match: Match, event: Event, context: Context) -> None:
    """Refuse conditions of which each is fine but which cannot hold together."""
    given = {c.field.name: c for c in match.conditions}
    facts = {f.field.name: f for f in match.flags}
    _check_families(given, event, context)
    if "args" in given and "fileCapabilities" in facts:
        _clash("args", "fileCapabilities", "they are known at different times", given, context)
    _check_script(given, facts, context)
    memfd, fileless = facts.get("memfd"), facts.get("fileless")
    if memfd and fileless and fileless.span and memfd.wanted and not fileless.wanted:
        message = "a memfd is always fileless, so the rule would never match: leave one out"
        context.add(message, fileless.span)


def _check_script(given: dict[str, Condition], facts: dict[str, Flag], context: Context) -> None:
    """Refuse scripts together with what is known last: the file is their interpreter by then."""
    script = facts.get("script")
    late = next((word for word in _KNOWN_LAST if word in given or word in facts), None)
    if script and script.wanted and script.span and late:
        context.add(
            f"script and {late} cannot hold together: with {late} the rule is asked about the interpreter "
            "of a script; leave script out, and name the interpreter as path",
            script.span,
        )


def check_capability(match: Match, event: Event, context: Context) -> None:
    """Refuse to look at every use of any capability: the kernel side asks only for named ones."""
    if "capability" not in {o.name for o in event.operations}:
        return
    if not any(c.field.name == "capability" and not c.negate for c in match.conditions):
        context.add(
            "process capability needs the capabilities by name, as match: {capability: "
            "SYS_ADMIN}: checking all of them would cost too much",
            event.span,
        )


def _check_families(given: dict[str, Condition], event: Event, context: Context) -> None:
    if event.name != "network":
        return
    for one in _UNIX:
        for other in (*_INET, *_UNIX[_UNIX.index(one) + 1 :]):
            if one in given and other in given:
                _clash(one, other, "no socket address has both", given, context)
    family = given.get("family")
    if family is None or family.negate or not family.span:
        return
    named = [v for v in family.values if isinstance(v, Interval)]
    if len(named) < len(family.values):
        return
    for name, needed in _FAMILY_OF.items():
        if name in given and not any(v.low <= f <= v.high for f in needed for v in named):
            message = f"sockets of this family have no {name}, so the rule would never match"
            context.add(message, family.span)


def _clash(one: str, other: str, why: str, given: dict[str, Condition], context: Context) -> None:
    span = given[other].span if other in given else given[one].span
    if span is not None:
        context.add(f"{one} and {other} cannot hold together: {why}; write two rules", span)
