# SPDX-License-Identifier: MIT
"""
One item of ``rules`` to a Rule of the model.
"""

from __future__ import annotations

import re

import attrs

from enforcer.policy.language.operations import BY_DESCRIPTOR
from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.unsupported import RULE_WORDS
from enforcer.policy.language.vocabulary import (
    EVENTS,
    FIELDS,
    GUARDED,
    OPERATION_EVENTS,
    PROCESS_FIELDS,
)
from enforcer.policy.model.policy import Action, Attempts, Limit, Mark, OnError, Rule, Verb
from enforcer.policy.readers.actions import (
    ListedAction,
    listed_parts,
    read_action,
    read_message,
)
from enforcer.policy.readers.attempts import check_attempts, read_attempts
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.events import EVENT_KEYS, Event, read_events
from enforcer.policy.readers.marks import read_limit, read_mark
from enforcer.policy.readers.match import Match, check_capability, check_match, read_match
from enforcer.policy.text.nodes import Entry, List, Map, Node, Scalar, shorten

__all__ = ["ON_ERROR", "RULE_KEYS", "SEVERITIES", "read_rule"]

RULE_KEYS = (
    "name",
    *EVENT_KEYS,
    "match",
    "action",
    "message",
    "severity",
    "tags",
    "onError",
    "guard",
    "strict",
    "loader",
    "mark",
    "rateLimit",
    "attempts",
)
SEVERITIES = ("low", "medium", "high", "critical")
ON_ERROR = {"deny": OnError.DENY, "allow": OnError.SKIP, "log": OnError.LOG}

IN_DOUBT = "mark"
"""Word of ``onError`` for a rule that only marks: what cannot be read counts as a match."""

MAX_TAGS = 16
_NOT_OF_MARKS = ("message", "severity", "tags", "rateLimit", "guard", "loader", "attempts")
MAX_RULE_NAME = 63
RULE_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,62}")
_UNDER_MATCH = {
    **dict.fromkeys(PROCESS_FIELDS, "is about a process: write it under match, below process"),
    **dict.fromkeys((*FIELDS, *SUBJECT_PARTS), "is a condition: write it under match"),
}
_ELSEWHERE = _UNDER_MATCH | {
    word: f"is an operation of {event}: write {event}: {word}"
    for word, event in OPERATION_EVENTS.items()
    if word not in _UNDER_MATCH
}
_EVERY_OPERATION = tuple(frozenset(EVENTS[name].everything) for name in ("file", "mount"))


def read_rule(
    node: Node, number: int, listed: list[ListedAction], context: Context
) -> tuple[Rule, ...]:
    """
    Read one rule; nothing after an error that leaves nothing to look at.

    It is one, except for lists of system calls and of points, whose parts have its name in common.
    """
    rule = context.map(node, "a rule")
    if rule is None:
        return ()
    for entry in rule:
        if entry.key not in RULE_KEYS:
            context.unknown(entry, "key of a rule", RULE_KEYS, RULE_WORDS, _ELSEWHERE)
    events = read_events(rule, "a rule", context)
    if not events and not context.problems.errors and not context.problems.consequences:
        context.add("the event of the rule names nothing, so the rule would do nothing", rule.span)
    mark = read_mark(rule.entries["mark"], context) if "mark" in rule.entries else None
    limit = read_limit(rule.entries["rateLimit"], context) if "rateLimit" in rule.entries else None
    attempts = (
        read_attempts(rule.entries["attempts"], context) if "attempts" in rule.entries else None
    )
    acted = _actions(rule, events, listed, context)
    only_marks = not acted and mark is not None and rule.get("action") is None
    if only_marks:
        acted = [(event, Action(Verb.ALLOW)) for event in events]
        _check_only_marks(rule, context)
    severity = rule.get("severity")
    level = context.word(severity.value, "severity", SEVERITIES) if severity else None
    name = _name(rule, number, context)
    tags = _tags(rule, context)
    parts: list[Rule] = []
    if not events:
        _check_without_event(rule, context)
    for event, action in acted or [(event, None) for event in events]:
        match_entry = rule.get("match")
        match = read_match(match_entry.value if match_entry else None, event, context)
        check_capability(match, event, context)
        if action is None:
            continue
        _check_deny(match, event, action, context)
        parts.append(
            _rule(
                rule,
                event,
                match,
                action,
                context,
                name=name,
                severity=level,
                tags=tags,
                mark=mark,
                only_marks=only_marks,
                limit=limit,
                attempts=None if only_marks else attempts,
            )
        )
        check_attempts(parts[-1], context)
    return tuple(parts)


def _check_without_event(rule: Map, context: Context) -> None:
    """Record what is wrong with a rule whatever its event was meant to be: one mistake hides no other."""
    if entry := rule.get("match"):
        check_match(entry.value, context)
    for key in ("guard", "strict", "loader"):
        _boolean(rule, key, context)
    if entry := rule.get("onError"):
        context.word(entry.value, "onError", (*ON_ERROR, IN_DOUBT))


def _rule(
    rule: Map,
    event: Event,
    match: Match,
    action: Action,
    context: Context,
    *,
    name: str,
    severity: str | None,
    tags: tuple[str, ...],
    mark: Mark | None,
    only_marks: bool,
    limit: Limit | None,
    attempts: Attempts | None,
) -> Rule:
    return Rule(
        name=name,
        event=event.name,
        operations=event.operations,
        action=action,
        span=rule.span,
        conditions=match.conditions,
        flags=match.flags,
        subject=match.subject,
        on_error=_on_error(rule, action, context, only_marks=only_marks),
        guard=_guard(rule, event, match, action, context),
        strict=_strict(rule, event, context),
        loader=_loader(rule, event, action, context),
        syscall=event.syscall,
        calls=event.calls,
        point=event.point,
        severity=severity or "medium",
        tags=tags,
        mark=mark,
        only_marks=only_marks,
        within=match.within,
        limit=limit,
        attempts=attempts,
    )


