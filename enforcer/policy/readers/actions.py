# SPDX-License-Identifier: MIT
"""Actions: ``action`` of a rule, ``default`` of a policy, and the list ``actions``."""

from __future__ import annotations

import errno
import signal
from collections.abc import Sequence

import attrs

from enforcer.policy.language import templates
from enforcer.policy.language.symbols import ERRNOS, SIGNALS
from enforcer.policy.language.unsupported import EVENT_WORDS
from enforcer.policy.model.policy import Action, Rule, Verb
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.events import EVENT_KEYS, Event
from enforcer.policy.readers.syscalls import read_names
from enforcer.policy.text.nodes import Entry, Map, Node, Scalar, describe, shorten
from enforcer.policy.text.problems import suggest

__all__ = [
    "ACTIONS_KEYS",
    "ListedAction",
    "listed_parts",
    "read_action",
    "read_actions",
    "read_errno",
    "read_message",
]

ACTIONS_KEYS = ("actions", "திராட்சை")
"""Keys of the list of actions; the second is an alias."""

VERBS = {verb.name.lower(): verb for verb in Verb}
_HINTS = {
    "block": "deny",
    "override": "deny",
    "reject": "deny",
    "refuse": "deny",
    "sigkill": "kill",
    "signal": "kill",
    "terminate": "kill",
    "audit": "log",
    "post": "log",
    "notify": "log",
    "permit": "allow",
    "accept": "allow",
}
_OPTIONS = {
    Verb.ALLOW: (),
    Verb.LOG: (),
    Verb.DENY: ("errno",),
    Verb.KILL: ("errno", "signal"),
}


def read_action(node: Node, what: str, context: Context) -> Action | None:
    """Read ``VERB`` or ``{VERB: {errno, signal}}``; None after an error."""
    if not isinstance(node, Map):
        verb = _verb(node, what, context)
        return None if verb is None else Action(verb)
    if len(node.entries) != 1:
        form = "a verb, or a mapping with one verb such as {deny: {errno: EACCES}}"
        context.add(f"{what} must be {form}", node.span)
        return None
    (entry,) = node
    verb = _verb(Scalar(entry.key, plain=True, span=entry.span), what, context)
    return None if verb is None else _with_options(verb, entry, context)


def _verb(node: Node, what: str, context: Context) -> Verb | None:
    word = node.text if isinstance(node, Scalar) else ""
    verb = VERBS.get(word.lower())
    if verb is None:
        known = _HINTS.get(word.lower())
        hint = f"; did you mean {known!r}?" if known else suggest(word, VERBS)
        said = f"{what} must be one of {', '.join(VERBS)}, not {describe(node)}{hint}"
        context.add(said, node.span)
    return verb


def _with_options(verb: Verb, entry: Entry, context: Context) -> Action | None:
    node = entry.value
    if isinstance(node, Scalar) and node.is_null:
        return Action(verb)
    options = context.map(node, f"the value of {entry.key}")
    if options is None:
        return None
    numbers: dict[str, int] = {}
    complete = True
    for option in options:
        number = None
        if not _OPTIONS[verb]:
            context.add(
                f"{verb.name.lower()} has no options: leave {shorten(option.key)} out", option.span
            )
        elif option.key not in _OPTIONS[verb]:
            context.unknown(option, f"option of {verb.name.lower()}", _OPTIONS[verb], {})
        else:
            read = read_errno if option.key == "errno" else _signal
            number = read(option.value, context)
        if number is None:
            complete = False
        else:
            numbers[option.key] = number
    plain = Action(verb)
    if not complete:
        return None
    return attrs.evolve(
        plain,
        errno=numbers.get("errno", plain.errno),
        signal=numbers.get("signal", plain.signal),
    )


