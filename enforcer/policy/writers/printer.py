# SPDX-License-Identifier: MIT
"""
A Policy of the model as text of the language, in one canonical form: the inverse of :mod:`enforcer.policy.build`.

Reading the text gives the same policy, except for places. Those are printed as comments.
"""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterable, Iterator
from itertools import groupby
from textwrap import indent
from typing import Any

import attrs
import yaml

from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.symbols import TableResolver
from enforcer.policy.language.vocabulary import LIFTED_SYSCALLS, Kind
from enforcer.policy.model.points import RETURNS
from enforcer.policy.model.policy import (
    Action,
    Condition,
    Mode,
    OnError,
    Policy,
    Process,
    Rule,
    Scope,
    Verb,
    Within,
)
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.marks import WITHIN_KEYS, spell_duration
from enforcer.policy.readers.rules import ON_ERROR, read_rule
from enforcer.policy.readers.syscalls import NAMED, PASSED
from enforcer.policy.text.characters import find_unreadable, is_unreadable
from enforcer.policy.text.loader import load
from enforcer.policy.text.nodes import Scalar
from enforcer.policy.writers.conditions import (
    needed_twice,
    spell_argument,
    spell_fields,
    spell_passed,
    spell_process,
)
from enforcer.policy.writers.points import spell_operand, spell_point, spell_returned
from enforcer.policy.writers.unions import united
from enforcer.span import Span

__all__ = ["print_policies", "print_policy"]

_WIDTH = 88
_NO_COMMENT = "?"


def print_policies(policies: Iterable[Policy]) -> str:
    """Return *policies* as the documents of one file."""
    return "---\n".join(print_policy(policy) for policy in policies)


def print_policy(policy: Policy) -> str:
    """
    Return *policy* as one document.

    Raises:
        PolicyError: conditions of a policy that was written for others need one operator twice.
        EnforcerBug: the model says something for which the language has no words.
    """
    metadata = _Block(name=policy.name.removeprefix(f"{policy.namespace}/"))
    if policy.namespace:
        metadata["namespace"] = policy.namespace
    if policy.description:
        metadata["description"] = policy.description
    head = _Block(apiVersion="enforcer/v1", kind="EnforcerPolicy", metadata=metadata)
    text = f"# {_comment(policy.span)}\n{_dump(head)}spec:\n"
    if spec := _spec(policy):
        text += indent(_dump(spec), "  ")
    if policy.rules:
        text += "  rules:\n"
    for _, parts in groupby(policy.rules, key=lambda rule: rule.name):
        for places, written in _rules(tuple(parts)):
            text += f"    # {places}\n" + indent(_dump([written]), "    ")
    return text


def _spec(policy: Policy) -> dict[str, object]:
    """Return what stands under spec beside the rules."""
    spec = _Block()
    if policy.mode is not Mode.ENFORCE:
        spec["mode"] = policy.mode.value
    if policy.message is not None:
        spec["message"] = policy.message
    if not policy.record_allowed:
        spec["recordAllowed"] = False
    if policy.allow_degraded:
        spec["allowDegraded"] = True
    if selector := _selector(policy):
        spec["selector"] = spell_process(selector)
    if policy.defaults:
        spec["default"] = {event: _action(action) for event, action in policy.defaults.items()}
    return spec


def _selector(policy: Policy) -> Process:
    """Return what the author selects: what follows from the namespace is not written again."""
    conditions = policy.selector.conditions
    return attrs.evolve(
        policy.selector, conditions=conditions[1:] if policy.namespace else conditions
    )