def _check_only_marks(rule: Map, context: Context) -> None:
    for key in _NOT_OF_MARKS:
        if entry := rule.get(key):
            context.add(
                (
                    f"{key} is for rules with an action: a rule with only mark decides and "
                    "records nothing"
                ),
                entry.span,
            )


def _actions(
    rule: Map, events: tuple[Event, ...], listed: list[ListedAction], context: Context
) -> list[tuple[Event, Action | None]]:
    """Return *events* with the rule's own action, else those listed for them; nothing if there is none."""
    if given := rule.get("action"):
        own = read_action(given.value, "action", context)
        found = [(event, own) for event in events]
    else:
        found = listed_parts(rule, events, listed, context)
        is_told = found or rule.get("mark") is not None or _is_below_match(rule)
        if events and not is_told:
            context.missing(
                rule, "action", "a rule needs an action (allow, log, deny or kill) or a mark"
            )
    entry = rule.get("message")
    text = read_message(entry, context) if entry else None
    return [(event, action and attrs.evolve(action, message=text)) for event, action in found]


def _is_below_match(rule: Map) -> bool:
    """Tell whether the action stands under ``match``, which is said there."""
    match = rule.get("match")
    return match is not None and isinstance(match.value, Map) and "action" in match.value.entries


def _name(rule: Map, number: int, context: Context) -> str:
    default = f"rule-{number}"
    entry = rule.get("name")
    if entry is None:
        return default
    text = context.text(entry.value, "the name of a rule")
    if text is not None and not re.fullmatch(RULE_NAME, text):
        context.add(
            f"{shorten(text)!r} is not a name for a rule: use up to {MAX_RULE_NAME} letters, digits, '-', '_' "
            "and '.', with letters or digits at the ends",
            entry.value.span,
        )
    return text or default


def _tags(rule: Map, context: Context) -> tuple[str, ...]:
    entry = rule.get("tags")
    if entry is None:
        return ()
    node = entry.value
    items = node.items if isinstance(node, List) else (node,)
    if len(items) > MAX_TAGS:
        context.add(f"{len(items)} tags, the limit is {MAX_TAGS}", node.span)
    found: dict[str, None] = {}
    for item in items:
        text = item.text if isinstance(item, Scalar) and not item.is_null else ""
        if not _TAG.fullmatch(text):
            context.add(
                "a tag must be up to 63 letters, digits and any of . _ : / -, such as T1059.004",
                item.span,
            )
        found[text] = None
    return tuple(found)


def _on_error(rule: Map, action: Action, context: Context, *, only_marks: bool) -> OnError:
    entry = rule.get("onError")
    if only_marks:
        # In doubt it is marked: an operand made unreadable must not keep a deed from being remembered.
        known = (IN_DOUBT, "allow")
        word = (
            context.word(entry.value, "onError of a rule that only marks", known) if entry else None
        )
        return OnError.SKIP if word == "allow" else OnError.LOG
    if entry is not None:
        word = context.word(entry.value, "onError", ON_ERROR)
        return ON_ERROR[word] if word else OnError.SKIP
    # What refuses must not be escaped by making an operand unreadable; the rest must not refuse.
    return OnError.DENY if action.verb >= Verb.DENY else OnError.SKIP


def _boolean(rule: Map, key: str, context: Context) -> tuple[Entry | None, bool | None]:
    entry = rule.get(key)
    return entry, context.boolean(entry.value, key) if entry else None


def _guard(rule: Map, event: Event, match: Match, action: Action, context: Context) -> bool:
    entry, value = _boolean(rule, "guard", context)
    if entry is None or value is None:
        return True
    has_path = any(c.field.name == "path" and not c.negate for c in match.conditions)
    refuses = action.verb >= Verb.DENY and has_path and event.name in GUARDED
    ops = {op for o in event.operations for op in o.ops}
    covers = any(ops >= every for every in _EVERY_OPERATION)
    allows_all = action.verb is Verb.ALLOW and covers and has_path
    if not refuses and not allows_all:
        context.add(
            "guard is for rules on exec, file and network that deny or kill and match a path: leave it out",
            entry.span,
        )
    return value


def _strict(rule: Map, event: Event, context: Context) -> bool:
    entry, value = _boolean(rule, "strict", context)
    if entry is not None and event.strict is not None:
        context.add("strict is given twice: leave one out", entry.span)
    wanted = bool(event.strict or value)
    span = entry.span if entry else event.span
    if wanted and not BY_DESCRIPTOR.keys() & {op for o in event.operations for op in o.ops}:
        context.add(
            "strict is about descriptors that are already open: it is for file rules that read or "
            "write, leave it out here",
            span,
        )
    return wanted


def _loader(rule: Map, event: Event, action: Action, context: Context) -> bool:
    entry, value = _boolean(rule, "loader", context)
    if entry is None or value is None:
        return True
    if event.name != "exec" or action.verb < Verb.DENY:
        context.add("loader is for rules on exec that deny or kill: leave it out", entry.span)
    return value


def _check_deny(match: Match, event: Event, action: Action, context: Context) -> None:
    if event.name != "exec":
        return
    arguments = [c for c in match.conditions if c.field.name == "args"]
    if arguments and arguments[0].span and action.verb is Verb.DENY:
        context.add(
            "args are known only after the old program is gone, too late to deny: use kill, "
            "which ends the process before the new program runs",
            arguments[0].span,
        )