def read_errno(node: Node, context: Context, what: str = "errno") -> int | None:
    """Read an error, by name or number; None after an error of the text. *what* it is, for a message."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, str) and value.upper() in ERRNOS:
        return ERRNOS[value.upper()]
    if isinstance(value, int) and not isinstance(value, bool) and value in errno.errorcode:
        return value
    hint = suggest(value, ERRNOS) if isinstance(value, str) else ""
    context.add(
        f"{what} must be the name of an error like EACCES, not {describe(node)}{hint}", node.span
    )
    return None


def _signal(node: Node, context: Context) -> int | None:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, str):
        word = value.upper() if value.upper().startswith("SIG") else f"SIG{value.upper()}"
        if word in SIGNALS:
            return SIGNALS[word]
        if word in signal.Signals.__members__:
            context.add(f"{word} does not end a process: use SIGKILL or SIGTERM", node.span)
            return None
    if isinstance(value, int) and not isinstance(value, bool) and value in SIGNALS.values():
        return value
    hint = suggest(value, SIGNALS) if isinstance(value, str) else ""
    said = f"signal must be a name like SIGKILL that ends a process, not {describe(node)}{hint}"
    context.add(said, node.span)
    return None


def read_message(entry: Entry, context: Context) -> str | None:
    """Read a message template; None after an error."""
    text = context.text(entry.value, "message")
    if text is None:
        return None
    text = text.strip()
    if len(text) > templates.MAX_LENGTH:
        context.add(
            f"the message has {len(text)} characters, the limit is {templates.MAX_LENGTH}",
            entry.value.span,
        )
        return None
    if not text.isprintable():
        context.add("the message must be one line of printable text", entry.value.span)
        return None
    if error := templates.error(text, entry.value.span):
        context.problems.errors.append(error)
        return None
    return text


@attrs.define
class ListedAction:
    """An item of ``actions``: for rules on *event* (and *syscall*) that have no action."""

    event: str
    syscall: str | None
    action: Action | None
    entry: Entry
    used: bool = False

    def is_for(self, rule: Rule) -> bool:
        """Tell whether *rule* is on its event, or on its system call."""
        if self.syscall is None:
            return rule.event == self.event
        return rule.syscall == self.syscall or self.syscall in {call.name for call in rule.calls}


def read_actions(entry: Entry, context: Context) -> list[ListedAction]:
    """Read the list of ``{event, action}``."""
    items = context.list(entry.value, entry.key)
    if items is None:
        return []
    found: list[ListedAction] = []
    for item in items:
        listed = _listed(item, context)
        if listed is None:
            continue
        if any((listed.event, listed.syscall) == (f.event, f.syscall) for f in found):
            context.add(
                f"{listed.syscall or listed.event} has two actions here: leave one out",
                listed.entry.span,
            )
            continue
        found.append(listed)
    return found


def listed_parts(
    rule: Map, events: Sequence[Event], listed: Sequence[ListedAction], context: Context
) -> list[tuple[Event, Action | None]]:
    """
    Return *events*, which are those of *rule*, with the actions listed for them; nothing if there is none.

    System calls with different actions are parted.
    """
    found = [
        {call: _item_for(event, call, listed) for call in event.named or ("",)} for event in events
    ]
    items = [item for of_event in found for item in of_event.values() if item is not None]
    if not items:
        return []
    for item in items:
        item.used = True
    if without := [call for of_event in found for call, item in of_event.items() if item is None]:
        context.missing(
            rule,
            "action",
            "a rule needs an action for each of its system calls, and none is listed for "
            f"{', '.join(without)}: list one, or give the rule an action",
        )
    _check_alike(events, found, context)
    return [
        part
        for event, of_event in zip(events, found, strict=True)
        for part in _parts(event, of_event)
    ]


def _item_for(event: Event, call: str, listed: Sequence[ListedAction]) -> ListedAction | None:
    key = ("syscall", call) if call else (event.name, None)
    return next((item for item in listed if (item.event, item.syscall) == key), None)


def _check_alike(
    events: Sequence[Event], found: Sequence[dict[str, ListedAction | None]], context: Context
) -> None:
    """Refuse different actions for what is one operation, whichever call it is done by."""
    first: dict[str, ListedAction] = {}
    for event, of_event in zip(events, found, strict=True):
        for item in of_event.values() if event.lift is not None else ():
            if item is None or item.action is None:
                continue
            other = first.setdefault(event.meaning, item)
            if other.action != item.action:
                context.add(
                    f"syscall {other.syscall} and {item.syscall} are one operation here, "
                    f"{event.meaning}: list one action for both",
                    item.entry.span,
                )


def _parts(
    event: Event, of_event: dict[str, ListedAction | None]
) -> list[tuple[Event, Action | None]]:
    calls: dict[Action | None, tuple[str, ...]] = {}
    for call, item in of_event.items():
        action = item.action if item is not None else None
        calls[action] = (*calls.get(action, ()), call)
    if event.lift is not None or len(calls) == 1:
        return [(event, next(iter(calls)))]
    return [(event.of_calls(names), action) for action, names in calls.items()]


def _listed(item: Node, context: Context) -> ListedAction | None:
    node = context.map(item, "an item of actions")
    if node is None:
        return None
    for part in node:
        if part.key not in (*EVENT_KEYS, "action"):
            context.unknown(part, "key of actions", (*EVENT_KEYS, "action"), EVENT_WORDS)
    keys = [part for part in node if part.key in EVENT_KEYS]
    if len(keys) != 1:
        context.add(
            (f"an item of actions must have exactly one of {', '.join(EVENT_KEYS)}"), node.span
        )
        return None
    (key,) = keys
    given = node.get("action")
    if given is None:
        context.missing(node, "action", "an item of actions needs an action")
        return None
    action = read_action(given.value, "action", context)
    if key.key == "syscall":
        names = read_names(key, context)
        if len(names) > 1:
            context.add("an item of actions must name one system call", key.span)
        return ListedAction("syscall", names[0], action, key) if len(names) == 1 else None
    whole = isinstance(key.value, Map) and not key.value.entries
    if not whole and not (isinstance(key.value, Scalar) and key.value.value in {None, True}):
        context.add(
            f"{key.key} must be empty here ({{}}): the action is for every {key.key} rule "
            f"without one (found {shorten(describe(key.value))})",
            key.value.span,
        )
    return ListedAction(key.key, None, action, key)