def _rules(parts: tuple[Rule, ...]) -> Iterator[tuple[str, _Block]]:
    """
    Yield rules as they are written, with their places.

    A list of system calls has several parts of one name. What no way of writing them together leads
    back to is written as several rules.
    """
    first = parts[0]
    places = ", ".join(_places(first))
    if len(parts) == 1:
        yield places, _rule(first, first.name, _calls(first), _match(first))
        return
    names = [name for part in parts for name in _calls(part)]
    matches = [
        _match(part, all_args=all_args)
        for part in parts
        for all_args in (False, True)
        if not all_args or _has_arguments(part)
    ]
    for match in matches:
        written = _rule(first, first.name, names, match)
        if _reads_as(written, parts):
            yield places, written
            return
    for number, part in enumerate(parts, start=1):
        yield places, _rule(part, f"{first.name}-{number}", _calls(part), _match(part))


def _reads_as(written: _Block, parts: tuple[Rule, ...]) -> bool:
    """Tell whether *written* leads to *parts* again."""
    context = Context(resolver=TableResolver())
    (document,) = load(_dump(written), "")
    found = read_rule(document, 1, [], context)
    nowhere = Span("", 1, 1)
    same = [attrs.evolve(rule, span=nowhere) for rule in found] == [
        attrs.evolve(rule, span=nowhere) for rule in parts
    ]
    return same and not context.problems.errors


def _calls(rule: Rule) -> list[str]:
    """Return the system calls that *rule* names."""
    if rule.calls:
        return [call.name for call in rule.calls]
    return [rule.syscall] if rule.syscall is not None else []


def _rule(rule: Rule, name: str, calls: list[str], match: dict[str, object]) -> _Block:
    written = _Block(name=name)
    if rule.point is not None:
        key, named = spell_point(rule.point)
        written[key] = named
    elif calls:
        written["syscall"] = calls[0] if len(calls) == 1 else calls
    elif rule.event == "exec":
        written["exec"] = {}
    else:
        words = [operation.name for operation in rule.operations]
        written[rule.event] = words[0] if len(words) == 1 else words
    if match:
        written["match"] = match
    if not rule.only_marks:
        written["action"] = _action(rule.action)
    if rule.mark is not None:
        mark = rule.mark
        whole = {"name": mark.name, "of": mark.scope.value}
        written["mark"] = mark.name if mark.scope is Scope.PROCESS else whole
    if rule.action.message is not None:
        written["message"] = rule.action.message
    if rule.severity != "medium":
        written["severity"] = rule.severity
    if rule.tags:
        written["tags"] = list(rule.tags)
    if rule.limit is not None:
        limit = {"records": rule.limit.records, "per": spell_duration(rule.limit.per_ns)}
        written["rateLimit"] = limit | ({"by": "process"} if rule.limit.by_process else {})
    if rule.attempts is not None:
        names = [errno.errorcode[number] for number in rule.attempts.errors]
        written["attempts"] = names or True
    if rule.only_marks:
        if rule.on_error is OnError.SKIP:
            written["onError"] = "allow"
    elif rule.on_error is not (OnError.DENY if rule.action.verb >= Verb.DENY else OnError.SKIP):
        words_of = {on_error: word for word, on_error in ON_ERROR.items()}
        written["onError"] = words_of[rule.on_error]
    if not rule.guard:
        written["guard"] = False
    if rule.strict:
        written["strict"] = True
    if not rule.loader:
        written["loader"] = False
    return written


def _match(rule: Rule, *, all_args: bool = False) -> dict[str, object]:
    """Return what stands under match; *all_args*: as arguments of the call, not as fields."""
    fields: list[Condition] = []
    arguments: list[dict[str, object]] = []
    for condition in rule.conditions:
        if condition.operand is not None:
            if condition.operand.index != RETURNS:
                arguments.append(spell_operand(condition, condition.operand))
        elif condition.field is PASSED and condition.index is not None:
            kind = rule.calls[0].kinds[condition.index]
            arguments.append(spell_passed(condition, kind))
        elif condition.field.kind is Kind.ARGS:
            arguments.append(spell_argument(condition, condition.index))
        elif condition.field is not NAMED:
            fields.append(condition)
    match, rest = spell_fields(() if all_args else fields, rule.flags)
    if any(_index(rule, condition) is None for condition in rest):
        match, rest = spell_fields(united(fields), rule.flags)
    for condition in fields if all_args else rest:
        index = _index(rule, condition)
        if index is None:
            raise needed_twice(condition)
        arguments.append(spell_argument(condition, index))
    if arguments:
        match["args"] = arguments
    if returned := spell_returned(rule):
        match["returns"] = returned
    for word, part in SUBJECT_PARTS.items():
        if process := getattr(rule.subject, part.attribute):
            match[word] = spell_process(process)
    for word, negate in WITHIN_KEYS.items():
        if asked := [_asked(each) for each in rule.within if each.negate is negate]:
            match[word] = asked[0] if len(asked) == 1 else asked
    return match


def _asked(asked: Within) -> dict[str, str]:
    mark = asked.mark if asked.policy is None else f"{asked.policy}/{asked.mark}"
    return {"mark": mark, "last": spell_duration(asked.last_ns)}


def _index(rule: Rule, condition: Condition) -> int | None:
    """Return the argument of the lifted system call that is compared as the field; None: there is none."""
    lift = LIFTED_SYSCALLS.get(rule.syscall or "")
    for index, field in lift.args.items() if lift else ():
        if field == condition.field.name:
            return index
    return None


def _has_arguments(rule: Rule) -> bool:
    """Tell whether every condition of *rule* on its object can be written as one on an argument."""
    of_calls = (NAMED, PASSED)
    return all(
        _index(rule, condition) is not None
        for condition in rule.conditions
        if condition.field not in of_calls and condition.field.kind is not Kind.ARGS
    )


def _action(action: Action) -> str | dict[str, object]:
    plain = Action(action.verb)
    options: dict[str, str] = {}
    if action.errno != plain.errno:
        options["errno"] = errno.errorcode[action.errno]
    if action.signal != plain.signal:
        options["signal"] = signal.Signals(action.signal).name
    word = action.verb.name.lower()
    return {word: options} if options else word


# ---- Text -------------------------------------------------------------------------------------


def _places(rule: Rule) -> Iterator[str]:
    """Yield where the rule stands, and where its parts do as far as they have lines of their own."""
    yield _comment(rule.span)
    for condition in rule.conditions:
        yield from _place(condition.field.name, condition.span, rule.span)
    for word, part in SUBJECT_PARTS.items():
        conditions = getattr(rule.subject, part.attribute).conditions
        for condition in conditions[:1]:
            yield from _place(word, condition.span, rule.span)


def _place(word: str, span: Span | None, whole: Span) -> Iterator[str]:
    if span is not None and span.line != whole.line:
        yield f"{word} {span.line}:{span.column}"


def _comment(span: Span) -> str:
    """Return a place on one line, whatever the name of the file is."""
    shown = (c if c.isprintable() and find_unreadable(c) < 0 else _NO_COMMENT for c in str(span))
    return "".join(shown)


class _Block(dict[str, object]):
    """A mapping with a line for each key."""


class _Dumper(yaml.SafeDumper):
    """Writes text so that :mod:`enforcer.policy.text.loader` reads it as text."""

    def ignore_aliases(self, data: object) -> bool:
        """Write everything out: aliases are not supported."""
        del data
        return True


def _block(dumper: yaml.SafeDumper, value: _Block) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Without quotes, the loader takes what only looks like a space at the end for a mistake.
    is_text = Scalar(text, plain=True, span=Span("", 1, 1)).value == text
    style = None if is_text and not text[-1:].isspace() else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Block, _block)


def _dump(value: Any) -> str:
    # Where a character may not be seen as itself, all beyond ASCII are escaped: also in what looks like a comment.
    is_readable = not any(is_unreadable(c) for text in _texts(value) for c in set(text))
    return yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=is_readable,
        default_flow_style=None,
        width=_WIDTH,
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
